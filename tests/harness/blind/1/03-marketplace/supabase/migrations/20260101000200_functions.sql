-- the point of sale redeems coupons
CREATE FUNCTION public.count_redemption() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
    AS $$
BEGIN
    UPDATE public.coupons SET used = used + 1
    WHERE code = NEW.code AND used < max_uses;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'coupon % is not valid', NEW.code USING ERRCODE = 'P0001';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER count_redemption BEFORE INSERT ON public.coupon_redemptions
    FOR EACH ROW EXECUTE FUNCTION public.count_redemption();

-- the link in the confirmation mail
CREATE FUNCTION public.order_status(p_token uuid)
    RETURNS TABLE (status text, placed_at timestamptz, items bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    AS $$
    SELECT o.status, o.placed_at, (SELECT count(*) FROM public.order_items i WHERE i.order_id = o.id)
    FROM public.orders o
    WHERE o.token = p_token
$$;

-- search with a sort order that the grid chooses
CREATE FUNCTION public.search_orders(p_shop bigint, p_query text DEFAULT '', p_sort text DEFAULT 'placed_at')
    RETURNS SETOF public.orders
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ''
    AS $$
BEGIN
    IF p_shop NOT IN (SELECT private.my_shops()) THEN
        RAISE EXCEPTION 'not your shop' USING ERRCODE = '42501';
    END IF;
    RETURN QUERY EXECUTE
        'SELECT * FROM public.orders WHERE shop_id = ' || p_shop
        || ' AND buyer_email ILIKE ''%' || p_query || '%'''
        || format(' ORDER BY %I DESC LIMIT 100', p_sort);
END
$$;
REVOKE EXECUTE ON FUNCTION public.search_orders(bigint, text, text) FROM public, anon;
