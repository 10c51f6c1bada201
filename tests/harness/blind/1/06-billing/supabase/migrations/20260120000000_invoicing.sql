create function void_invoice(p_invoice uuid) returns void
language plpgsql security definer set search_path = public
as $$
declare
  v_account uuid;
begin
  select account_id into v_account from invoices where id = p_invoice;
  if not found then
    raise exception 'no such invoice' using errcode = 'P0002';
  end if;
  if role_in(v_account) not in ('billing', 'owner') then
    raise exception 'not allowed' using errcode = '42501';
  end if;
  update invoices set status = 'void' where id = p_invoice and status <> 'paid';
end
$$;

-- the payment page, from the link in the mail
create function invoice_for_payment(p_token uuid)
returns table (number text, total_cents bigint, status text)
language sql stable security definer set search_path = public
as $$
  select i.number, i.total_cents, i.status from invoices i
  where i.pay_token = p_token and i.status in ('open', 'paid');
$$;

-- the payment page, for people who type the number from the letter
create function find_invoice(p_number text)
returns table (seller text, customer text, total_cents bigint, status text, pay_token uuid)
language sql stable security definer set search_path = public
as $$
  select a.name, c.name, i.total_cents, i.status, i.pay_token
  from invoices i
  join accounts a on a.id = i.account_id
  join customers c on c.id = i.customer_id
  where upper(i.number) = upper(trim(p_number));
$$;

-- sums for the dashboard; as the owner, because it is slow under the policies
create view account_totals as
  select i.account_id, i.status, count(*) as invoices, sum(i.total_cents) as total_cents
  from invoices i
  where i.account_id in (select u.account_id from account_users u where u.user_id = auth.uid())
  group by i.account_id, i.status;
revoke all on account_totals from anon;

revoke execute on function void_invoice(uuid) from public, anon;
