insert into person (id, name) values (1, 'Axel');
