-- What sign-in asks of the world outside: src/pg/functions/outside.rs.

comment on function auth_internal.call_hook is 'What a function of the application gives for this argument, run as its owner with a pinned search_path. Settings, role and identity are afterwards what they were, its cursors are closed, and no message of it reaches anybody. 55000 when it fails or may not be called.';
comment on function auth_internal.current_hook is 'What auth_internal.find_hook() says now, whatever the snapshot. NULL for NULL.';
comment on function auth_internal.in_hook is 'Does a function of the application run that auth_internal.call_hook() called, or a trigger on auth.users?';
comment on function auth_internal.take_try is 'Counts one try of this kind and value, of which there may be most in a period: 0, or the seconds to wait, which counts nothing. No rollback undoes it. NULL where the library is not in shared_preload_libraries.';
comment on function auth_internal.client_network is 'The network that the client is in: its IPv4 address with /32, or its IPv6 address cut to /64; behind pg_bearer.trusted_proxies that of X-Forwarded-For. NULL where it is not known.';
comment on function auth_internal.demand_hook_owner is '55000 unless this function takes one jsonb, returns jsonb or void, and belongs to somebody without special rights. NULL for NULL.';
comment on function auth_internal.read_users is 'Calls find_user or page_of_users, which read auth.users as it is now, whatever the snapshot; what code of others in a policy or column does leaves nothing behind in the session. 55000 where it fails. NULL for NULL.';
comment on function auth_internal.write_user is 'Calls insert_user or change_user, so that triggers on auth.users leave nothing behind in the session. 23505, 55P03, 40001 and 40P01 as they are, 55000 for any other error. NULL for NULL.';
