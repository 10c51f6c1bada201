-- every writer can pin a post to the top of the page
create policy "writers can pin posts" on posts for update using (is_writer(publication_id));

-- footer link: /unsubscribe?p=...&email=...
create or replace function unsubscribe(pub uuid, mail text) returns void
language sql security definer set search_path = public as $$
  update subscribers set active = false where publication_id = pub and lower(email) = lower(mail);
$$;
