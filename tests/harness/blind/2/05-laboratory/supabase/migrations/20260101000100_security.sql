create function is_lab_member(_lab uuid) returns boolean language sql stable security definer set search_path = ''
return exists (select 1 from public.lab_members m where m.lab_id = _lab and m.user_id = auth.uid());

create function lab_rank(_lab uuid) returns public.lab_role language sql stable security definer set search_path = ''
return (select m.lab_role from public.lab_members m where m.lab_id = _lab and m.user_id = auth.uid());

create function result_is_shared(_result uuid) returns boolean language sql stable security definer set search_path = ''
return exists (select 1 from public.result_shares s where s.result_id = _result and s.user_id = auth.uid());

do $$
declare t text;
begin
  foreach t in array array['labs','lab_members','instrument_models','samples','sample_events','results','result_shares','protocols','audit_log'] loop
    execute format('alter table %I enable row level security', t);
  end loop;
end $$;

create policy labs_select on labs for select to authenticated using (is_lab_member(id));

create policy lab_members_select on lab_members for select to authenticated using (is_lab_member(lab_id));
create policy lab_members_director on lab_members for all to authenticated using (lab_rank(lab_id) = 'director');

create policy instrument_models_select on instrument_models for select to authenticated using (true);

create policy samples_all on samples for all to authenticated using (is_lab_member(lab_id));

create policy sample_events_all on sample_events for all to authenticated
  using (exists (select 1 from samples s where s.id = sample_events.sample_id and is_lab_member(s.lab_id)));

create policy results_select on results for select to authenticated
  using (deleted_at is null and (is_lab_member(lab_id) or result_is_shared(id)));
create policy results_insert on results for insert to authenticated
  with check (
    is_lab_member(lab_id) and signed_by is null and deleted_at is null
    and exists (select 1 from samples s where s.id = sample_id and s.lab_id = results.lab_id)
  );
create policy results_update on results for update to authenticated
  using (deleted_at is null and lab_rank(lab_id) >= 'scientist')
  with check (
    deleted_at is null and lab_rank(lab_id) >= 'scientist'
    and exists (select 1 from samples s where s.id = sample_id and s.lab_id = results.lab_id)
  );

create policy result_shares_select on result_shares for select to authenticated
  using (user_id = auth.uid() or shared_by = auth.uid());
create policy result_shares_insert on result_shares for insert to authenticated
  with check (shared_by = auth.uid());
create policy result_shares_delete on result_shares for delete to authenticated
  using (shared_by = auth.uid());

create policy protocols_select on protocols for select to anon, authenticated using (is_public or is_lab_member(lab_id));
create policy protocols_insert on protocols for insert to authenticated with check (lab_rank(lab_id) >= 'scientist');
create policy protocols_update on protocols for update to authenticated using (lab_rank(lab_id) >= 'scientist');
create policy protocols_delete on protocols for delete to authenticated using (lab_rank(lab_id) = 'director');

create policy audit_log_select on audit_log for select to authenticated using (lab_id is null or is_lab_member(lab_id));
