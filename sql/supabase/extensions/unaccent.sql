-- unaccent: letters of Latin-1 and of Central Europe. Leaves out dictionaries and all other letters.

create function unaccent(text) returns text
language sql stable strict parallel safe
return replace(replace(replace(translate(
    $1,
    'ÀÁÂÃÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝàáâãäåçèéêëìíîïñòóôõöøùúûüý'
    'ÿĀāĂăĄąĆćČčĎďĐđĒēĘęĚěĞğĪīİıŁłŃńŇňŌōŐőŘřŚśŞşŠšŢţŤťŪūŮůŰűŸŹźŻżŽž',
    'AAAAAACEEEEIIIINOOOOOOUUUUYaaaaaaceeeeiiiinoooooouuuuy'
    'yAaAaAaCcCcDdDdEeEeEeGgIiIiLlNnNnOoOoRrSsSsSsTtTtUuUuUuYZzZzZz'
), 'ß', 'ss'), 'Æ', 'AE'), 'æ', 'ae');

create function unaccent(regdictionary, text) returns text
language sql stable strict parallel safe
return unaccent($2);
