/* Contract warehouse. Depositors keep goods with us; keys are the codes of the old AS/400. */

CREATE DOMAIN public.depositor_code AS varchar(8) CHECK (VALUE ~ '^[A-Z0-9]{2,8}$');
CREATE DOMAIN public.access_level AS text CHECK (VALUE IN ('reader', 'clerk', 'lead'));

CREATE TABLE public.depositors (
    depositor public.depositor_code PRIMARY KEY,
    firm      text NOT NULL,
    vat_id    text
);

CREATE TABLE public.depositor_users (
    depositor public.depositor_code NOT NULL REFERENCES public.depositors,
    uid       uuid NOT NULL REFERENCES auth.users,
    access    public.access_level NOT NULL DEFAULT 'reader',
    PRIMARY KEY (depositor, uid)
);

CREATE TABLE public.bins (
    bin      varchar(12) PRIMARY KEY,
    aisle    smallint NOT NULL DEFAULT 1,
    max_kg   integer NOT NULL DEFAULT 500
);

CREATE TABLE public.articles (
    depositor public.depositor_code NOT NULL REFERENCES public.depositors,
    sku       varchar(30) NOT NULL,
    name      text NOT NULL,
    cost      numeric(12,4),
    PRIMARY KEY (depositor, sku)
);

CREATE TABLE public.bin_stock (
    depositor public.depositor_code NOT NULL,
    sku       varchar(30) NOT NULL,
    bin       varchar(12) NOT NULL REFERENCES public.bins,
    pieces    integer NOT NULL DEFAULT 0,
    PRIMARY KEY (depositor, sku, bin),
    FOREIGN KEY (depositor, sku) REFERENCES public.articles
);

CREATE TABLE public.outbound (
    depositor public.depositor_code NOT NULL REFERENCES public.depositors,
    order_no  integer NOT NULL,
    consignee text NOT NULL,
    address   text,
    PRIMARY KEY (depositor, order_no)
);

CREATE TABLE public.outbound_lines (
    depositor public.depositor_code NOT NULL,
    order_no  integer NOT NULL,
    line      smallint NOT NULL,
    sku       varchar(30) NOT NULL,
    pieces    integer NOT NULL,
    PRIMARY KEY (depositor, order_no, line),
    FOREIGN KEY (depositor, order_no) REFERENCES public.outbound ON DELETE CASCADE,
    FOREIGN KEY (depositor, sku) REFERENCES public.articles
);

CREATE TABLE public.movements (
    moved_at  timestamptz NOT NULL DEFAULT now(),
    depositor public.depositor_code NOT NULL,
    sku       varchar(30) NOT NULL,
    pieces    integer NOT NULL,
    note      text
) PARTITION BY RANGE (moved_at);
CREATE TABLE public.movements_archive PARTITION OF public.movements FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE public.movements_2026 PARTITION OF public.movements FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);

CREATE TABLE public.api_keys (
    depositor  public.depositor_code NOT NULL REFERENCES public.depositors,
    label      text NOT NULL,
    key_hash   text NOT NULL,
    last_used  timestamptz,
    PRIMARY KEY (depositor, label)
);

CREATE TABLE public.scanner_log (
    id      bigserial PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    device  text NOT NULL,
    message text
);

CREATE OR REPLACE FUNCTION public.may(d text, need text DEFAULT 'reader') RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    have text;
BEGIN
    SELECT access INTO have FROM public.depositor_users WHERE depositor = d AND uid = auth.uid();
    RETURN CASE need
        WHEN 'reader' THEN have IS NOT NULL
        WHEN 'clerk'  THEN coalesce(have IN ('clerk', 'lead'), false)
        WHEN 'lead'   THEN coalesce(have = 'lead', false)
        ELSE false END;
END $$;

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['depositors','depositor_users','bins','articles','bin_stock','outbound','outbound_lines',
                             'movements','movements_archive','api_keys','scanner_log']
    LOOP
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['depositors','depositor_users','articles','bin_stock','outbound','movements']
    LOOP
        EXECUTE format('CREATE POLICY %I ON public.%I FOR SELECT TO authenticated USING (public.may(depositor))', t || '_r', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['articles','outbound']
    LOOP
        EXECUTE format('CREATE POLICY %I ON public.%I FOR INSERT TO authenticated WITH CHECK (public.may(depositor, ''clerk''))', t || '_i', t);
        EXECUTE format('CREATE POLICY %I ON public.%I FOR UPDATE TO authenticated USING (public.may(depositor, ''clerk'')) WITH CHECK (public.may(depositor, ''clerk''))', t || '_u', t);
    END LOOP;
END $$;

CREATE POLICY users_lead ON public.depositor_users FOR ALL TO authenticated
    USING (public.may(depositor, 'lead')) WITH CHECK (public.may(depositor, 'lead'));
CREATE POLICY bins_r ON public.bins FOR SELECT TO authenticated USING (true);
CREATE POLICY api_keys_lead ON public.api_keys FOR ALL TO authenticated
    USING (public.may(depositor, 'lead')) WITH CHECK (public.may(depositor, 'lead'));
CREATE POLICY scanner_log_backend ON public.scanner_log FOR ALL TO service_role USING (true) WITH CHECK (true);

CREATE POLICY lines_r ON public.outbound_lines FOR SELECT TO authenticated
    USING (EXISTS (
        SELECT 1 FROM public.outbound o JOIN public.depositor_users u ON u.depositor = o.depositor
        WHERE o.order_no = outbound_lines.order_no AND u.uid = auth.uid()));
CREATE POLICY lines_i ON public.outbound_lines FOR INSERT TO authenticated
    WITH CHECK (public.may(depositor, 'clerk'));
CREATE POLICY lines_d ON public.outbound_lines FOR DELETE TO authenticated
    USING (public.may(depositor, 'clerk'));

/* which keys are still in use: shown on everybody's dashboard */
CREATE VIEW public.api_key_usage AS
SELECT k.*, k.last_used < now() - interval '90 days' AS stale
FROM public.api_keys k
WHERE public.may(k.depositor);
REVOKE ALL ON public.api_key_usage FROM anon, authenticated;
GRANT SELECT ON public.api_key_usage TO authenticated;

/* the grid of the web client sorts and filters by what the user picks */
CREATE OR REPLACE FUNCTION public.article_grid(p_depositor text, p_filter text DEFAULT 'true', p_sort text DEFAULT 'sku')
RETURNS SETOF public.articles
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT public.may(p_depositor) THEN
        RAISE EXCEPTION 'no access to %', p_depositor USING ERRCODE = '42501';
    END IF;
    RETURN QUERY EXECUTE 'SELECT * FROM public.articles WHERE depositor = $1 AND ' || p_filter
                      || format(' ORDER BY %I', p_sort)
        USING p_depositor;
END $$;

/* the same for stock, with the filter as a value */
CREATE OR REPLACE FUNCTION public.stock_grid(p_depositor text, p_sku text DEFAULT '%', p_sort text DEFAULT 'sku')
RETURNS SETOF public.bin_stock
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT public.may(p_depositor) THEN
        RAISE EXCEPTION 'no access to %', p_depositor USING ERRCODE = '42501';
    END IF;
    RETURN QUERY EXECUTE format('SELECT * FROM public.bin_stock WHERE depositor = $1 AND sku LIKE $2 ORDER BY %I', p_sort)
        USING p_depositor, p_sku;
END $$;
