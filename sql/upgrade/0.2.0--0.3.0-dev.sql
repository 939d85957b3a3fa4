-- From 0.2.0.
select auth_internal.retire_function('auth.purge_sandbox(regclass[], text)');
select auth_internal.retire_function('auth_internal.demand_superuser()');
select auth_internal.retire_function('auth.list_audit_log(uuid, text, text, timestamptz, timestamptz, integer)');
alter table auth.audit_log add column request_id text;
comment on column auth.audit_log.request_id is 'The id of the HTTP request (X-Request-Id in request.headers): 1 to 128 ASCII letters, digits and characters of ._:=- that look like no credential. NULL: none, or another text. Whoever runs SQL can make it up.';
