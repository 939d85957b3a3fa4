-- The functions are in src/pg/functions/sessions.rs.

comment on function auth_internal.new_refresh_token is 'A new refresh token of this generation of a session: 32 random bytes, and a mark of this database. 55000 without its secret.';
comment on function auth_internal.parse_refresh_token is 'What a refresh token says of itself, and whether this database made it; no row for what is none.';
comment on function auth_internal.seal_refresh_token is 'The next refresh token, readable with the one before it alone. NULL for NULL.';
comment on function auth_internal.open_refresh_token is 'The refresh token that was sealed for this one; NULL for any other, and for NULL.';
comment on function auth_internal.session_holds is 'Are access tokens of this session good now for this user, as far as its row and its password go? NULL for NULL.';
comment on function auth_internal.note_reuse is 'Has a session ended soon, whatever becomes of this transaction, where the library is in shared_preload_libraries. Nothing for NULL.';
comment on function auth_internal.is_allowed_environment is 'Are credentials of this environment accepted on this server? NULL for NULL.';
