-- refreshed at night; the report page reads it with ?survey_id=eq.…
create materialized view public.answer_words as
  select r.survey_id, s.workspace_id, lower(w.word) as word, count(*) as n
  from public.sv_answer a
  join public.sv_response r on r.id = a.response_id
  join public.sv_survey s on s.id = r.survey_id
  cross join lateral regexp_split_to_table(a.value, '\s+') as w (word)
  group by 1, 2, 3;
create index on public.answer_words (survey_id);
