begin;

select plan(3);

select policies_are('public', 'customers', array['members_see_their_customers']);

insert into auth.users (id) values ('00000000-0000-4000-8000-00000000000a');

insert into public.organizations (id, name)
values ('00000000-0000-4000-8000-000000000001', 'Ours'), ('00000000-0000-4000-8000-000000000002', 'Theirs');

insert into public.members (org_id, user_id)
values ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-00000000000a');

insert into public.customers (org_id, name)
values ('00000000-0000-4000-8000-000000000001', 'One of ours'), ('00000000-0000-4000-8000-000000000002', 'One of theirs');

set local role authenticated;
set local request.jwt.claims = '{"role": "authenticated", "sub": "00000000-0000-4000-8000-00000000000a"}';

select results_eq(
    'select name from public.organizations order by name',
    array['Ours'],
    'a member sees its organization'
);

select set_eq(
    'select name from public.customers',
    array['One of ours'],
    'a member sees the customers of its organization'
);

select * from finish();

rollback;
