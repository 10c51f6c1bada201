SET check_function_bodies = false;

CREATE TYPE job_role AS ENUM ('employee', 'manager', 'hr');

CREATE TABLE companies (
    id          uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    legal_name  text NOT NULL,
    country     char(2) NOT NULL DEFAULT 'DE',
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE employees (
    company_id  uuid NOT NULL REFERENCES companies ON DELETE CASCADE,
    user_id     uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
    role        job_role NOT NULL DEFAULT 'employee',
    full_name   text NOT NULL DEFAULT '',
    title       text,
    PRIMARY KEY (company_id, user_id)
);
CREATE INDEX ON employees (user_id);

CREATE TABLE employee_private (
    company_id  uuid NOT NULL,
    user_id     uuid NOT NULL,
    born_on     date,
    iban        text,
    emergency   text,
    PRIMARY KEY (company_id, user_id),
    FOREIGN KEY (company_id, user_id) REFERENCES employees ON DELETE CASCADE
);

CREATE TABLE salaries (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id  uuid NOT NULL,
    user_id     uuid NOT NULL,
    monthly     numeric(10, 2) NOT NULL,
    valid_from  date NOT NULL DEFAULT current_date,
    FOREIGN KEY (company_id, user_id) REFERENCES employees ON DELETE CASCADE
);
CREATE INDEX ON salaries (company_id, user_id);

CREATE TABLE leave_requests (
    id          uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    company_id  uuid NOT NULL,
    user_id     uuid NOT NULL DEFAULT auth.uid(),
    first_day   date NOT NULL,
    last_day    date NOT NULL,
    CHECK (last_day >= first_day),
    FOREIGN KEY (company_id, user_id) REFERENCES employees ON DELETE CASCADE
);
CREATE INDEX ON leave_requests (company_id, user_id);

CREATE TABLE document_folders (
    id          uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    company_id  uuid NOT NULL REFERENCES companies ON DELETE CASCADE,
    title       text NOT NULL,
    deleted_at  timestamptz,
    UNIQUE (company_id, id)
);

CREATE TABLE documents (
    id          uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    company_id  uuid NOT NULL,
    folder_id   uuid NOT NULL,
    title       text NOT NULL,
    body        text NOT NULL DEFAULT '',
    updated_at  timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (company_id, folder_id) REFERENCES document_folders (company_id, id) ON DELETE CASCADE
);
CREATE INDEX ON documents (company_id, folder_id);

CREATE TABLE job_openings (
    id          uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    company_id  uuid NOT NULL REFERENCES companies ON DELETE CASCADE,
    title       text NOT NULL,
    text        text NOT NULL DEFAULT '',
    budget      numeric(10, 2),
    UNIQUE (company_id, id)
);

-- come in through the form on the web site, which runs with the service key
CREATE TABLE applications (
    id          uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    company_id  uuid NOT NULL,
    opening_id  uuid NOT NULL,
    email       text NOT NULL,
    full_name   text NOT NULL,
    letter      text,
    status      text NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'interview', 'offer', 'rejected')),
    FOREIGN KEY (company_id, opening_id) REFERENCES job_openings (company_id, id)
);
CREATE INDEX ON applications (company_id, opening_id);

CREATE TABLE audit_log (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id  uuid NOT NULL REFERENCES companies ON DELETE CASCADE,
    actor       uuid DEFAULT auth.uid(),
    action      text NOT NULL,
    detail      jsonb NOT NULL DEFAULT '{}',
    happened_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON audit_log (company_id, happened_at);
