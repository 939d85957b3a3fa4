-- The endpoints of Supabase Auth, as its client libraries call them. A function takes the body of a request as its only argument,
-- without a name, so that PostgREST passes on whatever members there are; those that nobody knows are passed over.

create or replace function auth_internal.supabase_error(status integer, error_code text, message text, error text default 'invalid_request') returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.http_answer(supabase_error.status, true);
    return jsonb_build_object('code', status, 'error_code', error_code, 'msg', message, 'error', error, 'error_description', message);
end
$$;
comment on function auth_internal.supabase_error is 'An error as Supabase Auth answers it, with the members of RFC 6749 section 5.2 beside its own; sets the status.';

-- What functions of ours return where they refuse has its status and Retry-After already.
create or replace function auth_internal.supabase_refusal(refused jsonb, error_code text, status integer default 400) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    its_status integer := case refused ->> 'error' when 'too_many_requests' then 429 when 'access_denied' then 403 else status end;
begin
    perform set_config('response.status', its_status::text, true);
    return refused || jsonb_build_object(
        'code', its_status, 'msg', refused ->> 'error_description',
        'error_code', case refused ->> 'error' when 'too_many_requests' then 'over_request_rate_limit'
                                               when 'access_denied' then 'access_denied' else error_code end);
end
$$;
comment on function auth_internal.supabase_refusal is 'A refusal that a function of ours returned, as Supabase Auth answers it.';

-- What is wrong with an argument, and what may not be done here.
create or replace function auth_internal.supabase_caught(state text, message text, hint text, denied text default 'insufficient_privilege') returns jsonb
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

create or replace function auth_internal.supabase_session(answer jsonb, error_code text, status integer default 400) returns jsonb
    language sql volatile set search_path = pg_catalog, pg_temp as $$
    select case when answer ? 'error' then auth_internal.supabase_refusal(answer, error_code, status)
                when answer ? 'access_token' then answer || jsonb_build_object('user', auth_internal.supabase_user(answer -> 'user'))
                else auth_internal.supabase_user(answer -> 'user') end
$$;
comment on function auth_internal.supabase_session is 'What signing in or up returned, as Supabase Auth answers it: a session, a user without one, or the refusal.';

create or replace function auth_http.signup(jsonb) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    is_anonymous boolean := $1 ->> 'email' is null and $1 ->> 'phone' is null;
    said text;
    hinted text;
begin
    if auth_internal.supabase_text($1, 'email') is null and not is_anonymous then
        return auth_internal.supabase_error(400, 'phone_provider_disabled', 'nobody signs up by phone here');
    end if;
    return auth_internal.supabase_session(
        case when is_anonymous then auth.sign_in_anonymously(nullif($1 -> 'data', 'null'))
             else auth.sign_up(auth_internal.supabase_text($1, 'email'), auth_internal.supabase_text($1, 'password'),
                               nullif($1 -> 'data', 'null')) end,
        'user_already_exists', 422);
exception when invalid_parameter_value or insufficient_privilege or object_not_in_prerequisite_state then
    get stacked diagnostics said = message_text, hinted = pg_exception_hint;
    return auth_internal.supabase_caught(sqlstate, said, hinted,
        case when is_anonymous then 'anonymous_provider_disabled' else 'signup_disabled' end);
end
$$;
comment on function auth_http.signup is
    'Everybody, by POST: {email, password, data} signs up as auth.sign_up(), without email and phone as auth.sign_in_anonymously(). A session, or the user where the address has to be confirmed first. 400 validation_failed, phone_provider_disabled; 422 weak_password, signup_disabled, anonymous_provider_disabled, user_already_exists; 429 over_request_rate_limit.';

create or replace function auth_http.token_password(jsonb) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    said text;
begin
    return auth_internal.supabase_session(
        auth.sign_in_with_password(auth_internal.supabase_text($1, 'email'), auth_internal.supabase_text($1, 'password')), 'invalid_credentials');
exception when invalid_parameter_value or object_not_in_prerequisite_state then
    get stacked diagnostics said = message_text;
    return auth_internal.supabase_caught(sqlstate, said, null);
end
$$;
comment on function auth_http.token_password is
    'Everybody, by POST: {email, password} signs in as auth.sign_in_with_password(): a session. 400 invalid_credentials, validation_failed; 429 over_request_rate_limit.';

create or replace function auth_http.token_refresh_token(jsonb) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    said text;
begin
    return auth_internal.supabase_session(auth.refresh_session(auth_internal.supabase_text($1, 'refresh_token')), 'refresh_token_not_found');
exception when invalid_parameter_value or object_not_in_prerequisite_state then
    get stacked diagnostics said = message_text;
    return auth_internal.supabase_caught(sqlstate, said, null);
end
$$;
comment on function auth_http.token_refresh_token is
    'Everybody, by POST: {refresh_token} refreshes a session as auth.refresh_session(): the session with its next tokens. 400 refresh_token_not_found, validation_failed.';

create or replace function auth_http.verify(jsonb) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    said text;
    hinted text;
begin
    return auth_internal.supabase_session(
        auth.redeem_token(coalesce(auth_internal.supabase_text($1, 'token_hash'), auth_internal.supabase_text($1, 'token')),
                          auth_internal.supabase_password($1)), 'otp_expired', 403);
exception when invalid_parameter_value or object_not_in_prerequisite_state then
    get stacked diagnostics said = message_text, hinted = pg_exception_hint;
    return auth_internal.supabase_caught(sqlstate, said, hinted);
end
$$;
comment on function auth_http.verify is
    'Everybody, by POST: {token_hash} or {token} redeems a token that was mailed as auth.redeem_token(): a session. password is for a token of a password reset; without it the session may set one (update_user) within an hour. 400 validation_failed, 403 otp_expired, 422 weak_password, 429 over_request_rate_limit.';

create or replace function auth_internal.supabase_mail(body jsonb, purpose text) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    its_email text;
    answer jsonb;
    said text;
    hinted text;
begin
    its_email := auth_internal.supabase_text(body, 'email');
    if its_email is null and body ->> 'phone' is not null then
        return auth_internal.supabase_error(400, 'phone_provider_disabled', 'nobody signs in by phone here');
    end if;
    answer := case purpose when 'recovery' then auth.send_password_reset(its_email)
                           when 'signup' then auth.send_confirmation(its_email)
                           when 'magiclink' then auth.send_magic_link(its_email) end;
    if answer ? 'error' then
        return auth_internal.supabase_refusal(answer, 'over_email_send_rate_limit');
    end if;
    return coalesce(answer, '{}');
exception when invalid_parameter_value or insufficient_privilege or object_not_in_prerequisite_state then
    get stacked diagnostics said = message_text, hinted = pg_exception_hint;
    return auth_internal.supabase_caught(sqlstate, said, hinted);
end
$$;
comment on function auth_internal.supabase_mail is 'Has a token mailed for this purpose (recovery, signup or magiclink), as Supabase Auth answers it.';

create or replace function auth_http.recover(jsonb) returns jsonb
    language sql volatile set search_path = pg_catalog, pg_temp as $$
    select auth_internal.supabase_mail($1, 'recovery')
$$;
comment on function auth_http.recover is
    'Everybody, by POST: {email} has a token mailed with which a new password is set, as auth.send_password_reset(): {}, whether there is such a user or not. 400 validation_failed, phone_provider_disabled; 429 over_request_rate_limit; 503 unexpected_failure without the hook send_email.';

create or replace function auth_http.otp(jsonb) returns jsonb
    language sql volatile set search_path = pg_catalog, pg_temp as $$
    select auth_internal.supabase_mail($1, 'magiclink')
$$;
comment on function auth_http.otp is
    'Everybody, by POST: {email} has a token mailed that signs in, as auth.send_magic_link(): {}. It makes no user: create_user is passed over. Errors as recover.';

create or replace function auth_http.resend(jsonb) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
    if $1 ->> 'type' = 'signup' then
        return auth_internal.supabase_mail($1, 'signup');
    end if;
    return auth_internal.supabase_error(400, 'validation_failed', 'type is not signup');
end
$$;
comment on function auth_http.resend is
    'Everybody, by POST: {type, email} with type signup has the token that confirms an address mailed once more, as auth.send_confirmation(): {}. Errors as recover.';

create or replace function auth_http.logout(scope text default 'global') returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    said text;
begin
    perform auth.sign_out_session(case logout.scope when 'global' then 'all' when 'local' then 'this' else logout.scope end);
    perform auth_internal.http_answer(204, false);
    return null;
exception when invalid_parameter_value or insufficient_privilege then
    get stacked diagnostics said = message_text;
    return auth_internal.supabase_caught(sqlstate, said, null);
end
$$;
comment on function auth_http.logout is
    'Users, with an access token of a session, by POST: ends all of their sessions (global), this one (local) or the others (others), as auth.sign_out_session(), with 204. 400 validation_failed, 403 insufficient_privilege. 28000 without an identity.';

-- A key of a user is not the user.
create or replace function auth_internal.supabase_caller() returns jsonb
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth.require_authenticated();
    return case when auth.api_key_id() is null then auth.current_user_record() end;
end
$$;
comment on function auth_internal.supabase_caller is 'The user who is signed in; NULL for one of another issuer, and for an API key and its tokens. 28000 without an identity.';

create or replace function auth_http.get_user() returns jsonb
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    known constant jsonb := auth_internal.supabase_caller();
begin
    if known is null then
        return auth_internal.supabase_error(403, 'user_not_found', 'the credential is of no user of this database', 'access_denied');
    end if;
    return auth_internal.supabase_user(known);
end
$$;
comment on function auth_http.get_user is 'Whoever is signed in: the user, as auth.current_user_record() with identities. 403 user_not_found for a user of another issuer, and an API key.';

create or replace function auth_http.update_user(jsonb) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    new_email text;
    new_password text;
    known jsonb;
    answer jsonb;
    said text;
    hinted text;
begin
    known := auth_internal.supabase_caller();
    new_email := auth_internal.supabase_text($1, 'email');
    new_password := auth_internal.supabase_password($1);
    if known is null then
        return auth_internal.supabase_error(403, 'user_not_found', 'the credential is of no user of this database', 'access_denied');
    elsif new_email <> known ->> 'email' or auth_internal.supabase_text($1, 'phone') is distinct from known ->> 'phone' and $1 ? 'phone'
       or known ->> 'email' is null and new_email is not null and (new_password is null or known ->> 'is_anonymous' <> 'true') then
        return auth_internal.supabase_error(422, 'validation_failed', 'users do not change their address or phone here');
    elsif new_email is not null and known ->> 'email' is null then
        answer := auth.sign_up(new_email, new_password, nullif($1 -> 'data', 'null'));
        return case when answer ? 'error' then auth_internal.supabase_refusal(answer, 'email_exists', 422)
                    else auth_internal.supabase_user(answer -> 'user') end;
    elsif new_password is not null then
        answer := auth.update_password(new_password, auth_internal.supabase_text($1, 'current_password'));
        if answer ? 'error' then
            return auth_internal.supabase_refusal(
                answer, case when $1 ->> 'current_password' is null then 'reauthentication_needed' else 'invalid_credentials' end);
        end if;
    end if;
    if $1 -> 'data' <> 'null' then
        perform auth.update_user(data => $1 -> 'data');
    end if;
    return auth_internal.supabase_user(auth.current_user_record());
exception when invalid_parameter_value or insufficient_privilege or object_not_in_prerequisite_state then
    get stacked diagnostics said = message_text, hinted = pg_exception_hint;
    return auth_internal.supabase_caught(sqlstate, said, hinted);
end
$$;
comment on function auth_http.update_user is
    'Users, by POST (Supabase''s PUT): data goes into user_metadata as auth.update_user(); password is set as auth.update_password(), with current_password, or in a session that a password reset began; email and password make an anonymous user one who can come back, as auth.sign_up(). The user as get_user. 400 validation_failed, reauthentication_needed, invalid_credentials; 403 user_not_found, insufficient_privilege; 422 weak_password, email_exists, and validation_failed for another address; 429 over_request_rate_limit.';

create or replace function auth_http.settings() returns jsonb
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select auth.sign_in_settings()
$$;
comment on function auth_http.settings is 'Everybody: {external, disable_signup, mailer_autoconfirm, …}, as Supabase Auth says how users sign up and in.';
