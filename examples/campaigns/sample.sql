-- What `make panel` starts with: two organisations, three users and some contacts. src/campaigns/sample.py names the users.

insert into auth.users (id, email) values
('a0000000-0000-4000-8000-000000000001', 'ada@northwind.example'),
('a0000000-0000-4000-8000-000000000002', 'ben@harbor.example'),
('a0000000-0000-4000-8000-000000000003', 'cleo@agency.example');

insert into public.organizations (id, name) values
('b0000000-0000-4000-8000-000000000001', 'Northwind Trails'),
('b0000000-0000-4000-8000-000000000002', 'Harbor Books');

insert into public.organization_members (organization_id, user_id, role) values
('b0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000001', 'owner'),
('b0000000-0000-4000-8000-000000000002', 'a0000000-0000-4000-8000-000000000002', 'owner'),
('b0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000003', 'member'),
('b0000000-0000-4000-8000-000000000002', 'a0000000-0000-4000-8000-000000000003', 'member');

-- 30 contacts of the group AMC for the one organisation and 12 for the other, and 6 of the group VIP for each
insert into public.contacts (org_id, email, first_name, last_name, company, target_group)
select
    o.id,
    lower(p.first_name) || '.' || n.number || '@' || o.domain,
    p.first_name,
    p.last_name,
    p.company,
    g.name
from (
    values
    ('b0000000-0000-4000-8000-000000000001'::uuid, 'trails.example', 30),
    ('b0000000-0000-4000-8000-000000000002'::uuid, 'books.example', 12)
) as o (id, domain, amc)
cross join lateral (values ('AMC', o.amc), ('VIP', 6)) as g (name, contacts)
cross join lateral generate_series(1, g.contacts) as n (number)
cross join lateral (
    select
        (array['Mina', 'Jonas', 'Aiko', 'Samuel', 'Leila', 'Tomas', 'Nadia', 'Oscar', 'Priya', 'Bram'])
        [1 + (n.number - 1) % 10] as first_name,
        (array['Okafor', 'Lindqvist', 'Tanaka', 'O''Brien', 'Haddad', 'Novak', 'Petrova'])
        [1 + (n.number - 1) % 7] as last_name,
        (array['Acme & Sons', 'Globex', 'Initech', 'Umbra Ltd', 'Vandelay'])
        [1 + (n.number - 1) % 5] as company
) as p;
