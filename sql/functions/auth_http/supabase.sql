-- The endpoints of Supabase Auth, as its client libraries call them. A function takes the body of a request as its only argument,
-- without a name, so that PostgREST passes on whatever members there are; those that nobody knows are passed over.

create or replace function auth_internal.supabase_members(answer jsonb, status integer, error_code text) returns jsonb
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select answer || jsonb_build_object('code', status, 'error_code', error_code, 'msg', answer ->> 'error_description')
$$;
comment on function auth_internal.supabase_members is 'An error as RFC 6749 section 5.2 has it, with the members of Supabase Auth.';

create or replace function auth_internal.supabase_error(status integer, error_code text, message text, error text default 'invalid_request') returns jsonb
    language sql volatile set search_path = pg_catalog, pg_temp as $$
    select auth_internal.supabase_members(auth_internal.oauth_error(status, error, message), status, error_code)
$$;
comment on function auth_internal.supabase_error is 'An error as Supabase Auth answers it; sets the status.';

-- What functions of ours return where they refuse has its status and Retry-After already.
create or replace function auth_internal.supabase_refusal(refused jsonb, error_code text, status integer) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
    if refused ->> 'error' = 'too_many_requests' then
        return auth_internal.supabase_members(refused, 429, 'over_request_rate_limit');
    elsif refused ->> 'error' = 'access_denied' then
        return auth_internal.supabase_members(refused, 403, 'access_denied');
    end if;
    perform set_config('response.status', status::text, true);
    return auth_internal.supabase_members(refused, status, error_code);
end
$$;
comment on function auth_internal.supabase_refusal is 'A refusal that a function of ours returned, as Supabase Auth answers it: with this error_code and status where it is about what was sent.';

-- What is wrong with an argument, and what may not be done here.
create or replace function auth_internal.supabase_caught(state text, message text, hint text, denied text) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    said text := concat_ws('. ', message, nullif(hint, ''));
begin
    if state = '42501' then
        -- What an administrator could do about it is not for users.
        return auth_internal.supabase_error(case denied when 'insufficient_privilege' then 403 else 422 end, denied, message, 'access_denied');
    elsif state = '55000' then
        return auth_internal.supabase_error(503, 'unexpected_failure', message, 'server_error');
    elsif message ~ '^password ' then
        return auth_internal.supabase_error(422, 'weak_password', said) || '{"weak_password": {"reasons": ["length"]}}';
    end if;
    return auth_internal.supabase_error(400, 'validation_failed', said);
end
$$;
comment on function auth_internal.supabase_caught is 'An error of ours with SQLSTATE 22023, 42501 or 55000, as Supabase Auth answers it.';

create or replace function auth_internal.supabase_text(body jsonb, name text) returns text
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if jsonb_typeof(body) is distinct from 'object' then
        perform auth_internal.refuse('22023', 'the body is no object', null);
    elsif jsonb_typeof(body -> name) not in ('string', 'null') then
        perform auth_internal.refuse('22023', format('%s is no text', name), null);
    end if;
    return nullif(body ->> name, '');
end
$$;
comment on function auth_internal.supabase_text is 'A member of the body that is a text; NULL where there is none, and for an empty one. 22023 for one of another type, and for a body that is no object.';

create or replace function auth_internal.supabase_password(body jsonb) returns text
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if body -> 'password' = '""' then
        perform auth_internal.refuse('22023', 'password has a value that is not allowed', 'It is empty.');
    end if;
    return auth_internal.supabase_text(body, 'password');
end
$$;
comment on function auth_internal.supabase_password is 'The password in the body; NULL where there is none. 22023 for an empty one, so that nobody who left it out by mistake believes that it was set.';

-- Libraries take a user without identities for one who has an account already.
create or replace function auth_internal.supabase_user(known jsonb) returns jsonb
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select known || jsonb_build_object(
        'phone', coalesce(known ->> 'phone', ''), 'confirmed_at', known -> 'email_confirmed_at',
        'identities', case when known ->> 'email' is null then '[]'::jsonb else jsonb_build_array(jsonb_build_object(
            'identity_id', known -> 'id', 'id', known -> 'id', 'user_id', known -> 'id', 'provider', 'email',
            'identity_data', jsonb_build_object('sub', known -> 'id', 'email', known -> 'email',
                                                'email_verified', known ->> 'email_confirmed_at' is not null),
            'created_at', known -> 'created_at', 'updated_at', known -> 'updated_at', 'last_sign_in_at', known -> 'last_sign_in_at')) end)
$$;
comment on function auth_internal.supabase_user is 'A user as Supabase Auth shows one.';

create or replace function auth_internal.supabase_answer(answer jsonb, error_code text default 'validation_failed', status integer default 400) returns jsonb
    language sql volatile set search_path = pg_catalog, pg_temp as $$
    select case when answer ? 'error' then auth_internal.supabase_refusal(answer, error_code, status)
                when answer ? 'access_token' then answer || jsonb_build_object('user', auth_internal.supabase_user(answer -> 'user'))
                when answer ? 'user' then auth_internal.supabase_user(answer -> 'user')
                else coalesce(answer, '{}') end
$$;
comment on function auth_internal.supabase_answer is 'What a function of ours returned, as Supabase Auth answers it: a session, a user without one, the refusal, or {}.';

-- A key of a user is not the user.
create or replace function auth_internal.supabase_caller() returns jsonb
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth.require_authenticated();
    return case when auth.api_key_id() is null then auth.current_user_record() end;
end
$$;
comment on function auth_internal.supabase_caller is 'The user who is signed in; NULL for one of another issuer, and for an API key and its tokens. 28000 without an identity.';

create or replace function auth_internal.supabase_no_user() returns jsonb
    language sql volatile set search_path = pg_catalog, pg_temp as $$
    select auth_internal.supabase_error(403, 'user_not_found', 'the credential is of no user of this database', 'access_denied')
$$;
comment on function auth_internal.supabase_no_user is 'The answer where auth_internal.supabase_caller() is NULL.';

create or replace function auth_internal.supabase_update(body jsonb) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    known constant jsonb := auth_internal.supabase_caller();
    old_email constant text := known ->> 'email';
    new_email constant text := auth_internal.supabase_text(body, 'email');
    new_password constant text := auth_internal.supabase_password(body);
    current_password constant text := auth_internal.supabase_text(body, 'current_password');
    -- Who has no address yet, and comes back with one.
    grows constant boolean := old_email is null and known ->> 'is_anonymous' = 'true' and new_password is not null;
    answer jsonb;
begin
    if known is null then
        return auth_internal.supabase_no_user();
    elsif new_email is distinct from old_email and new_email is not null and not grows
          or body ? 'phone' and auth_internal.supabase_text(body, 'phone') is distinct from known ->> 'phone' then
        return auth_internal.supabase_error(422, 'validation_failed', 'users do not change their address or phone here');
    elsif new_email is not null and old_email is null then
        answer := auth.sign_up(new_email, new_password, nullif(body -> 'data', 'null'));
        -- Client libraries take a user here, and no session.
        return auth_internal.supabase_answer(answer - 'access_token', 'email_exists', 422);
    elsif new_password is not null then
        answer := auth.update_password(new_password, current_password);
        if answer ? 'error' then
            return auth_internal.supabase_answer(
                answer, case when current_password is null then 'reauthentication_needed' else 'invalid_credentials' end);
        end if;
    end if;
    if body -> 'data' <> 'null' then
        perform auth.update_user(data => body -> 'data');
    end if;
    return auth_internal.supabase_user(auth.current_user_record());
end
$$;
comment on function auth_internal.supabase_update is 'What auth_http.update_user() does, with errors of ours as they are.';

-- The one place where these errors become answers.
create or replace function auth_internal.supabase_call(endpoint text, body jsonb) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    has_phone constant boolean := body ->> 'email' is null and body ->> 'phone' is not null;
    is_anonymous constant boolean := endpoint = 'signup' and body ->> 'email' is null and not has_phone;
    said text;
    hinted text;
begin
    if has_phone and endpoint in ('signup', 'recover', 'otp') then
        return auth_internal.supabase_error(400, 'phone_provider_disabled', 'nobody signs up or in by phone here');
    elsif endpoint = 'resend' and body ->> 'type' is distinct from 'signup' then
        return auth_internal.supabase_error(400, 'validation_failed', 'type is not signup');
    elsif endpoint = 'logout' then
        perform auth.sign_out_session(case body ->> 'scope' when 'global' then 'all' when 'local' then 'this' else body ->> 'scope' end);
        perform auth_internal.http_answer(204, false);
        return null;
    elsif endpoint = 'update_user' then
        return auth_internal.supabase_update(body);
    elsif is_anonymous and jsonb_typeof(body) = 'object' then
        return auth_internal.supabase_answer(auth.sign_in_anonymously(nullif(body -> 'data', 'null')));
    end if;
    return case endpoint
        when 'signup' then auth_internal.supabase_answer(
            auth.sign_up(auth_internal.supabase_text(body, 'email'), auth_internal.supabase_password(body), nullif(body -> 'data', 'null')),
            'user_already_exists', 422)
        when 'token_password' then auth_internal.supabase_answer(
            auth.sign_in_with_password(auth_internal.supabase_text(body, 'email'), auth_internal.supabase_text(body, 'password')),
            'invalid_credentials')
        when 'token_refresh_token' then auth_internal.supabase_answer(
            auth.refresh_session(auth_internal.supabase_text(body, 'refresh_token')), 'refresh_token_not_found')
        when 'verify' then auth_internal.supabase_answer(
            auth.redeem_token(coalesce(auth_internal.supabase_text(body, 'token_hash'), auth_internal.supabase_text(body, 'token')),
                              auth_internal.supabase_password(body)), 'otp_expired', 403)
        when 'recover' then auth_internal.supabase_answer(auth.send_password_reset(auth_internal.supabase_text(body, 'email')))
        when 'otp' then auth_internal.supabase_answer(auth.send_magic_link(auth_internal.supabase_text(body, 'email')))
        when 'resend' then auth_internal.supabase_answer(auth.send_confirmation(auth_internal.supabase_text(body, 'email')))
    end;
exception when invalid_parameter_value or insufficient_privilege or object_not_in_prerequisite_state then
    get stacked diagnostics said = message_text, hinted = pg_exception_hint;
    return auth_internal.supabase_caught(sqlstate, said, hinted,
        case when is_anonymous then 'anonymous_provider_disabled' when endpoint = 'signup' then 'signup_disabled'
             else 'insufficient_privilege' end);
end
$$;
comment on function auth_internal.supabase_call is 'What the function of schema auth_http with this name answers to a request with this body. Errors of ours with SQLSTATE 22023, 42501 and 55000 are answers.';

create or replace function auth_http.signup(jsonb) returns jsonb
    language sql volatile set search_path = pg_catalog, pg_temp as $$
    select auth_internal.supabase_call('signup', $1)
$$;
comment on function auth_http.signup is
    'Everybody, by POST: {email, password, data} signs up as auth.sign_up(), without email and phone as auth.sign_in_anonymously(). A session, or the user where the address has to be confirmed first. 400 validation_failed, phone_provider_disabled; 422 weak_password, signup_disabled, anonymous_provider_disabled, user_already_exists; 429 over_request_rate_limit.';

create or replace function auth_http.token_password(jsonb) returns jsonb
    language sql volatile set search_path = pg_catalog, pg_temp as $$
    select auth_internal.supabase_call('token_password', $1)
$$;
comment on function auth_http.token_password is
    'Everybody, by POST: {email, password} signs in as auth.sign_in_with_password(): a session. 400 invalid_credentials, validation_failed; 429 over_request_rate_limit.';

create or replace function auth_http.token_refresh_token(jsonb) returns jsonb
    language sql volatile set search_path = pg_catalog, pg_temp as $$
    select auth_internal.supabase_call('token_refresh_token', $1)
$$;
comment on function auth_http.token_refresh_token is
    'Everybody, by POST: {refresh_token} refreshes a session as auth.refresh_session(): the session with its next tokens. 400 refresh_token_not_found, validation_failed.';

create or replace function auth_http.verify(jsonb) returns jsonb
    language sql volatile set search_path = pg_catalog, pg_temp as $$
    select auth_internal.supabase_call('verify', $1)
$$;
comment on function auth_http.verify is
    'Everybody, by POST: {token_hash} or {token} redeems a token that was mailed as auth.redeem_token(): a session. password is for a token of a password reset; without it the session may set one (update_user), once, within an hour. 400 validation_failed, 403 otp_expired, 422 weak_password, 429 over_request_rate_limit.';

create or replace function auth_http.recover(jsonb) returns jsonb
    language sql volatile set search_path = pg_catalog, pg_temp as $$
    select auth_internal.supabase_call('recover', $1)
$$;
comment on function auth_http.recover is
    'Everybody, by POST: {email} has a token mailed with which a new password is set, as auth.send_password_reset(): {}, whether there is such a user or not. 400 validation_failed, phone_provider_disabled; 429 over_request_rate_limit; 503 unexpected_failure without the hook send_email.';

create or replace function auth_http.otp(jsonb) returns jsonb
    language sql volatile set search_path = pg_catalog, pg_temp as $$
    select auth_internal.supabase_call('otp', $1)
$$;
comment on function auth_http.otp is
    'Everybody, by POST: {email} has a token mailed that signs in, as auth.send_magic_link(): {}. It makes no user: create_user is passed over. Errors as recover.';

create or replace function auth_http.resend(jsonb) returns jsonb
    language sql volatile set search_path = pg_catalog, pg_temp as $$
    select auth_internal.supabase_call('resend', $1)
$$;
comment on function auth_http.resend is
    'Everybody, by POST: {type, email} with type signup has the token that confirms an address mailed once more, as auth.send_confirmation(): {}. Errors as recover.';

create or replace function auth_http.logout(scope text default 'global') returns jsonb
    language sql volatile set search_path = pg_catalog, pg_temp as $$
    select auth_internal.supabase_call('logout', jsonb_build_object('scope', logout.scope))
$$;
comment on function auth_http.logout is
    'Users, with an access token of a session, by POST: ends all of their sessions (global), this one (local) or the others (others), as auth.sign_out_session(), with 204. 400 validation_failed, 403 insufficient_privilege. 28000 without an identity.';

create or replace function auth_http.get_user() returns jsonb
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    known constant jsonb := auth_internal.supabase_caller();
begin
    return case when known is null then auth_internal.supabase_no_user() else auth_internal.supabase_user(known) end;
end
$$;
comment on function auth_http.get_user is 'Whoever is signed in: the user, as auth.current_user_record() with identities. 403 user_not_found for a user of another issuer, and an API key.';

create or replace function auth_http.update_user(jsonb) returns jsonb
    language sql volatile set search_path = pg_catalog, pg_temp as $$
    select auth_internal.supabase_call('update_user', $1)
$$;
comment on function auth_http.update_user is
    'Users, by POST (Supabase''s PUT): data goes into user_metadata as auth.update_user(); password is set as auth.update_password(), with current_password, or in a session that a password reset began; email and password make an anonymous user one who can come back, as auth.sign_up(). The user as get_user. 400 validation_failed, reauthentication_needed, invalid_credentials; 403 user_not_found, insufficient_privilege; 422 weak_password, email_exists, and validation_failed for another address; 429 over_request_rate_limit.';

create or replace function auth_http.settings() returns jsonb
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select auth.sign_in_settings()
$$;
comment on function auth_http.settings is 'Everybody: {external, disable_signup, mailer_autoconfirm, …}, as Supabase Auth says how users sign up and in.';
