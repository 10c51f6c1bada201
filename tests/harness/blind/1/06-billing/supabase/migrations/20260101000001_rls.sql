create function role_in(account uuid) returns text
language sql stable security definer set search_path = public
as $$
  select role from account_users where account_id = account and user_id = auth.uid();
$$;

create function my_accounts(variadic roles text[] default array['viewer', 'billing', 'owner']) returns setof uuid
language sql stable security definer set search_path = public
as $$
  select account_id from account_users where user_id = auth.uid() and role = any (roles);
$$;

do $$
declare
  t text;
begin
  foreach t in array array['plans', 'accounts', 'account_users', 'customers', 'invoices', 'invoice_lines', 'payments', 'api_keys', 'webhooks'] loop
    execute format('alter table %I enable row level security', t);
  end loop;
end
$$;

create policy "price list" on plans for select using (true);

create policy "users see their accounts" on accounts for select to authenticated
  using (id in (select my_accounts()));

create policy "users see colleagues" on account_users for select to authenticated
  using (account_id in (select my_accounts()));
create policy "owners manage users" on account_users for all to authenticated
  using (account_id in (select my_accounts('owner')));

create policy "users see customers" on customers for select to authenticated
  using (account_id in (select my_accounts()));
create policy "billing manages customers" on customers for all to authenticated
  using (account_id in (select my_accounts('billing', 'owner')));

create policy "users see invoices" on invoices to authenticated
  using (account_id in (select my_accounts()));
create policy "billing manages invoices" on invoices for all to authenticated
  using (account_id in (select my_accounts('billing', 'owner')));

create policy "users see lines" on invoice_lines for select to authenticated
  using (account_id in (select my_accounts()));
create policy "billing manages lines" on invoice_lines for all to authenticated
  using (account_id in (select my_accounts('billing', 'owner')));

create policy "users see payments" on payments for select to authenticated
  using (account_id in (select my_accounts()));
create policy "billing records payments" on payments for insert to authenticated
  with check (account_id in (select my_accounts('billing', 'owner')));

create policy "list keys" on api_keys for select to authenticated
  using (account_id in (select my_accounts()));
create policy "owners manage keys" on api_keys for all to authenticated
  using (account_id in (select my_accounts('owner')));

create policy "owners manage webhooks" on webhooks for all to authenticated
  using (account_id in (select my_accounts('owner')));
