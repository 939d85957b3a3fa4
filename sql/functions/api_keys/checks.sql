-- The functions are in src/pg/functions/api_keys.rs and usage.rs.

comment on function auth_internal.generate_api_key is 'A new API key of this prefix and environment; 22023 for one that is not allowed; nothing for NULL.';
comment on function auth_internal.is_api_key_revoked is 'Was this key revoked, or one of its kind that it descends from, as of now? NULL for NULL.';
comment on function auth_internal.member_permissions is 'What a user may do in an organization now, by all that makes him a member; NULL when he is none or it is disabled or unknown.';
comment on function auth_internal.counts_api_key_uses is
    'Are uses of API keys counted, and rate limits enforced, in shared memory? Where pg_bearer is in shared_preload_libraries.';
