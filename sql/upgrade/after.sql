-- The last part of every update.

drop function auth_internal.move_function(text);
drop function auth_internal.retire_function(text);
