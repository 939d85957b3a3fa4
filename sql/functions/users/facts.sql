-- What there is to know of users, and what may be said of them.

-- ASCII alone, whatever the collation: two addresses that Postgres might take for one later are two.
create or replace function auth_internal.folded(address text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select lower(folded.address collate "C")
$$;
comment on function auth_internal.folded is 'An e-mail address as it is compared.';

create or replace function auth_internal.user_by_email(email text) returns auth_internal.user_row
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return jsonb_populate_record(null::auth_internal.user_row,
        auth_internal.read_users('find_user', jsonb_build_object('email', auth_internal.folded(email))));
end
$$;
comment on function auth_internal.user_by_email is 'The user who has this address now, whatever the snapshot, also one whose deletion is not written yet; NULL for none.';

create or replace function auth_internal.user_by_id(user_id text) returns auth_internal.user_row
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    its_id uuid := auth_internal.token_id(user_id);
begin
    if (its_id::text = user_id) is not true then
        return null;
    end if;
    return jsonb_populate_record(null::auth_internal.user_row,
        auth_internal.read_users('find_user', jsonb_build_object('id', its_id)));
end
$$;
comment on function auth_internal.user_by_id is 'The user with this id as they are now, whatever the snapshot; NULL for one of another issuer.';

create or replace function auth_internal.password_of(user_id uuid) returns auth.user_passwords
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select p.* from auth.user_passwords p where p.user_id = password_of.user_id order by p.created_at desc, p.id desc limit 1
$$;
comment on function auth_internal.password_of is 'The password of a user; NULL without one.';

create or replace function auth_internal.is_deleted(user_id text) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from auth.user_bans b where b.user_id = is_deleted.user_id and b.is_deleted)
$$;
comment on function auth_internal.is_deleted is 'Was the user deleted, whether or not the row says so already?';

create or replace function auth_internal.demand_address(email text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    -- The length first: texts so long that a regular expression cannot hold them are refused like all others.
    if octet_length(email) between 3 and 254 and email collate "C" ~ '^[^@[:space:][:cntrl:]]+@[^@[:space:][:cntrl:]]+$' then
        return;
    end if;
    perform auth_internal.refuse_token_argument('email', 'It is an e-mail address of 3 to 254 bytes, without white space.');
end
$$;
comment on function auth_internal.demand_address is '22023 for what is no e-mail address, and for NULL.';

-- So that every token of the user is accepted, and fits into a header.
create or replace function auth_internal.demand_metadata(argument text, metadata jsonb) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if metadata is not null and (jsonb_typeof(metadata) <> 'object' or octet_length(metadata::text) > 2048
                                 or not auth_internal.is_strict_object(metadata)) then
        perform auth_internal.refuse_token_argument(argument,
            'It is a JSON object of at most 2048 bytes and 31 levels, with numbers that a double can hold.');
    end if;
end
$$;
comment on function auth_internal.demand_metadata is '22023 for metadata that no token could carry.';

create or replace function auth_internal.demand_new_password(password text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    shortest integer := current_setting('pg_bearer.password_min_length')::integer;
begin
    if (octet_length(password) <= 1024 and char_length(password) >= shortest) is not true then
        perform auth_internal.refuse_token_argument('password', format('It has at least %s characters and at most 1024 bytes.', shortest));
    end if;
end
$$;
comment on function auth_internal.demand_new_password is '22023 for a password that is too short or too long, and for NULL.';

-- Members that are null go, as in Supabase.
create or replace function auth_internal.merged(old jsonb, new jsonb) returns jsonb
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select coalesce(jsonb_object_agg(m.key, m.value) filter (where m.value <> 'null'), '{}')
      from jsonb_each(coalesce(merged.old, '{}') || coalesce(merged.new, '{}')) m
$$;
comment on function auth_internal.merged is 'The members of both objects, the second''s where both have one; those that are null are left out.';

-- As Supabase shows a user. Nothing of the password.
create or replace function auth_internal.user_record(known auth_internal.user_row) returns jsonb
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return jsonb_build_object(
        'id', (known).id, 'aud', 'authenticated', 'role', 'authenticated', 'email', (known).email,
        'email_confirmed_at', (known).email_confirmed_at, 'phone', (known).phone,
        'app_metadata', (known).raw_app_meta_data, 'user_metadata', (known).raw_user_meta_data,
        'is_anonymous', (known).is_anonymous, 'last_sign_in_at', (known).last_sign_in_at,
        'created_at', (known).created_at, 'updated_at', (known).updated_at);
end
$$;
comment on function auth_internal.user_record is 'A user as answers show them.';

create or replace function auth_internal.confirms_email() returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case current_setting('pg_bearer.confirm_email', true)
           when 'off' then false
           when 'auto' then auth_internal.has_hook('send_email')
           else true end
$$;
comment on function auth_internal.confirms_email is 'Does nobody sign in before they have shown that they read mail to their address?';
