-- Pollwise. Each session carries the workspace in app_metadata.workspace_id (set by our login hook).

CREATE OR REPLACE FUNCTION public.current_workspace()
RETURNS uuid
LANGUAGE sql STABLE
SET search_path = ''
AS $$
  SELECT NULLIF(auth.jwt() -> 'app_metadata' ->> 'workspace_id', '')::uuid
$$;

CREATE TABLE public.workspaces (
  id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name        text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.question_types (
  kind         text PRIMARY KEY,
  description  text NOT NULL
);
INSERT INTO public.question_types VALUES ('text', 'Free text'), ('choice', 'One of several'), ('scale', '0 to 10');

CREATE TABLE public.surveys (
  id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id  uuid NOT NULL REFERENCES public.workspaces ON DELETE CASCADE,
  title         text NOT NULL,
  is_live       boolean NOT NULL DEFAULT false,
  share_token   text NOT NULL UNIQUE DEFAULT encode(extensions.gen_random_bytes(16), 'hex'),
  created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.questions (
  id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id  uuid NOT NULL REFERENCES public.workspaces ON DELETE CASCADE,
  survey_id     uuid NOT NULL REFERENCES public.surveys ON DELETE CASCADE,
  kind          text NOT NULL REFERENCES public.question_types,
  prompt        text NOT NULL,
  position      int NOT NULL DEFAULT 0
);

CREATE TABLE public.responses (
  id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id   uuid NOT NULL REFERENCES public.workspaces ON DELETE CASCADE,
  survey_id      uuid NOT NULL REFERENCES public.surveys ON DELETE CASCADE,
  respondent     text,
  answers        jsonb NOT NULL DEFAULT '{}',
  submitted_at   timestamptz
);

CREATE TABLE public.panelists (
  id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id  uuid NOT NULL REFERENCES public.workspaces ON DELETE CASCADE,
  email         text NOT NULL,
  birth_year    int,
  UNIQUE (workspace_id, email)
);

CREATE TABLE public.exports (
  id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  workspace_id  uuid NOT NULL REFERENCES public.workspaces ON DELETE CASCADE,
  survey_id     uuid NOT NULL REFERENCES public.surveys ON DELETE CASCADE,
  format        text NOT NULL DEFAULT 'csv',
  content       text
);

CREATE TABLE public.mail_queue (
  id            bigserial PRIMARY KEY,
  workspace_id  uuid NOT NULL REFERENCES public.workspaces ON DELETE CASCADE,
  recipient     text NOT NULL,
  body          text NOT NULL
);

ALTER TABLE public.workspaces     ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.question_types ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.surveys        ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.questions      ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.responses      ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.panelists      ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.exports        ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.mail_queue     ENABLE ROW LEVEL SECURITY;

CREATE POLICY "own workspace" ON public.workspaces
  FOR SELECT TO authenticated USING (id = (SELECT public.current_workspace()));

CREATE POLICY "types for all" ON public.question_types
  FOR SELECT USING (true);

CREATE POLICY "surveys of workspace" ON public.surveys
  FOR ALL TO authenticated
  USING (workspace_id = (SELECT public.current_workspace()))
  WITH CHECK (workspace_id = (SELECT public.current_workspace()));

CREATE POLICY "questions of workspace" ON public.questions
  FOR ALL TO authenticated
  USING (workspace_id = (SELECT public.current_workspace()))
  WITH CHECK (
    workspace_id = (SELECT public.current_workspace())
    AND survey_id IN (SELECT s.id FROM public.surveys s)
  );

CREATE POLICY "responses of workspace" ON public.responses
  FOR SELECT TO authenticated
  USING (workspace_id = (SELECT public.current_workspace()));
CREATE POLICY "responses removal" ON public.responses
  FOR DELETE TO authenticated
  USING (workspace_id = (SELECT public.current_workspace()));

CREATE POLICY "panel" ON public.panelists
  FOR ALL TO authenticated
  USING (workspace_id = (auth.jwt() -> 'user_metadata' ->> 'workspace_id')::uuid);

CREATE POLICY "exports of workspace" ON public.exports
  FOR ALL TO authenticated
  USING (workspace_id = (SELECT public.current_workspace()))
  WITH CHECK (
    workspace_id = (SELECT public.current_workspace())
    AND survey_id IN (SELECT s.id FROM public.surveys s)
  );

CREATE POLICY "mailer" ON public.mail_queue
  FOR ALL TO service_role USING (true) WITH CHECK (true);

-- Respondents are not signed in. They come with the link of the survey.

CREATE OR REPLACE FUNCTION public.open_survey(p_token text)
RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
AS $$
  SELECT jsonb_build_object(
    'title', s.title,
    'questions', (
      SELECT jsonb_agg(jsonb_build_object('id', q.id, 'kind', q.kind, 'prompt', q.prompt) ORDER BY q.position)
      FROM public.questions q WHERE q.survey_id = s.id
    )
  )
  FROM public.surveys s
  WHERE s.share_token = p_token AND s.is_live
$$;

CREATE OR REPLACE FUNCTION public.submit_response(p_token text, p_respondent text, p_answers jsonb)
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
  s public.surveys%ROWTYPE;
  r uuid;
BEGIN
  SELECT * INTO s FROM public.surveys WHERE share_token = p_token AND is_live;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'This survey is closed' USING ERRCODE = 'PT404';
  END IF;
  INSERT INTO public.responses (workspace_id, survey_id, respondent, answers, submitted_at)
  VALUES (s.workspace_id, s.id, lower(p_respondent), p_answers, now())
  RETURNING id INTO r;
  RETURN r;
END $$;

-- "Continue where you left off"
CREATE OR REPLACE FUNCTION public.resume_response(p_survey uuid, p_respondent text)
RETURNS SETOF public.responses
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ''
AS $$
  SELECT r.* FROM public.responses r
  WHERE r.survey_id = p_survey
    AND (r.respondent = lower(p_respondent) OR r.respondent IS NULL)
$$;

-- Templates: make a copy of a survey with its questions
CREATE OR REPLACE FUNCTION public.duplicate_survey(p_survey uuid, p_title text)
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ''
AS $$
DECLARE
  v_ws  uuid := public.current_workspace();
  v_new uuid;
BEGIN
  IF v_ws IS NULL THEN
    RAISE EXCEPTION 'not signed in' USING ERRCODE = '42501';
  END IF;

  INSERT INTO public.surveys (workspace_id, title) VALUES (v_ws, p_title) RETURNING id INTO v_new;

  INSERT INTO public.questions (workspace_id, survey_id, kind, prompt, position)
  SELECT v_ws, v_new, q.kind, q.prompt, q.position
  FROM public.questions q
  WHERE q.survey_id = p_survey;

  RETURN v_new;
END $$;

-- Files that respondents attach: <workspace>/<survey>/<file>
INSERT INTO storage.buckets (id, name, public) VALUES ('attachments', 'attachments', false);

CREATE POLICY "attachments upload" ON storage.objects
  FOR INSERT TO authenticated
  WITH CHECK (
    bucket_id = 'attachments'
    AND (storage.foldername(name))[1] = (SELECT public.current_workspace())::text
  );
-- (what respondents send in is stored by our backend, without an owner)
CREATE POLICY "attachments read" ON storage.objects
  FOR SELECT TO authenticated
  USING (
    bucket_id = 'attachments'
    AND ((storage.foldername(name))[1] = (SELECT public.current_workspace())::text OR owner IS NULL)
  );
CREATE POLICY "attachments removal" ON storage.objects
  FOR DELETE TO authenticated
  USING (
    bucket_id = 'attachments'
    AND (storage.foldername(name))[1] = (SELECT public.current_workspace())::text
  );
