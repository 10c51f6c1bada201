create table public.shipment_events_2026 partition of public.shipment_events
    for values from ('2026-01-01') to ('2027-01-01');
