-- New users.

-- Who may make them is for an administrator to say; nobody may, until one does.
create or replace function auth_internal.demand_user_creation(anonymous boolean) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.enter_sign_in();
    if auth_internal.is_administrator() or auth.is_service_role() then
        return;
    elsif current_setting('pg_bearer.user_creation', true) = any (case when anonymous then '{anonymous}' else '{interactive,anonymous}' end::text[]) then
        return;
    end if;
    perform auth_internal.refuse('42501', 'users do not sign up here by themselves',
        'pg_bearer.user_creation lets them. Services and administrators call auth.create_user().');
end
$$;
comment on function auth_internal.demand_user_creation is '42501 where users do not make themselves, 55000 where nobody signs in.';

-- What the hook says against it, if anything.
create or replace function auth_internal.creation_refusal(described auth_internal.user_row) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    said jsonb := auth_internal.run_hook('before_user_created', auth_internal.user_record(described));
begin
    if said -> 'error' is null then
        return null;
    end if;
    return auth_internal.refusal('access_denied', left(coalesce(said -> 'error' ->> 'message', 'The user was not accepted'), 1000), 403);
end
$$;
comment on function auth_internal.creation_refusal is 'The answer where the hook before_user_created returns {"error": {"message"}}; NULL where it does not.';

create or replace function auth_internal.described_user(email text, data jsonb, is_anonymous boolean) returns auth_internal.user_row
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.demand_metadata('data', data);
    return jsonb_populate_record(null::auth_internal.user_row, jsonb_build_object(
        'id', gen_random_uuid(), 'email', email, 'is_anonymous', is_anonymous, 'raw_user_meta_data', auth_internal.merged(data, null),
        'raw_app_meta_data', case when is_anonymous then '{}' else '{"provider": "email", "providers": ["email"]}'::jsonb end,
        'created_at', clock_timestamp(), 'updated_at', clock_timestamp()));
end
$$;
comment on function auth_internal.described_user is 'The row of a user who is to be made; 22023 for metadata that no token could carry.';

-- Makes it, with its password if there is one; NULL where the address was taken.
create or replace function auth_internal.enter_user(described auth_internal.user_row, hash text) returns auth_internal.user_row
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    made auth_internal.user_row;
begin
    perform auth_internal.commit_durably();
    if described.email is not null then
        perform auth_internal.lock_address(described.email);
        perform auth_internal.free_address(described.email);
        if (auth_internal.user_by_email(described.email)).id is not null then
            return null;
        end if;
    end if;
    made := auth_internal.new_user(described);
    if made.id is not null then
        if hash is not null then
            perform auth_internal.set_password(made.id, hash);
        end if;
        perform auth_internal.run_hook('after_user_created', auth_internal.user_record(made));
        perform auth_internal.audit('user.create', null, null, made.id::text, jsonb_build_object('is_anonymous', made.is_anonymous));
    end if;
    return made;
end
$$;
comment on function auth_internal.enter_user is 'Makes a user; NULL where the id or address is taken.';

-- Whoever signs up with an address waits for others who do, whether or not it is a user's already.
create or replace function auth_internal.lock_address(email text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
begin
    perform auth_internal.take_lock('address', encode(substr(sha256(convert_to(auth_internal.folded(email), 'UTF8')), 1, 16), 'hex')::uuid, true, true);
exception
    when lock_not_available then
        perform auth_internal.refuse_busy();
end
$$;
comment on function auth_internal.lock_address is 'Keeps others from signing up with this address until the transaction ends. 53400 where somebody else does for too long.';

-- Somebody may have held the row of its last user when that one was deleted.
create or replace function auth_internal.free_address(email text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    former auth_internal.user_row := auth_internal.user_by_email(email);
begin
    if former.id is not null and auth_internal.is_deleted(former.id::text) then
        perform auth_internal.clear_user(former.id);
    end if;
end
$$;
comment on function auth_internal.free_address is 'Frees the address of a user who was deleted.';

-- The user, who is no anonymous one of theirs, if this one signs up.
create or replace function auth_internal.anonymous_caller() returns auth_internal.user_row
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    known auth_internal.user_row;
begin
    if auth.is_authenticated() and not auth.is_service_role() and auth.api_key_id() is null then
        known := auth_internal.user_by_id(auth.user_id());
        if known.is_anonymous then
            perform auth_internal.demand_oneself(known.id::text);
            return known;
        end if;
    end if;
    return null;
end
$$;
comment on function auth_internal.anonymous_caller is 'The anonymous user who calls; NULL for anybody else.';

create or replace function auth.sign_up(email text, password text, data jsonb default null) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    started timestamptz := clock_timestamp();
    confirms boolean;
    described auth_internal.user_row;
    anonymous auth_internal.user_row;
    known auth_internal.user_row;
    seconds integer;
    hash text;
    refused jsonb;
    answer jsonb;
begin
    perform auth_internal.demand_user_creation(false);
    -- Not before: settings are there once the library is loaded.
    confirms := auth_internal.confirms_email();
    if confirms then
        perform auth_internal.demand_intact('send_email');
    end if;
    perform auth_internal.demand_address(email);
    perform auth_internal.demand_new_password(password);
    described := auth_internal.described_user(email, data, false);
    anonymous := auth_internal.anonymous_caller();
    seconds := case when confirms then auth_internal.count_mail(email) else auth_internal.count_password_try(email) end;
    if seconds > 0 then
        perform auth_internal.wait_for_answer(started);
        return auth_internal.refuse_tries(seconds);
    end if;
    refused := auth_internal.creation_refusal(described);
    if refused is not null then
        return refused;
    end if;
    hash := auth_internal.hash_password(password);
    if anonymous.id is not null then
        answer := auth_internal.sign_up_anonymous(anonymous, described, hash, confirms);
    else
        known := auth_internal.enter_user(described, case when not confirms then hash end);
        if known.id is not null and confirms then
            perform auth_internal.send_token(known, known.email, 'confirm_email',
                auth_internal.make_one_time_token(known, 'confirm_email', password_hash => hash));
        elsif known.id is not null then
            answer := auth_internal.begin_session(known.id::text, 'password', (auth_internal.password_of(known.id)).id);
        else
            answer := auth_internal.sign_up_again(auth_internal.user_by_email(email), password, hash, confirms);
        end if;
    end if;
    if confirms or answer ? 'error' then
        perform auth_internal.wait_for_answer(started);
    end if;
    -- Of a new user and of one that there was already, the same is told.
    return coalesce(answer, jsonb_build_object('user', auth_internal.user_record(described)));
end
$$;
comment on function auth.sign_up is
    'Everybody where pg_bearer.user_creation is interactive or anonymous; services and administrators: a new user with a password. data is an object for user_metadata. Where addresses are confirmed (pg_bearer.confirm_email, by default where the hook send_email is set) the answer is {"user"} without a session, the token is mailed, and nothing tells whether there was such a user: then the address gets a mail with purpose already_registered, and the id in the answer is nobody''s. Otherwise the user is signed in at once, as auth.sign_in_with_password() does, the address is unconfirmed, and one of somebody else''s is refused like a wrong password. An anonymous user who calls becomes this user, with a new session. Bind the password. 22023 for a value that is not allowed, 42501 where users do not sign up, 53400 while too many passwords are being checked or somebody else is taking the address, 55000 where this database makes no tokens.';

-- The address was there. Whoever signed up with it and never came back may have been somebody else: each gets a token, with which the
-- password comes that each chose.
create or replace function auth_internal.sign_up_again(known auth_internal.user_row, password text, hash text, confirms boolean) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    stored auth.user_passwords := auth_internal.password_of(known.id);
begin
    if not confirms then
        if auth_internal.verify_password(password, stored.hash) and not auth_internal.is_banned(known.id::text) then
            return auth_internal.begin_session(known.id::text, 'password', stored.id);
        end if;
        return auth_internal.refuse_grant();
    elsif known.email_confirmed_at is null and known.last_sign_in_at is null
          and known.id is not null and not auth_internal.is_banned(known.id::text) then
        perform auth_internal.send_token(known, known.email, 'confirm_email',
            auth_internal.make_one_time_token(known, 'confirm_email', password_hash => hash));
        return null;
    end if;
    perform auth_internal.pretend_one_time_token('confirm_email');
    if known.id is not null and not auth_internal.is_banned(known.id::text) then
        perform auth_internal.send_token(known, known.email, 'already_registered', null);
    end if;
    return null;
end
$$;
comment on function auth_internal.sign_up_again is 'What signing up does where the address is taken; NULL where nothing is told.';

-- The address is the user's once it is confirmed; where nobody confirms, at once.
create or replace function auth_internal.sign_up_anonymous(anonymous auth_internal.user_row, described auth_internal.user_row, hash text, confirms boolean) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    known auth_internal.user_row;
    its_password uuid;
begin
    perform auth_internal.lock_address(described.email);
    perform auth_internal.free_address(described.email);
    known := auth_internal.user_by_email(described.email);
    if confirms then
        if known.id is null then
            perform auth_internal.send_token(anonymous, described.email, 'change_email',
                auth_internal.make_one_time_token(anonymous, 'change_email', described.email, hash));
            return null;
        end if;
        perform auth_internal.pretend_one_time_token('change_email');
        if not auth_internal.is_banned(known.id::text) then
            perform auth_internal.send_token(known, known.email, 'already_registered', null);
        end if;
        return null;
    end if;
    -- They may have become somebody else meanwhile.
    anonymous := auth_internal.locked_user(anonymous.id);
    if anonymous.is_anonymous is not true then
        return auth_internal.refuse_grant();
    end if;
    begin
        known := auth_internal.changed_user(anonymous.id, jsonb_build_object(
            'email', described.email, 'email_confirmed_at', null, 'is_anonymous', false,
            'raw_user_meta_data', auth_internal.merged(anonymous.raw_user_meta_data, described.raw_user_meta_data),
            'raw_app_meta_data', auth_internal.merged(anonymous.raw_app_meta_data, described.raw_app_meta_data)));
    exception when unique_violation then
        return auth_internal.refuse_grant();
    end;
    if known.id is null then
        perform auth_internal.refuse_unwritten();
    end if;
    its_password := auth_internal.set_password(known.id, hash);
    perform auth_internal.end_sessions_of(known.id::text);
    return auth_internal.begin_session(known.id::text, 'password', its_password);
end
$$;
comment on function auth_internal.sign_up_anonymous is 'What signing up does for an anonymous user, who keeps the id; NULL where nothing is told.';

create or replace function auth.sign_in_anonymously(data jsonb default null) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    described auth_internal.user_row;
    known auth_internal.user_row;
    seconds integer;
    refused jsonb;
begin
    perform auth_internal.demand_user_creation(true);
    described := auth_internal.described_user(null, data, true);
    seconds := auth_internal.count_network_try();
    if seconds > 0 then
        return auth_internal.refuse_tries(seconds);
    end if;
    refused := auth_internal.creation_refusal(described);
    if refused is not null then
        return refused;
    end if;
    known := auth_internal.enter_user(described, null);
    if known.id is null then
        perform auth_internal.refuse_unwritten();
    end if;
    return auth_internal.begin_session(known.id::text, 'anonymous');
end
$$;
comment on function auth.sign_in_anonymously is
    'Everybody where pg_bearer.user_creation is anonymous; services and administrators: a new user without address or password, signed in as auth.sign_in_with_password() does. The claim is_anonymous is true. data is an object for user_metadata. auth.sign_up() turns such a user into one who can come back. too_many_requests after pg_bearer.max_sign_in_tries_per_network. 22023 for data that is none, 42501 where users do not, 55000 where this database makes no tokens.';

create or replace function auth.create_user(
    email text default null, password text default null, password_hash text default null, id uuid default null,
    email_confirmed_at timestamptz default null, phone text default null, data jsonb default null, app_metadata jsonb default null,
    is_anonymous boolean default false, created_at timestamptz default null
) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    -- As a record, because linters take the fields of other types for unknown variables.
    described record;
    made auth_internal.user_row;
    hash text := nullif(password_hash, '');
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.refuse_derived();
    perform auth_internal.demand_environment(null);
    perform auth_internal.demand_handing_on(null, null);
    if email is not null then
        perform auth_internal.demand_address(email);
    elsif email_confirmed_at is not null then
        perform auth_internal.refuse_token_argument('email_confirmed_at', 'There is no address to be confirmed.');
    end if;
    perform auth_internal.demand_metadata('app_metadata', app_metadata);
    if octet_length(phone) not between 1 and 64 then
        perform auth_internal.refuse_token_argument('phone', 'It has 1 to 64 bytes.');
    elsif password is not null and hash is not null then
        perform auth_internal.refuse_token_argument('password_hash', 'Give a password or a hash.');
    elsif hash is not null and auth_internal.is_password_hash(hash) is not true then
        perform auth_internal.refuse_token_argument('password_hash',
            'It is argon2 in the PHC string format, or bcrypt, and takes no more than a second to check.');
    elsif password is not null then
        perform auth_internal.demand_new_password(password);
        hash := auth_internal.hash_password(password);
    end if;
    described := auth_internal.described_user(email, data, coalesce(is_anonymous, false));
    described.id := coalesce(create_user.id, described.id);
    described.email_confirmed_at := create_user.email_confirmed_at;
    described.phone := create_user.phone;
    described.raw_app_meta_data := coalesce(app_metadata, described.raw_app_meta_data);
    described.created_at := coalesce(create_user.created_at, described.created_at);
    if (auth_internal.user_by_id(described.id::text)).id is not null or auth_internal.is_banned(described.id::text) then
        perform auth_internal.refuse('23505', 'there is such a user already', null);
    end if;
    made := auth_internal.enter_user(described, hash);
    if made.id is null then
        perform auth_internal.refuse('23505', 'there is such a user already', null);
    end if;
    return made.id;
end
$$;
comment on function auth.create_user is
    'Services and administrators: makes a user, and returns the id. password, or password_hash: argon2 in the PHC string format or bcrypt, of another system, which takes at most a second and 128 MB to check, and is hashed anew when the user signs in; '''' is none. id, for those who have one already, and created_at; email_confirmed_at for an address that somebody confirmed. data and app_metadata are objects of at most 2048 bytes. Bind the password. 22023 for a value that is not allowed, 23505 for an id or address that is taken, 42501 for anybody else, 28000 without an identity, 53400 while too many passwords are being checked or somebody else is taking the address.';

create or replace function auth.sign_in_settings() returns jsonb
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    creation text := coalesce(current_setting('pg_bearer.user_creation', true), 'admin');
begin
    return jsonb_build_object(
        'external', jsonb_build_object('email', true, 'phone', false, 'anonymous_users', creation = 'anonymous'),
        'disable_signup', creation not in ('interactive', 'anonymous'),
        'mailer_autoconfirm', not auth_internal.confirms_email(), 'phone_autoconfirm', false, 'saml_enabled', false);
end
$$;
comment on function auth.sign_in_settings is
    'Everybody: how users sign up and in here, with the names of Supabase Auth: external (email, phone, anonymous_users), disable_signup, mailer_autoconfirm, phone_autoconfirm and saml_enabled. Never raises.';
