-- Hotels: houses, rooms and stays in "booking", guests and money in "backoffice". Neither is public, both are exposed.
CREATE SCHEMA booking;
CREATE SCHEMA backoffice;
GRANT USAGE ON SCHEMA booking TO anon, authenticated, service_role;
GRANT USAGE ON SCHEMA backoffice TO authenticated, service_role;

CREATE DOMAIN booking.money_amount AS numeric(12, 2) CHECK (VALUE >= 0);
CREATE DOMAIN booking.email AS text CHECK (VALUE ~ '^[^@ ]+@[^@ ]+$');
CREATE DOMAIN booking.short_name AS text CHECK (char_length(VALUE) BETWEEN 1 AND 80);
CREATE DOMAIN booking.percent AS smallint CHECK (VALUE BETWEEN 0 AND 100);
CREATE TYPE booking.stay_status AS ENUM ('tentative', 'confirmed', 'checked_in', 'checked_out', 'no_show', 'cancelled');

create table booking.currencies (code char(3) PRIMARY KEY, name text NOT NULL);
create table booking.features (slug text PRIMARY KEY, label text NOT NULL);
create table booking.bed_kinds (id smallint PRIMARY KEY, label text NOT NULL UNIQUE, sleeps smallint NOT NULL CHECK (sleeps > 0));
INSERT INTO booking.currencies VALUES ('EUR', 'Euro'), ('CHF', 'Swiss franc');
INSERT INTO booking.features VALUES ('sauna', 'Sauna'), ('balcony', 'Balcony');
INSERT INTO booking.bed_kinds VALUES (1, 'Single', 1), (2, 'Double', 2), (3, 'Bunk', 2);

create table booking.hotels (
    hotel_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name booking.short_name NOT NULL,
    currency char(3) NOT NULL DEFAULT 'EUR' REFERENCES booking.currencies (code),
    check_in_from time NOT NULL DEFAULT '15:00',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON booking.hotels (currency);
create table backoffice.employees (
    hotel_id uuid NOT NULL REFERENCES booking.hotels ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
    job text NOT NULL DEFAULT 'housekeeper' CHECK (job IN ('housekeeper', 'receptionist', 'accountant', 'director')),
    employed_until date,
    PRIMARY KEY (hotel_id, user_id)
);
CREATE INDEX ON backoffice.employees (user_id);

CREATE FUNCTION backoffice.works_in(hotel uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$
    SELECT EXISTS (
        SELECT 1 FROM backoffice.employees e
        WHERE e.hotel_id = hotel AND e.user_id = (SELECT auth.uid())
        AND (e.employed_until IS NULL OR e.employed_until >= current_date)
    )
$$;
CREATE FUNCTION backoffice.has_job(hotel uuid, jobs text[]) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    mine text;
BEGIN
    SELECT e.job INTO mine FROM backoffice.employees e
    WHERE e.hotel_id = hotel AND e.user_id = auth.uid() AND coalesce(e.employed_until, 'infinity') >= current_date;
    RETURN coalesce(mine = ANY (jobs), false);
END
$$;
REVOKE EXECUTE ON FUNCTION backoffice.works_in(uuid), backoffice.has_job(uuid, text[]) FROM PUBLIC, anon;
GRANT EXECUTE ON FUNCTION backoffice.works_in(uuid), backoffice.has_job(uuid, text[]) TO authenticated, service_role;

create table booking.buildings (
    building_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hotel_id uuid NOT NULL REFERENCES booking.hotels ON DELETE CASCADE,
    name booking.short_name NOT NULL,
    UNIQUE (hotel_id, building_id)
);
create table booking.room_types (
    room_type_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hotel_id uuid NOT NULL REFERENCES booking.hotels ON DELETE CASCADE,
    title booking.short_name NOT NULL,
    base_price booking.money_amount NOT NULL,
    sleeps smallint NOT NULL DEFAULT 2 CHECK (sleeps BETWEEN 1 AND 12),
    listed boolean NOT NULL DEFAULT false,
    UNIQUE (hotel_id, room_type_id),
    UNIQUE (hotel_id, title)
);
create table booking.room_type_features (
    hotel_id uuid NOT NULL,
    room_type_id bigint NOT NULL,
    feature text NOT NULL REFERENCES booking.features (slug),
    PRIMARY KEY (hotel_id, room_type_id, feature),
    FOREIGN KEY (hotel_id, room_type_id) REFERENCES booking.room_types (hotel_id, room_type_id) ON DELETE CASCADE
);
CREATE INDEX ON booking.room_type_features (feature);
create table booking.room_type_beds (
    hotel_id uuid NOT NULL,
    room_type_id bigint NOT NULL,
    bed_kind_id smallint NOT NULL REFERENCES booking.bed_kinds (id),
    how_many smallint NOT NULL DEFAULT 1 CHECK (how_many > 0),
    PRIMARY KEY (hotel_id, room_type_id, bed_kind_id),
    FOREIGN KEY (hotel_id, room_type_id) REFERENCES booking.room_types (hotel_id, room_type_id) ON DELETE CASCADE
);
CREATE INDEX ON booking.room_type_beds (bed_kind_id);
create table booking.rooms (
    room_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hotel_id uuid NOT NULL,
    room_type_id bigint NOT NULL,
    building_id bigint,
    door text NOT NULL,
    out_of_order boolean NOT NULL DEFAULT false,
    UNIQUE (hotel_id, room_id),
    UNIQUE (hotel_id, door),
    FOREIGN KEY (hotel_id, room_type_id) REFERENCES booking.room_types (hotel_id, room_type_id),
    FOREIGN KEY (hotel_id, building_id) REFERENCES booking.buildings (hotel_id, building_id)
);
CREATE INDEX ON booking.rooms (hotel_id, room_type_id);
CREATE INDEX ON booking.rooms (hotel_id, building_id);
create table booking.seasons (
    season_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hotel_id uuid NOT NULL REFERENCES booking.hotels ON DELETE CASCADE,
    name booking.short_name NOT NULL,
    days daterange NOT NULL CHECK (NOT isempty(days)),
    UNIQUE (hotel_id, season_id)
);
create table booking.season_prices (
    hotel_id uuid NOT NULL,
    season_id bigint NOT NULL,
    room_type_id bigint NOT NULL,
    price booking.money_amount NOT NULL,
    PRIMARY KEY (hotel_id, season_id, room_type_id),
    FOREIGN KEY (hotel_id, season_id) REFERENCES booking.seasons (hotel_id, season_id) ON DELETE CASCADE,
    FOREIGN KEY (hotel_id, room_type_id) REFERENCES booking.room_types (hotel_id, room_type_id) ON DELETE CASCADE
);
CREATE INDEX ON booking.season_prices (hotel_id, room_type_id);
create table booking.vouchers (
    hotel_id uuid NOT NULL REFERENCES booking.hotels ON DELETE CASCADE,
    code text NOT NULL CHECK (code = upper(code) AND length(code) >= 4),
    discount booking.percent NOT NULL,
    expires_on date,
    uses_left integer NOT NULL DEFAULT 1 CHECK (uses_left >= 0),
    PRIMARY KEY (hotel_id, code)
);

create table backoffice.guests (
    guest_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hotel_id uuid NOT NULL REFERENCES booking.hotels ON DELETE CASCADE,
    full_name booking.short_name NOT NULL,
    email booking.email,
    nights_total integer NOT NULL DEFAULT 0,
    erased_on date,
    UNIQUE (hotel_id, guest_id)
);
create table backoffice.guest_passports (
    hotel_id uuid NOT NULL,
    guest_id bigint NOT NULL,
    number text NOT NULL,
    nationality char(2) NOT NULL,
    PRIMARY KEY (hotel_id, guest_id),
    FOREIGN KEY (hotel_id, guest_id) REFERENCES backoffice.guests (hotel_id, guest_id) ON DELETE CASCADE
);
create table backoffice.guest_preferences (
    hotel_id uuid NOT NULL,
    guest_id bigint NOT NULL,
    topic text NOT NULL CHECK (topic IN ('pillow', 'floor', 'diet', 'newspaper')),
    wish text NOT NULL,
    PRIMARY KEY (hotel_id, guest_id, topic),
    FOREIGN KEY (hotel_id, guest_id) REFERENCES backoffice.guests (hotel_id, guest_id) ON DELETE CASCADE
);
create table backoffice.guest_warnings (
    warning_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hotel_id uuid NOT NULL,
    guest_id bigint NOT NULL,
    reason text NOT NULL CHECK (length(reason) >= 5),
    written_by uuid NOT NULL DEFAULT auth.uid(),
    lifted boolean NOT NULL DEFAULT false,
    FOREIGN KEY (hotel_id, guest_id) REFERENCES backoffice.guests (hotel_id, guest_id) ON DELETE CASCADE
);
CREATE INDEX ON backoffice.guest_warnings (hotel_id, guest_id);

create table booking.stays (
    stay_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hotel_id uuid NOT NULL,
    room_id bigint NOT NULL,
    guest_id bigint NOT NULL,
    arrives date NOT NULL,
    leaves date NOT NULL,
    status booking.stay_status NOT NULL DEFAULT 'tentative',
    booked_by uuid DEFAULT auth.uid(),
    UNIQUE (hotel_id, stay_id),
    FOREIGN KEY (hotel_id, room_id) REFERENCES booking.rooms (hotel_id, room_id),
    FOREIGN KEY (hotel_id, guest_id) REFERENCES backoffice.guests (hotel_id, guest_id),
    CHECK (leaves > arrives)
);
CREATE INDEX ON booking.stays (hotel_id, room_id);
CREATE INDEX ON booking.stays (hotel_id, guest_id);
create table booking.stay_companions (
    hotel_id uuid NOT NULL,
    stay_id bigint NOT NULL,
    guest_id bigint NOT NULL,
    PRIMARY KEY (hotel_id, stay_id, guest_id),
    FOREIGN KEY (hotel_id, stay_id) REFERENCES booking.stays (hotel_id, stay_id) ON DELETE CASCADE,
    FOREIGN KEY (hotel_id, guest_id) REFERENCES backoffice.guests (hotel_id, guest_id) ON DELETE CASCADE
);
CREATE INDEX ON booking.stay_companions (hotel_id, guest_id);
create table booking.stay_notes (
    note_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hotel_id uuid NOT NULL,
    stay_id bigint NOT NULL,
    author uuid NOT NULL DEFAULT auth.uid(),
    body text NOT NULL CHECK (body <> ''),
    for_housekeeping boolean NOT NULL DEFAULT false,
    FOREIGN KEY (hotel_id, stay_id) REFERENCES booking.stays (hotel_id, stay_id) ON DELETE CASCADE
);
CREATE INDEX ON booking.stay_notes (hotel_id, stay_id);
create table booking.room_blocks (
    block_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hotel_id uuid NOT NULL,
    room_id bigint NOT NULL,
    during daterange NOT NULL CHECK (NOT isempty(during)),
    cause text NOT NULL DEFAULT 'repair' CHECK (cause IN ('repair', 'owner', 'event')),
    FOREIGN KEY (hotel_id, room_id) REFERENCES booking.rooms (hotel_id, room_id) ON DELETE CASCADE
);
CREATE INDEX ON booking.room_blocks (hotel_id, room_id);
create table booking.cleanings (
    hotel_id uuid NOT NULL,
    room_id bigint NOT NULL,
    day date NOT NULL DEFAULT current_date,
    cleaner uuid,
    done_at timestamptz,
    PRIMARY KEY (hotel_id, room_id, day),
    FOREIGN KEY (hotel_id, room_id) REFERENCES booking.rooms (hotel_id, room_id) ON DELETE CASCADE,
    FOREIGN KEY (hotel_id, cleaner) REFERENCES backoffice.employees (hotel_id, user_id)
);
CREATE INDEX ON booking.cleanings (hotel_id, cleaner);
create table booking.minibar_items (
    item_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hotel_id uuid NOT NULL REFERENCES booking.hotels ON DELETE CASCADE,
    label booking.short_name NOT NULL,
    price booking.money_amount NOT NULL,
    UNIQUE (hotel_id, item_id)
);
create table booking.opening_days (
    hotel_id uuid NOT NULL REFERENCES booking.hotels ON DELETE CASCADE,
    day date NOT NULL,
    is_open boolean NOT NULL DEFAULT true,
    PRIMARY KEY (hotel_id, day)
);

create table backoffice.folios (
    folio_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hotel_id uuid NOT NULL,
    stay_id bigint NOT NULL,
    closed_at timestamptz,
    balance numeric(12, 2) NOT NULL DEFAULT 0,
    UNIQUE (hotel_id, folio_id),
    FOREIGN KEY (hotel_id, stay_id) REFERENCES booking.stays (hotel_id, stay_id)
);
CREATE INDEX ON backoffice.folios (hotel_id, stay_id);
create table backoffice.charges (
    charge_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hotel_id uuid NOT NULL,
    folio_id bigint NOT NULL,
    minibar_item_id bigint,
    label text NOT NULL,
    amount booking.money_amount NOT NULL,
    FOREIGN KEY (hotel_id, folio_id) REFERENCES backoffice.folios (hotel_id, folio_id) ON DELETE CASCADE,
    FOREIGN KEY (hotel_id, minibar_item_id) REFERENCES booking.minibar_items (hotel_id, item_id)
);
CREATE INDEX ON backoffice.charges (hotel_id, folio_id);
CREATE INDEX ON backoffice.charges (hotel_id, minibar_item_id);
create table backoffice.receipts (
    receipt_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hotel_id uuid NOT NULL,
    folio_id bigint NOT NULL,
    amount booking.money_amount NOT NULL CHECK (amount > 0),
    method text NOT NULL DEFAULT 'card' CHECK (method IN ('cash', 'card', 'transfer')),
    received_on date NOT NULL DEFAULT current_date,
    FOREIGN KEY (hotel_id, folio_id) REFERENCES backoffice.folios (hotel_id, folio_id)
);
CREATE INDEX ON backoffice.receipts (hotel_id, folio_id);
create table backoffice.suppliers (
    supplier_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hotel_id uuid NOT NULL REFERENCES booking.hotels ON DELETE CASCADE,
    name booking.short_name NOT NULL,
    iban text,
    UNIQUE (hotel_id, supplier_id)
);
create table backoffice.bills (
    bill_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hotel_id uuid NOT NULL,
    supplier_id bigint NOT NULL,
    amount booking.money_amount NOT NULL,
    due_on date NOT NULL,
    approved boolean NOT NULL DEFAULT false,
    paid_on date,
    FOREIGN KEY (hotel_id, supplier_id) REFERENCES backoffice.suppliers (hotel_id, supplier_id),
    CHECK (paid_on IS NULL OR approved)
);
CREATE INDEX ON backoffice.bills (hotel_id, supplier_id);
create table backoffice.shifts (
    shift_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hotel_id uuid NOT NULL,
    user_id uuid NOT NULL,
    during tstzrange NOT NULL CHECK (NOT isempty(during)),
    published boolean NOT NULL DEFAULT false,
    FOREIGN KEY (hotel_id, user_id) REFERENCES backoffice.employees (hotel_id, user_id) ON DELETE CASCADE
);
CREATE INDEX ON backoffice.shifts (hotel_id, user_id);
create table backoffice.wages (
    hotel_id uuid NOT NULL,
    user_id uuid NOT NULL,
    from_day date NOT NULL,
    hourly booking.money_amount NOT NULL,
    PRIMARY KEY (hotel_id, user_id, from_day),
    FOREIGN KEY (hotel_id, user_id) REFERENCES backoffice.employees (hotel_id, user_id) ON DELETE CASCADE
);
create table backoffice.channels (
    channel_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hotel_id uuid NOT NULL REFERENCES booking.hotels ON DELETE CASCADE,
    name booking.short_name NOT NULL,
    api_secret text NOT NULL,
    commission booking.percent NOT NULL DEFAULT 15,
    paused boolean NOT NULL DEFAULT false
);
CREATE INDEX ON backoffice.channels (hotel_id);
create table backoffice.handovers (
    handover_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hotel_id uuid NOT NULL REFERENCES booking.hotels ON DELETE CASCADE,
    author uuid NOT NULL DEFAULT auth.uid(),
    body text NOT NULL,
    deleted_at timestamptz
);
CREATE INDEX ON backoffice.handovers (hotel_id);
create table backoffice.journal (
    hotel_id uuid NOT NULL REFERENCES booking.hotels ON DELETE CASCADE,
    entry_id bigint GENERATED ALWAYS AS IDENTITY,
    happened_on date NOT NULL DEFAULT current_date,
    actor uuid,
    what text NOT NULL,
    detail jsonb,
    PRIMARY KEY (hotel_id, entry_id, happened_on)
) PARTITION BY RANGE (happened_on);
create table backoffice.journal_past PARTITION OF backoffice.journal FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
create table backoffice.journal_now PARTITION OF backoffice.journal FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
create table booking.night_prices (
    hotel_id uuid NOT NULL,
    room_type_id bigint NOT NULL,
    night date NOT NULL,
    price booking.money_amount NOT NULL,
    PRIMARY KEY (hotel_id, room_type_id, night),
    FOREIGN KEY (hotel_id, room_type_id) REFERENCES booking.room_types (hotel_id, room_type_id) ON DELETE CASCADE
) PARTITION BY RANGE (night);
create table booking.night_prices_early PARTITION OF booking.night_prices FOR VALUES FROM (MINVALUE) TO ('2026-07-01');
create table booking.night_prices_late PARTITION OF booking.night_prices FOR VALUES FROM ('2026-07-01') TO (MAXVALUE);

-- triggers
CREATE FUNCTION backoffice.balance_folio() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    hotel uuid := CASE WHEN TG_OP = 'DELETE' THEN OLD.hotel_id ELSE NEW.hotel_id END;
    folio bigint := CASE WHEN TG_OP = 'DELETE' THEN OLD.folio_id ELSE NEW.folio_id END;
BEGIN
    UPDATE backoffice.folios f SET balance =
        coalesce((SELECT sum(c.amount) FROM backoffice.charges c WHERE c.hotel_id = hotel AND c.folio_id = folio), 0)
        - coalesce((SELECT sum(r.amount) FROM backoffice.receipts r WHERE r.hotel_id = hotel AND r.folio_id = folio), 0)
    WHERE f.hotel_id = hotel AND f.folio_id = folio;
    RETURN NULL;
END
$$;
CREATE TRIGGER balance_folio AFTER INSERT OR DELETE ON backoffice.charges FOR EACH ROW EXECUTE FUNCTION backoffice.balance_folio();
CREATE TRIGGER balance_folio AFTER INSERT ON backoffice.receipts FOR EACH ROW EXECUTE FUNCTION backoffice.balance_folio();
CREATE FUNCTION backoffice.write_journal() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
    INSERT INTO backoffice.journal (hotel_id, actor, what, detail)
    VALUES (NEW.hotel_id, auth.uid(), TG_ARGV[0], jsonb_build_object('stay', NEW.stay_id, 'status', NEW.status));
    RETURN NULL;
END
$$;
CREATE TRIGGER write_journal AFTER INSERT OR UPDATE OF status ON booking.stays
FOR EACH ROW EXECUTE FUNCTION backoffice.write_journal('stay');
CREATE FUNCTION backoffice.count_nights() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
    UPDATE backoffice.guests g SET nights_total = g.nights_total + (NEW.leaves - NEW.arrives)
    WHERE g.hotel_id = NEW.hotel_id AND g.guest_id = NEW.guest_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER count_nights AFTER UPDATE ON booking.stays FOR EACH ROW
WHEN (NEW.status = 'checked_out' AND OLD.status <> 'checked_out') EXECUTE FUNCTION backoffice.count_nights();
CREATE FUNCTION booking.stays_stay() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
BEGIN
    IF NEW.hotel_id IS DISTINCT FROM OLD.hotel_id THEN
        RAISE EXCEPTION 'a stay belongs to its hotel' USING ERRCODE = '42501';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER stays_stay BEFORE UPDATE ON booking.stays FOR EACH ROW EXECUTE FUNCTION booking.stays_stay();

-- rights
GRANT SELECT ON booking.currencies, booking.features, booking.bed_kinds, booking.room_types TO anon;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA booking, backoffice TO authenticated;
GRANT ALL ON ALL TABLES IN SCHEMA booking, backoffice TO service_role;
REVOKE INSERT, UPDATE, DELETE ON booking.currencies, booking.features, booking.bed_kinds, booking.hotels FROM authenticated;
GRANT UPDATE (name, check_in_from) ON booking.hotels TO authenticated;
REVOKE INSERT, UPDATE, DELETE ON backoffice.journal FROM authenticated;
REVOKE ALL ON backoffice.journal_past, backoffice.journal_now, booking.night_prices_early, booking.night_prices_late FROM authenticated;
REVOKE SELECT, UPDATE ON backoffice.channels FROM authenticated;
GRANT SELECT (channel_id, hotel_id, name, commission, paused), UPDATE (name, commission, paused) ON backoffice.channels TO authenticated;
REVOKE UPDATE ON backoffice.handovers FROM authenticated;
GRANT UPDATE (body) ON backoffice.handovers TO authenticated;

ALTER TABLE booking.currencies ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.features ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.bed_kinds ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.hotels ENABLE ROW LEVEL SECURITY;
ALTER TABLE backoffice.employees ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.buildings ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.room_types ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.room_type_features ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.room_type_beds ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.rooms ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.seasons ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.season_prices ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.vouchers ENABLE ROW LEVEL SECURITY;
ALTER TABLE backoffice.guests ENABLE ROW LEVEL SECURITY;
ALTER TABLE backoffice.guest_passports ENABLE ROW LEVEL SECURITY;
ALTER TABLE backoffice.guest_preferences ENABLE ROW LEVEL SECURITY;
ALTER TABLE backoffice.guest_warnings ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.stays ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.stay_companions ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.stay_notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.room_blocks ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.cleanings ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.minibar_items ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.opening_days ENABLE ROW LEVEL SECURITY;
ALTER TABLE backoffice.folios ENABLE ROW LEVEL SECURITY;
ALTER TABLE backoffice.charges ENABLE ROW LEVEL SECURITY;
ALTER TABLE backoffice.receipts ENABLE ROW LEVEL SECURITY;
ALTER TABLE backoffice.suppliers ENABLE ROW LEVEL SECURITY;
ALTER TABLE backoffice.bills ENABLE ROW LEVEL SECURITY;
ALTER TABLE backoffice.shifts ENABLE ROW LEVEL SECURITY;
ALTER TABLE backoffice.wages ENABLE ROW LEVEL SECURITY;
ALTER TABLE backoffice.channels ENABLE ROW LEVEL SECURITY;
ALTER TABLE backoffice.handovers ENABLE ROW LEVEL SECURITY;
ALTER TABLE backoffice.journal ENABLE ROW LEVEL SECURITY;
ALTER TABLE backoffice.journal_past ENABLE ROW LEVEL SECURITY;
ALTER TABLE backoffice.journal_now ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.night_prices ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.night_prices_early ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking.night_prices_late ENABLE ROW LEVEL SECURITY;

CREATE POLICY world ON booking.currencies FOR SELECT TO anon, authenticated USING (true);
CREATE POLICY world ON booking.features FOR SELECT TO anon, authenticated USING (true);
CREATE POLICY world ON booking.bed_kinds FOR SELECT TO anon, authenticated USING (true);
CREATE POLICY staff ON booking.hotels FOR SELECT TO authenticated USING (backoffice.works_in(hotel_id));
CREATE POLICY director ON booking.hotels FOR UPDATE TO authenticated
    USING (backoffice.has_job(hotel_id, '{director}')) WITH CHECK (backoffice.has_job(hotel_id, '{director}'));
CREATE POLICY colleagues ON backoffice.employees FOR SELECT TO authenticated USING (backoffice.works_in(hotel_id));
CREATE POLICY director_hires ON backoffice.employees FOR INSERT TO authenticated
    WITH CHECK (backoffice.has_job(hotel_id, '{director}') AND job <> 'director');
CREATE POLICY director_changes ON backoffice.employees FOR UPDATE TO authenticated
    USING (backoffice.has_job(hotel_id, '{director}') AND user_id <> (SELECT auth.uid()))
    WITH CHECK (backoffice.has_job(hotel_id, '{director}'));

-- what the house has: the staff reads, the director writes
DO $$
DECLARE
    t regclass;
BEGIN
    FOREACH t IN ARRAY ARRAY[
        'booking.buildings', 'booking.room_types', 'booking.room_type_features', 'booking.room_type_beds', 'booking.rooms',
        'booking.seasons', 'booking.season_prices', 'booking.minibar_items', 'booking.opening_days', 'booking.night_prices'
    ]::regclass[] LOOP
        EXECUTE format('CREATE POLICY staff ON %s FOR SELECT TO authenticated USING (backoffice.works_in(hotel_id))', t);
        EXECUTE format('CREATE POLICY director ON %s FOR ALL TO authenticated USING (backoffice.has_job(hotel_id, ''{director}''))', t);
    END LOOP;
END
$$;
CREATE POLICY on_the_website ON booking.room_types FOR SELECT TO anon, authenticated USING (listed);
CREATE POLICY desk ON booking.vouchers FOR SELECT TO authenticated
    USING (backoffice.has_job(hotel_id, '{receptionist,director}') AND (expires_on IS NULL OR expires_on >= current_date));
CREATE POLICY director ON booking.vouchers FOR ALL TO authenticated
    USING (backoffice.has_job(hotel_id, '{director}')) WITH CHECK (backoffice.has_job(hotel_id, '{director}') AND discount <= 50);

CREATE POLICY desk ON backoffice.guests FOR SELECT TO authenticated
    USING (backoffice.has_job(hotel_id, '{receptionist,accountant,director}') AND erased_on IS NULL);
CREATE POLICY desk_adds ON backoffice.guests FOR INSERT TO authenticated
    WITH CHECK (backoffice.has_job(hotel_id, '{receptionist,director}') AND erased_on IS NULL);
CREATE POLICY desk_changes ON backoffice.guests FOR UPDATE TO authenticated
    USING (backoffice.has_job(hotel_id, '{receptionist,director}') AND erased_on IS NULL)
    WITH CHECK (backoffice.has_job(hotel_id, '{receptionist,director}'));
CREATE POLICY desk ON backoffice.guest_passports FOR ALL TO authenticated
    USING (backoffice.has_job(hotel_id, '{receptionist,director}')) WITH CHECK (backoffice.has_job(hotel_id, '{receptionist,director}'));
CREATE POLICY staff ON backoffice.guest_preferences FOR SELECT TO authenticated USING (backoffice.works_in(hotel_id));
CREATE POLICY desk ON backoffice.guest_preferences FOR ALL TO authenticated
    USING (backoffice.has_job(hotel_id, '{receptionist,director}')) WITH CHECK (backoffice.has_job(hotel_id, '{receptionist,director}'));
CREATE POLICY desk ON backoffice.guest_warnings FOR SELECT TO authenticated
    USING (backoffice.has_job(hotel_id, '{receptionist,director}') AND NOT lifted);
CREATE POLICY desk_warns ON backoffice.guest_warnings FOR INSERT TO authenticated
    WITH CHECK (backoffice.has_job(hotel_id, '{receptionist,director}') AND written_by = (SELECT auth.uid()) AND NOT lifted);

CREATE POLICY staff ON booking.stays FOR SELECT TO authenticated USING (backoffice.works_in(hotel_id));
CREATE POLICY desk_books ON booking.stays FOR INSERT TO authenticated
    WITH CHECK (backoffice.has_job(hotel_id, '{receptionist,director}') AND status IN ('tentative', 'confirmed'));
CREATE POLICY desk_changes ON booking.stays FOR UPDATE TO authenticated
    USING (backoffice.has_job(hotel_id, '{receptionist,director}') AND status NOT IN ('checked_out', 'cancelled'))
    WITH CHECK (backoffice.has_job(hotel_id, '{receptionist,director}'));
CREATE POLICY desk ON booking.stay_companions FOR ALL TO authenticated
    USING (backoffice.has_job(hotel_id, '{receptionist,director}')) WITH CHECK (backoffice.has_job(hotel_id, '{receptionist,director}'));
CREATE POLICY desk ON booking.stay_notes FOR SELECT TO authenticated
    USING (backoffice.has_job(hotel_id, '{receptionist,director}') OR (for_housekeeping AND backoffice.works_in(hotel_id)));
CREATE POLICY authors ON booking.stay_notes FOR ALL TO authenticated
    USING (backoffice.works_in(hotel_id) AND author = (SELECT auth.uid()))
    WITH CHECK (backoffice.works_in(hotel_id) AND author = (SELECT auth.uid()));
CREATE POLICY staff ON booking.room_blocks FOR SELECT TO authenticated USING (backoffice.works_in(hotel_id));
CREATE POLICY desk ON booking.room_blocks FOR INSERT TO authenticated WITH CHECK (backoffice.has_job(hotel_id, '{receptionist,director}'));
CREATE POLICY desk_lifts ON booking.room_blocks FOR DELETE TO authenticated
    USING (backoffice.has_job(hotel_id, '{receptionist,director}') AND upper(during) > current_date);
CREATE POLICY staff ON booking.cleanings FOR SELECT TO authenticated USING (backoffice.works_in(hotel_id));
CREATE POLICY desk_plans ON booking.cleanings FOR INSERT TO authenticated
    WITH CHECK (backoffice.has_job(hotel_id, '{receptionist,director}') AND done_at IS NULL);
CREATE POLICY cleaners_finish ON booking.cleanings FOR UPDATE TO authenticated
    USING (backoffice.works_in(hotel_id) AND cleaner = (SELECT auth.uid()) AND done_at IS NULL)
    WITH CHECK (backoffice.works_in(hotel_id) AND cleaner = (SELECT auth.uid()));

CREATE POLICY money ON backoffice.folios FOR SELECT TO authenticated
    USING (backoffice.has_job(hotel_id, '{receptionist,accountant,director}'));
CREATE POLICY desk_opens ON backoffice.folios FOR INSERT TO authenticated
    WITH CHECK (backoffice.has_job(hotel_id, '{receptionist,director}') AND closed_at IS NULL AND balance = 0);
CREATE POLICY money ON backoffice.charges FOR SELECT TO authenticated
    USING (backoffice.has_job(hotel_id, '{receptionist,accountant,director}'));
CREATE POLICY desk_charges ON backoffice.charges FOR INSERT TO authenticated
    WITH CHECK (backoffice.has_job(hotel_id, '{receptionist,director}') AND EXISTS (
        SELECT 1 FROM backoffice.folios f
        WHERE f.hotel_id = charges.hotel_id AND f.folio_id = charges.folio_id AND f.closed_at IS NULL));
CREATE POLICY director_strikes ON backoffice.charges FOR DELETE TO authenticated USING (backoffice.has_job(hotel_id, '{director}'));
CREATE POLICY money ON backoffice.receipts FOR SELECT TO authenticated
    USING (backoffice.has_job(hotel_id, '{receptionist,accountant,director}'));
CREATE POLICY desk_takes ON backoffice.receipts FOR INSERT TO authenticated
    WITH CHECK (backoffice.has_job(hotel_id, '{receptionist,director}') AND received_on = current_date);
CREATE POLICY books ON backoffice.suppliers FOR ALL TO authenticated
    USING (backoffice.has_job(hotel_id, '{accountant,director}')) WITH CHECK (backoffice.has_job(hotel_id, '{accountant,director}'));
CREATE POLICY books ON backoffice.bills FOR SELECT TO authenticated USING (backoffice.has_job(hotel_id, '{accountant,director}'));
CREATE POLICY books_enter ON backoffice.bills FOR INSERT TO authenticated
    WITH CHECK (backoffice.has_job(hotel_id, '{accountant,director}') AND NOT approved);
CREATE POLICY director_approves ON backoffice.bills FOR UPDATE TO authenticated
    USING (backoffice.has_job(hotel_id, '{director}') AND paid_on IS NULL) WITH CHECK (backoffice.has_job(hotel_id, '{director}'));
CREATE POLICY oneself ON backoffice.shifts FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()) AND backoffice.works_in(hotel_id) AND published);
CREATE POLICY director ON backoffice.shifts FOR ALL TO authenticated
    USING (backoffice.has_job(hotel_id, '{director}')) WITH CHECK (backoffice.has_job(hotel_id, '{director}'));
CREATE POLICY oneself ON backoffice.wages FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()) AND backoffice.works_in(hotel_id));
CREATE POLICY books ON backoffice.wages FOR ALL TO authenticated
    USING (backoffice.has_job(hotel_id, '{accountant,director}') AND user_id <> (SELECT auth.uid()))
    WITH CHECK (backoffice.has_job(hotel_id, '{accountant,director}') AND user_id <> (SELECT auth.uid()));
CREATE POLICY director ON backoffice.channels FOR ALL TO authenticated
    USING (backoffice.has_job(hotel_id, '{director}')) WITH CHECK (backoffice.has_job(hotel_id, '{director}'));
CREATE POLICY staff ON backoffice.handovers FOR SELECT TO authenticated USING (backoffice.works_in(hotel_id) AND deleted_at IS NULL);
CREATE POLICY staff_write ON backoffice.handovers FOR INSERT TO authenticated
    WITH CHECK (backoffice.works_in(hotel_id) AND author = (SELECT auth.uid()) AND deleted_at IS NULL);
CREATE POLICY authors_correct ON backoffice.handovers FOR UPDATE TO authenticated
    USING (backoffice.works_in(hotel_id) AND author = (SELECT auth.uid()) AND deleted_at IS NULL)
    WITH CHECK (backoffice.works_in(hotel_id) AND author = (SELECT auth.uid()));
CREATE POLICY director ON backoffice.journal FOR SELECT TO authenticated USING (backoffice.has_job(hotel_id, '{director}'));

-- views
CREATE VIEW booking.arrivals WITH (security_invoker = true) AS
SELECT s.hotel_id, s.stay_id, r.door, s.arrives, s.status
FROM booking.stays s JOIN booking.rooms r ON r.hotel_id = s.hotel_id AND r.room_id = s.room_id
WHERE s.status IN ('confirmed', 'tentative');
CREATE VIEW booking.dirty_rooms WITH (security_invoker = true) AS
SELECT c.hotel_id, r.door, c.day, c.cleaner
FROM booking.cleanings c JOIN booking.rooms r USING (hotel_id, room_id) WHERE c.done_at IS NULL;
CREATE VIEW backoffice.open_folios WITH (security_invoker = true) AS
SELECT f.hotel_id, f.folio_id, g.full_name, f.balance
FROM backoffice.folios f JOIN booking.stays s USING (hotel_id, stay_id)
JOIN backoffice.guests g ON g.hotel_id = s.hotel_id AND g.guest_id = s.guest_id
WHERE f.closed_at IS NULL;
GRANT SELECT ON booking.arrivals, booking.dirty_rooms, backoffice.open_folios TO authenticated;

-- functions of the API
CREATE FUNCTION booking.open_hotel(details jsonb) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    made uuid;
BEGIN
    IF auth.uid() IS NULL THEN
        RAISE EXCEPTION 'sign in first' USING ERRCODE = '42501';
    END IF;
    INSERT INTO booking.hotels (name) VALUES (left(coalesce(nullif(details ->> 'name', ''), 'Hotel'), 80)) RETURNING hotel_id INTO made;
    INSERT INTO backoffice.employees (hotel_id, user_id, job) VALUES (made, auth.uid(), 'director');
    RETURN made;
END
$$;
CREATE FUNCTION booking.check_out(hotel uuid, stay bigint) RETURNS numeric
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    due numeric;
BEGIN
    IF NOT backoffice.has_job(hotel, '{receptionist,director}') THEN
        RAISE EXCEPTION 'the desk does that' USING ERRCODE = '42501';
    END IF;
    UPDATE booking.stays s SET status = 'checked_out' WHERE s.hotel_id = hotel AND s.stay_id = stay AND s.status = 'checked_in';
    SELECT coalesce(sum(f.balance), 0) INTO due FROM backoffice.folios f
    WHERE f.hotel_id = hotel AND f.stay_id = stay AND f.closed_at IS NULL;
    RETURN due;
END
$$;
CREATE FUNCTION booking.set_prices(hotel uuid, room_type bigint, prices jsonb) RETURNS integer
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
    made integer;
BEGIN
    INSERT INTO booking.night_prices (hotel_id, room_type_id, night, price)
    SELECT hotel, room_type, p.key::date, p.value::numeric FROM jsonb_each_text(prices) p
    ON CONFLICT (hotel_id, room_type_id, night) DO UPDATE SET price = excluded.price;
    GET DIAGNOSTICS made = ROW_COUNT;
    RETURN made;
END
$$;
CREATE FUNCTION booking.plan_cleaning(hotel uuid, rooms bigint[], day date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    made integer;
BEGIN
    IF NOT backoffice.has_job(hotel, '{receptionist,director}') THEN
        RAISE EXCEPTION 'the desk plans' USING ERRCODE = '42501';
    END IF;
    INSERT INTO booking.cleanings (hotel_id, room_id, day)
    SELECT r.hotel_id, r.room_id, plan_cleaning.day FROM booking.rooms r
    WHERE r.hotel_id = hotel AND r.room_id = ANY (rooms) AND NOT r.out_of_order
    ON CONFLICT ON CONSTRAINT cleanings_pkey DO NOTHING;
    GET DIAGNOSTICS made = ROW_COUNT;
    RETURN made;
END
$$;
CREATE FUNCTION booking.free_rooms(hotel uuid, during daterange) RETURNS TABLE (room bigint, door text)
LANGUAGE sql STABLE SET search_path = ''
AS $$
    SELECT r.room_id, r.door FROM booking.rooms r
    WHERE r.hotel_id = hotel AND NOT r.out_of_order
    AND NOT EXISTS (SELECT 1 FROM booking.stays s WHERE s.hotel_id = hotel AND s.room_id = r.room_id
        AND s.status NOT IN ('cancelled', 'no_show') AND daterange(s.arrives, s.leaves) && during)
    ORDER BY r.door
$$;
CREATE FUNCTION backoffice.add_charges(hotel uuid, folio bigint, lines jsonb) RETURNS numeric
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    now_due numeric;
BEGIN
    IF NOT backoffice.has_job(hotel, '{receptionist,director}') THEN
        RAISE EXCEPTION 'the desk charges' USING ERRCODE = '42501';
    END IF;
    PERFORM 1 FROM backoffice.folios f WHERE f.hotel_id = hotel AND f.folio_id = folio AND f.closed_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no open folio' USING ERRCODE = 'P0002';
    END IF;
    INSERT INTO backoffice.charges (hotel_id, folio_id, label, amount)
    SELECT hotel, folio, coalesce(l.label, 'Service'), coalesce(abs(l.amount), 0)
    FROM jsonb_to_recordset(lines) AS l (label text, amount numeric);
    SELECT f.balance INTO now_due FROM backoffice.folios f WHERE f.hotel_id = hotel AND f.folio_id = folio;
    RETURN now_due;
END
$$;
CREATE FUNCTION backoffice.erase_guest(hotel uuid, guest bigint) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = ''
AS $$
    WITH erased AS (
        UPDATE backoffice.guests g SET full_name = 'erased', email = NULL, erased_on = current_date
        WHERE g.hotel_id = hotel AND g.guest_id = guest AND backoffice.has_job(g.hotel_id, '{director}')
        RETURNING 1
    )
    SELECT EXISTS (SELECT 1 FROM erased)
$$;
CREATE FUNCTION backoffice.income(hotel uuid, since date) RETURNS TABLE (method text, amount numeric)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$
    SELECT r.method, sum(r.amount) FROM backoffice.receipts r
    WHERE r.hotel_id = hotel AND r.received_on >= since AND backoffice.has_job(hotel, '{accountant,director}')
    GROUP BY r.method ORDER BY 1
$$;
REVOKE EXECUTE ON FUNCTION booking.open_hotel(jsonb), booking.check_out(uuid, bigint), booking.set_prices(uuid, bigint, jsonb),
    booking.plan_cleaning(uuid, bigint[], date), booking.free_rooms(uuid, daterange), backoffice.add_charges(uuid, bigint, jsonb),
    backoffice.erase_guest(uuid, bigint), backoffice.income(uuid, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION booking.open_hotel(jsonb), booking.check_out(uuid, bigint), booking.set_prices(uuid, bigint, jsonb),
    booking.plan_cleaning(uuid, bigint[], date), booking.free_rooms(uuid, daterange), backoffice.add_charges(uuid, bigint, jsonb),
    backoffice.erase_guest(uuid, bigint), backoffice.income(uuid, date) TO authenticated;
