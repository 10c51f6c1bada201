create schema private;

create materialized view private.survey_totals as
  select s.workspace_id, s.id as survey_id, count(r.id) as responses, max(r.started_at) as last_response
  from public.sv_survey s left join public.sv_response r on r.survey_id = s.id
  group by 1, 2;
create unique index on private.survey_totals (survey_id);

create function public.survey_totals(p_workspace bigint)
  returns table (survey_id bigint, responses bigint, last_response timestamptz)
  language sql stable security definer set search_path = '' as $$
  select t.survey_id, t.responses, t.last_response from private.survey_totals t
  where t.workspace_id = p_workspace and public.seat_in(p_workspace) is not null
$$;
