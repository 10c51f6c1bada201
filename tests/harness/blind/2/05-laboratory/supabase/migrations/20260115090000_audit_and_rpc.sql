create function write_audit() returns trigger language plpgsql security definer set search_path = '' as $$
declare
  r jsonb := case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
begin
  insert into public.audit_log(lab_id, table_name, op, row_data)
  values ((r ->> 'lab_id')::uuid, tg_table_name, tg_op, r);
  return null;
end $$;

create trigger audit_samples after insert or update or delete on samples for each row execute function write_audit();
create trigger audit_sample_events after insert or update or delete on sample_events for each row execute function write_audit();
create trigger audit_protocols after insert or update or delete on protocols for each row execute function write_audit();

-- chart on the sample page
create function sample_results(_sample uuid) returns table (result_id uuid, analyte text, value numeric, signed boolean)
language plpgsql stable security definer set search_path = '' as $$
begin
  if not exists (select 1 from public.samples s where s.id = _sample and public.is_lab_member(s.lab_id)) then
    raise exception 'no such sample' using errcode = 'PT404';
  end if;
  return query
    select r.id, r.analyte, r.value, r.signed_by is not null
    from public.results r where r.sample_id = _sample order by r.analyte;
end $$;

create function sign_result(_result uuid) returns void language plpgsql security definer set search_path = '' as $$
declare _lab uuid;
begin
  select lab_id into _lab from public.results where id = _result and deleted_at is null;
  if _lab is null or not public.is_lab_member(_lab) then
    raise exception 'no such result' using errcode = 'PT404';
  end if;
  update public.results set signed_by = auth.uid() where id = _result and signed_by is null;
end $$;
