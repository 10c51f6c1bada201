-- dashboard and search

CREATE VIEW book_of_business AS
SELECT p.brokerage_id, c.name AS client, k.name AS carrier, p.policy_no, p.premium, upper(p.effective) AS renews_on
FROM insurance_policies p
JOIN clients c  ON c.id = p.client_id
JOIN carriers k ON k.id = p.carrier_id;

CREATE FUNCTION search_clients(q TEXT)
RETURNS TABLE (id BIGINT, name TEXT, email TEXT)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT c.id, c.name, c.email
    FROM clients c
    WHERE c.brokerage_id = current_brokerage()
      AND c.name ILIKE '%' || q || '%' OR c.email ILIKE '%' || q || '%'
    ORDER BY c.name
$$;
REVOKE EXECUTE ON FUNCTION search_clients(TEXT) FROM PUBLIC, anon;

-- what a producer has earned: only her own sum
CREATE FUNCTION my_commission(p_since DATE DEFAULT NULL) RETURNS NUMERIC
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT coalesce(sum(m.amount), 0)
    FROM commissions m JOIN insurance_policies p ON p.id = m.policy_id
    WHERE m.producer_id = auth.uid() AND m.brokerage_id = current_brokerage()
      AND (p_since IS NULL OR lower(p.effective) >= p_since)
$$;
