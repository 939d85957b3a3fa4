-- Beginning a session, and the access tokens of one.

-- Its access token, and all that the client gets.
create or replace function auth_internal.session_answer(session auth.sessions, refresh_token text) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    issuer auth.issuers;
    known auth_internal.user_row := auth_internal.user_by_id(session.user_id);
    described record := jsonb_populate_record(null::auth.minted_tokens, '{}');
    lifetime interval := current_setting('pg_bearer.access_token_lifetime')::interval;
    claims jsonb;
    signed record;
    minted record;
begin
    select * into issuer from auth.issuers i where i.id = session.issuer_id and i.own;
    if issuer.id is null then
        perform auth_internal.refuse('55000', 'the issuer of the session is gone', null);
    end if;
    described.user_id := session.user_id;
    described.org_id := session.org_id;
    described.permissions := session.permissions;
    described.environment := session.environment;
    described.is_service := false;
    described.is_member := session.org_id is not null;
    described.session_id := session.id;
    described.expires_at := auth_internal.token_end(null, least(clock_timestamp() + lifetime, session.expires_at), issuer);
    claims := auth_internal.session_claims(session, known);
    signed := auth_internal.sign_minted(described, issuer, 'authenticated', null, claims || auth_internal.hooked_claims(session, claims));
    minted := signed.minted;
    if nullif(current_setting('request.method', true), '') is not null then
        perform set_config('response.headers', '[{"Cache-Control": "no-store"}]', true);
    end if;
    return jsonb_build_object(
        'access_token', signed.token, 'token_type', 'bearer',
        'expires_in', floor(extract(epoch from minted.expires_at))::bigint - floor(extract(epoch from minted.created_at))::bigint,
        'expires_at', floor(extract(epoch from minted.expires_at))::bigint,
        'refresh_token', refresh_token,
        'user', case when known.id is null then jsonb_build_object('id', session.user_id) else auth_internal.user_record(known) end);
end
$$;
comment on function auth_internal.session_answer is 'An access token of a session, as RFC 6749 section 5.1 has it, with expires_at and the user as Supabase does.';

-- What the rows say. A name of these is never for a hook to say.
create or replace function auth_internal.session_claims(session auth.sessions, known auth_internal.user_row) returns jsonb
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return jsonb_strip_nulls(jsonb_build_object(
               'session_id', (session).id, 'aal', (session).aal,
               'amr', case when (session).method is not null then jsonb_build_array(jsonb_build_object(
                          'method', (session).method, 'timestamp', floor(extract(epoch from (session).created_at))::bigint)) end,
               'auth_time', floor(extract(epoch from (session).created_at))::bigint))
           || case when (known).id is null then '{}'::jsonb else jsonb_strip_nulls(jsonb_build_object(
               'email', (known).email, 'email_verified', (known).email_confirmed_at is not null, 'phone', (known).phone,
               'is_anonymous', (known).is_anonymous))
               || jsonb_build_object('app_metadata', (known).raw_app_meta_data, 'user_metadata', (known).raw_user_meta_data) end;
end
$$;
comment on function auth_internal.session_claims is 'The claims of an access token that come from the rows of the session and its user.';

create or replace function auth_internal.hooked_claims(session auth.sessions, claims jsonb) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    added jsonb := auth_internal.run_hook('access_token', jsonb_build_object(
        'user_id', session.user_id, 'session_id', session.id, 'method', session.method, 'org_id', session.org_id, 'claims', claims));
begin
    if added is null or added = 'null' then
        return '{}';
    elsif jsonb_typeof(added) <> 'object' then
        perform auth_internal.refuse('55000', 'hook "access_token" failed', 'It returns an object of claims.');
    end if;
    select coalesce(jsonb_object_agg(a.key, a.value), '{}') into added
      from jsonb_each(added) a where not auth_internal.is_reserved_claim(a.key);
    if octet_length(added::text) > 4096 or not auth_internal.is_strict_object(added) then
        perform auth_internal.refuse('55000', 'hook "access_token" failed', 'Its claims have at most 4096 bytes, and must be those that a token can have.');
    end if;
    return added;
end
$$;
comment on function auth_internal.hooked_claims is 'The claims that the hook adds, without reserved ones; 55000 where it fails.';

-- A staging server, which accepts no live credentials, has test sessions.
create or replace function auth_internal.session_environment() returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when auth_internal.is_allowed_environment('live') then 'live' else 'test' end
$$;
comment on function auth_internal.session_environment is 'The environment of those who sign in here.';

create or replace function auth_internal.note_sign_in(user_id text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if (auth_internal.user_by_id(user_id)).id is not null then
        perform auth_internal.changed_user(auth_internal.token_id(user_id), jsonb_build_object('last_sign_in_at', clock_timestamp()), waits => false);
    end if;
exception when serialization_failure then
    null;
end
$$;
comment on function auth_internal.note_sign_in is 'Notes that a user signed in now, where nobody holds the row.';

-- Whoever calls has asked whether the user may. The password is the one that the user had then: another one ends the session, also
-- where nobody sees it yet.
create or replace function auth_internal.begin_session(
    user_id text, method text, password_id uuid default null, org_id uuid default null, permissions text[] default null,
    environment text default null
) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    begun auth.sessions;
    its_id uuid := gen_random_uuid();
    token text := auth_internal.new_refresh_token(its_id, 1);
    lifetime interval := coalesce(current_setting('pg_bearer.session_lifetime', true), '0')::interval;
    answer jsonb;
begin
    insert into auth.sessions (id, user_id, issuer_id, org_id, permissions, environment, method, password_id, token_hash, expires_at, network)
    values (its_id, begin_session.user_id, (auth_internal.sign_in_issuer()).id, begin_session.org_id, begin_session.permissions,
            coalesce(environment, auth_internal.session_environment()), begin_session.method, begin_session.password_id,
            auth_internal.token_hash(token), case when lifetime > '0' then clock_timestamp() + lifetime end, auth_internal.client_network())
    returning * into begun;
    -- An older snapshot does not show another password, nor what others did meanwhile.
    if auth_internal.is_banned(user_id) or not auth_internal.session_holds(begun.id, user_id) then
        perform auth_internal.refuse_snapshot();
    end if;
    perform auth_internal.end_surplus_sessions(user_id, begun.environment);
    perform auth_internal.purge_sessions(10);
    if begun.environment = 'live' then
        perform auth_internal.note_sign_in(user_id);
    end if;
    answer := auth_internal.session_answer(begun, token);
    perform auth_internal.audit('session.begin', begun.org_id, begun.id::text, user_id, jsonb_build_object('method', method));
    return answer;
end
$$;
comment on function auth_internal.begin_session is 'Begins a session of a user, and returns what the client gets.';

create or replace function auth.sign_in_with_password(email text, password text) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    started timestamptz := clock_timestamp();
    seconds integer;
    known auth_internal.user_row;
    stored auth.user_passwords;
    is_right boolean;
begin
    perform auth_internal.enter_sign_in();
    if octet_length(email) > 254 then
        email := null;
    end if;
    seconds := auth_internal.count_password_try(coalesce(email, ''));
    if seconds > 0 then
        perform auth_internal.wait_for_answer(started);
        return auth_internal.refuse_tries(seconds);
    end if;
    known := auth_internal.user_by_email(email);
    stored := auth_internal.password_of(known.id);
    is_right := auth_internal.verify_password(password, stored.hash);
    if is_right is not true or known.email_confirmed_at is null and auth_internal.confirms_email()
       or auth_internal.is_banned(known.id::text) is not false then
        perform auth_internal.wait_for_answer(started);
        return auth_internal.refuse_grant();
    end if;
    perform auth_internal.rehash_password(stored, password);
    return auth_internal.begin_session(known.id::text, 'password', stored.id);
end
$$;
comment on function auth.sign_in_with_password is
    'Everybody: signs a user in, and returns access_token, token_type, expires_in, expires_at, refresh_token and user as JSON. Whatever is wrong, the answer is {"error": "invalid_grant", "error_description": "Invalid login credentials"}, at a fixed time after the call (pg_bearer.password_time); too many tries give too_many_requests with retry_after in seconds, however good they are. In a request of PostgREST these set the status 400 or 429. Bind the password, or it is in pg_stat_activity. Commit afterwards, or the session was never there. 53400 while too many passwords are being checked, 55000 where this database makes no tokens.';

create or replace function auth.issue_session(
    user_id text, org_id uuid default null, permissions text[] default null, method text default null
) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_environment text;
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.refuse_derived();
    perform auth_internal.enter_sign_in();
    its_environment := coalesce(auth.environment(), auth_internal.session_environment());
    perform auth_internal.demand_handing_on(null, its_environment);
    if (octet_length(user_id) between 1 and 1024) is not true then
        perform auth_internal.refuse_token_argument('user_id', 'Name the user who signed in, in 1 to 1024 bytes.');
    elsif 0 = cardinality(permissions) or array_ndims(permissions) > 1
          or exists (select from unnest(permissions) p where not auth_internal.is_permission(p)) or cardinality(permissions) > 200 then
        perform auth_internal.refuse_token_argument('permissions', 'NULL is all that the user may do; a list names 1 to 200 permissions.');
    elsif octet_length(method) not between 1 and 64 or method ~ '[[:cntrl:]]' then
        perform auth_internal.refuse_token_argument('method', 'It is the name of a way to sign in, such as oauth, in 1 to 64 bytes.');
    elsif auth_internal.is_banned(user_id) then
        perform auth_internal.refuse('42501', 'the user is banned or deleted', null);
    elsif org_id is not null and auth_internal.member_permissions(user_id, org_id) is null then
        perform auth_internal.refuse_member();
    end if;
    return auth_internal.begin_session(user_id, method, (auth_internal.password_of((auth_internal.user_by_id(user_id)).id)).id,
                                       org_id, permissions, its_environment);
end
$$;
comment on function auth.issue_session is
    'Services and administrators, after they have signed a user in by other means (OAuth, SAML, passkeys): begins a session of that user, whose id need not be in auth.users, and returns what auth.sign_in_with_password() does. With org_id it is for that organization only, with permissions for so much of what the user may do. method is for the claim amr; recovery lets the user set a password once without the current one (auth.update_password). Refreshing goes on when the credential of the service has ended. 22023 for a value that is not allowed and a user who is no member, 42501 for a user who is banned and for anybody else, 28000 without an identity, 55000 where this database makes no tokens.';
