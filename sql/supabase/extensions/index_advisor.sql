-- index_advisor: its one function, which is an error.

select pgassay.add_refusals('index_advisor', array['index_advisor(query text) returns setof record']);
