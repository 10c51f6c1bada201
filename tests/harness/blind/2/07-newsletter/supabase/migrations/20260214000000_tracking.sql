-- opens and clicks, the mail server writes them
create table email_events (
  id bigint generated always as identity primary key,
  subscriber_id uuid not null references subscribers(id) on delete cascade,
  post_id uuid references posts(id) on delete cascade,
  event text not null check (event in ('sent', 'open', 'click', 'bounce')),
  ip inet,
  at timestamptz not null default now()
);
create index on email_events(subscriber_id);
create index on email_events(post_id);

create view post_stats with (security_invoker = on) as
  select p.id as post_id, p.publication_id, p.title, length(p.body) as size from posts p;
