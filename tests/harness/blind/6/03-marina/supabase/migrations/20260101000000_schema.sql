-- Harbour Desk. Marinas are known by their call sign, nearly every key is (marina, no).
CREATE DOMAIN public.call_sign AS text CHECK (VALUE ~ '^[a-z0-9-]{2,40}$');
CREATE DOMAIN public.money_amount AS numeric(12,2) CHECK (VALUE >= 0);

CREATE TABLE public.marinas (
  marina public.call_sign PRIMARY KEY,
  title text NOT NULL,
  vhf_channel smallint,
  phone text
);

CREATE TABLE public.crew (
  marina public.call_sign NOT NULL REFERENCES public.marinas ON DELETE CASCADE,
  user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
  rank text NOT NULL DEFAULT 'deckhand' CHECK (rank IN ('deckhand', 'harbourmaster', 'owner')),
  nickname text,
  mobile text,
  pin_hash text,               -- for the till at the fuel pier
  PRIMARY KEY (marina, user_id)
);

CREATE TABLE public.berths (
  marina public.call_sign NOT NULL REFERENCES public.marinas ON DELETE CASCADE,
  berth_no integer NOT NULL,
  pier text NOT NULL DEFAULT 'A',
  length_m numeric(5,2) NOT NULL DEFAULT 10,
  PRIMARY KEY (marina, berth_no)
);

CREATE TABLE public.boats (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  marina public.call_sign NOT NULL REFERENCES public.marinas ON DELETE CASCADE,
  boat_name text NOT NULL,
  skipper text,
  litres_total numeric NOT NULL DEFAULT 0,
  last_fuelled_at timestamptz,
  UNIQUE (marina, id)
);

CREATE TABLE public.contracts (
  marina public.call_sign NOT NULL,
  contract_no integer NOT NULL,
  berth_no integer NOT NULL,
  boat_id uuid NOT NULL,
  yearly_fee public.money_amount NOT NULL DEFAULT 0,
  runs_until date,
  PRIMARY KEY (marina, contract_no),
  FOREIGN KEY (marina, berth_no) REFERENCES public.berths,
  FOREIGN KEY (marina, boat_id) REFERENCES public.boats (marina, id)
);

CREATE TABLE public.berth_invoices (
  marina public.call_sign NOT NULL,
  invoice_no integer NOT NULL,
  contract_no integer NOT NULL,
  amount public.money_amount NOT NULL,
  paid_on date,
  PRIMARY KEY (marina, invoice_no),
  FOREIGN KEY (marina, contract_no) REFERENCES public.contracts
);

CREATE TABLE public.fuel_sales (
  marina public.call_sign NOT NULL REFERENCES public.marinas ON DELETE CASCADE,
  sale_no bigint GENERATED ALWAYS AS IDENTITY,
  boat_id uuid NOT NULL REFERENCES public.boats (id) ON DELETE CASCADE,
  litres numeric(8,2) NOT NULL CHECK (litres > 0),
  sold_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (marina, sale_no)
);

CREATE TABLE public.waiting_list (
  marina public.call_sign NOT NULL REFERENCES public.marinas ON DELETE CASCADE,
  position integer NOT NULL,
  applicant text NOT NULL,
  applicant_mail text NOT NULL,
  wanted_length_m numeric(5,2),
  PRIMARY KEY (marina, position)
);

CREATE TABLE public.tide_table (
  gauge text NOT NULL,
  at timestamptz NOT NULL,
  height_m numeric(4,2) NOT NULL,
  PRIMARY KEY (gauge, at)
);

CREATE INDEX ON public.crew (user_id);
CREATE INDEX ON public.contracts (marina, berth_no);
CREATE INDEX ON public.contracts (marina, boat_id);
CREATE INDEX ON public.berth_invoices (marina, contract_no);
CREATE INDEX ON public.fuel_sales (boat_id);

-- who am I
CREATE FUNCTION public.my_rank(p_marina text) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  v_rank text;
BEGIN
  SELECT c.rank INTO v_rank FROM public.crew c WHERE c.marina = p_marina AND c.user_id = auth.uid();
  RETURN v_rank;
END $$;

CREATE FUNCTION public.is_crew(p_marina text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  RETURN EXISTS (SELECT 1 FROM public.crew c WHERE c.marina = p_marina AND c.user_id = auth.uid());
END $$;

CREATE FUNCTION public.is_master(p_marina text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  RETURN coalesce(public.my_rank(p_marina) IN ('harbourmaster', 'owner'), false);
END $$;

-- contracts and money: deckhands may not
CREATE FUNCTION public.may_handle_contracts(p_marina text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  v_rank text := public.my_rank(p_marina);
BEGIN
  IF auth.uid() IS NULL THEN
    RETURN false;
  END IF;
  IF v_rank NOT IN ('harbourmaster', 'owner') THEN
    RETURN false;
  END IF;
  RETURN true;
END $$;

ALTER TABLE public.marinas ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.crew ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.berths ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.boats ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.contracts ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.berth_invoices ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.fuel_sales ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.waiting_list ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.tide_table ENABLE ROW LEVEL SECURITY;

CREATE POLICY marinas_r ON public.marinas FOR SELECT TO authenticated USING (public.is_crew(marina));
CREATE POLICY marinas_u ON public.marinas FOR UPDATE TO authenticated
  USING (public.is_master(marina)) WITH CHECK (public.is_master(marina));

CREATE POLICY crew_r ON public.crew FOR SELECT TO authenticated USING (public.is_crew(marina));
CREATE POLICY crew_i ON public.crew FOR INSERT TO authenticated WITH CHECK (public.my_rank(marina) = 'owner');
CREATE POLICY crew_d ON public.crew FOR DELETE TO authenticated USING (public.my_rank(marina) = 'owner');
-- owners promote, everybody keeps their own nickname and number up to date
CREATE POLICY crew_u ON public.crew FOR UPDATE TO authenticated
  USING (public.my_rank(marina) = 'owner' OR user_id = auth.uid())
  WITH CHECK (public.my_rank(marina) = 'owner' OR user_id = auth.uid());

CREATE FUNCTION public.crew_keep_key() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
  IF (NEW.marina, NEW.user_id) IS DISTINCT FROM (OLD.marina, OLD.user_id) THEN
    RAISE EXCEPTION 'marina and user are fixed' USING ERRCODE = '42501';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER crew_keep_key BEFORE UPDATE ON public.crew FOR EACH ROW EXECUTE FUNCTION public.crew_keep_key();

CREATE POLICY berths_r ON public.berths FOR SELECT TO authenticated USING (public.is_crew(marina));
CREATE POLICY berths_w ON public.berths FOR ALL TO authenticated
  USING (public.is_master(marina)) WITH CHECK (public.is_master(marina));

CREATE POLICY boats_r ON public.boats FOR SELECT TO authenticated USING (public.is_crew(marina));
CREATE POLICY boats_w ON public.boats FOR ALL TO authenticated
  USING (public.is_master(marina)) WITH CHECK (public.is_master(marina));

CREATE POLICY contracts_rw ON public.contracts FOR ALL TO authenticated
  USING (public.may_handle_contracts(marina)) WITH CHECK (public.may_handle_contracts(marina));

CREATE POLICY berth_invoices_rw ON public.berth_invoices FOR ALL TO authenticated
  USING (public.is_master(marina)) WITH CHECK (public.is_master(marina));

CREATE POLICY fuel_r ON public.fuel_sales FOR SELECT TO authenticated USING (public.is_crew(marina));
CREATE POLICY fuel_i ON public.fuel_sales FOR INSERT TO authenticated WITH CHECK (public.is_crew(marina));

CREATE POLICY waiting_rw ON public.waiting_list FOR ALL TO authenticated
  USING (public.is_crew(marina)) WITH CHECK (public.is_crew(marina));

CREATE POLICY tides_r ON public.tide_table FOR SELECT TO anon, authenticated USING (true);

-- boats show what they took
CREATE FUNCTION public.fuel_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  UPDATE public.boats
     SET litres_total = litres_total + NEW.litres, last_fuelled_at = NEW.sold_at
   WHERE id = NEW.boat_id;
  RETURN NEW;
END $$;
CREATE TRIGGER fuel_count AFTER INSERT ON public.fuel_sales FOR EACH ROW EXECUTE FUNCTION public.fuel_count();

CREATE VIEW public.berth_board WITH (security_invoker = on) AS
  SELECT b.marina, b.berth_no, b.pier, b.length_m, m.title
    FROM public.berths b JOIN public.marinas m USING (marina);

-- till at the fuel pier: compare the PIN, tell yes or no
CREATE FUNCTION public.check_pin(p_marina text, p_pin text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  RETURN EXISTS (
    SELECT 1 FROM public.crew c
     WHERE c.marina = p_marina AND c.user_id = auth.uid()
       AND c.pin_hash = extensions.crypt(p_pin, c.pin_hash)
  );
END $$;
