-- Haulage: carriers run depots, vehicles and tours. Keys are (carrier_id, id), so nothing can point at another carrier's rows.
CREATE SCHEMA app;
GRANT USAGE ON SCHEMA app TO authenticated, service_role;

CREATE TYPE public.haulage_role AS ENUM ('driver', 'clerk', 'dispatcher', 'admin');
CREATE TYPE public.tour_state AS ENUM ('planned', 'released', 'running', 'finished', 'cancelled');
CREATE TYPE public.parcel_state AS ENUM ('announced', 'in_depot', 'loaded', 'delivered', 'returned');
CREATE DOMAIN public.plate AS text CHECK (VALUE ~ '^[A-Z0-9 -]{4,12}$');
CREATE DOMAIN public.kilos AS numeric(10, 2) CHECK (VALUE >= 0);

create table public.countries (code char(2) PRIMARY KEY, name text NOT NULL);
create table public.vehicle_classes (id smallint PRIMARY KEY, label text NOT NULL UNIQUE, max_load integer NOT NULL CHECK (max_load > 0));
create table public.hazard_classes (code text PRIMARY KEY, title text NOT NULL);
INSERT INTO public.countries VALUES ('AT', 'Austria'), ('DE', 'Germany'), ('NL', 'Netherlands');
INSERT INTO public.vehicle_classes VALUES (1, 'Van', 1200), (2, 'Truck 7.5t', 3500), (3, 'Articulated', 24000);
INSERT INTO public.hazard_classes VALUES ('3', 'Flammable liquids'), ('8', 'Corrosive substances');

create table public.carriers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    country char(2) NOT NULL DEFAULT 'DE' REFERENCES public.countries (code),
    timezone text NOT NULL DEFAULT 'Europe/Berlin',
    created_at timestamptz NOT NULL DEFAULT now()
);
create table public.carrier_members (
    carrier_id bigint NOT NULL REFERENCES public.carriers (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
    role public.haulage_role NOT NULL DEFAULT 'driver',
    since date NOT NULL DEFAULT current_date,
    PRIMARY KEY (carrier_id, user_id)
);
CREATE INDEX ON public.carrier_members (user_id);

CREATE FUNCTION app.carriers_as(min_role public.haulage_role DEFAULT 'driver') RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$
    SELECT m.carrier_id FROM public.carrier_members m WHERE m.user_id = auth.uid() AND m.role >= min_role
$$;

create table public.carrier_counters (
    carrier_id bigint NOT NULL REFERENCES public.carriers (id) ON DELETE CASCADE,
    what text NOT NULL CHECK (what IN ('order', 'invoice', 'tour')),
    last integer NOT NULL DEFAULT 0,
    PRIMARY KEY (carrier_id, what)
);
create table public.depots (
    carrier_id bigint NOT NULL REFERENCES public.carriers (id) ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    code text NOT NULL CHECK (code = upper(code) AND length(code) BETWEEN 2 AND 6),
    name text NOT NULL,
    closed_on date,
    PRIMARY KEY (carrier_id, id),
    UNIQUE (carrier_id, code)
);
create table public.depot_hours (
    carrier_id bigint NOT NULL,
    depot_id bigint NOT NULL,
    weekday smallint NOT NULL CHECK (weekday BETWEEN 1 AND 7),
    opens time NOT NULL,
    closes time NOT NULL,
    PRIMARY KEY (carrier_id, depot_id, weekday),
    FOREIGN KEY (carrier_id, depot_id) REFERENCES public.depots (carrier_id, id) ON DELETE CASCADE,
    CHECK (closes > opens)
);
create table public.docks (
    carrier_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    depot_id bigint NOT NULL,
    number smallint NOT NULL CHECK (number > 0),
    PRIMARY KEY (carrier_id, id),
    UNIQUE (carrier_id, depot_id, number),
    FOREIGN KEY (carrier_id, depot_id) REFERENCES public.depots (carrier_id, id) ON DELETE CASCADE
);
create table public.vehicles (
    carrier_id bigint NOT NULL REFERENCES public.carriers (id) ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    plate public.plate NOT NULL,
    class_id smallint NOT NULL REFERENCES public.vehicle_classes (id),
    home_depot_id bigint,
    odometer integer NOT NULL DEFAULT 0 CHECK (odometer >= 0),
    retired_at timestamptz,
    PRIMARY KEY (carrier_id, id),
    UNIQUE (carrier_id, plate),
    FOREIGN KEY (carrier_id, home_depot_id) REFERENCES public.depots (carrier_id, id)
);
CREATE INDEX ON public.vehicles (carrier_id, home_depot_id);
CREATE INDEX ON public.vehicles (class_id);
create table public.vehicle_inspections (
    carrier_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    vehicle_id bigint NOT NULL,
    due_on date NOT NULL,
    passed boolean,
    remark text,
    PRIMARY KEY (carrier_id, id),
    FOREIGN KEY (carrier_id, vehicle_id) REFERENCES public.vehicles (carrier_id, id) ON DELETE CASCADE
);
CREATE INDEX ON public.vehicle_inspections (carrier_id, vehicle_id);
create table public.drivers (
    carrier_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    user_id uuid,
    full_name text NOT NULL,
    hourly_wage numeric(6, 2) NOT NULL DEFAULT 16 CHECK (hourly_wage > 0),
    left_on date,
    PRIMARY KEY (carrier_id, id),
    UNIQUE (carrier_id, user_id),
    FOREIGN KEY (carrier_id) REFERENCES public.carriers (id) ON DELETE CASCADE,
    FOREIGN KEY (carrier_id, user_id) REFERENCES public.carrier_members (carrier_id, user_id) ON DELETE SET NULL (user_id)
);
CREATE FUNCTION app.is_driver(carrier bigint, driver bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$
    SELECT EXISTS (
        SELECT FROM public.drivers d JOIN public.carrier_members m USING (carrier_id, user_id)
        WHERE d.carrier_id = carrier AND d.id = driver AND d.user_id = auth.uid() AND d.left_on IS NULL
    )
$$;
create table public.driving_licences (
    carrier_id bigint NOT NULL,
    driver_id bigint NOT NULL,
    category text NOT NULL CHECK (category IN ('B', 'C1', 'C', 'CE')),
    valid_until date NOT NULL,
    PRIMARY KEY (carrier_id, driver_id, category),
    FOREIGN KEY (carrier_id, driver_id) REFERENCES public.drivers (carrier_id, id) ON DELETE CASCADE
);
create table public.driver_absences (
    carrier_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    driver_id bigint NOT NULL,
    during daterange NOT NULL CHECK (NOT isempty(during)),
    reason text NOT NULL DEFAULT 'holiday' CHECK (reason IN ('holiday', 'sick', 'training')),
    approved boolean NOT NULL DEFAULT false,
    PRIMARY KEY (carrier_id, id),
    FOREIGN KEY (carrier_id, driver_id) REFERENCES public.drivers (carrier_id, id) ON DELETE CASCADE
);
CREATE INDEX ON public.driver_absences (carrier_id, driver_id);

create table public.customers (
    carrier_id bigint NOT NULL REFERENCES public.carriers (id) ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    vat_number text,
    credit_limit numeric(12, 2) NOT NULL DEFAULT 0 CHECK (credit_limit >= 0),
    archived boolean NOT NULL DEFAULT false,
    PRIMARY KEY (carrier_id, id)
);
create table public.customer_contacts (
    carrier_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    customer_id bigint NOT NULL,
    name text NOT NULL,
    email text CHECK (email LIKE '%@%'),
    PRIMARY KEY (carrier_id, id),
    FOREIGN KEY (carrier_id, customer_id) REFERENCES public.customers (carrier_id, id) ON DELETE CASCADE
);
CREATE INDEX ON public.customer_contacts (carrier_id, customer_id);
create table public.addresses (
    carrier_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    customer_id bigint NOT NULL,
    street text NOT NULL,
    postcode text NOT NULL,
    city text NOT NULL,
    country char(2) NOT NULL DEFAULT 'DE' REFERENCES public.countries (code),
    PRIMARY KEY (carrier_id, id),
    FOREIGN KEY (carrier_id, customer_id) REFERENCES public.customers (carrier_id, id) ON DELETE CASCADE
);
CREATE INDEX ON public.addresses (carrier_id, customer_id);
create table public.rate_cards (
    carrier_id bigint NOT NULL REFERENCES public.carriers (id) ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    valid daterange NOT NULL DEFAULT daterange(current_date, NULL),
    PRIMARY KEY (carrier_id, id)
);
create table public.rates (
    carrier_id bigint NOT NULL,
    card_id bigint NOT NULL,
    up_to public.kilos NOT NULL,
    price numeric(10, 2) NOT NULL CHECK (price >= 0),
    PRIMARY KEY (carrier_id, card_id, up_to),
    FOREIGN KEY (carrier_id, card_id) REFERENCES public.rate_cards (carrier_id, id) ON DELETE CASCADE
);

create table public.transport_orders (
    carrier_id bigint NOT NULL REFERENCES public.carriers (id) ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    number integer NOT NULL,
    customer_id bigint NOT NULL,
    pickup_address_id bigint,
    delivery_address_id bigint,
    pickup_on date NOT NULL DEFAULT current_date,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'confirmed', 'billed', 'cancelled')),
    created_by uuid DEFAULT auth.uid(),
    PRIMARY KEY (carrier_id, id),
    UNIQUE (carrier_id, number),
    FOREIGN KEY (carrier_id, customer_id) REFERENCES public.customers (carrier_id, id),
    FOREIGN KEY (carrier_id, pickup_address_id) REFERENCES public.addresses (carrier_id, id),
    FOREIGN KEY (carrier_id, delivery_address_id) REFERENCES public.addresses (carrier_id, id)
);
CREATE INDEX ON public.transport_orders (carrier_id, customer_id);
CREATE INDEX ON public.transport_orders (carrier_id, pickup_address_id);
CREATE INDEX ON public.transport_orders (carrier_id, delivery_address_id);
CREATE FUNCTION app.number_order() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
    IF auth.uid() IS NOT NULL AND NEW.carrier_id NOT IN (SELECT app.carriers_as('clerk')) THEN
        RAISE EXCEPTION 'not your carrier' USING ERRCODE = '42501';
    END IF;
    INSERT INTO public.carrier_counters AS c (carrier_id, what, last) VALUES (NEW.carrier_id, 'order', 1)
    ON CONFLICT (carrier_id, what) DO UPDATE SET last = c.last + 1
    RETURNING c.last INTO NEW.number;
    RETURN NEW;
END
$$;
CREATE TRIGGER number_order BEFORE INSERT ON public.transport_orders FOR EACH ROW EXECUTE FUNCTION app.number_order();
create table public.order_notes (
    carrier_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    order_id bigint NOT NULL,
    author_id uuid NOT NULL DEFAULT auth.uid(),
    body text NOT NULL CHECK (body <> ''),
    written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (carrier_id, id),
    FOREIGN KEY (carrier_id, order_id) REFERENCES public.transport_orders (carrier_id, id) ON DELETE CASCADE
);
CREATE INDEX ON public.order_notes (carrier_id, order_id);
create table public.parcels (
    carrier_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    order_id bigint NOT NULL,
    weight public.kilos NOT NULL,
    hazard text REFERENCES public.hazard_classes (code),
    state public.parcel_state NOT NULL DEFAULT 'announced',
    PRIMARY KEY (carrier_id, id),
    FOREIGN KEY (carrier_id, order_id) REFERENCES public.transport_orders (carrier_id, id) ON DELETE CASCADE
);
CREATE INDEX ON public.parcels (carrier_id, order_id);
CREATE INDEX ON public.parcels (hazard);
create table public.parcel_scans (
    carrier_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    parcel_id bigint NOT NULL,
    scanned_by uuid NOT NULL DEFAULT auth.uid(),
    scanned_at timestamptz NOT NULL DEFAULT now(),
    state public.parcel_state NOT NULL,
    PRIMARY KEY (carrier_id, id),
    FOREIGN KEY (carrier_id, parcel_id) REFERENCES public.parcels (carrier_id, id) ON DELETE CASCADE
);
CREATE INDEX ON public.parcel_scans (carrier_id, parcel_id);
CREATE FUNCTION app.follow_scan() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
    UPDATE public.parcels p SET state = NEW.state WHERE p.carrier_id = NEW.carrier_id AND p.id = NEW.parcel_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER follow_scan AFTER INSERT ON public.parcel_scans FOR EACH ROW EXECUTE FUNCTION app.follow_scan();

create table public.tours (
    carrier_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    depot_id bigint NOT NULL,
    driver_id bigint,
    vehicle_id bigint,
    runs_on date NOT NULL DEFAULT current_date,
    state public.tour_state NOT NULL DEFAULT 'planned',
    stop_count integer NOT NULL DEFAULT 0,
    PRIMARY KEY (carrier_id, id),
    FOREIGN KEY (carrier_id, depot_id) REFERENCES public.depots (carrier_id, id),
    FOREIGN KEY (carrier_id, driver_id) REFERENCES public.drivers (carrier_id, id),
    FOREIGN KEY (carrier_id, vehicle_id) REFERENCES public.vehicles (carrier_id, id),
    CHECK (state = 'planned' OR driver_id IS NOT NULL OR state = 'cancelled')
);
CREATE INDEX ON public.tours (carrier_id, depot_id);
CREATE INDEX ON public.tours (carrier_id, driver_id);
CREATE INDEX ON public.tours (carrier_id, vehicle_id);
CREATE FUNCTION app.drives(carrier bigint, tour bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$
    SELECT EXISTS (
        SELECT FROM public.tours t
        WHERE t.carrier_id = carrier AND t.id = tour AND t.state IN ('released', 'running')
        AND app.is_driver(t.carrier_id, t.driver_id)
    )
$$;
create table public.tour_stops (
    carrier_id bigint NOT NULL,
    tour_id bigint NOT NULL,
    position smallint NOT NULL CHECK (position > 0),
    address_id bigint NOT NULL,
    arrived_at timestamptz,
    left_at timestamptz,
    PRIMARY KEY (carrier_id, tour_id, position),
    FOREIGN KEY (carrier_id, tour_id) REFERENCES public.tours (carrier_id, id) ON DELETE CASCADE,
    FOREIGN KEY (carrier_id, address_id) REFERENCES public.addresses (carrier_id, id),
    CHECK (left_at >= arrived_at)
);
CREATE INDEX ON public.tour_stops (carrier_id, address_id);
CREATE FUNCTION app.count_stops() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE public.tours t SET stop_count = t.stop_count + 1 WHERE t.carrier_id = NEW.carrier_id AND t.id = NEW.tour_id;
    ELSE
        UPDATE public.tours t SET stop_count = t.stop_count - 1 WHERE t.carrier_id = OLD.carrier_id AND t.id = OLD.tour_id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER count_stops AFTER INSERT OR DELETE ON public.tour_stops FOR EACH ROW EXECUTE FUNCTION app.count_stops();
create table public.stop_parcels (
    carrier_id bigint NOT NULL,
    tour_id bigint NOT NULL,
    position smallint NOT NULL,
    parcel_id bigint NOT NULL,
    PRIMARY KEY (carrier_id, tour_id, position, parcel_id),
    FOREIGN KEY (carrier_id, tour_id, position) REFERENCES public.tour_stops (carrier_id, tour_id, position) ON DELETE CASCADE,
    FOREIGN KEY (carrier_id, parcel_id) REFERENCES public.parcels (carrier_id, id) ON DELETE CASCADE
);
CREATE INDEX ON public.stop_parcels (carrier_id, parcel_id);
create table public.delivery_proofs (
    carrier_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    tour_id bigint NOT NULL,
    position smallint NOT NULL,
    signed_by text NOT NULL,
    photo_path text,
    taken_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (carrier_id, id),
    FOREIGN KEY (carrier_id, tour_id, position) REFERENCES public.tour_stops (carrier_id, tour_id, position) ON DELETE CASCADE
);
CREATE INDEX ON public.delivery_proofs (carrier_id, tour_id, position);
create table public.incidents (
    carrier_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    tour_id bigint NOT NULL,
    reported_by uuid NOT NULL DEFAULT auth.uid(),
    severity smallint NOT NULL DEFAULT 1 CHECK (severity BETWEEN 1 AND 5),
    description text NOT NULL,
    settled boolean NOT NULL DEFAULT false,
    PRIMARY KEY (carrier_id, id),
    FOREIGN KEY (carrier_id, tour_id) REFERENCES public.tours (carrier_id, id) ON DELETE CASCADE
);
CREATE INDEX ON public.incidents (carrier_id, tour_id);
create table public.tour_templates (
    carrier_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    depot_id bigint NOT NULL,
    weekdays smallint[] NOT NULL DEFAULT '{1,2,3,4,5}' CHECK (cardinality(weekdays) > 0),
    name text NOT NULL,
    PRIMARY KEY (carrier_id, id),
    FOREIGN KEY (carrier_id, depot_id) REFERENCES public.depots (carrier_id, id) ON DELETE CASCADE
);
CREATE INDEX ON public.tour_templates (carrier_id, depot_id);
create table public.fuel_cards (
    carrier_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    vehicle_id bigint NOT NULL,
    number text NOT NULL,
    pin text NOT NULL,
    PRIMARY KEY (carrier_id, id),
    FOREIGN KEY (carrier_id, vehicle_id) REFERENCES public.vehicles (carrier_id, id) ON DELETE CASCADE
);
CREATE INDEX ON public.fuel_cards (carrier_id, vehicle_id);
create table public.refuellings (
    carrier_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    vehicle_id bigint NOT NULL,
    entered_by uuid NOT NULL DEFAULT auth.uid(),
    litres numeric(7, 2) NOT NULL CHECK (litres > 0),
    odometer integer NOT NULL CHECK (odometer >= 0),
    refuelled_on date NOT NULL DEFAULT current_date,
    PRIMARY KEY (carrier_id, id),
    FOREIGN KEY (carrier_id, vehicle_id) REFERENCES public.vehicles (carrier_id, id) ON DELETE CASCADE
);
CREATE INDEX ON public.refuellings (carrier_id, vehicle_id);
CREATE FUNCTION app.advance_odometer() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
    UPDATE public.vehicles v SET odometer = greatest(v.odometer, NEW.odometer)
    WHERE v.carrier_id = NEW.carrier_id AND v.id = NEW.vehicle_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER advance_odometer AFTER INSERT ON public.refuellings FOR EACH ROW EXECUTE FUNCTION app.advance_odometer();

create table public.freight_invoices (
    carrier_id bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    customer_id bigint NOT NULL,
    issued_on date,
    total numeric(12, 2) NOT NULL DEFAULT 0,
    PRIMARY KEY (carrier_id, id),
    FOREIGN KEY (carrier_id, customer_id) REFERENCES public.customers (carrier_id, id)
);
CREATE INDEX ON public.freight_invoices (carrier_id, customer_id);
create table public.freight_invoice_lines (
    carrier_id bigint NOT NULL,
    invoice_id bigint NOT NULL,
    line smallint NOT NULL CHECK (line > 0),
    order_id bigint NOT NULL,
    amount numeric(12, 2) NOT NULL,
    PRIMARY KEY (carrier_id, invoice_id, line),
    FOREIGN KEY (carrier_id, invoice_id) REFERENCES public.freight_invoices (carrier_id, id) ON DELETE CASCADE,
    FOREIGN KEY (carrier_id, order_id) REFERENCES public.transport_orders (carrier_id, id)
);
CREATE INDEX ON public.freight_invoice_lines (carrier_id, order_id);
create table public.bulletins (
    carrier_id bigint NOT NULL REFERENCES public.carriers (id) ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    title text NOT NULL,
    shown_from timestamptz NOT NULL DEFAULT now(),
    for_role public.haulage_role NOT NULL DEFAULT 'driver',
    PRIMARY KEY (carrier_id, id)
);
create table public.bulletin_reads (
    carrier_id bigint NOT NULL,
    bulletin_id bigint NOT NULL,
    user_id uuid NOT NULL DEFAULT auth.uid(),
    read_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (carrier_id, bulletin_id, user_id),
    FOREIGN KEY (carrier_id, bulletin_id) REFERENCES public.bulletins (carrier_id, id) ON DELETE CASCADE,
    FOREIGN KEY (carrier_id, user_id) REFERENCES public.carrier_members (carrier_id, user_id) ON DELETE CASCADE
);
create table public.changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    carrier_id bigint NOT NULL REFERENCES public.carriers (id) ON DELETE CASCADE,
    entity text NOT NULL,
    changed_by uuid,
    changed_at timestamptz NOT NULL DEFAULT now(),
    before jsonb,
    after jsonb
);
CREATE INDEX ON public.changes (carrier_id);
CREATE FUNCTION app.record_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
    INSERT INTO public.changes (carrier_id, entity, changed_by, before, after)
    VALUES (OLD.carrier_id, TG_TABLE_NAME, auth.uid(), to_jsonb(OLD), to_jsonb(NEW));
    RETURN NULL;
END
$$;
CREATE TRIGGER record_change AFTER UPDATE ON public.tours FOR EACH ROW
WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION app.record_change();
CREATE TRIGGER record_change AFTER UPDATE ON public.customers FOR EACH ROW EXECUTE FUNCTION app.record_change();

-- row level security: everywhere, then table by table
ALTER TABLE public.countries ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.vehicle_classes ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.hazard_classes ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.carriers ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.carrier_members ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.carrier_counters ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.depots ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.depot_hours ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.docks ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.vehicles ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.vehicle_inspections ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.drivers ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.driving_licences ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.driver_absences ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.customer_contacts ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.addresses ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.rate_cards ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.rates ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.transport_orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.order_notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.parcels ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.parcel_scans ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.tours ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.tour_stops ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.stop_parcels ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.delivery_proofs ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.incidents ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.tour_templates ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.fuel_cards ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.refuellings ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.freight_invoices ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.freight_invoice_lines ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.bulletins ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.bulletin_reads ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.changes ENABLE ROW LEVEL SECURITY;

CREATE POLICY everybody ON public.countries FOR SELECT TO authenticated USING (true);
CREATE POLICY everybody ON public.vehicle_classes FOR SELECT TO authenticated USING (true);
CREATE POLICY everybody ON public.hazard_classes FOR SELECT TO authenticated USING (true);

CREATE POLICY staff_read ON public.carriers FOR SELECT TO authenticated USING (id IN (SELECT app.carriers_as()));
CREATE POLICY admins_change ON public.carriers FOR UPDATE TO authenticated
    USING (id IN (SELECT app.carriers_as('admin'))) WITH CHECK (id IN (SELECT app.carriers_as('admin')));
REVOKE INSERT, UPDATE, DELETE ON public.carriers FROM anon, authenticated;
GRANT UPDATE (name, timezone) ON public.carriers TO authenticated;
CREATE POLICY staff_read ON public.carrier_members FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as()));
CREATE POLICY admins_write ON public.carrier_members FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('admin'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('admin')));
CREATE POLICY clerks_read ON public.carrier_counters FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as('clerk')));

CREATE POLICY staff_read ON public.depots FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as()));
CREATE POLICY admins_write ON public.depots FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('admin'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('admin')));
CREATE POLICY staff_read ON public.depot_hours FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as()));
CREATE POLICY admins_write ON public.depot_hours FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('admin'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('admin')));
CREATE POLICY staff_read ON public.docks FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as()));
CREATE POLICY dispatchers_write ON public.docks FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('dispatcher'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('dispatcher')));
CREATE POLICY staff_read ON public.vehicles FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as()));
CREATE POLICY dispatchers_add ON public.vehicles FOR INSERT TO authenticated
    WITH CHECK (carrier_id IN (SELECT app.carriers_as('dispatcher')) AND retired_at IS NULL);
CREATE POLICY dispatchers_change ON public.vehicles FOR UPDATE TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('dispatcher')) AND retired_at IS NULL)
    WITH CHECK (carrier_id IN (SELECT app.carriers_as('dispatcher')));
CREATE POLICY staff_read ON public.vehicle_inspections FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as()));
CREATE POLICY dispatchers_write ON public.vehicle_inspections FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('dispatcher')) AND passed IS NULL)
    WITH CHECK (carrier_id IN (SELECT app.carriers_as('dispatcher')));

CREATE POLICY oneself ON public.drivers FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()) AND carrier_id IN (SELECT app.carriers_as()));
CREATE POLICY dispatchers_read ON public.drivers FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as('dispatcher')));
CREATE POLICY admins_write ON public.drivers FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('admin'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('admin')));
CREATE POLICY oneself ON public.driving_licences FOR SELECT TO authenticated USING (app.is_driver(carrier_id, driver_id));
CREATE POLICY dispatchers_write ON public.driving_licences FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('dispatcher'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('dispatcher')));
CREATE POLICY see ON public.driver_absences FOR SELECT TO authenticated
    USING (app.is_driver(carrier_id, driver_id) OR carrier_id IN (SELECT app.carriers_as('dispatcher')));
CREATE POLICY ask ON public.driver_absences FOR INSERT TO authenticated
    WITH CHECK (app.is_driver(carrier_id, driver_id) AND NOT approved);
CREATE POLICY withdraw ON public.driver_absences FOR DELETE TO authenticated
    USING (app.is_driver(carrier_id, driver_id) AND NOT approved);
CREATE POLICY decide ON public.driver_absences FOR UPDATE TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('dispatcher'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('dispatcher')));

CREATE POLICY clerks_read ON public.customers FOR SELECT TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('clerk')) AND (NOT archived OR carrier_id IN (SELECT app.carriers_as('admin'))));
CREATE POLICY clerks_add ON public.customers FOR INSERT TO authenticated
    WITH CHECK (carrier_id IN (SELECT app.carriers_as('clerk')) AND NOT archived);
CREATE POLICY clerks_change ON public.customers FOR UPDATE TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('clerk'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('clerk')));
CREATE POLICY clerks ON public.customer_contacts FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('clerk'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('clerk')));
CREATE POLICY clerks ON public.addresses FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('clerk'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('clerk')));
CREATE POLICY drivers_on_tour ON public.addresses FOR SELECT TO authenticated USING (EXISTS (
    SELECT FROM public.tour_stops s
    WHERE s.carrier_id = addresses.carrier_id AND s.address_id = addresses.id AND app.drives(s.carrier_id, s.tour_id)
));
CREATE POLICY clerks_read ON public.rate_cards FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as('clerk')));
CREATE POLICY admins_write ON public.rate_cards FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('admin'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('admin')));
CREATE POLICY clerks_read ON public.rates FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as('clerk')));
CREATE POLICY admins_write ON public.rates FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('admin'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('admin')));

CREATE POLICY clerks_read ON public.transport_orders FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as('clerk')));
CREATE POLICY clerks_add ON public.transport_orders FOR INSERT TO authenticated
    WITH CHECK (carrier_id IN (SELECT app.carriers_as('clerk')) AND state = 'open' AND created_by = (SELECT auth.uid()));
CREATE POLICY clerks_change ON public.transport_orders FOR UPDATE TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('clerk')) AND state IN ('open', 'confirmed'))
    WITH CHECK (carrier_id IN (SELECT app.carriers_as('clerk')) AND state <> 'billed');
CREATE POLICY admins_delete ON public.transport_orders FOR DELETE TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('admin')) AND state = 'cancelled');
CREATE POLICY clerks_read ON public.order_notes FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as('clerk')));
CREATE POLICY authors ON public.order_notes FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('clerk')) AND author_id = (SELECT auth.uid()))
    WITH CHECK (carrier_id IN (SELECT app.carriers_as('clerk')) AND author_id = (SELECT auth.uid()));
CREATE POLICY clerks ON public.parcels FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('clerk'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('clerk')));
CREATE POLICY drivers_on_tour ON public.parcels FOR SELECT TO authenticated USING (EXISTS (
    SELECT FROM public.stop_parcels s
    WHERE s.carrier_id = parcels.carrier_id AND s.parcel_id = parcels.id AND app.drives(s.carrier_id, s.tour_id)
));
CREATE POLICY staff_read ON public.parcel_scans FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as()));
CREATE POLICY staff_scan ON public.parcel_scans FOR INSERT TO authenticated
    WITH CHECK (carrier_id IN (SELECT app.carriers_as()) AND scanned_by = (SELECT auth.uid()));

CREATE POLICY dispatchers ON public.tours FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('dispatcher'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('dispatcher')));
CREATE POLICY clerks_read ON public.tours FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as('clerk')));
CREATE POLICY drivers_read ON public.tours FOR SELECT TO authenticated
    USING (state <> 'planned' AND app.is_driver(carrier_id, driver_id));
CREATE POLICY dispatchers ON public.tour_stops FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('dispatcher'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('dispatcher')));
CREATE POLICY drivers_read ON public.tour_stops FOR SELECT TO authenticated USING (app.drives(carrier_id, tour_id));
CREATE POLICY dispatchers ON public.stop_parcels FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('dispatcher'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('dispatcher')));
CREATE POLICY drivers_read ON public.stop_parcels FOR SELECT TO authenticated USING (app.drives(carrier_id, tour_id));
CREATE POLICY clerks_read ON public.delivery_proofs FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as('clerk')));
CREATE POLICY drivers_read ON public.delivery_proofs FOR SELECT TO authenticated USING (app.drives(carrier_id, tour_id));
CREATE POLICY drivers_prove ON public.delivery_proofs FOR INSERT TO authenticated WITH CHECK (app.drives(carrier_id, tour_id));
CREATE POLICY dispatchers_read ON public.incidents FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as('dispatcher')));
CREATE POLICY reporters_read ON public.incidents FOR SELECT TO authenticated
    USING (reported_by = (SELECT auth.uid()) AND carrier_id IN (SELECT app.carriers_as()));
CREATE POLICY staff_report ON public.incidents FOR INSERT TO authenticated
    WITH CHECK (carrier_id IN (SELECT app.carriers_as()) AND reported_by = (SELECT auth.uid()) AND NOT settled);
CREATE POLICY dispatchers_settle ON public.incidents FOR UPDATE TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('dispatcher')) AND NOT settled)
    WITH CHECK (carrier_id IN (SELECT app.carriers_as('dispatcher')));
CREATE POLICY dispatchers ON public.tour_templates FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('dispatcher'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('dispatcher')));
CREATE POLICY admins ON public.fuel_cards FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('admin'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('admin')));
CREATE POLICY dispatchers_read ON public.refuellings FOR SELECT TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('dispatcher')) OR (entered_by = (SELECT auth.uid()) AND carrier_id IN (SELECT app.carriers_as())));
CREATE POLICY staff_enter ON public.refuellings FOR INSERT TO authenticated
    WITH CHECK (carrier_id IN (SELECT app.carriers_as()) AND entered_by = (SELECT auth.uid()) AND refuelled_on <= current_date);

CREATE POLICY clerks_read ON public.freight_invoices FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as('clerk')));
CREATE POLICY clerks_draft ON public.freight_invoices FOR INSERT TO authenticated
    WITH CHECK (carrier_id IN (SELECT app.carriers_as('clerk')) AND issued_on IS NULL);
CREATE POLICY clerks_issue ON public.freight_invoices FOR UPDATE TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('clerk')) AND issued_on IS NULL)
    WITH CHECK (carrier_id IN (SELECT app.carriers_as('clerk')));
CREATE POLICY clerks_read ON public.freight_invoice_lines FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as('clerk')));
CREATE POLICY clerks_write ON public.freight_invoice_lines FOR ALL TO authenticated
    USING (EXISTS (SELECT FROM public.freight_invoices i
        WHERE i.carrier_id = freight_invoice_lines.carrier_id AND i.id = invoice_id AND i.issued_on IS NULL))
    WITH CHECK (EXISTS (SELECT FROM public.freight_invoices i
        WHERE i.carrier_id = freight_invoice_lines.carrier_id AND i.id = invoice_id AND i.issued_on IS NULL));
CREATE POLICY readers ON public.bulletins FOR SELECT TO authenticated
    USING (shown_from <= now() AND carrier_id IN (SELECT app.carriers_as(for_role)));
CREATE POLICY admins ON public.bulletins FOR ALL TO authenticated
    USING (carrier_id IN (SELECT app.carriers_as('admin'))) WITH CHECK (carrier_id IN (SELECT app.carriers_as('admin')));
CREATE POLICY oneself ON public.bulletin_reads FOR ALL TO authenticated
    USING (user_id = (SELECT auth.uid()) AND carrier_id IN (SELECT app.carriers_as()))
    WITH CHECK (user_id = (SELECT auth.uid()) AND carrier_id IN (SELECT app.carriers_as()));
CREATE POLICY admins_read ON public.changes FOR SELECT TO authenticated USING (carrier_id IN (SELECT app.carriers_as('admin')));

-- views and functions of the API
CREATE VIEW public.my_tours WITH (security_invoker = true) AS
SELECT t.carrier_id, t.id, t.runs_on, t.state, t.stop_count, v.plate
FROM public.tours t LEFT JOIN public.vehicles v ON v.carrier_id = t.carrier_id AND v.id = t.vehicle_id
WHERE t.state IN ('released', 'running');
CREATE VIEW public.undelivered WITH (security_invoker = true) AS
SELECT p.carrier_id, p.order_id, count(*) AS parcels, sum(p.weight) AS weight
FROM public.parcels p WHERE p.state NOT IN ('delivered', 'returned') GROUP BY p.carrier_id, p.order_id;

CREATE FUNCTION public.found_carrier(name text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    made bigint;
BEGIN
    IF auth.uid() IS NULL THEN
        RAISE EXCEPTION 'sign in' USING ERRCODE = '42501';
    END IF;
    INSERT INTO public.carriers (name) VALUES (found_carrier.name) RETURNING id INTO made;
    INSERT INTO public.carrier_members (carrier_id, user_id, role) VALUES (made, auth.uid(), 'admin');
    RETURN made;
END
$$;
CREATE FUNCTION public.release_tour(carrier bigint, tour bigint) RETURNS public.tour_state
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    now_is public.tour_state;
BEGIN
    IF carrier NOT IN (SELECT app.carriers_as('dispatcher')) THEN
        RAISE EXCEPTION 'dispatchers only' USING ERRCODE = '42501';
    END IF;
    UPDATE public.tours t SET state = 'released'
    WHERE t.carrier_id = carrier AND t.id = tour AND t.state = 'planned' AND t.driver_id IS NOT NULL
    RETURNING t.state INTO now_is;
    RETURN now_is;
END
$$;
CREATE FUNCTION public.arrive(carrier bigint, tour bigint, stop smallint) RETURNS timestamptz
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
    UPDATE public.tour_stops s SET arrived_at = coalesce(s.arrived_at, now())
    WHERE s.carrier_id = carrier AND s.tour_id = tour AND s.position = stop AND app.drives(carrier, tour)
    RETURNING s.arrived_at
$$;
CREATE FUNCTION public.plan_stops(carrier bigint, tour bigint, stops jsonb) RETURNS integer
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
    made integer;
BEGIN
    DELETE FROM public.tour_stops s WHERE s.carrier_id = carrier AND s.tour_id = tour;
    INSERT INTO public.tour_stops (carrier_id, tour_id, position, address_id)
    SELECT carrier, tour, e.ordinality, (e.value ->> 'address_id')::bigint
    FROM jsonb_array_elements(stops) WITH ORDINALITY e
    WHERE e.value ? 'address_id';
    GET DIAGNOSTICS made = ROW_COUNT;
    RETURN made;
END
$$;
CREATE FUNCTION public.import_customers(carrier bigint, rows jsonb) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    made integer;
BEGIN
    IF carrier NOT IN (SELECT app.carriers_as('clerk')) THEN
        RAISE EXCEPTION 'clerks only' USING ERRCODE = '42501';
    END IF;
    INSERT INTO public.customers (carrier_id, name, vat_number)
    SELECT carrier, r.name, r.vat_number FROM jsonb_to_recordset(rows) AS r (name text, vat_number text) WHERE r.name IS NOT NULL;
    GET DIAGNOSTICS made = ROW_COUNT;
    RETURN made;
END
$$;
CREATE FUNCTION public.price_of(carrier bigint, card bigint, weight numeric) RETURNS numeric
LANGUAGE sql STABLE SET search_path = ''
AS $$
    SELECT r.price FROM public.rates r
    WHERE r.carrier_id = carrier AND r.card_id = card AND r.up_to >= weight ORDER BY r.up_to LIMIT 1
$$;
CREATE FUNCTION public.depot_load(carrier bigint, day date) RETURNS TABLE (depot bigint, tours bigint, stops bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
    RETURN QUERY
    SELECT t.depot_id, count(*), coalesce(sum(t.stop_count), 0)::bigint
    FROM public.tours t
    WHERE t.carrier_id = carrier AND t.runs_on = day AND t.carrier_id IN (SELECT app.carriers_as('clerk'))
    GROUP BY t.depot_id;
END
$$;
REVOKE EXECUTE ON FUNCTION public.found_carrier(text), public.release_tour(bigint, bigint), public.arrive(bigint, bigint, smallint),
    public.plan_stops(bigint, bigint, jsonb), public.import_customers(bigint, jsonb), public.price_of(bigint, bigint, numeric),
    public.depot_load(bigint, date) FROM PUBLIC, anon;
