-- the sheet on the wall of the office: who worked when
create view public.week_sheet as
select t.firm_id, t.user_id, t.work_date, t.minutes, t.narrative
from public.time_entry t
where t.firm_id = any (lex.firms()) and t.work_date > current_date - 7;
revoke all on public.week_sheet from anon, authenticated;
grant select on public.week_sheet to authenticated;

create function public.my_matters(p_user uuid default auth.uid()) returns table (matter_id uuid, caption text, client_name text)
language sql stable security definer set search_path = '' as $$
  select m.matter_id, m.caption, c.client_name
  from public.matter m
  join public.client c on c.client_id = m.client_id
  join public.firm_user u on u.firm_id = m.firm_id
  where u.user_id = p_user
    and not exists (select from public.matter_wall w where w.matter_id = m.matter_id and w.user_id = p_user)
$$;

create function public.save_document(p_document uuid, p_matter uuid, p_title text, p_body text) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  v_firm uuid;
begin
  select m.firm_id into v_firm from public.matter m
  where m.matter_id = p_matter and m.firm_id = any (lex.firms()) and lex.not_walled(m.matter_id);
  if not found then
    raise exception 'no such matter' using errcode = 'PT404';
  end if;
  insert into public.document as d (document_id, firm_id, matter_id, title, body)
  values (coalesce(p_document, gen_random_uuid()), v_firm, p_matter, p_title, p_body)
  on conflict (document_id) do update set title = excluded.title, body = excluded.body
  returning d.document_id into p_document;
  insert into public.document_version (document_id, matter_id, body)
  select d.document_id, d.matter_id, d.body from public.document d where d.document_id = p_document;
  return p_document;
end $$;

create function public.portal_documents(p_secret text) returns table (title text, body text)
language sql stable security definer set search_path = '' as $$
  select d.title, d.body
  from public.portal_link l join public.document d on d.matter_id = l.matter_id
  where l.secret_sha = encode(sha256(convert_to(p_secret, 'UTF8')), 'hex') and l.expires_at > now()
$$;
