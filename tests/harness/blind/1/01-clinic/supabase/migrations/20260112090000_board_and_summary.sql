-- what the screen in the waiting room shows
create view public.appointment_board as
select a.id, a.clinic_id, a.starts_at, a.minutes, p.full_name, p.born_on
from public.appointments a
join public.patients p on p.id = a.patient_id
where a.starts_at >= date_trunc('day', now());

-- the calendar of the app
create view public.my_day with (security_invoker = true) as
select a.id, a.clinic_id, a.starts_at, a.minutes, a.reason, p.full_name
from public.appointments a
join public.patients p on p.id = a.patient_id
where a.starts_at::date = current_date;

create function public.staff_of(p_clinic uuid)
returns table (user_id uuid, role public.staff_role, display_name text)
language sql stable security definer set search_path = ''
as $$
  select s.user_id, s.role, s.display_name
  from public.clinic_staff s
  where s.clinic_id = p_clinic
    and exists (
      select 1 from public.clinic_staff me
      where me.clinic_id = p_clinic and me.user_id = auth.uid()
    );
$$;

create function public.patient_summary(p_patient uuid)
returns jsonb
language plpgsql stable security definer set search_path = ''
as $$
declare
  result jsonb;
begin
  if not exists (select 1 from public.clinic_staff s where s.user_id = auth.uid() and s.role in ('nurse', 'doctor', 'manager')) then
    raise exception 'only medical staff' using errcode = '42501';
  end if;
  select jsonb_build_object(
    'name', p.full_name,
    'born', p.born_on,
    'insurance', p.insurance_no,
    'drugs', (select coalesce(jsonb_agg(r.drug order by r.issued_at), '[]') from public.prescriptions r where r.patient_id = p.id)
  ) into result
  from public.patients p
  where p.id = p_patient;
  return result;
end;
$$;

revoke execute on function public.staff_of(uuid) from public, anon;
revoke execute on function public.patient_summary(uuid) from public, anon;
