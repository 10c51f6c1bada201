CREATE FUNCTION works_at(uuid) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    RETURN EXISTS (SELECT 1 FROM public.employees e WHERE e.company_id = $1 AND e.user_id = auth.uid());

CREATE FUNCTION is_hr(uuid) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    RETURN EXISTS (SELECT 1 FROM public.employees e WHERE e.company_id = $1 AND e.user_id = auth.uid() AND e.role = 'hr');

ALTER TABLE companies        ENABLE ROW LEVEL SECURITY;
ALTER TABLE employees        ENABLE ROW LEVEL SECURITY;
ALTER TABLE employee_private ENABLE ROW LEVEL SECURITY;
ALTER TABLE salaries         ENABLE ROW LEVEL SECURITY;
ALTER TABLE leave_requests   ENABLE ROW LEVEL SECURITY;
ALTER TABLE document_folders ENABLE ROW LEVEL SECURITY;
ALTER TABLE documents        ENABLE ROW LEVEL SECURITY;
ALTER TABLE job_openings     ENABLE ROW LEVEL SECURITY;
ALTER TABLE applications     ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_log        ENABLE ROW LEVEL SECURITY;

CREATE POLICY companies_read ON companies FOR SELECT TO authenticated USING (works_at(id));

CREATE POLICY employees_read ON employees FOR SELECT TO authenticated USING (works_at(company_id));
CREATE POLICY employees_hr ON employees FOR ALL TO authenticated USING (is_hr(company_id));

CREATE POLICY private_own ON employee_private FOR ALL TO authenticated
    USING (user_id = (SELECT auth.uid()));
CREATE POLICY private_hr ON employee_private FOR ALL TO authenticated USING (is_hr(company_id));

CREATE POLICY salaries_own ON salaries FOR SELECT TO authenticated
    USING (user_id = (SELECT auth.uid()) AND works_at(company_id));
CREATE POLICY salaries_hr ON salaries FOR ALL TO authenticated USING (is_hr(company_id));

-- everybody sees who is away; the company is the frame for all of it
CREATE POLICY leave_company ON leave_requests AS RESTRICTIVE FOR ALL TO public
    USING (works_at(company_id));
CREATE POLICY leave_calendar ON leave_requests FOR SELECT TO public USING (true);
CREATE POLICY leave_own ON leave_requests FOR ALL TO authenticated
    USING (user_id = (SELECT auth.uid()));

CREATE POLICY folders_read ON document_folders FOR SELECT TO authenticated
    USING (works_at(company_id) AND deleted_at IS NULL);
CREATE POLICY folders_hr ON document_folders FOR INSERT TO authenticated
    WITH CHECK (is_hr(company_id) AND deleted_at IS NULL);

CREATE POLICY documents_read ON documents FOR SELECT TO authenticated USING (works_at(company_id));
CREATE POLICY documents_hr ON documents FOR INSERT TO authenticated
    WITH CHECK (
        is_hr(company_id)
        AND EXISTS (SELECT 1 FROM document_folders f WHERE f.id = folder_id)
    );

CREATE POLICY openings_read ON job_openings FOR SELECT TO authenticated USING (works_at(company_id));
CREATE POLICY openings_hr ON job_openings FOR ALL TO authenticated USING (is_hr(company_id));

CREATE POLICY applications_hr ON applications FOR ALL TO authenticated USING (is_hr(company_id));
-- the status page sends the address that the applicant has signed in with
CREATE POLICY applications_own ON applications FOR SELECT TO anon, authenticated
    USING (email = nullif(current_setting('request.headers', true), '')::json ->> 'x-applicant-email');

CREATE POLICY audit_read ON audit_log FOR SELECT TO authenticated USING (is_hr(company_id));
CREATE POLICY audit_write ON audit_log FOR INSERT TO authenticated WITH CHECK (true);
