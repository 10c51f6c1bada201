-- box office counter: find an order by name, e-mail or number
create function find_orders(q text)
returns table (id uuid, buyer_name text, buyer_email text, total_cents integer)
language sql stable security definer
set search_path = ''
as $$
    select o.id, o.buyer_name, o.buyer_email, o.total_cents
    from public.orders o
    where o.house_id = public.current_house()
      and (o.buyer_name ilike '%' || q || '%' or o.buyer_email ilike '%' || q || '%' or o.id::text = q)
$$;

-- print at home: the barcode is on the ticket and in the buyer's mail only
create function ticket_by_barcode(p_barcode uuid)
returns table (title text, starts_at timestamptz, seat_row text, seat_no smallint)
language sql stable security definer
set search_path = ''
as $$
    select p.title, f.starts_at, t.seat_row, t.seat_no
    from public.tickets t
    join public.performances f on f.id = t.performance_id
    join public.productions p on p.id = f.production_id
    where t.barcode = p_barcode
$$;
