create table public.b (id int primary key references public.a (id));
