insert into parishes values (proof.uid(101), 'A'), (proof.uid(102), 'B');
select proof.person('tre', 1, jsonb_build_object('app_metadata', jsonb_build_object('parish_id', proof.uid(101)))),
  proof.person('par', 2, jsonb_build_object('app_metadata', jsonb_build_object('parish_id', proof.uid(101)))),
  proof.person('cle', 3, jsonb_build_object('app_metadata', jsonb_build_object('parish_id', proof.uid(101)))),
  proof.person('eve', 4, jsonb_build_object('app_metadata', jsonb_build_object('parish_id', proof.uid(102)))),
  proof.person('new', 5);
insert into parishioners (parish_id, user_id, full_name, is_treasurer, is_clergy) values
  (proof.uid(101), proof.uid(1), 'tre', true, false), (proof.uid(101), proof.uid(2), 'par', false, false), (proof.uid(101), proof.uid(3), 'cle', false, true),
  (proof.uid(102), proof.uid(4), 'eve', true, true);
insert into households values (proof.uid(201), proof.uid(101), 's', 100);
insert into gifts (parish_id, household_id, amount) values (proof.uid(101), proof.uid(201), 340);
insert into prayer_requests (id, parish_id, author, body, clergy_only, deleted_at) values
  (proof.uid(301), proof.uid(101), proof.uid(1), 'secret', true, null), (proof.uid(302), proof.uid(101), proof.uid(1), 'gone', false, now());
insert into prayer_answers (parish_id, request_id, author, body) values (proof.uid(101), proof.uid(301), proof.uid(3), 'x'), (proof.uid(101), proof.uid(302), proof.uid(3), 'y');
insert into services (id, parish_id, starts_at, title, is_public) values (proof.uid(401), proof.uid(101), now(), 'mass', true), (proof.uid(402), proof.uid(101), now(), 'council', false);
insert into rota (id, parish_id, service_id, duty) values (proof.uid(501), proof.uid(101), proof.uid(401), 'organ');
insert into visitor_cards (parish_id, name) values (proof.uid(101), 'vis');
select proof.works('gifts', 'tre', array['select count(*) from gifts']);
select proof.bait('gifts-par', 'par', array['select count(*) from gifts']);
select proof.hole('giving-statement', 'eve', array['select giving_statement(proof.uid(201), extract(year from now())::int)']);
select proof.hole('giving-statement', 'anon', array['select giving_statement(proof.uid(201), extract(year from now())::int)']);
select proof.hole('take-duty-anywhere', 'eve', array['select take_duty(proof.uid(501))', '@par select parishioner_id is not null from rota']);
select proof.bait('req-par', 'par', array['select count(*) from prayer_requests']);
select proof.hole('prayer-thread-clergy-only', 'par', array['select count(*) from prayer_thread(proof.uid(301)) where body = ''secret''']);
select proof.bait('prayer-thread-cross', 'eve', array['select count(*) from prayer_thread(proof.uid(301))']);
select proof.hole('answers-outlive-request', 'par', array['select count(*) = 2 from prayer_answers'], 'select $1');
select proof.hole('visitor-cards-no-claim', 'new', array['select name from visitor_cards']);
select proof.bait('visitor-cards-other', 'eve', array['select name from visitor_cards']);
select proof.works('services-public', 'anon', array['select count(*) = 1 from services']);
select proof.bait('services-public', 'eve', array['update services set title = ''x''']);
select proof.bait('services-public', 'eve', array['select count(*) from services where not is_public']);
select proof.bait('export-services', 'eve', array['select count(*) from export_services(''not is_public'')']);
select proof.bait('export-services', 'anon', array['select count(*) from export_services(''false union all select g.id, g.parish_id, now(), g.amount::text, true from gifts g'')']);
select proof.works('campaign-total', 'tre', array['select campaign_total(proof.uid(101), ''2000-01-01'')']);
select proof.bait('campaign-total', 'par', array['select campaign_total(proof.uid(101), ''2000-01-01'')']);
select proof.bait('campaign-total', 'eve', array['select campaign_total(proof.uid(101), ''2000-01-01'')']);
select proof.bait('campaign-total', 'new', array['select campaign_total(null, ''2000-01-01'')']);
select proof.works('cards-drop', 'anon', array['insert into visitor_cards (parish_id, name) values (proof.uid(101), ''hi'')']);
select proof.bait('cards-drop', 'anon', array['select count(*) from visitor_cards']);
select proof.bait('birthdays', 'eve', array['select count(*) from birthdays where full_name <> ''eve''']);
select proof.bait('promo', 'par', array['update parishioners set is_clergy = true']);
