-- Changing, banning and deleting users. What is decided about a user is a row of auth.user_bans: it waits for nobody.

create or replace function auth.current_user_record() returns jsonb
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    known auth_internal.user_row := auth_internal.user_by_id(auth.user_id());
begin
    return case when known.id is not null and known.deleted_at is null then auth_internal.user_record(known) end;
end
$$;
comment on function auth.current_user_record is
    'Who is signed in, as Supabase shows a user: id, email, email_confirmed_at, phone, app_metadata, user_metadata, is_anonymous, last_sign_in_at, created_at and updated_at. NULL without an identity and for a user of another issuer.';

create or replace function auth.update_user(
    user_id text default null, data jsonb default null, app_metadata jsonb default null, email text default null,
    email_confirmed boolean default null, phone text default null
) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    unrestricted boolean := auth_internal.is_unrestricted();
    its_user text := coalesce(user_id, case when not unrestricted then auth.user_id() end);
    known auth_internal.user_row;
    changes jsonb := '{}';
begin
    perform auth_internal.demand_oneself(its_user);
    perform auth_internal.demand_handing_on(null, null);
    perform auth_internal.commit_durably();
    if not unrestricted and (app_metadata is not null or email is not null or email_confirmed is not null or phone is not null) then
        perform auth_internal.refuse('42501', 'users change their own data only', 'Services and administrators change the rest.');
    end if;
    known := auth_internal.locked_user((auth_internal.user_by_id(its_user)).id);
    if known.id is null or known.deleted_at is not null or auth_internal.is_deleted(its_user) then
        perform auth_internal.refuse('22023', 'no such user', null);
    end if;
    if data is not null then
        perform auth_internal.demand_metadata('data', data);
        changes := changes || jsonb_build_object('raw_user_meta_data', auth_internal.merged(known.raw_user_meta_data, data));
        perform auth_internal.demand_metadata('data', changes -> 'raw_user_meta_data');
    end if;
    if app_metadata is not null then
        perform auth_internal.demand_metadata('app_metadata', app_metadata);
        changes := changes || jsonb_build_object('raw_app_meta_data', auth_internal.merged(known.raw_app_meta_data, app_metadata));
        perform auth_internal.demand_metadata('app_metadata', changes -> 'raw_app_meta_data');
    end if;
    if email is not null then
        perform auth_internal.demand_address(email);
        perform auth_internal.free_address(email);
        changes := changes || jsonb_build_object('email', email, 'is_anonymous', false, 'email_confirmed_at',
            case when auth_internal.folded(email) = auth_internal.folded(known.email) then known.email_confirmed_at end);
    end if;
    if email_confirmed is not null then
        if coalesce(email, known.email) is null then
            perform auth_internal.refuse_token_argument('email_confirmed', 'There is no address to be confirmed.');
        end if;
        changes := changes || jsonb_build_object('email_confirmed_at', case when email_confirmed then clock_timestamp() end);
    end if;
    if phone is not null then
        if octet_length(phone) > 64 then
            perform auth_internal.refuse_token_argument('phone', 'It has up to 64 bytes; none takes it away.');
        end if;
        changes := changes || jsonb_build_object('phone', nullif(phone, ''));
    end if;
    known := auth_internal.changed_user(known.id, changes);
    if known.id is null then
        perform auth_internal.refuse_unwritten();
    end if;
    perform auth_internal.audit('user.update', null, null, its_user,
        jsonb_build_object('changed', (select jsonb_agg(c order by c) from jsonb_object_keys(changes) c)));
    return auth_internal.user_record(known);
exception
    when unique_violation then
        perform auth_internal.refuse('23505', 'another user has this address', null);
end
$$;
comment on function auth.update_user is
    'Users, for themselves (user_id NULL): data, whose members go into user_metadata; null takes one away. Services and administrators, for anybody, also app_metadata, email, email_confirmed and phone ('''' takes it away). Another address is unconfirmed unless email_confirmed says so, and tokens that were mailed are worth nothing from then on. Returns the user as auth.current_user_record() does; access tokens show it after the next refresh. 22023 for a value that is not allowed and for an unknown user, 23505 for an address of somebody else''s, 42501 for anybody else, 28000 without an identity, 53400 where somebody else holds the user''s row for too long.';

create or replace function auth.ban_user(user_id text, until timestamptz default 'infinity') returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.demand_environment(null);
    perform auth_internal.demand_handing_on(null, null);
    perform auth_internal.decide_about(user_id, until, false);
    if (auth_internal.user_by_id(user_id)).id is not null then
        perform auth_internal.changed_user(auth_internal.token_id(user_id), jsonb_build_object('banned_until', until), waits => false);
    end if;
    perform auth_internal.audit('user.ban', null, null, user_id, jsonb_build_object('until', until));
end
$$;
comment on function auth.ban_user is
    'Services and administrators: until then no credential of this user is accepted: tokens of whatever issuer, API keys, tickets and sessions. NULL, or a time that has passed, ends a ban. user_id is what auth.user_id() gives, and need not be in auth.users. Counts for every authenticate that starts after the commit, and waits for nobody. 22023 for NULL, 42501 for anybody else, 28000 without an identity.';

create or replace function auth_internal.decide_about(user_id text, until timestamptz, is_deleted boolean) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.commit_durably();
    if (octet_length(user_id) between 1 and 1024) is not true then
        perform auth_internal.refuse_token_argument('user_id', 'Name the user, in 1 to 1024 bytes.');
    end if;
    -- Later than whatever was decided before, by whatever clock.
    insert into auth.user_bans (user_id, banned_until, is_deleted, created_by, created_at)
    values (decide_about.user_id, until, decide_about.is_deleted, auth_internal.acting_user(),
            greatest(clock_timestamp(), (select max(b.created_at) + interval '1 microsecond' from auth.user_bans b where b.user_id = decide_about.user_id)));
    with old as (
        select b.id from auth.user_bans b
         where b.user_id = decide_about.user_id and not b.is_deleted
           and exists (select from auth.user_bans l where l.user_id = b.user_id and (l.created_at, l.id) > (b.created_at, b.id))
           for update skip locked
    )
    delete from auth.user_bans b using old where b.id = old.id;
exception when serialization_failure then
    perform auth_internal.refuse_snapshot();
end
$$;
comment on function auth_internal.decide_about is 'Bans a user until then, ends a ban, or says that the user is deleted; 22023 for NULL.';

-- What the row of a deleted user keeps: nothing of the user.
create or replace function auth_internal.clear_user(id uuid) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.changed_user(clear_user.id, jsonb_build_object(
        'email', null, 'email_confirmed_at', null, 'phone', null, 'raw_app_meta_data', '{}'::jsonb, 'raw_user_meta_data', '{}'::jsonb,
        'banned_until', 'infinity', 'last_sign_in_at', null, 'deleted_at', clock_timestamp()), waits => false);
end
$$;
comment on function auth_internal.clear_user is 'Empties the row of a deleted user, if nobody holds it.';

create or replace function auth.delete_user(user_id text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    known auth_internal.user_row;
begin
    perform auth_internal.demand_oneself(user_id);
    perform auth_internal.demand_handing_on(null, null);
    if not auth_internal.is_unrestricted() and not auth.signed_in_within('1 hour') then
        perform auth_internal.refuse('42501', 'whoever signed in long ago deletes no user', 'Sign in again.');
    end if;
    known := auth_internal.user_by_id(user_id);
    if known.id is null then
        perform auth_internal.refuse('22023', 'no such user', 'auth.remove_user() and auth.ban_user() are for users of other issuers.');
    elsif auth_internal.is_deleted(user_id) then
        perform auth_internal.clear_user(known.id);
        return;
    end if;
    perform auth.remove_user(user_id);
    perform auth_internal.end_invitation(i.id, i.org_id)
       from auth_internal.open_invitations i where i.email = auth_internal.folded(known.email) and known.email_confirmed_at is not null;
    perform auth_internal.end_sessions_of(user_id);
    perform auth_internal.forget_passwords(known.id);
    perform auth_internal.decide_about(user_id, 'infinity', true);
    perform auth_internal.clear_user(known.id);
    perform auth_internal.audit('user.delete', null, null, user_id);
end
$$;
comment on function auth.delete_user is
    'Users, for themselves, within an hour of signing in; services and administrators, for anybody in auth.users: deletes a user. All of what auth.remove_user() ends, all sessions and the passwords end at once, for good, and no credential of the user is accepted any more. The row stays, with its id and nothing else, because rows of the application may refer to it; where somebody holds it, it is emptied when this is called again or somebody signs up with the address, who is a new user. Waits for nobody. 42501 for the last owner of an organization, for who signed in long ago and for anybody else, 28000 without an identity, 22023 for an unknown user.';

create or replace function auth.list_users(max_rows integer default 100, after uuid default null)
    returns table (id uuid, email text, email_confirmed_at timestamptz, phone text, app_metadata jsonb, user_metadata jsonb,
                   is_anonymous boolean, banned boolean, last_sign_in_at timestamptz, created_at timestamptz, deleted_at timestamptz)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.demand_unrestricted();
    if (max_rows between 1 and 10000) is not true then
        perform auth_internal.refuse_token_argument('max_rows', 'It is from 1 to 10000.');
    end if;
    return query
        select u.id, u.email, u.email_confirmed_at, u.phone, u.raw_app_meta_data, u.raw_user_meta_data, u.is_anonymous,
               auth_internal.is_banned(u.id::text), u.last_sign_in_at, u.created_at, u.deleted_at
          from jsonb_populate_recordset(null::auth_internal.user_row,
                   auth_internal.read_users('page_of_users', jsonb_build_object('after', after, 'most', max_rows))) u
         order by u.id;
end
$$;
comment on function auth.list_users is
    'Services and administrators: the users who sign in here, in the order of their ids; after is the last id of the page before. max_rows is 1 to 10000. banned says what counts, for deleted users too. 22023 for another max_rows, 42501 for anybody else, 28000 without an identity.';
