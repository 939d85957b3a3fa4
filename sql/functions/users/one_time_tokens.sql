-- Tokens that are mailed. Mailing is for the application: the hook send_email puts them into its outbox in the same transaction.

create or replace function auth_internal.make_one_time_token(
    known auth_internal.user_row, purpose text, new_email text default null, password_hash text default null
) returns text
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    token text := 'otp_' || auth_internal.random_token();
begin
    perform auth_internal.commit_durably();
    insert into auth.one_time_tokens (token_hash, purpose, user_id, email, new_email, password_id, password_hash, expires_at)
    values (auth_internal.token_hash(token), purpose, known.id, auth_internal.folded(known.email), make_one_time_token.new_email,
            auth_internal.newest_password(known.id), make_one_time_token.password_hash,
            clock_timestamp() + coalesce(current_setting('pg_bearer.one_time_token_lifetime', true), '1s')::interval);
    begin
        delete from auth.one_time_tokens t
         where t.id = any (array(select o.id from auth.one_time_tokens o where o.expires_at < clock_timestamp() - interval '1 day'
                                  order by o.expires_at limit 10 for update skip locked));
    exception when serialization_failure then
        null;
    end;
    return token;
end
$$;
comment on function auth_internal.make_one_time_token is 'A token for this purpose, good for the user as they are now.';

-- Of whom there is none: whether a transaction wrote something can be seen from outside.
create or replace function auth_internal.pretend_one_time_token(purpose text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.make_one_time_token(
        jsonb_populate_record(null::auth_internal.user_row, jsonb_build_object('id', gen_random_uuid())), purpose);
end
$$;
comment on function auth_internal.pretend_one_time_token is 'Writes what a token for this purpose writes, for nobody.';

-- Of several who signed up with the address nobody knows which one is the user.
create or replace function auth_internal.pending_password(user_id uuid) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select min(t.password_hash) from auth.one_time_tokens t
     where t.user_id = pending_password.user_id and t.purpose = 'confirm_email' and t.used_at is null
    having count(distinct t.password_hash) = 1
$$;
comment on function auth_internal.pending_password is 'The password hash of whoever signed up as this user and has confirmed nothing; NULL where there were several, or none with a password.';

-- Services and administrators mail by themselves where there is no hook; nobody else sees a token.
create or replace function auth_internal.send_token(known auth_internal.user_row, recipient text, purpose text, token text) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.has_hook('send_email') then
        perform auth_internal.run_hook('send_email', jsonb_build_object(
            'recipient', recipient, 'purpose', purpose, 'token', token, 'user_id', known.id));
        return '{}';
    elsif auth_internal.may_see_tokens() and token is not null then
        return jsonb_build_object('token', token);
    end if;
    return '{}';
end
$$;
comment on function auth_internal.send_token is 'Has a token mailed; without a hook services and administrators get it as {"token"}.';

create or replace function auth_internal.may_see_tokens() returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select auth_internal.is_administrator() or auth.is_service_role() and auth_internal.token_scopes() is null
$$;
comment on function auth_internal.may_see_tokens is 'Is it a service or an administrator who calls?';

-- What all that mails something begins with.
create or replace function auth_internal.enter_mailing() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.enter_sign_in();
    if auth_internal.has_hook('send_email') then
        perform auth_internal.demand_intact('send_email');
        return;
    elsif not auth_internal.may_see_tokens() then
        perform auth_internal.refuse('55000', 'nobody mails tokens', 'An administrator sets the hook send_email with auth.set_hook().');
    end if;
    -- What is returned signs anybody in.
    perform auth_internal.refuse_derived();
    perform auth_internal.demand_environment(null);
    perform auth_internal.demand_handing_on(null, null);
end
$$;
comment on function auth_internal.enter_mailing is '55000 where no hook mails and it is no service or administrator who calls, 42501 for a service that may not sign in just anybody.';

-- One answer, at one time, whether there is such a user or not.
create or replace function auth_internal.mail_user(email text, purpose text) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    started timestamptz := clock_timestamp();
    seconds integer;
    known auth_internal.user_row;
    answer jsonb := '{}';
begin
    perform auth_internal.enter_mailing();
    perform auth_internal.demand_address(email);
    seconds := case when auth_internal.may_see_tokens() then 0 else auth_internal.count_mail(email) end;
    if seconds > 0 then
        perform auth_internal.wait_for_answer(started);
        return auth_internal.refuse_tries(seconds);
    end if;
    known := auth_internal.user_by_email(email);
    if known.id is not null and not auth_internal.is_banned(known.id::text)
       and (purpose <> 'confirm_email' or known.email_confirmed_at is null) then
        answer := auth_internal.send_token(known, known.email, purpose, auth_internal.make_one_time_token(known, purpose,
            password_hash => case purpose when 'confirm_email' then auth_internal.pending_password(known.id) end));
    else
        perform auth_internal.pretend_one_time_token(purpose);
    end if;
    perform auth_internal.wait_for_answer(started);
    return answer;
end
$$;
comment on function auth_internal.mail_user is 'Has a token for this purpose mailed to a user, if there is one.';

create or replace function auth.send_password_reset(email text) returns jsonb
    language sql security definer set search_path = pg_catalog, pg_temp as $$
    select auth_internal.mail_user(send_password_reset.email, 'reset_password')
$$;
comment on function auth.send_password_reset is
    'Everybody: has a token mailed with which the user sets a new password (auth.redeem_token). The answer is {} and comes at a fixed time, whether there is such a user or not; too_many_requests after pg_bearer.max_mails. Without the hook send_email services and administrators get {"token"}, and nobody else may call it. 22023 for what is no e-mail address, 42501 without the hook for a credential that gives nothing that lasts or nothing live, 55000 without it for anybody else.';

create or replace function auth.send_magic_link(email text) returns jsonb
    language sql security definer set search_path = pg_catalog, pg_temp as $$
    select auth_internal.mail_user(send_magic_link.email, 'magic_link')
$$;
comment on function auth.send_magic_link is
    'Everybody: has a token mailed with which the user signs in (auth.redeem_token). All else is as with auth.send_password_reset().';

create or replace function auth.send_confirmation(email text) returns jsonb
    language sql security definer set search_path = pg_catalog, pg_temp as $$
    select auth_internal.mail_user(send_confirmation.email, 'confirm_email')
$$;
comment on function auth.send_confirmation is
    'Everybody: has a token mailed once more with which the user confirms the address (auth.redeem_token), if it is not confirmed. All else is as with auth.send_password_reset().';

-- Whoever holds the row is using the token.
create or replace function auth_internal.lock_one_time_token(token text) returns auth.one_time_tokens
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
    locked auth.one_time_tokens;
begin
    if octet_length(token) = 47 and token ~ '^otp_[A-Za-z0-9_-]{43}$' then
        select * into locked from auth.one_time_tokens t
         where t.token_hash = auth_internal.token_hash(lock_one_time_token.token) and t.used_at is null and t.expires_at > clock_timestamp()
           for update;
    end if;
    return locked;
exception
    when lock_not_available then
        perform auth_internal.refuse_busy();
end
$$;
comment on function auth_internal.lock_one_time_token is 'The token, which nobody else uses meanwhile; NULL for one that was used, and for any other. 53400 where somebody else is using it for too long.';

-- A password that somebody signed up with is for a user who has not confirmed anything.
create or replace function auth_internal.token_fits(given auth.one_time_tokens, known auth_internal.user_row) returns boolean
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return (known).id is not null and (known).deleted_at is null and not auth_internal.is_banned((known).id::text)
       and auth_internal.folded((known).email) is not distinct from (given).email
       and auth_internal.newest_password((known).id) is not distinct from (given).password_id
       and ((given).password_hash is null or (known).email_confirmed_at is null)
       and coalesce((auth_internal.user_by_email((given).new_email)).id = (known).id, true);
end
$$;
comment on function auth_internal.token_fits is 'Is the user still as when the token was made?';

-- How the session that it gives was begun (the claim amr), as Supabase names it.
create or replace function auth_internal.method_of(purpose text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case method_of.purpose when 'confirm_email' then 'email/signup' when 'reset_password' then 'recovery'
                                  when 'magic_link' then 'magiclink' when 'change_email' then 'email_change' end
$$;
comment on function auth_internal.method_of is 'The method of a session that a one-time token begins.';

create or replace function auth.redeem_token(token text, new_password text default null) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    seconds integer;
    new_hash text;
    redeemed auth.one_time_tokens;
    known auth_internal.user_row;
    is_first boolean;
    its_password uuid;
begin
    perform auth_internal.enter_sign_in();
    perform auth_internal.commit_durably();
    seconds := auth_internal.count_network_try();
    if seconds > 0 then
        return auth_internal.refuse_tries(seconds);
    end if;
    if new_password is not null then
        perform auth_internal.demand_new_password(new_password);
        -- Before anything is locked: others may be hashing theirs. Only for a token that there is.
        if exists (select from auth.one_time_tokens t where t.token_hash = auth_internal.token_hash(token)) then
            new_hash := auth_internal.hash_password(new_password);
        end if;
    end if;
    redeemed := auth_internal.lock_one_time_token(token);
    known := auth_internal.user_by_id(redeemed.user_id::text);
    if auth_internal.token_fits(redeemed, known) is not true then
        return auth_internal.refuse_grant('Token is invalid or has expired');
    elsif new_password is not null and redeemed.purpose <> 'reset_password' then
        perform auth_internal.refuse_token_argument('new_password', 'A token of auth.send_password_reset() sets a new password, and no other one does.');
    end if;
    -- Whoever reads mail to the address has shown it, whatever the token was for.
    is_first := known.email_confirmed_at is null;
    if is_first then
        known := auth_internal.confirmed_user(redeemed);
        if known.id is null then
            return auth_internal.refuse_grant('Token is invalid or has expired');
        end if;
        perform auth_internal.end_what_others_began(known.id::text);
    end if;
    update auth.one_time_tokens t set used_at = clock_timestamp() where t.id = redeemed.id;
    its_password := redeemed.password_id;
    new_hash := coalesce(new_hash, redeemed.password_hash);
    if new_hash is not null then
        its_password := auth_internal.set_password(known.id, new_hash);
        perform auth_internal.end_sessions_of(known.id::text);
    elsif redeemed.purpose in ('magic_link', 'reset_password') and is_first and redeemed.password_id is not null then
        -- Whoever set it may have been somebody else, whom the user knows nothing of.
        its_password := auth_internal.take_password(known.id);
    end if;
    perform auth_internal.audit('user.redeem', null, redeemed.purpose, known.id::text);
    return auth_internal.begin_session(known.id::text, auth_internal.method_of(redeemed.purpose), its_password);
end
$$;
comment on function auth.redeem_token is
    'Everybody: uses a token that was mailed, once, and signs its user in, as auth.sign_in_with_password() does. The address counts as confirmed from then on; where nobody had confirmed it, the sessions, tokens, API keys and invitations of the user end, which somebody else may have made, and a password that came with the token is set. One of auth.send_password_reset() sets new_password and ends all sessions; others take none. Without one it signs in, and within an hour the session sets a password, once, with auth.update_password(). Where no password is set, it and one of auth.send_magic_link() take the password away that was set before anybody confirmed the address. A token is worth nothing after its lifetime (pg_bearer.one_time_token_lifetime, an hour at most), and once the user has another address or password. Whatever is wrong with it, the answer is {"error": "invalid_grant", "error_description": "Token is invalid or has expired"}. Bind both. 22023 for a password that is too short or too long, 53400 while somebody else uses the token.';

-- Locked, and looked at once more: others may have changed or confirmed the address meanwhile. Who has confirmed it is not locked, so
-- that no thief who changes something of the user keeps them from setting another password.
create or replace function auth_internal.confirmed_user(redeemed auth.one_time_tokens) returns auth_internal.user_row
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    known auth_internal.user_row := auth_internal.locked_user(redeemed.user_id);
begin
    if auth_internal.token_fits(redeemed, known) is not true then
        return null;
    end if;
    return auth_internal.changed_user(known.id, jsonb_strip_nulls(jsonb_build_object(
        'email', redeemed.new_email, 'email_confirmed_at', clock_timestamp(), 'is_anonymous', false)));
exception
    when unique_violation then
        return null;
end
$$;
comment on function auth_internal.confirmed_user is 'The user, whose address is confirmed now; NULL where the token does not fit any more.';

create or replace function auth_internal.end_what_others_began(user_id text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.end_sessions_of(user_id);
    perform auth_internal.revoke_tokens_of(user_id, null);
    perform auth_internal.end_api_key(k.id, 'its user confirmed an address')
       from auth.api_keys k where k.user_id = end_what_others_began.user_id and k.revoked_at is null;
    perform auth_internal.end_invitation(i.id, i.org_id)
       from auth_internal.open_invitations i where i.created_by = end_what_others_began.user_id;
end
$$;
comment on function auth_internal.end_what_others_began is 'Ends the sessions, tokens, API keys and invitations of a user who shows for the first time who they are.';
