--
-- PostgreSQL database dump
--

\restrict hV1kqzJ2

-- Dumped from database version 18.1

SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);

--
-- Name: public; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA public;

CREATE TABLE public.notes (
    id integer NOT NULL,
    body text,
    tags text[]
);

CREATE FUNCTION public.quoted() RETURNS text LANGUAGE sql AS $$
select 'a
COPY public.notes (id, body, tags) FROM stdin;
\.
'
$$;

COPY public.notes (id, body, tags) FROM stdin;
1	it's a\\b\n\tc	{x,"y z"}
2	\N	\N
\.


ALTER TABLE ONLY public.notes
    ADD CONSTRAINT notes_pkey PRIMARY KEY (id);

\unrestrict hV1kqzJ2
