-- Vereinswahl: Online-Wahlen für Vereine
create schema wahl;
grant usage on schema wahl to anon, authenticated, service_role;

create type public.rolle as enum ('mitglied', 'wahlleitung', 'vorstand');
create type wahl.wahl_status as enum ('entwurf', 'offen', 'geschlossen');
create domain public.kuerzel as text check (value ~ '^[A-Z]{2}$');

create table public.bundeslaender (
  kuerzel public.kuerzel primary key,
  name text not null
);

create table public.vereine (
  id integer generated always as identity primary key,
  name text not null,
  bundesland public.kuerzel references public.bundeslaender,
  registernummer text,
  angelegt_am timestamptz not null default now()
);

create table public.mitglieder (
  id integer generated always as identity primary key,
  verein_id integer not null references public.vereine on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  rolle public.rolle not null default 'mitglied',
  anzeigename text not null,
  beigetreten_am date not null default current_date,
  ausgetreten_am date,
  unique (verein_id, user_id),
  unique (verein_id, id)
);

create table public.einladungen (
  id integer generated always as identity primary key,
  verein_id integer not null references public.vereine on delete cascade,
  email text not null,
  rolle public.rolle not null default 'mitglied',
  code text not null default encode(extensions.gen_random_bytes(16), 'hex'),
  gueltig_bis timestamptz not null default now() + interval '14 days',
  eingeloest_am timestamptz
);

create table wahl.wahlen (
  id integer generated always as identity primary key,
  verein_id integer not null references public.vereine on delete cascade,
  titel text not null,
  status wahl.wahl_status not null default 'entwurf',
  beginnt timestamptz,
  endet timestamptz,
  unique (verein_id, id)
);

create table wahl.kandidaten (
  id integer generated always as identity primary key,
  verein_id integer not null,
  wahl_id integer not null,
  mitglied_id integer not null,
  vorstellung text,
  foreign key (verein_id, wahl_id) references wahl.wahlen (verein_id, id) on delete cascade,
  foreign key (verein_id, mitglied_id) references public.mitglieder (verein_id, id) on delete cascade,
  unique (wahl_id, id)
);

create table wahl.waehlerverzeichnis (
  verein_id integer not null,
  wahl_id integer not null,
  mitglied_id integer not null,
  geburtsdatum date,
  anschrift text,
  hat_gewaehlt boolean not null default false,
  primary key (wahl_id, mitglied_id),
  foreign key (verein_id, wahl_id) references wahl.wahlen (verein_id, id) on delete cascade,
  foreign key (verein_id, mitglied_id) references public.mitglieder (verein_id, id) on delete cascade
);

create table wahl.stimmzettel (
  id bigint generated always as identity primary key,
  wahl_id integer not null references wahl.wahlen on delete cascade,
  kandidat_id integer not null,
  abgegeben_am date not null default current_date,
  foreign key (wahl_id, kandidat_id) references wahl.kandidaten (wahl_id, id)
);

create table wahl.protokolle (
  id integer generated always as identity primary key,
  verein_id integer not null references public.vereine on delete cascade,
  sitzung_am date not null default current_date,
  text text not null
);

create index on public.einladungen (verein_id);
create index on public.mitglieder (user_id);
create index on wahl.kandidaten (verein_id, wahl_id);
create index on wahl.kandidaten (verein_id, mitglied_id);
create index on wahl.waehlerverzeichnis (verein_id, wahl_id);
create index on wahl.waehlerverzeichnis (verein_id, mitglied_id);
create index on wahl.stimmzettel (wahl_id, kandidat_id);
create index on wahl.protokolle (verein_id);

-- Hilfsfunktionen
create function wahl.ist_mitglied(p_verein integer) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select 1 from public.mitglieder m
    where m.verein_id = p_verein and m.user_id = (select auth.uid()) and m.ausgetreten_am is null
  );
$$;

create function wahl.hat_rolle(p_verein integer, variadic p_rollen public.rolle[]) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select 1 from public.mitglieder m
    where m.verein_id = p_verein and m.user_id = (select auth.uid())
      and m.ausgetreten_am is null and m.rolle = any (p_rollen)
  );
$$;

alter table public.bundeslaender enable row level security;
alter table public.vereine enable row level security;
alter table public.mitglieder enable row level security;
alter table public.einladungen enable row level security;
alter table wahl.wahlen enable row level security;
alter table wahl.kandidaten enable row level security;
alter table wahl.waehlerverzeichnis enable row level security;
alter table wahl.stimmzettel enable row level security;
alter table wahl.protokolle enable row level security;

grant select, insert, update, delete on wahl.wahlen, wahl.kandidaten, wahl.waehlerverzeichnis, wahl.protokolle to authenticated;
grant all on all tables in schema wahl to service_role;

create policy "Alle lesen Bundesländer" on public.bundeslaender for select using (true);

create policy "Mitglieder sehen ihren Verein" on public.vereine for select to authenticated
  using (wahl.ist_mitglied(id));
create policy "Vorstand ändert den Verein" on public.vereine for update to authenticated
  using (wahl.hat_rolle(id, 'vorstand'));

create policy "Mitglieder sehen Mitglieder" on public.mitglieder for select to authenticated
  using (wahl.ist_mitglied(verein_id));
create policy "Vorstand verwaltet Mitglieder" on public.mitglieder for all to authenticated
  using (wahl.hat_rolle(verein_id, 'vorstand')) with check (wahl.hat_rolle(verein_id, 'vorstand'));

-- Die Anmeldeseite zeigt zu einem Code den Verein an
create policy "Einladung nachschlagen" on public.einladungen for select to anon, authenticated
  using (eingeloest_am is null and gueltig_bis > now());
create policy "Vorstand lädt ein" on public.einladungen for all to authenticated
  using (wahl.hat_rolle(verein_id, 'vorstand')) with check (wahl.hat_rolle(verein_id, 'vorstand'));

create policy "Wahlen lesen" on wahl.wahlen for select to authenticated
  using (wahl.ist_mitglied(verein_id));
create policy "Wahlen verwalten" on wahl.wahlen for all to authenticated
  using (wahl.hat_rolle(verein_id, 'wahlleitung', 'vorstand'))
  with check (wahl.hat_rolle(verein_id, 'wahlleitung', 'vorstand'));

create policy "Kandidaten lesen" on wahl.kandidaten for select to authenticated
  using (wahl.ist_mitglied(verein_id));
create policy "Kandidaten verwalten" on wahl.kandidaten for all to authenticated
  using (wahl.hat_rolle(verein_id, 'wahlleitung', 'vorstand'))
  with check (wahl.hat_rolle(verein_id, 'wahlleitung', 'vorstand'));

create policy "Verzeichnis lesen" on wahl.waehlerverzeichnis for select to authenticated
  using (exists (
    select 1 from public.mitglieder m
    where m.verein_id = verein_id
      and m.user_id = (select auth.uid())
      and m.ausgetreten_am is null
      and m.rolle in ('wahlleitung', 'vorstand')
  ));
create policy "Verzeichnis führen" on wahl.waehlerverzeichnis for insert to authenticated
  with check (wahl.hat_rolle(verein_id, 'wahlleitung', 'vorstand'));
create policy "Verzeichnis berichtigen" on wahl.waehlerverzeichnis for update to authenticated
  using (wahl.hat_rolle(verein_id, 'wahlleitung', 'vorstand'))
  with check (wahl.hat_rolle(verein_id, 'wahlleitung', 'vorstand'));

create function wahl.meine_vereine() returns setof integer
language sql stable security definer set search_path = '' as $$
  select m.verein_id from public.mitglieder m where m.user_id = (select auth.uid());
$$;

create policy "Protokolle lesen" on wahl.protokolle for select to authenticated
  using (verein_id in (select wahl.meine_vereine()));
create policy "Protokolle schreiben" on wahl.protokolle for all to authenticated
  using (wahl.hat_rolle(verein_id, 'vorstand'))
  with check (wahl.hat_rolle(verein_id, 'vorstand'));

-- Wer abstimmt, steht im Verzeichnis; der Stimmzettel selbst ist anonym
create function wahl.stimme_abgeben(p_wahl integer, p_kandidat integer) returns void
language plpgsql security definer set search_path = '' as $$
begin
  update wahl.waehlerverzeichnis v set hat_gewaehlt = true
  from public.mitglieder m, wahl.wahlen w
  where v.wahl_id = p_wahl and not v.hat_gewaehlt
    and m.id = v.mitglied_id and m.user_id = auth.uid() and m.ausgetreten_am is null
    and w.id = v.wahl_id and w.status = 'offen';
  if not found then
    raise exception 'nicht wahlberechtigt' using errcode = '42501';
  end if;
  insert into wahl.stimmzettel (wahl_id, kandidat_id) values (p_wahl, p_kandidat);
end;
$$;

create function wahl.ergebnis(p_wahl integer)
returns table (kandidat integer, vorstellung text, stimmen bigint)
language plpgsql stable security definer set search_path = '' as $$
begin
  -- Vorstand und Wahlleitung dürfen auszählen, alle anderen erst nach dem Ende
  if not exists (
    select 1 from public.mitglieder m
    where m.user_id = auth.uid() and m.ausgetreten_am is null and m.rolle in ('wahlleitung', 'vorstand')
  ) and not exists (
    select 1 from wahl.wahlen w
    where w.id = p_wahl and w.status = 'geschlossen' and wahl.ist_mitglied(w.verein_id)
  ) then
    raise exception 'noch nicht ausgezählt' using errcode = '42501';
  end if;
  return query
    select k.id, k.vorstellung, count(s.id)
    from wahl.kandidaten k left join wahl.stimmzettel s on s.kandidat_id = k.id and s.wahl_id = k.wahl_id
    where k.wahl_id = p_wahl
    group by k.id, k.vorstellung;
end;
$$;

create function wahl.wahl_schliessen(p_wahl integer) returns void
language plpgsql security definer set search_path = '' as $$
declare
  v_verein integer;
begin
  select w.verein_id into v_verein from wahl.wahlen w where w.id = p_wahl;
  if v_verein is null or not wahl.hat_rolle(v_verein, 'wahlleitung', 'vorstand') then
    raise exception 'keine Berechtigung' using errcode = '42501';
  end if;
  update wahl.wahlen set status = 'geschlossen', endet = now() where id = p_wahl;
end;
$$;

create view wahl.kommende_wahlen with (security_invoker = true) as
  select w.id, w.verein_id, v.name as verein, w.titel, w.beginnt
  from wahl.wahlen w join public.vereine v on v.id = w.verein_id
  where w.beginnt > now();
grant select on wahl.kommende_wahlen to authenticated;
