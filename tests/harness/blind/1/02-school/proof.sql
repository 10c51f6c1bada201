-- school A: sam, sue (students), tom (teacher), pia (principal); school B: mallory (principal), tess (teacher); nobody's: stan
select proof.person(n, proof.u(i::int)) from unnest(array['sam','sue','tom','pia','mallory','tess','stan']) with ordinality as t(n, i);
insert into schools (id, name, join_code) values (proof.u(101), 'A', 'codeA'), (proof.u(102), 'B', 'codeB');
insert into memberships (school_id, user_id, role_id) values (proof.u(101), proof.u(1), 1), (proof.u(101), proof.u(2), 1), (proof.u(101), proof.u(3), 2), (proof.u(101), proof.u(4), 3),
  (proof.u(102), proof.u(5), 3), (proof.u(102), proof.u(6), 2);
insert into classes (id, school_id, title) values (proof.u(201), proof.u(101), '5b');
insert into enrolments values (proof.u(101), proof.u(201), proof.u(1));
insert into assignments (id, school_id, class_id, title) values (proof.u(301), proof.u(101), proof.u(201), 'Essay');
insert into submissions (school_id, assignment_id, student_id, body) values (proof.u(101), proof.u(301), proof.u(1), 'sams text');
insert into grades (school_id, student_id, subject, points) values (proof.u(101), proof.u(1), 'Maths', 5);
insert into announcements (school_id, title, body, is_public) values (proof.u(101), 'fair', 'x', true), (proof.u(101), 'staff', 'x', false);

begin;
select proof.hole('h1', 'sam', 'update memberships set role_id = 3 where user_id = auth.uid()', '^1$');
select proof.hole('h1', 'sam', $$select school_role('00000000-0000-4000-8000-000000000101')$$, '^principal$');
select proof.hole('h1', 'sam', 'update memberships set role_id = 1 where user_id <> auth.uid()', '^3$');
rollback;
select proof.hole('h2', 'sue', 'select body from submissions where student_id <> auth.uid()', '^sams text$');
begin;
select proof.hole('h3', 'tess', 'select points from grades', '^5.0$');
select proof.hole('h3', 'tess', 'update grades set points = 0', '^1$');
select proof.hole('h3', 'tess', 'delete from grades', '^1$');
select proof.ctl('h3 student', 'sue', 'select count(*) from grades', '^0$');
rollback;
begin;
select proof.hole('h4', 'stan', $$select join_code from schools where name = 'A'$$, '^codeA$');
select proof.hole('h4', 'stan', $$select join_school('codeA')$$, '101$');
select proof.hole('h4', 'stan', 'select count(*) from classes', '^1$');
rollback;
select proof.ctl('h4 anon', 'anon', 'select count(*) from schools', '^0$');
select proof.bait('b1', 'anon', 'select count(*) from roles', '^3$');
select proof.bait('b1', 'pia', 'update roles set key = ''x''', '^0$');
select proof.bait('b1', 'pia', 'delete from roles', '^0$');
select proof.bait('b1', 'pia', 'insert into roles values (9, ''x'', ''x'')', '^ERROR 42501');
select proof.bait('b2', 'anon', 'select string_agg(title, '','') from announcements', '^fair$');
select proof.bait('b2', 'mallory', 'select string_agg(title, '','') from announcements', '^fair$');
select proof.bait('b2', 'mallory', 'update announcements set title = ''x''', '^0$');
select proof.bait('b2', 'mallory', 'delete from announcements', '^0$');
