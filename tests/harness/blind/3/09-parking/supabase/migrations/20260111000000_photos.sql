-- photos of cars without a ticket: <operator>/<yyyy-mm-dd>/<plate>.jpg
INSERT INTO storage.buckets (id, name, public) VALUES ('evidence', 'evidence', false) ON CONFLICT DO NOTHING;

CREATE POLICY "evidence in" ON storage.objects FOR INSERT TO authenticated
  WITH CHECK (bucket_id = 'evidence' AND split_part(name, '/', 1) = (auth.jwt() -> 'app_metadata' ->> 'operator'));
CREATE POLICY "evidence out" ON storage.objects FOR SELECT TO authenticated
  USING (bucket_id = 'evidence' AND name LIKE (auth.jwt() -> 'app_metadata' ->> 'operator') || '%');
