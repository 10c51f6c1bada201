-- =====================================================================
-- FIELDBOOK — farms of the cooperative
-- =====================================================================
CREATE SCHEMA IF NOT EXISTS app;
GRANT USAGE ON SCHEMA app TO anon, authenticated, service_role;

CREATE TYPE public.farm_role AS ENUM ('helper', 'agronomist', 'manager');

CREATE TABLE public.farms (
    farm_id     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    farm_name   text NOT NULL,
    region      text,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.farm_people (
    farm_id     uuid NOT NULL REFERENCES public.farms (farm_id) ON DELETE CASCADE,
    person_id   uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
    farm_role   public.farm_role NOT NULL DEFAULT 'helper',
    PRIMARY KEY (farm_id, person_id)
);

CREATE TABLE public.crops (
    crop_code   text PRIMARY KEY,
    crop_name   text NOT NULL,
    sow_from    int  NOT NULL CHECK (sow_from BETWEEN 1 AND 53)
);
INSERT INTO public.crops VALUES ('WW', 'Winter wheat', 39), ('SB', 'Sugar beet', 12), ('OSR', 'Oilseed rape', 34);

CREATE TABLE public.fields (
    field_id    uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    farm_id     uuid NOT NULL REFERENCES public.farms (farm_id) ON DELETE CASCADE,
    field_name  text NOT NULL,
    hectares    numeric(8, 2) NOT NULL DEFAULT 1,
    crop_code   text REFERENCES public.crops (crop_code),
    UNIQUE (farm_id, field_id)
);

CREATE TABLE public.sprayings (
    spraying_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    farm_id     uuid NOT NULL,
    field_id    uuid NOT NULL,
    product     text NOT NULL,
    litres      numeric(8, 2) NOT NULL DEFAULT 0,
    sprayed_by  uuid DEFAULT auth.uid(),
    approved    boolean NOT NULL DEFAULT false,
    FOREIGN KEY (farm_id, field_id) REFERENCES public.fields (farm_id, field_id) ON DELETE CASCADE
);

CREATE TABLE public.harvests (
    harvest_id  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    farm_id     uuid NOT NULL,
    field_id    uuid NOT NULL,
    harvested   date NOT NULL DEFAULT current_date,
    tonnes      numeric(10, 3) NOT NULL,
    price       numeric(10, 2),
    FOREIGN KEY (farm_id, field_id) REFERENCES public.fields (farm_id, field_id) ON DELETE CASCADE
);

-- readings of the probes in the soil: a partition for each quarter
CREATE TABLE public.soil_readings (
    farm_id     uuid NOT NULL REFERENCES public.farms (farm_id) ON DELETE CASCADE,
    probe       text NOT NULL,
    read_at     timestamptz NOT NULL,
    moisture    numeric(5, 2),
    nitrogen    numeric(6, 2)
) PARTITION BY RANGE (read_at);
CREATE TABLE public.soil_readings_2026q1 PARTITION OF public.soil_readings FOR VALUES FROM ('2026-01-01') TO ('2026-04-01');
CREATE TABLE public.soil_readings_2026q2 PARTITION OF public.soil_readings FOR VALUES FROM ('2026-04-01') TO ('2026-07-01');
CREATE TABLE public.soil_readings_default PARTITION OF public.soil_readings DEFAULT;

-- contractors are let in to one farm for some weeks
CREATE TABLE public.contractor_passes (
    pass_id     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    farm_id     uuid NOT NULL REFERENCES public.farms (farm_id) ON DELETE CASCADE,
    contractor  uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
    valid_from  date NOT NULL DEFAULT current_date,
    valid_until date NOT NULL DEFAULT current_date + 14,
    CHECK (valid_from <= valid_until)
);

CREATE TABLE public.market_orders (
    order_id    uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    farm_id     uuid NOT NULL REFERENCES public.farms (farm_id) ON DELETE CASCADE,
    crop_code   text NOT NULL REFERENCES public.crops (crop_code),
    tonnes      numeric(10, 3) NOT NULL,
    floor_price numeric(10, 2) NOT NULL
);

-- ---------------------------------------------------------------------
-- HELPERS
-- ---------------------------------------------------------------------
CREATE FUNCTION app.is_on_farm(p_farm uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT EXISTS (SELECT 1 FROM public.farm_people fp WHERE fp.farm_id = p_farm AND fp.person_id = auth.uid());
$$;

CREATE FUNCTION app.is_manager() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT EXISTS (SELECT 1 FROM public.farm_people fp WHERE fp.person_id = auth.uid() AND fp.farm_role = 'manager');
$$;

CREATE FUNCTION app.has_farm_role(p_farm uuid, VARIADIC p_roles public.farm_role[]) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT EXISTS (
        SELECT 1 FROM public.farm_people fp
        WHERE fp.farm_id = p_farm AND fp.person_id = auth.uid() AND fp.farm_role = ANY (p_roles));
$$;

CREATE FUNCTION app.has_pass(p_farm uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT EXISTS (
        SELECT 1 FROM public.contractor_passes cp
        WHERE cp.farm_id = p_farm AND cp.contractor = auth.uid()
          AND (cp.valid_from <= current_date OR cp.valid_until >= current_date));
$$;

-- ---------------------------------------------------------------------
-- ROW LEVEL SECURITY
-- ---------------------------------------------------------------------
ALTER TABLE public.farms             ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.farm_people       ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.crops             ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.fields            ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.sprayings         ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.harvests          ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.soil_readings     ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.contractor_passes ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.market_orders     ENABLE ROW LEVEL SECURITY;

CREATE POLICY crops_sel ON public.crops FOR SELECT USING (true);

CREATE POLICY farms_sel ON public.farms FOR SELECT TO authenticated USING (app.is_on_farm(farm_id) OR app.has_pass(farm_id));
CREATE POLICY farms_upd ON public.farms FOR UPDATE TO authenticated
    USING (app.has_farm_role(farm_id, 'manager'));

CREATE POLICY people_sel ON public.farm_people FOR SELECT TO authenticated USING (app.is_on_farm(farm_id));
CREATE POLICY people_ins ON public.farm_people FOR INSERT TO authenticated WITH CHECK (app.has_farm_role(farm_id, 'manager'));
CREATE POLICY people_del ON public.farm_people FOR DELETE TO authenticated USING (app.has_farm_role(farm_id, 'manager'));

CREATE POLICY fields_sel ON public.fields FOR SELECT TO authenticated USING (app.is_on_farm(farm_id) OR app.has_pass(farm_id));
CREATE POLICY fields_mod ON public.fields FOR ALL TO authenticated
    USING (app.has_farm_role(farm_id, 'agronomist', 'manager'));

CREATE POLICY sprayings_sel ON public.sprayings FOR SELECT TO authenticated USING (app.is_on_farm(farm_id) OR app.has_pass(farm_id));
CREATE POLICY sprayings_mod ON public.sprayings FOR ALL TO authenticated
    USING (app.has_farm_role(farm_id, 'agronomist', 'manager'));

CREATE POLICY harvests_sel ON public.harvests FOR SELECT TO authenticated USING (app.is_on_farm(farm_id));
CREATE POLICY harvests_ins ON public.harvests FOR INSERT TO authenticated WITH CHECK (app.is_on_farm(farm_id));
CREATE POLICY harvests_upd ON public.harvests FOR UPDATE TO authenticated USING (app.is_manager());

CREATE POLICY soil_sel ON public.soil_readings FOR SELECT TO authenticated USING (app.is_on_farm(farm_id));
CREATE POLICY soil_ins ON public.soil_readings FOR INSERT TO authenticated WITH CHECK (app.has_farm_role(farm_id, 'agronomist', 'manager'));
REVOKE ALL ON public.soil_readings_2026q1, public.soil_readings_2026q2 FROM anon, authenticated;

CREATE POLICY passes_sel ON public.contractor_passes FOR SELECT TO authenticated
    USING (contractor = auth.uid() OR app.is_on_farm(farm_id));
CREATE POLICY passes_mod ON public.contractor_passes FOR ALL TO authenticated
    USING (app.has_farm_role(farm_id, 'manager'));

CREATE POLICY orders_mod ON public.market_orders FOR ALL TO authenticated
    USING (app.has_farm_role(farm_id, 'manager'));

-- ---------------------------------------------------------------------
-- RPC
-- ---------------------------------------------------------------------
-- what an agronomist has checked
CREATE FUNCTION public.approve_spraying(p_spraying uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    v_farm uuid;
BEGIN
    SELECT farm_id INTO v_farm FROM public.sprayings WHERE spraying_id = p_spraying;
    IF v_farm IS NULL OR NOT app.has_farm_role(v_farm, 'agronomist', 'manager') THEN
        RAISE EXCEPTION 'spraying not found' USING ERRCODE = 'P0002';
    END IF;
    UPDATE public.sprayings SET approved = true WHERE spraying_id = p_spraying;
END $$;

-- "farms of your region harvest … t/ha": needs the harvests of the farm itself to compare with
CREATE FUNCTION public.yield_per_hectare(p_farm uuid, p_crop text) RETURNS numeric
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    v_role public.farm_role;
    v_yield numeric;
BEGIN
    SELECT fp.farm_role INTO v_role FROM public.farm_people fp WHERE fp.farm_id = p_farm AND fp.person_id = auth.uid();
    IF v_role NOT IN ('agronomist', 'manager') THEN
        RAISE EXCEPTION 'not for helpers' USING ERRCODE = '42501';
    END IF;
    SELECT sum(h.tonnes) / nullif(sum(f.hectares), 0) INTO v_yield
    FROM public.harvests h JOIN public.fields f ON f.field_id = h.field_id
    WHERE h.farm_id = p_farm AND f.crop_code = p_crop;
    RETURN v_yield;
END $$;

CREATE FUNCTION public.create_farm(p_name text, p_region text DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    v_farm uuid;
BEGIN
    IF auth.uid() IS NULL THEN
        RAISE EXCEPTION 'sign in first' USING ERRCODE = '42501';
    END IF;
    INSERT INTO public.farms (farm_name, region) VALUES (p_name, p_region) RETURNING farm_id INTO v_farm;
    INSERT INTO public.farm_people VALUES (v_farm, auth.uid(), 'manager');
    RETURN v_farm;
END $$;
