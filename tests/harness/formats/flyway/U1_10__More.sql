alter table person drop column age;
