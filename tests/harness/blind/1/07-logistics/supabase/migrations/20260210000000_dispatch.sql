-- the phone number goes onto the shipment, so that the label printer needs one table only
create or replace function public.fill_driver_contact()
returns trigger
language plpgsql
security definer
set search_path to ''
as $function$
begin
    if new.driver_id is null then
        new.driver_contact := null;
    else
        select d.full_name || ', ' || coalesce(d.mobile, '-') into new.driver_contact
        from public.drivers d
        where d.driver_id = new.driver_id;
    end if;
    return new;
end
$function$;

create trigger fill_driver_contact
    before insert or update of driver_id on public.shipments
    for each row execute function public.fill_driver_contact();

-- owners set anybody's role; everybody may step down
create or replace function public.set_member_role(p_carrier uuid, p_user uuid, p_role public.carrier_role)
returns void
language plpgsql
security definer
set search_path to ''
as $function$
begin
    if auth.uid() is null then
        raise exception 'not signed in' using errcode = '42501';
    end if;
    if p_user <> auth.uid() and public.my_role(p_carrier) is distinct from 'owner'::public.carrier_role then
        raise exception 'only owners' using errcode = '42501';
    end if;
    update public.carrier_users set role = p_role
    where carrier_id = p_carrier and user_id = p_user;
end
$function$;

-- without a carrier: everything of the caller, for people who drive for several
create or replace function public.export_shipments(p_carrier uuid default null)
returns table (reference text, consignee text, address text, state text)
language plpgsql
stable
security definer
set search_path to ''
as $function$
begin
    if p_carrier is not null and public.my_role(p_carrier) is null then
        raise exception 'not your carrier' using errcode = '42501';
    end if;
    return query
        select s.reference, s.consignee, s.address, s.state
        from public.shipments s
        where p_carrier is null or s.carrier_id = p_carrier
        order by s.created_at desc
        limit 5000;
end
$function$;

-- the page that consignees see
create or replace function public.track(p_token text)
returns table (kind public.event_kind, place text, occurred_at timestamptz)
language sql
stable
security definer
set search_path to ''
as $function$
    select e.kind, e.place, e.occurred_at
    from public.tracking_links l
    join public.shipment_events e on e.carrier_id = l.carrier_id and e.shipment_id = l.shipment_id
    where l.token = p_token and l.expires_at > now()
    order by e.occurred_at
$function$;

revoke all on function public.set_member_role(uuid, uuid, public.carrier_role) from public, anon;
revoke all on function public.export_shipments(uuid) from public, anon;
