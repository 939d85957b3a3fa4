-- From 0.2.0.
select auth_internal.retire_function('auth.purge_sandbox(regclass[], text)');
select auth_internal.retire_function('auth_internal.demand_superuser()');
select auth_internal.retire_function('auth.list_audit_log(uuid, text, text, timestamptz, timestamptz, integer)');
alter table auth.audit_log add column request_id text;
comment on column auth.audit_log.request_id is 'The id of the HTTP request (X-Request-Id in request.headers): 1 to 128 ASCII letters, digits and characters of ._:=- that look like no credential. NULL: none, or another text. Whoever runs SQL can make it up.';
-- One key may have several kids. CREATE OR REPLACE adds no columns to a result.
alter table auth.jwt_keys drop constraint jwt_keys_issuer_id_thumbprint_alg_key;
alter table auth.jwt_keys add column alg_assumed boolean;
update auth.jwt_keys set alg_assumed = false;
alter table auth.jwt_keys alter column alg_assumed set default false, alter column alg_assumed set not null;
comment on column auth.jwt_keys.alg_assumed is 'The key says no algorithm and could be used with several: alg follows the algorithms of its issuer.';
select auth_internal.retire_function('auth.load_jwks(text, text, interval)');
select auth_internal.retire_function('auth_internal.parse_jwks(text, text)');
select auth_internal.retire_function('auth_internal.parse_jwt_key(text, text, text)');
