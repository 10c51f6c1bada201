-- the accountants of the harbours want to look into everything
alter type public.crew_role add value if not exists 'auditor';
