insert into auth.users(id) select _t.u(n) from generate_series(1,9) n;
insert into public.bundeslaender values ('BY','Bayern');
insert into public.vereine(name) values ('A'),('B');
insert into public.mitglieder(verein_id,user_id,rolle,anzeigename,ausgetreten_am) values
 (1,_t.u(1),'vorstand','a1',null),(1,_t.u(2),'mitglied','a2',null),(1,_t.u(3),'mitglied','a3','2025-01-01'),
 (2,_t.u(4),'wahlleitung','b4',null),(2,_t.u(5),'mitglied','b5',null);
insert into public.einladungen(verein_id,email) values (1,'x@a.de');
insert into wahl.wahlen(verein_id,titel,status,beginnt) values (1,'WA','offen',now()+'1 day'),(2,'WB','offen',now());
insert into wahl.kandidaten(verein_id,wahl_id,mitglied_id,vorstellung) values (1,1,2,'ich');
insert into wahl.waehlerverzeichnis(verein_id,wahl_id,mitglied_id,anschrift) values (1,1,1,'Weg 1'),(1,1,2,'Weg 2');
insert into wahl.protokolle(verein_id,text) values (1,'geheim A');
select _t.hole('01-1','4','select count(*)=2 from wahl.waehlerverzeichnis where verein_id=1');
select _t.bait('01-1 control: plain member','5','select count(*)>0 from wahl.waehlerverzeichnis');
select _t.hole('01-2','anon','select count(*)=1 from public.einladungen where email is not null and code is not null');
select _t.hole('01-3','4','select count(*)=1 from wahl.ergebnis(1)');
select _t.bait('01-3 control: plain member','5','select count(*)>0 from wahl.ergebnis(1)');
select _t.hole('01-4','3',$$select exists(select from wahl.protokolle where text='geheim A')$$);
select _t.bait('01-4 control: other tables','3',$$select exists(select from wahl.wahlen) or exists(select from public.mitglieder)$$);
select _t.bait('bundeslaender','1','insert into public.bundeslaender values (''HH'',''x'')','select true');
select _t.bait('bundeslaender','1','update public.bundeslaender set name=''x''','select exists(select from public.bundeslaender where name=''x'')');
select _t.bait('kommende_wahlen','4','select exists(select from wahl.kommende_wahlen where verein_id=1)');
select _t.fine('kommende_wahlen','2','select exists(select from wahl.kommende_wahlen where verein_id=1)');
select _t.bait('wahl_schliessen','4','select wahl.wahl_schliessen(1)','select true');
select _t.bait('wahl_schliessen','2','select wahl.wahl_schliessen(1)','select true');
select _t.fine('wahl_schliessen','1','select wahl.wahl_schliessen(1)','select status=''geschlossen'' from wahl.wahlen where id=1');
select _t.bait('no vote elsewhere','4','select wahl.stimme_abgeben(1,1)','select true');
select _t.fine('vote','2','select wahl.stimme_abgeben(1,1)','select count(*)=1 from wahl.stimmzettel');
