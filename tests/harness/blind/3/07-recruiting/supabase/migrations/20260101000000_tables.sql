create type member_role as enum ('interviewer', 'recruiter', 'admin');
create type stage as enum ('applied', 'screening', 'interview', 'offer', 'hired', 'rejected');

create table company (
  id uuid primary key default gen_random_uuid(),
  name text not null
);

create table company_member (
  company_id uuid not null references company on delete cascade,
  user_id uuid not null references auth.users on delete cascade,
  role member_role not null default 'interviewer',
  primary key (company_id, user_id)
);

create table invitation (
  id uuid primary key default gen_random_uuid(),
  company_id uuid not null references company on delete cascade,
  email text not null,
  role member_role not null default 'interviewer',
  invited_by uuid not null default auth.uid(),
  expires_at timestamptz not null default now() + interval '3 days',
  accepted_at timestamptz
);

create table job (
  company_id uuid not null references company on delete cascade,
  id uuid not null default gen_random_uuid(),
  title text not null,
  description text,
  salary_to numeric(10, 2),
  open boolean not null default false,
  primary key (company_id, id)
);

create table candidate (
  id uuid primary key default gen_random_uuid(),
  company_id uuid not null references company on delete cascade,
  email text not null unique,
  name text not null,
  resume text,
  notes text
);

create table application (
  company_id uuid not null,
  id uuid not null default gen_random_uuid(),
  job_id uuid not null,
  candidate_id uuid not null references candidate on delete cascade,
  stage stage not null default 'applied',
  applied_at timestamptz not null default now(),
  primary key (company_id, id),
  foreign key (company_id, job_id) references job on delete cascade
);

create table interview (
  company_id uuid not null,
  id uuid not null default gen_random_uuid(),
  application_id uuid not null,
  at timestamptz not null,
  room text,
  questions text,
  primary key (company_id, id),
  foreign key (company_id, application_id) references application on delete cascade
);

create table scorecard (
  company_id uuid not null,
  interview_id uuid not null,
  author uuid not null default auth.uid(),
  score int not null check (score between 1 and 5),
  remarks text,
  primary key (company_id, interview_id, author),
  foreign key (company_id, interview_id) references interview on delete cascade,
  foreign key (company_id, author) references company_member on delete cascade
);

create table offer (
  company_id uuid not null,
  application_id uuid not null,
  salary numeric(10, 2) not null,
  sent_at timestamptz,
  primary key (company_id, application_id),
  foreign key (company_id, application_id) references application on delete cascade
);

create table audit_log (
  id bigint generated always as identity primary key,
  company_id uuid not null references company on delete cascade,
  at timestamptz not null default now(),
  actor uuid,
  what text not null,
  detail jsonb
);
