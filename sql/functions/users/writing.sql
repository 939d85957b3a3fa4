-- The only functions that read and write auth.users: they belong to bearer_users, which can do nothing else, because triggers,
-- policies and columns of the table can have code of others, which runs within them. auth_internal.write_user() and read_users()
-- undo what such code did to the session.

create or replace function auth_internal.find_user(described jsonb) returns jsonb
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    found_user jsonb;
begin
    if described ? 'email' then
        select to_jsonb(u) into found_user from auth.users u where lower(u.email) = described ->> 'email' and u.deleted_at is null;
    else
        select to_jsonb(u) into found_user from auth.users u where u.id = (described ->> 'id')::uuid;
    end if;
    return found_user;
end
$$;
comment on function auth_internal.find_user is 'The user with this email, as auth_internal.folded() writes it, who has not been deleted, or with this id; NULL for none.';

create or replace function auth_internal.page_of_users(described jsonb) returns jsonb
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return (select jsonb_agg(to_jsonb(p) order by p.id)
              from (select u.* from auth.users u
                     where described ->> 'after' is null or u.id > (described ->> 'after')::uuid
                     order by u.id limit (described ->> 'most')::integer) p);
end
$$;
comment on function auth_internal.page_of_users is 'So many users at most, in the order of their ids, from the one after this id on; NULL for none.';

create or replace function auth_internal.insert_user(described jsonb) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
    made auth.users;
begin
    insert into auth.users (id, email, email_confirmed_at, phone, raw_app_meta_data, raw_user_meta_data, is_anonymous, created_at)
    select d.id, d.email, d.email_confirmed_at, d.phone, coalesce(d.raw_app_meta_data, '{}'), coalesce(d.raw_user_meta_data, '{}'),
           coalesce(d.is_anonymous, false), coalesce(d.created_at, clock_timestamp())
      from jsonb_populate_record(null::auth.users, described) d
        on conflict do nothing
    returning * into made;
    return case when made.id is not null then to_jsonb(made) end;
end
$$;
comment on function auth_internal.insert_user is 'Makes the row of a user; NULL where the id or the address is somebody''s already. 55P03 where somebody is making the same one.';

-- Never FOR UPDATE: rows of the application that refer to a user hold its key. First locked, then read: what others changed
-- meanwhile stays.
create or replace function auth_internal.change_user(described jsonb) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
    changed auth.users;
    waits boolean := coalesce((described ->> 'waits')::boolean, false);
begin
    if waits then
        perform from auth.users u where u.id = (described ->> 'id')::uuid for no key update;
    else
        begin
            -- Whoever makes a foreign key to the table holds all of it.
            lock table auth.users in row exclusive mode nowait;
        exception when lock_not_available then
            return null;
        end;
        perform from auth.users u where u.id = (described ->> 'id')::uuid for no key update skip locked;
    end if;
    if not found then
        return null;
    elsif described -> 'changes' = 'null' then
        return (select to_jsonb(u) from auth.users u where u.id = (described ->> 'id')::uuid);
    end if;
    update auth.users u
       set email = n.email, email_confirmed_at = n.email_confirmed_at, phone = n.phone, raw_app_meta_data = n.raw_app_meta_data,
           raw_user_meta_data = n.raw_user_meta_data, is_anonymous = n.is_anonymous, banned_until = n.banned_until,
           last_sign_in_at = n.last_sign_in_at, deleted_at = n.deleted_at, updated_at = clock_timestamp()
      from auth.users o cross join lateral jsonb_populate_record(o, (described -> 'changes') - array['id', 'created_at', 'updated_at']) n
     where u.id = (described ->> 'id')::uuid and o.id = u.id
    returning u.* into changed;
    return case when changed.id is not null then to_jsonb(changed) end;
end
$$;
comment on function auth_internal.change_user is 'Changes the row of a user, which without waits nobody may hold, or for no changes only locks it; NULL where there is none, or somebody does. 23505 for an address of somebody else''s, 55P03 where the wait is too long.';

create or replace function auth_internal.refuse_busy() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('53400', 'somebody else is changing the same', 'Try again.');
end
$$;
comment on function auth_internal.refuse_busy is 'The error for a wait that was too long (53400).';

create or replace function auth_internal.refuse_unwritten() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('55000', 'auth.users could not be written', 'A trigger on it may have said so.');
end
$$;
comment on function auth_internal.refuse_unwritten is 'The error for a row that a trigger kept from being written (55000).';

create or replace function auth_internal.new_user(described auth_internal.user_row) returns auth_internal.user_row
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return jsonb_populate_record(null::auth_internal.user_row,
        auth_internal.write_user('insert_user', to_jsonb(described)));
exception
    when lock_not_available then
        perform auth_internal.refuse_busy();
end
$$;
comment on function auth_internal.new_user is 'Makes the row of a user; NULL where the id or the address is taken, 53400 where somebody is just taking it.';

-- What changes and who waits is named, so that no trigger sees more than the row.
create or replace function auth_internal.changed_user(id uuid, changes jsonb, waits boolean default true) returns auth_internal.user_row
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return jsonb_populate_record(null::auth_internal.user_row,
        auth_internal.write_user('change_user', jsonb_build_object('id', changed_user.id, 'changes', changes, 'waits', waits)));
exception
    when lock_not_available then
        perform auth_internal.refuse_busy();
end
$$;
comment on function auth_internal.changed_user is 'Changes the row of a user, and returns it; NULL where there is none or, without waits, somebody holds it; 53400 where the wait is too long.';

-- What is changed by what the row says is asked of this one.
create or replace function auth_internal.locked_user(id uuid) returns auth_internal.user_row
    language sql set search_path = pg_catalog, pg_temp as $$
    select l.* from auth_internal.changed_user(locked_user.id, null) l
$$;
comment on function auth_internal.locked_user is 'The row of a user as it is now, which nobody else changes until the transaction ends; NULL where there is none, 53400 where the wait is too long.';
