create schema lex;
grant usage on schema lex to anon, authenticated, service_role;

create function lex.firms() returns uuid[] language sql stable security definer set search_path = '' as
$$ select coalesce(array_agg(firm_id), '{}') from public.firm_user where user_id = auth.uid() $$;

create function lex.partner_of() returns uuid[] language sql stable security definer set search_path = '' as
$$ select coalesce(array_agg(firm_id), '{}') from public.firm_user where user_id = auth.uid() and role_code = 'partner' $$;

create function lex.not_walled(p_matter uuid) returns boolean language sql stable security definer set search_path = '' as
$$ select not exists (select from public.matter_wall where matter_id = p_matter and user_id = auth.uid()) $$;

alter table public.firm enable row level security;
alter table public.firm_role enable row level security;
alter table public.firm_user enable row level security;
alter table public.court enable row level security;
alter table public.client enable row level security;
alter table public.matter enable row level security;
alter table public.matter_wall enable row level security;
alter table public.document enable row level security;
alter table public.document_version enable row level security;
alter table public.time_entry enable row level security;
alter table public.invoice enable row level security;
alter table public.portal_link enable row level security;

create policy r on public.firm_role for select to authenticated using (true);
create policy r on public.court for select to anon, authenticated using (true);

create policy r on public.firm for select to authenticated using (firm_id = any (lex.firms()));
create policy r on public.firm_user for select to authenticated using (firm_id = any (lex.firms()));
create policy w on public.firm_user for all to authenticated using (firm_id = any (lex.partner_of()));

create policy w on public.client for all to authenticated using (true) with check (true);
create policy own_firm on public.client as restrictive for all to authenticated
  using (firm_id = any (lex.firms())) with check (firm_id = any (lex.firms()));

create policy w on public.matter for all to authenticated
  using (firm_id = any (lex.firms()) and lex.not_walled(matter_id));

create policy w on public.matter_wall for all to authenticated using (firm_id = any (lex.partner_of()));

create policy r on public.document for select to authenticated
  using (firm_id = any (lex.firms()) and lex.not_walled(matter_id));
create policy d on public.document for delete to authenticated
  using (firm_id = any (lex.partner_of()) and lex.not_walled(matter_id));

-- a version is read by those whom no wall keeps out
create policy r on public.document_version for select to authenticated
  using (lex.not_walled(matter_id));

create policy own on public.time_entry for all to authenticated
  using (user_id = auth.uid() and firm_id = any (lex.firms()));
create policy partners on public.time_entry for all to authenticated
  using (firm_id = any (lex.partner_of()));

create policy w on public.invoice for all to authenticated using (firm_id = any (lex.partner_of()));

create policy w on public.portal_link for all to authenticated using (firm_id = any (lex.partner_of()));
