-- Passwords. A new one is a new row, so that nobody waits for whoever holds the old one.

create or replace function auth_internal.set_password(user_id uuid, hash text) returns uuid
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    its_id uuid;
begin
    perform auth_internal.commit_durably();
    -- Whoever acts on an older snapshot puts none in the place of one that they do not see.
    if auth_internal.newest_password(user_id) is distinct from (auth_internal.password_of(user_id)).id then
        perform auth_internal.refuse_snapshot();
    end if;
    -- Younger than whatever there is, by whatever clock.
    insert into auth.user_passwords (user_id, hash, created_at)
    values (set_password.user_id, set_password.hash,
            greatest(clock_timestamp(), (select max(p.created_at) + interval '1 microsecond' from auth.user_passwords p where p.user_id = set_password.user_id)))
    returning id into its_id;
    perform auth_internal.forget_passwords(user_id, its_id);
    return its_id;
end
$$;
comment on function auth_internal.set_password is 'Gives a user a password, whose hash this is: what the former one began has ended.';

create or replace function auth_internal.forget_passwords(user_id uuid, but uuid default null) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    with old as (
        select p.id from auth.user_passwords p
         where p.user_id = forget_passwords.user_id and p.id is distinct from but for update skip locked
    )
    delete from auth.user_passwords p using old where p.id = old.id;
exception when serialization_failure then
    null;
end
$$;
comment on function auth_internal.forget_passwords is 'Deletes the passwords of a user, but this one, that nobody holds.';

-- Not only deleted: a row that somebody holds stays, and would be the password.
create or replace function auth_internal.take_password(user_id uuid) returns uuid
    language sql set search_path = pg_catalog, pg_temp as $$
    select auth_internal.set_password(take_password.user_id, '*')
$$;
comment on function auth_internal.take_password is 'Leaves a user without a password; what the former one began has ended. Returns what sessions of the user refer to from now on.';

-- In the same row: it is the same password.
create or replace function auth_internal.rehash_password(stored auth.user_passwords, password text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    new_hash text;
begin
    if auth_internal.password_needs_rehash(password, stored.hash) then
        new_hash := auth_internal.hash_password(password);
        with free as (select p.id from auth.user_passwords p where p.id = stored.id for update skip locked)
        update auth.user_passwords p set hash = new_hash from free where p.id = free.id;
    end if;
exception when serialization_failure then
    null;
end
$$;
comment on function auth_internal.rehash_password is 'Hashes a password anew that was hashed otherwise than the settings say.';

-- Counted like signing in. Whoever has just shown by a mail to the address who they are need not know the current one, once.
create or replace function auth_internal.replace_password(
    current_password text, new_password text, own auth.sessions, out refusal jsonb, out user_id text, out password_id uuid
)
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    started timestamptz := clock_timestamp();
    known auth_internal.user_row;
    stored auth.user_passwords;
    seconds integer;
    new_hash text;
begin
    user_id := auth_internal.user_in_person('only a user changes a password');
    perform auth_internal.demand_oneself(user_id);
    perform auth_internal.enter_sign_in();
    known := auth_internal.user_by_id(user_id);
    if known.id is null then
        perform auth_internal.refuse('42501', 'the user has no password here', null);
    end if;
    perform auth_internal.demand_new_password(new_password);
    stored := auth_internal.password_of(known.id);
    password_id := stored.id;
    if stored.hash = '*' then
        stored := null;
    end if;
    if stored.id is null and not auth.signed_in_within('1 hour') then
        perform auth_internal.refuse('42501', 'whoever signed in long ago sets no first password', 'Sign in again.');
    elsif stored.id is not null
          and (own.method = 'recovery' and stored.created_at < own.created_at and auth.signed_in_within('1 hour')) is not true then
        seconds := auth_internal.count_password_try(coalesce(known.email, user_id));
        if seconds > 0 then
            perform auth_internal.wait_for_answer(started);
            refusal := auth_internal.refuse_tries(seconds);
            return;
        elsif auth_internal.verify_password(current_password, stored.hash) is not true then
            perform auth_internal.wait_for_answer(started);
            refusal := auth_internal.refuse_grant();
            return;
        end if;
    end if;
    new_hash := auth_internal.hash_password(new_password);
    -- Somebody may have set another one, or ended the credential, since they were looked at.
    perform auth_internal.demand_handing_on(null, null);
    if auth_internal.newest_password(known.id) is distinct from password_id then
        perform auth_internal.refuse_snapshot();
    end if;
    password_id := auth_internal.set_password(known.id, new_hash);
end
$$;
comment on function auth_internal.replace_password is 'Sets another password for the user who calls, in this session of theirs; or the refusal. Errors as auth.change_password().';

create or replace function auth.change_password(current_password text, new_password text) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    replaced record;
begin
    replaced := auth_internal.replace_password(current_password, new_password, auth_internal.own_session());
    if replaced.refusal is not null then
        return replaced.refusal;
    end if;
    perform auth_internal.end_sessions_of(replaced.user_id);
    perform auth_internal.audit('user.change_password', null, null, replaced.user_id);
    return auth_internal.begin_session(replaced.user_id, 'password', replaced.password_id);
end
$$;
comment on function auth.change_password is
    'Users: sets another password, and ends all of their sessions; returns a new one, as auth.sign_in_with_password() does. Without a password so far, and in a session that a mail of auth.send_password_reset() began, once, current_password is not looked at, and the user has to have signed in within the last hour. A wrong current_password is refused, and counted, as there. Bind both. 40001 where somebody set another one meanwhile. 22023 for a new password that is too short (pg_bearer.password_min_length) or longer than 1024 bytes, 42501 for a user of another issuer, an API key, and whoever acts for the user, 28000 without an identity.';

create or replace function auth.update_password(new_password text, current_password text default null) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    own auth.sessions := auth_internal.own_session();
    replaced record;
begin
    perform auth_internal.user_in_person('only a user changes a password');
    if own.id is null then
        perform auth_internal.refuse_sessionless('auth.change_password() begins a session.');
    end if;
    -- Nobody refreshes it meanwhile.
    own := auth_internal.lock_session(own.id);
    replaced := auth_internal.replace_password(current_password, new_password, own);
    if replaced.refusal is not null then
        return replaced.refusal;
    end if;
    update auth.sessions s set password_id = replaced.password_id where s.id = own.id;
    perform auth_internal.end_sessions_of(replaced.user_id, own.id);
    perform auth_internal.audit('user.change_password', null, null, replaced.user_id);
    return '{}';
end
$$;
comment on function auth.update_password is
    'Users, with an access token of a session: sets another password as auth.change_password() does, and ends all of their other sessions. This one stays, with its tokens. Returns {}, or the refusal of auth.sign_in_with_password(). Bind both. 42501 for a credential of no session, 53400 while somebody refreshes the session, and the errors of auth.change_password().';
