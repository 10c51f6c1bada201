CREATE SCHEMA IF NOT EXISTS private;
GRANT USAGE ON SCHEMA private TO authenticated;

CREATE FUNCTION private.my_shops() RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    AS $$ SELECT shop_id FROM public.shop_members WHERE user_id = (SELECT auth.uid()) $$;

CREATE FUNCTION private.my_admin_shops() RETURNS SETOF bigint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
    AS $$ SELECT shop_id FROM public.shop_members WHERE user_id = (SELECT auth.uid()) AND is_admin $$;

ALTER TABLE public.categories ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.shops ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.shop_members ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.products ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.product_costs ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.order_items ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.coupons ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.coupon_redemptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.shop_pages ENABLE ROW LEVEL SECURITY;

CREATE POLICY categories_select ON public.categories FOR SELECT USING (true);

CREATE POLICY shops_select ON public.shops FOR SELECT TO authenticated
    USING (id IN (SELECT private.my_shops()));
CREATE POLICY shops_update ON public.shops FOR UPDATE TO authenticated
    USING (id IN (SELECT private.my_admin_shops()));

CREATE POLICY shop_members_select ON public.shop_members FOR SELECT TO authenticated
    USING (shop_id IN (SELECT private.my_shops()));
CREATE POLICY shop_members_insert ON public.shop_members FOR INSERT TO authenticated
    WITH CHECK (shop_id IN (SELECT private.my_admin_shops()));
CREATE POLICY shop_members_update ON public.shop_members FOR UPDATE TO authenticated
    USING (shop_id IN (SELECT private.my_admin_shops()));
CREATE POLICY shop_members_delete ON public.shop_members FOR DELETE TO authenticated
    USING (shop_id IN (SELECT private.my_admin_shops()));

CREATE POLICY products_storefront ON public.products FOR SELECT TO anon, authenticated
    USING (published);
CREATE POLICY products_select ON public.products FOR SELECT TO authenticated
    USING (shop_id IN (SELECT private.my_shops()));
CREATE POLICY products_insert ON public.products FOR INSERT TO authenticated
    WITH CHECK (shop_id IN (SELECT private.my_shops()));
CREATE POLICY products_update ON public.products FOR UPDATE TO authenticated
    USING (shop_id IN (SELECT private.my_shops()))
    WITH CHECK (price_cents > 0);
CREATE POLICY products_delete ON public.products FOR DELETE TO authenticated
    USING (shop_id IN (SELECT private.my_shops()));

CREATE POLICY product_costs_admin ON public.product_costs FOR ALL TO authenticated
    USING (shop_id IN (SELECT private.my_admin_shops()));
CREATE POLICY product_costs_select ON public.product_costs FOR SELECT TO authenticated
    USING (product_id IN (SELECT id FROM public.products WHERE shop_id IN (SELECT private.my_shops())));

CREATE POLICY orders_select ON public.orders FOR SELECT TO authenticated
    USING (shop_id IN (SELECT private.my_shops()));
CREATE POLICY orders_update ON public.orders FOR UPDATE TO authenticated
    USING (shop_id IN (SELECT private.my_shops()));

CREATE POLICY order_items_select ON public.order_items FOR SELECT TO authenticated
    USING (shop_id IN (SELECT private.my_shops()));

CREATE POLICY coupons_all ON public.coupons FOR ALL TO authenticated
    USING (shop_id IN (SELECT private.my_shops()));

CREATE POLICY redemptions_select ON public.coupon_redemptions FOR SELECT TO authenticated
    USING (shop_id IN (SELECT private.my_shops()));
CREATE POLICY redemptions_insert ON public.coupon_redemptions FOR INSERT TO authenticated
    WITH CHECK (shop_id IN (SELECT private.my_shops()));

CREATE POLICY shop_pages_live ON public.shop_pages FOR SELECT TO anon, authenticated
    USING (is_live);
CREATE POLICY shop_pages_edit ON public.shop_pages FOR ALL TO authenticated
    USING (shop_id IN (SELECT private.my_shops()));
