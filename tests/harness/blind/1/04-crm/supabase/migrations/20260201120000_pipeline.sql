-- profiles are made on sign-up
create or replace function public.on_user_created() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  insert into public.profiles (user_id, org_id, full_name)
  select new.id, o.id, new.raw_user_meta_data ->> 'full_name'
  from (select nullif(new.raw_app_meta_data ->> 'org_id', '') as org) as claimed
  left join public.orgs as o on o.id::text = claimed.org;
  return new;
end
$$;

create trigger on_user_created after insert on auth.users
  for each row execute function public.on_user_created();

-- refreshed by pg_cron every night
create materialized view public.org_pipeline as
  select d.org_id, o.name as org_name, d.stage, count(*) as deals, sum(d.amount) as amount
  from public.deals d
  join public.orgs o on o.id = d.org_id
  group by d.org_id, o.name, d.stage;
create unique index on public.org_pipeline (org_id, stage);

create view public.deal_board with (security_invoker = on) as
  select d.id, d.title, d.stage, d.amount, c.full_name as contact
  from public.deals d
  left join public.contacts c on c.id = d.contact_id;

-- two contacts that are the same person
create or replace function public.merge_contacts(p_keep uuid, p_duplicate uuid) returns void
language plpgsql security definer set search_path = ''
as $$
declare
  v_org uuid;
  v_dup public.contacts;
begin
  select org_id into v_org from public.contacts where id = p_keep;
  if v_org is null or v_org is distinct from public.current_org() then
    raise exception 'contact not found' using errcode = 'P0002';
  end if;

  select * into v_dup from public.contacts where id = p_duplicate;
  if not found then
    raise exception 'duplicate not found' using errcode = 'P0002';
  end if;

  update public.contacts
  set email = coalesce(email, v_dup.email), phone = coalesce(phone, v_dup.phone)
  where id = p_keep;
  update public.deals set contact_id = p_keep where contact_id = p_duplicate and org_id = v_org;
  delete from public.contacts where id = p_duplicate;
end
$$;

-- what is shown in the header of the app
create or replace function public.org_stats() returns table (contacts bigint, open_deals bigint, won numeric)
language sql stable security definer set search_path = ''
as $$
  select
    (select count(*) from public.contacts c where c.org_id = public.current_org()),
    (select count(*) from public.deals d where d.org_id = public.current_org() and d.stage in ('lead', 'offer')),
    (select coalesce(sum(d.amount), 0) from public.deals d where d.org_id = public.current_org() and d.stage = 'won')
$$;
