-- the intranet: names, titles, birthdays
CREATE VIEW staff_directory AS
SELECT e.company_id, e.user_id, e.full_name, e.title, p.born_on, p.iban, p.emergency
FROM employees e
LEFT JOIN employee_private p USING (company_id, user_id)
WHERE works_at(e.company_id);
REVOKE ALL ON staff_directory FROM anon;

CREATE FUNCTION delete_folder(p_folder uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
    v_company uuid;
BEGIN
    SELECT company_id INTO v_company FROM public.document_folders WHERE id = p_folder AND deleted_at IS NULL;
    IF v_company IS NULL OR NOT public.is_hr(v_company) THEN
        RAISE EXCEPTION 'folder not found' USING ERRCODE = 'P0002';
    END IF;
    UPDATE public.document_folders SET deleted_at = now() WHERE id = p_folder;
END
$$;

CREATE FUNCTION offboard(p_company uuid, p_user uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
BEGIN
    IF NOT public.is_hr(p_company) THEN
        RAISE EXCEPTION 'only HR' USING ERRCODE = '42501';
    END IF;
    INSERT INTO public.audit_log (company_id, action, detail)
    VALUES (p_company, 'offboard', jsonb_build_object('user', p_user));
    DELETE FROM public.employees WHERE company_id = p_company AND user_id = p_user;
END
$$;
