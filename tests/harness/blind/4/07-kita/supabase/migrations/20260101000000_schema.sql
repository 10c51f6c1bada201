-- KitaNetz: Verwaltung mehrerer Kindergärten

create table public.kita (
    id        uuid primary key default gen_random_uuid(),
    name      text not null,
    anschrift text
);

create table public.personal (
    kita_id    uuid not null references public.kita on delete cascade,
    nutzer_id  uuid not null references auth.users on delete cascade,
    anzeigename text,
    rolle      text not null default 'aushilfe' check (rolle in ('aushilfe', 'erzieher', 'leitung')),
    primary key (kita_id, nutzer_id)
);

create table public.gruppe (
    id      uuid primary key default gen_random_uuid(),
    kita_id uuid not null references public.kita on delete cascade,
    name    text not null
);

create table public.kind (
    id          uuid primary key default gen_random_uuid(),
    kita_id     uuid not null references public.kita on delete cascade,
    gruppe_id   uuid references public.gruppe,
    vorname     text not null,
    nachname    text not null,
    geboren_am  date
);

create table public.sorgeberechtigt (
    kind_id    uuid not null references public.kind on delete cascade,
    nutzer_id  uuid not null references auth.users on delete cascade,
    primary key (kind_id, nutzer_id)
);

create table public.abholberechtigt (
    id       uuid primary key default gen_random_uuid(),
    kita_id  uuid not null references public.kita on delete cascade,
    kind_id  uuid not null references public.kind on delete cascade,
    name     text not null,
    telefon  text
);

create table public.gesundheit (
    id           uuid primary key default gen_random_uuid(),
    kita_id      uuid not null references public.kita on delete cascade,
    kind_id      uuid not null unique references public.kind on delete cascade,
    allergien    text,
    medikamente  text
);

create table public.gesundheit_verlauf (
    id           bigint generated always as identity primary key,
    kita_id      uuid not null references public.kita on delete cascade,
    kind_id      uuid not null,
    allergien    text,
    medikamente  text,
    geaendert_am timestamptz not null default now()
);

create table public.tagebuch (
    id          uuid primary key default gen_random_uuid(),
    kita_id     uuid not null references public.kita on delete cascade,
    kind_id     uuid not null references public.kind on delete cascade,
    text        text not null,
    am          date not null default current_date
);

create table public.beitragsstufe (
    stufe       smallint primary key,
    bis_einkommen int,
    euro        numeric(6,2) not null
);
insert into public.beitragsstufe values (1, 20000, 0), (2, 40000, 90), (3, null, 210);

create table public.anmeldung (
    id          uuid primary key default gen_random_uuid(),
    kita_id     uuid not null references public.kita on delete cascade,
    kind_name   text not null,
    kontakt     text not null,
    wunschtermin date,
    status      text not null default 'neu'
);

-- Funktionen für die Regeln

create function public.meine_rolle(k uuid) returns text
language sql stable security definer set search_path = ''
as $$ select p.rolle from public.personal p where p.kita_id = k and p.nutzer_id = auth.uid() $$;

create function public.sorge_fuer(k uuid) returns boolean
language sql stable security definer set search_path = ''
as $$ select exists (select 1 from public.sorgeberechtigt s where s.kind_id = k and s.nutzer_id = auth.uid()) $$;

alter table public.kita enable row level security;
alter table public.personal enable row level security;
alter table public.gruppe enable row level security;
alter table public.kind enable row level security;
alter table public.sorgeberechtigt enable row level security;
alter table public.abholberechtigt enable row level security;
alter table public.gesundheit enable row level security;
alter table public.gesundheit_verlauf enable row level security;
alter table public.tagebuch enable row level security;
alter table public.beitragsstufe enable row level security;
alter table public.anmeldung enable row level security;

create policy kita_lesen on public.kita for select to authenticated using (public.meine_rolle(id) is not null);
create policy personal_lesen on public.personal for select to authenticated using (public.meine_rolle(kita_id) is not null);
create policy personal_leitung on public.personal for all to authenticated
    using (public.meine_rolle(kita_id) = 'leitung') with check (public.meine_rolle(kita_id) = 'leitung');
-- den eigenen Namen darf jeder ändern, die Rolle hält der Trigger fest
create policy personal_selbst on public.personal for update to authenticated
    using (nutzer_id = auth.uid()) with check (nutzer_id = auth.uid());
create policy gruppe_lesen on public.gruppe for select to authenticated using (public.meine_rolle(kita_id) is not null);
create policy gruppe_leitung on public.gruppe for all to authenticated
    using (public.meine_rolle(kita_id) = 'leitung') with check (public.meine_rolle(kita_id) = 'leitung');

create policy kind_personal on public.kind for select to authenticated using (public.meine_rolle(kita_id) is not null);
create policy kind_eltern on public.kind for select to authenticated using (public.sorge_fuer(id));
create policy kind_leitung on public.kind for all to authenticated
    using (public.meine_rolle(kita_id) = 'leitung')
    with check (
        public.meine_rolle(kita_id) = 'leitung'
        and (gruppe_id is null or exists (select 1 from public.gruppe g where g.id = gruppe_id and g.kita_id = kind.kita_id))
    );

create policy sorge_lesen on public.sorgeberechtigt for select to authenticated using (nutzer_id = auth.uid());
create policy sorge_leitung on public.sorgeberechtigt for insert to authenticated
    with check (exists (select 1 from public.kind k where k.id = kind_id and public.meine_rolle(k.kita_id) = 'leitung'));

create policy abholen_personal on public.abholberechtigt for select to authenticated
    using (public.meine_rolle(kita_id) is not null);
create policy abholen_eltern on public.abholberechtigt for select to authenticated
    using (exists (
        select 1 from public.sorgeberechtigt s join public.kind k on k.id = kind_id
        where s.nutzer_id = auth.uid()
    ));
create policy abholen_eltern_neu on public.abholberechtigt for insert to authenticated
    with check (
        public.sorge_fuer(kind_id)
        and exists (select 1 from public.kind k where k.id = kind_id and k.kita_id = abholberechtigt.kita_id)
    );

create policy gesundheit_fachkraft on public.gesundheit for all to authenticated
    using (public.meine_rolle(kita_id) in ('erzieher', 'leitung'))
    with check (
        public.meine_rolle(kita_id) in ('erzieher', 'leitung')
        and exists (select 1 from public.kind k where k.id = kind_id and k.kita_id = gesundheit.kita_id)
    );
create policy gesundheit_eltern on public.gesundheit for select to authenticated using (public.sorge_fuer(kind_id));
create policy verlauf_personal on public.gesundheit_verlauf for select to authenticated
    using (public.meine_rolle(kita_id) is not null);

create policy tagebuch_fachkraft on public.tagebuch for all to authenticated
    using (public.meine_rolle(kita_id) in ('erzieher', 'leitung'))
    with check (
        public.meine_rolle(kita_id) in ('erzieher', 'leitung')
        and exists (select 1 from public.kind k where k.id = kind_id and k.kita_id = tagebuch.kita_id)
    );
create policy tagebuch_eltern on public.tagebuch for select to authenticated using (public.sorge_fuer(kind_id));

create policy beitrag_lesen on public.beitragsstufe for select to anon, authenticated using (true);

create policy anmeldung_personal on public.anmeldung for select to authenticated
    using (public.meine_rolle(kita_id) = 'leitung');
create policy anmeldung_entscheiden on public.anmeldung for update to authenticated
    using (public.meine_rolle(kita_id) = 'leitung') with check (public.meine_rolle(kita_id) = 'leitung');

create function public.personal_schuetzen() returns trigger
language plpgsql set search_path = ''
as $$
begin
    if current_user in ('anon', 'authenticated')
       and coalesce(public.meine_rolle(old.kita_id), '') <> 'leitung' then
        new.rolle := old.rolle;
        new.kita_id := old.kita_id;
        new.nutzer_id := old.nutzer_id;
    end if;
    return new;
end;
$$;
create trigger personal_schuetzen before update on public.personal
    for each row execute function public.personal_schuetzen();

-- Verlauf der Gesundheitsdaten
create function public.gesundheit_merken() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    insert into public.gesundheit_verlauf (kita_id, kind_id, allergien, medikamente)
    values (new.kita_id, new.kind_id, new.allergien, new.medikamente);
    return new;
end;
$$;
create trigger gesundheit_merken after insert or update on public.gesundheit
    for each row execute function public.gesundheit_merken();

-- Liste für den Aushang in der Gruppe
create view public.gruppenliste as
select k.id as kind_id, k.kita_id, g.name as gruppe, k.vorname, h.medikamente
from public.kind k
left join public.gruppe g on g.id = k.gruppe_id
left join public.gesundheit h on h.kind_id = k.id
where public.meine_rolle(k.kita_id) is not null;

-- Eltern verknüpfen ein Geschwisterkind mit ihrem Zugang
create function public.geschwister_verknuepfen(kind uuid, geschwister uuid) returns void
language plpgsql security definer set search_path = ''
as $$
begin
    if not public.sorge_fuer(kind) then
        raise exception 'kein Zugang zu diesem Kind' using errcode = '42501';
    end if;
    insert into public.sorgeberechtigt (kind_id, nutzer_id) values (geschwister, auth.uid())
    on conflict do nothing;
end;
$$;

-- Anmeldung von der Webseite; wer anmeldet, ist nicht angemeldet
create function public.kind_anmelden(kita uuid, kind_name text, kontakt text, wunschtermin date) returns void
language plpgsql security definer set search_path = ''
as $$
begin
    if length(kontakt) < 5 or length(kind_name) > 200 then
        raise exception 'Angaben fehlen' using errcode = 'PT400';
    end if;
    insert into public.anmeldung (kita_id, kind_name, kontakt, wunschtermin)
    values (kita, kind_name, kontakt, wunschtermin);
end;
$$;

-- Eltern nehmen einen Eintrag der Abholliste zurück
create function public.abholer_streichen(eintrag uuid) returns void
language sql security definer set search_path = ''
as $$ delete from public.abholberechtigt a where a.id = eintrag and public.sorge_fuer(a.kind_id) $$;
