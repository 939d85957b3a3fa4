-- Tokens and tickets.

create or replace function auth_internal.token_answer(token text) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.http_answer(200, true);
    return jsonb_build_object(
        'access_token', token, 'token_type', 'Bearer',
        'expires_in', ceil((auth.verify_jwt(token) ->> 'exp')::numeric - extract(epoch from clock_timestamp())));
end
$$;
comment on function auth_internal.token_answer is 'A token as a token endpoint gives it (RFC 6749 section 5.1).';

create or replace function auth_http.token(
    grant_type text default null, client_id text default null, client_secret text default null, scope text default null
) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
    if current_setting('transaction_read_only') = 'on' then
        -- A URL is no place for a secret, nor a good one told from a bad one.
        return auth_internal.oauth_error(400, 'invalid_request', 'a token is asked for by POST');
    elsif grant_type is null then
        return auth_internal.oauth_error(400, 'invalid_request', 'grant_type is missing');
    elsif grant_type <> 'client_credentials' then
        return auth_internal.oauth_error(400, 'unsupported_grant_type', 'grant_type is not client_credentials');
    elsif scope is not null then
        return auth_internal.oauth_error(400, 'invalid_scope', 'the token has the scopes of its key');
    elsif client_secret is not null and auth.identity() is not null then
        return auth_internal.oauth_error(400, 'invalid_request', 'the client is authenticated in two ways');
    end if;
    if client_secret is not null then
        begin
            perform auth.authenticate(client_secret);
        exception when invalid_authorization_specification then
            null;
        end;
    end if;
    -- A token of the key is no key.
    if auth.api_key_id() is null or auth.jwt() is not null or client_id <> auth.api_key_id()::text then
        perform auth.sign_out();
        return auth_internal.oauth_error(401, 'invalid_client', 'the client is not known by this API key');
    end if;
    return auth_internal.token_answer(auth.exchange_api_key());
end
$$;
comment on function auth_http.token is
    'API keys, by the header or as client_secret: a token for an hour that acts as the key (OAuth 2.0 client credentials, RFC 6749 section 4.4): {access_token, token_type, expires_in}. client_id is the id of the key, or left out. What is wrong is answered as RFC 6749 section 5.2 has it, with 400, or 401 for the key: invalid_request, unsupported_grant_type, invalid_scope, invalid_client. 53400 for a key that is used too often, 42501 and 55000 as auth.exchange_api_key().';

create or replace function auth_http.create_token(
    permissions text[] default null, scopes text[] default null, org_id uuid default null, workspace_id uuid default null,
    environment text default null, expires_at timestamptz default null, subject text default null, claims jsonb default null
) returns jsonb
    language sql volatile set search_path = pg_catalog, pg_temp as $$
    select auth_internal.token_answer(auth.issue_jwt(
        create_token.subject, create_token.permissions, create_token.scopes, create_token.org_id, create_token.workspace_id,
        create_token.environment, create_token.expires_at, create_token.claims))
$$;
comment on function auth_http.create_token is
    'Whoever may call auth.issue_jwt(), with these arguments of it: a token that may do no more, and no longer, than whoever asks: {access_token, token_type, expires_in}. NULL and errors as there.';

create or replace function auth_http.create_ticket() returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    ttl constant interval := '30 seconds';
    ticket constant text := auth.issue_ticket(ttl);
begin
    perform auth_internal.http_answer(200, true);
    return jsonb_build_object('ticket', ticket, 'expires_in', extract(epoch from ttl)::integer);
end
$$;
comment on function auth_http.create_ticket is
    'Whoever is signed in: a credential for one request within 30 seconds, for places whose URLs are logged, such as EventSource: {ticket, expires_in}. Errors as auth.issue_ticket().';
