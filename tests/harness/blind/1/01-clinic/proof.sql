-- clinic A: rita (receptionist), nina (nurse), dora (doctor), max (manager); clinic B: mallory (manager); nobody's: stan
select proof.person(n, ('00000000-0000-4000-8000-00000000a00' || i)::uuid) from unnest(array['rita','nina','dora','max','mallory','stan']) with ordinality as t(n, i);
insert into clinics (id, name) values ('00000000-0000-4000-8000-0000000000aa', 'A'), ('00000000-0000-4000-8000-0000000000bb', 'B');
insert into clinic_staff values
 ('00000000-0000-4000-8000-0000000000aa', '00000000-0000-4000-8000-00000000a001', 'receptionist'),
 ('00000000-0000-4000-8000-0000000000aa', '00000000-0000-4000-8000-00000000a002', 'nurse'),
 ('00000000-0000-4000-8000-0000000000aa', '00000000-0000-4000-8000-00000000a003', 'doctor'),
 ('00000000-0000-4000-8000-0000000000aa', '00000000-0000-4000-8000-00000000a004', 'manager'),
 ('00000000-0000-4000-8000-0000000000bb', '00000000-0000-4000-8000-00000000a005', 'manager');
insert into icd_codes values ('J00', 'Common cold', 10);
insert into patients (id, clinic_id, full_name, born_on, insurance_no) values ('00000000-0000-4000-8000-0000000000c1', '00000000-0000-4000-8000-0000000000aa', 'Pat Secret', '1980-01-01', 'INS1');
insert into appointments (clinic_id, patient_id, starts_at) values ('00000000-0000-4000-8000-0000000000aa', '00000000-0000-4000-8000-0000000000c1', now());
insert into prescriptions (id, clinic_id, patient_id, drug, dose) values ('00000000-0000-4000-8000-0000000000d1', '00000000-0000-4000-8000-0000000000aa', '00000000-0000-4000-8000-0000000000c1', 'Aspirin', '1');
insert into lab_results (clinic_id, patient_id, test_name, value) values ('00000000-0000-4000-8000-0000000000aa', '00000000-0000-4000-8000-0000000000c1', 'HIV', 1);

select proof.ctl('patients', 'mallory', 'select count(*) from patients', '^0$');
select proof.hole('h1', 'mallory', 'select string_agg(test_name, '','') from lab_results', '^HIV$');
select proof.ctl('h1 stranger', 'stan', 'select count(*) from lab_results', '^0$');
begin;
select proof.ctl('h2 rita', 'rita', 'update prescriptions set dose = ''100''', '^0$');
select proof.hole('h2', 'nina', 'update prescriptions set dose = ''100''', '^1$');
select proof.ctl('h2 nurse inserts', 'nina', $$insert into prescriptions (clinic_id, patient_id, drug, dose) values ('00000000-0000-4000-8000-0000000000aa', '00000000-0000-4000-8000-0000000000c1', 'x', '1')$$, '^ERROR 42501');
rollback;
select proof.hole('h3', 'anon', 'select full_name || born_on from appointment_board', '^Pat Secret1980-01-01$');
select proof.hole('h4', 'mallory', $$select patient_summary('00000000-0000-4000-8000-0000000000c1')->>'insurance'$$, '^INS1$');
select proof.bait('b1', 'anon', 'select count(*) from icd_codes', '^1$');
select proof.bait('b1', 'max', 'update icd_codes set title = ''x''', '^0$');
select proof.bait('b1', 'max', 'delete from icd_codes', '^0$');
select proof.bait('b1', 'max', 'insert into icd_codes values (''X'', ''x'', 1)', '^ERROR 42501');
select proof.bait('b2', 'mallory', 'select count(*) from my_day', '^0$');
select proof.bait('b2', 'anon', 'select count(*) from my_day', '^0$');
select proof.ctl('b2 own', 'rita', 'select count(*) from my_day', '^1$');
select proof.ctl('staff_of', 'mallory', $$select count(*) from staff_of('00000000-0000-4000-8000-0000000000aa')$$, '^0$');
