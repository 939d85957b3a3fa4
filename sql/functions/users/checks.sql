-- The functions are in src/pg/functions/passwords.rs and sessions.rs.

comment on function auth_internal.is_banned is 'Is this user banned or deleted now, whatever the snapshot? NULL for NULL.';
comment on function auth_internal.is_strict_object is 'Would a token with this object among its claims be accepted? NULL for NULL.';
comment on function auth_internal.newest_password is 'The password that this user has now, whatever the snapshot; NULL without one, and for NULL.';
comment on function auth_internal.hash_password is 'The hash of a new password, under the settings. 22023 for one that is missing, empty or longer than 1024 bytes; 53400 while too many are hashed.';
comment on function auth_internal.verify_password is 'Is this the password of this hash? Without the one or the other, or with one that cannot be used, it takes as long as a new hash to say no. 53400 while too many are hashed.';
comment on function auth_internal.password_needs_rehash is 'Is this password, which is the one of this hash, to be hashed anew under the settings? Not where bcrypt did not look at the whole of it.';
comment on function auth_internal.is_password_hash is 'Is this a hash that passwords can be compared with: Argon2 or bcrypt, and not more work than we allow? NULL for NULL.';
comment on function auth_internal.wait_for_answer is 'Waits until a multiple of pg_bearer.password_time has passed since then; that time from now for NULL, the future and what is more than a minute ago.';
