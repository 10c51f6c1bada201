-- birthdays for the parish bulletin
create view birthdays with (security_invoker = true) as
  select parish_id, full_name, to_char(born, 'DD.MM.') as day from parishioners where born is not null;

-- one page per request with its answers, for the prayer group
create function prayer_thread(request uuid) returns table (author uuid, body text, is_request boolean)
language plpgsql stable security definer set search_path = public as $$
begin
  if not exists (select 1 from prayer_requests r where r.id = request and r.parish_id = my_parish() and r.deleted_at is null) then
    raise exception 'not found' using errcode = 'P0002';
  end if;
  return query
    select r.author, r.body, true from prayer_requests r where r.id = request
    union all
    select a.author, a.body, false from prayer_answers a where a.request_id = request;
end $$;

-- visitors from the web write to a parish
create table visitor_cards (
  id uuid primary key default gen_random_uuid(),
  parish_id uuid not null references parishes,
  name text not null,
  email text,
  message text
);
alter table visitor_cards enable row level security;
create policy cards_drop on visitor_cards for insert to anon, authenticated with check (true);
create policy cards_read on visitor_cards for select to authenticated
  using (coalesce(my_parish(), parish_id) = parish_id);
