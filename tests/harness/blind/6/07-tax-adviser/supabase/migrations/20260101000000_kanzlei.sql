/* Tax adviser's office, one row in firms per office */

CREATE TYPE public.grade AS ENUM ('trainee', 'clerk', 'partner');
CREATE TYPE public.return_state AS ENUM ('collecting', 'review', 'signed', 'filed');

CREATE TABLE public.firms (
    id          serial PRIMARY KEY,
    firm_name   varchar(120) NOT NULL,
    created     timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.firm_staff (
    firm_id     int NOT NULL REFERENCES public.firms (id) ON DELETE CASCADE,
    user_id     uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
    grade       public.grade NOT NULL DEFAULT 'trainee',
    PRIMARY KEY (firm_id, user_id)
);

CREATE TABLE public.tax_forms (
    form_code   varchar(12) PRIMARY KEY,
    title       varchar(200) NOT NULL,
    valid_year  int NOT NULL
);

CREATE TABLE public.clients (
    id          serial PRIMARY KEY,
    firm_id     int NOT NULL REFERENCES public.firms (id) ON DELETE CASCADE,
    name        varchar(200) NOT NULL,
    tax_number  varchar(20),
    UNIQUE (firm_id, id)
);

-- the client's spouse, accountant or bank is let in for a while
CREATE TABLE public.mandates (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    client_id   int NOT NULL REFERENCES public.clients (id) ON DELETE CASCADE,
    delegate_id uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE,
    note        text,
    valid_to    timestamptz NOT NULL DEFAULT now() + interval '90 days',
    revoked_at  timestamptz,
    seen_at     timestamptz
);

CREATE TABLE public.tax_returns (
    id          serial PRIMARY KEY,
    client_id   int NOT NULL REFERENCES public.clients (id) ON DELETE CASCADE,
    form_code   varchar(12) REFERENCES public.tax_forms,
    state       public.return_state NOT NULL DEFAULT 'collecting',
    signed_by   uuid,
    refund      numeric(12, 2)
);

CREATE TABLE public.return_lines (
    return_id   int NOT NULL REFERENCES public.tax_returns (id) ON DELETE CASCADE,
    line_no     int NOT NULL,
    label       varchar(200),
    amount      numeric(12, 2) NOT NULL DEFAULT 0,
    PRIMARY KEY (return_id, line_no)
);

CREATE TABLE public.documents (
    id          serial PRIMARY KEY,
    client_id   int NOT NULL REFERENCES public.clients (id) ON DELETE CASCADE,
    title       varchar(200) NOT NULL,
    path        text
);

CREATE TABLE public.messages (
    id          bigserial PRIMARY KEY,
    client_id   int NOT NULL REFERENCES public.clients (id) ON DELETE CASCADE,
    sender_id   uuid NOT NULL DEFAULT auth.uid() REFERENCES auth.users (id),
    body        text NOT NULL,
    sent_at     timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.upload_requests (
    id          serial PRIMARY KEY,
    client_id   int NOT NULL REFERENCES public.clients (id) ON DELETE CASCADE,
    wanted      text NOT NULL,
    token       uuid NOT NULL DEFAULT gen_random_uuid(),
    until       timestamptz NOT NULL DEFAULT now() + interval '14 days'
);

CREATE INDEX ON public.firm_staff (user_id);
CREATE INDEX ON public.mandates (client_id);
CREATE INDEX ON public.mandates (delegate_id);
CREATE INDEX ON public.tax_returns (client_id);
CREATE INDEX ON public.tax_returns (form_code);
CREATE INDEX ON public.documents (client_id);
CREATE INDEX ON public.messages (client_id);
CREATE INDEX ON public.messages (sender_id);
CREATE INDEX ON public.upload_requests (client_id);

CREATE FUNCTION public.staff_of_client(c int) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
$$
    SELECT EXISTS (
        SELECT 1 FROM clients k JOIN firm_staff s ON s.firm_id = k.firm_id
        WHERE k.id = c AND s.user_id = auth.uid())
$$;

CREATE FUNCTION public.grade_for_client(c int) RETURNS public.grade
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
$$
    SELECT s.grade FROM clients k JOIN firm_staff s ON s.firm_id = k.firm_id
    WHERE k.id = c AND s.user_id = auth.uid()
$$;

CREATE FUNCTION public.my_grade(f int) RETURNS public.grade
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
$$
    SELECT s.grade FROM firm_staff s WHERE s.firm_id = f AND s.user_id = auth.uid()
$$;

CREATE FUNCTION public.delegate_of(c int) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
$$
    SELECT EXISTS (
        SELECT 1 FROM mandates m
        WHERE m.client_id = c AND m.delegate_id = auth.uid()
          AND m.valid_to > now() AND m.revoked_at IS NULL)
$$;

ALTER TABLE public.firms ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.firm_staff ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.tax_forms ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.clients ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.mandates ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.tax_returns ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.return_lines ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.upload_requests ENABLE ROW LEVEL SECURITY;

CREATE POLICY p1 ON public.firms FOR SELECT TO authenticated USING (public.my_grade(id) IS NOT NULL);
CREATE POLICY p1 ON public.firm_staff FOR SELECT TO authenticated USING (public.my_grade(firm_id) IS NOT NULL);
CREATE POLICY p2 ON public.firm_staff FOR ALL TO authenticated
    USING (public.my_grade(firm_id) = 'partner') WITH CHECK (public.my_grade(firm_id) = 'partner');
CREATE POLICY p1 ON public.tax_forms FOR SELECT TO anon, authenticated USING (true);

CREATE POLICY p1 ON public.clients FOR SELECT TO authenticated
    USING (public.my_grade(firm_id) IS NOT NULL OR public.delegate_of(id));
CREATE POLICY p2 ON public.clients FOR INSERT TO authenticated WITH CHECK (public.my_grade(firm_id) >= 'clerk');
CREATE POLICY p3 ON public.clients FOR UPDATE TO authenticated
    USING (public.my_grade(firm_id) >= 'clerk') WITH CHECK (public.my_grade(firm_id) >= 'clerk');
CREATE POLICY p4 ON public.clients FOR DELETE TO authenticated USING (public.my_grade(firm_id) = 'partner');

CREATE POLICY p1 ON public.mandates FOR SELECT TO authenticated
    USING (delegate_id = auth.uid() OR public.staff_of_client(client_id));
CREATE POLICY p2 ON public.mandates FOR INSERT TO authenticated WITH CHECK (public.grade_for_client(client_id) = 'partner');
CREATE POLICY p3 ON public.mandates FOR DELETE TO authenticated USING (public.grade_for_client(client_id) = 'partner');
CREATE POLICY p4 ON public.mandates FOR UPDATE TO authenticated
    USING (public.grade_for_client(client_id) = 'partner') WITH CHECK (public.grade_for_client(client_id) = 'partner');
-- the app notes that the delegate has seen it
CREATE POLICY p5 ON public.mandates FOR UPDATE TO authenticated
    USING (delegate_id = auth.uid() AND valid_to > now() AND revoked_at IS NULL)
    WITH CHECK (delegate_id = auth.uid());

CREATE POLICY p1 ON public.tax_returns FOR SELECT TO authenticated
    USING (public.staff_of_client(client_id) OR public.delegate_of(client_id));
CREATE POLICY p2 ON public.tax_returns FOR INSERT TO authenticated
    WITH CHECK (public.grade_for_client(client_id) >= 'clerk' AND signed_by IS NULL AND state IN ('collecting', 'review'));
CREATE POLICY p3 ON public.tax_returns FOR UPDATE TO authenticated
    USING (public.grade_for_client(client_id) >= 'clerk' AND state IN ('collecting', 'review'))
    WITH CHECK (public.grade_for_client(client_id) >= 'clerk' AND state IN ('collecting', 'review') AND signed_by IS NULL);
CREATE POLICY p4 ON public.tax_returns FOR DELETE TO authenticated USING (public.grade_for_client(client_id) = 'partner');

-- lines belong to whom the return belongs to
CREATE POLICY p1 ON public.return_lines FOR SELECT TO authenticated
    USING (EXISTS (SELECT 1 FROM public.tax_returns r WHERE r.id = return_lines.return_id));
CREATE POLICY p2 ON public.return_lines FOR ALL TO authenticated
    USING (EXISTS (SELECT 1 FROM public.tax_returns r WHERE r.id = return_lines.return_id AND public.grade_for_client(r.client_id) >= 'clerk'))
    WITH CHECK (EXISTS (SELECT 1 FROM public.tax_returns r WHERE r.id = return_lines.return_id AND public.grade_for_client(r.client_id) >= 'clerk'));

CREATE POLICY p1 ON public.documents FOR SELECT TO authenticated
    USING (
        public.staff_of_client(client_id)
        OR client_id IN (SELECT m.client_id FROM public.mandates m
                         WHERE m.delegate_id = auth.uid() AND m.valid_to > now())
    );
CREATE POLICY p2 ON public.documents FOR ALL TO authenticated
    USING (public.staff_of_client(client_id)) WITH CHECK (public.staff_of_client(client_id));

CREATE POLICY p1 ON public.messages FOR SELECT TO authenticated
    USING (public.staff_of_client(client_id) OR public.delegate_of(client_id));
CREATE POLICY p2 ON public.messages FOR INSERT TO authenticated WITH CHECK (sender_id = auth.uid());

CREATE POLICY p1 ON public.upload_requests FOR ALL TO authenticated
    USING (public.staff_of_client(client_id)) WITH CHECK (public.staff_of_client(client_id));

-- the link in the mail: what is wanted?
CREATE FUNCTION public.upload_request(p_token uuid) RETURNS TABLE (wanted text, until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS
$$ SELECT r.wanted, r.until FROM upload_requests r WHERE r.token = p_token AND r.until > now() $$;

-- partners sign
CREATE FUNCTION public.sign_return(p_return int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS
$$
DECLARE
    c int;
BEGIN
    SELECT r.client_id INTO c FROM tax_returns r WHERE r.id = p_return AND r.state = 'review';
    IF c IS NULL OR grade_for_client(c) IS DISTINCT FROM 'partner' THEN
        RAISE EXCEPTION 'partners sign returns that are in review' USING ERRCODE = '42501';
    END IF;
    UPDATE tax_returns SET state = 'signed', signed_by = auth.uid() WHERE id = p_return;
END
$$;

-- files of clients:  <firm id>/<client id>/<file>
INSERT INTO storage.buckets (id, name, public) VALUES ('client-files', 'client-files', false);

CREATE POLICY "firm reads its files" ON storage.objects FOR SELECT TO authenticated
    USING (
        bucket_id = 'client-files'
        AND EXISTS (SELECT 1 FROM public.firm_staff s
                    WHERE s.user_id = auth.uid() AND objects.name LIKE s.firm_id || '%')
    );
CREATE POLICY "firm stores files" ON storage.objects FOR INSERT TO authenticated
    WITH CHECK (
        bucket_id = 'client-files'
        AND EXISTS (SELECT 1 FROM public.firm_staff s
                    WHERE s.user_id = auth.uid() AND (storage.foldername(objects.name))[1] = s.firm_id::text)
    );
