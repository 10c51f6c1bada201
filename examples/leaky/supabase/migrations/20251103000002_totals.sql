-- The third hole: it has its owner's rights, and does not ask who calls it.
create function public.total_of(organization uuid) returns numeric
language sql stable security definer
set search_path = ''
as $$
    select sum(i.amount) from public.invoices as i where i.org_id = organization;
$$;

revoke execute on function public.total_of (uuid) from public, anon;
