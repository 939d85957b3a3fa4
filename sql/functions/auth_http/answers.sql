-- Schema auth_http: functions of schema auth as an HTTP API serves them, by PostgREST with auth_http among db-schemas. They run
-- as their caller and may no more than what they call. What they refuse is refused there.

create or replace function auth_internal.http_answer(status integer, is_secret boolean) returns void
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
    perform set_config('response.status', http_answer.status::text, true);
    if is_secret then
        -- RFC 6749 section 5.1.
        perform set_config('response.headers', '[{"Cache-Control": "no-store"}, {"Pragma": "no-cache"}]', true);
    end if;
end
$$;
comment on function auth_internal.http_answer is 'Tells PostgREST the status of the answer, and that nobody keeps a copy of a secret in it.';

create or replace function auth_internal.oauth_error(status integer, error text, description text) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.http_answer(oauth_error.status, true);
    return jsonb_build_object('error', oauth_error.error, 'error_description', oauth_error.description);
end
$$;
comment on function auth_internal.oauth_error is 'What a token endpoint answers (RFC 6749 section 5.2), with the status.';

create or replace function auth_http.health() returns jsonb
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select '{"status": "ok"}'::jsonb
$$;
comment on function auth_http.health is 'Everybody: {"status": "ok"}, where the server, the database and the extension answer.';

create or replace function auth_http.jwks() returns jsonb
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select auth.jwks()
$$;
comment on function auth_http.jwks is 'Everybody: the key set that verifies tokens of our own issuer (RFC 7517), for /.well-known/jwks.json.';
