-- What the name of a role means, and how a role is shown: the one home of that. A role of every organization goes before an
-- organization's own of the same name, which administrators need not ask about. That one is shown with ':own' behind its
-- name, which no stored name has, and may be called so always.

create or replace function auth_internal.find_role(org_id uuid, name text) returns auth.roles
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select l.*
      from (select r.id from auth.roles r
             where r.org_id is null and r.name = find_role.name
                or r.org_id = find_role.org_id
                   and r.name = case when right(find_role.name, 4) = ':own' then left(find_role.name, -4) else find_role.name end
             order by r.org_id is not null, r.builtin limit 1) r
     cross join lateral auth_internal.live_role(r.id) l
$$;
comment on function auth_internal.find_role is 'The role that this name means in this organization, or for NULL in every one, as it counts now; NULL when there is none.';

create or replace function auth_internal.role_named(org_id uuid, name text) returns auth.roles
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    found_role auth.roles := auth_internal.find_role(org_id, name);
begin
    if found_role.id is null then
        perform auth_internal.refuse_role();
    end if;
    return found_role;
end
$$;
comment on function auth_internal.role_named is 'The role that this name means in this organization, or for NULL in every one; 22023 when there is none.';

create or replace function auth_internal.role_in(org_id uuid, name text) returns auth.roles
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select r.* from auth_internal.find_role(role_in.org_id, role_in.name) r
     where r.id is not null and r.org_id is not distinct from role_in.org_id
$$;
comment on function auth_internal.role_in is 'The role that this name means, if it is of exactly this organization, or for NULL of every one; else NULL.';

create or replace function auth_internal.role_name(role auth.roles) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select (role_name.role).name
           || case when (role_name.role).org_id is not null
                        and exists (select from auth.roles r
                                     where r.org_id is null and r.name = (role_name.role).name)
                   then ':own' else '' end
$$;
comment on function auth_internal.role_name is 'How a role is shown; NULL for NULL.';

create or replace function auth_internal.names_role(names text[], role auth.roles) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select auth_internal.role_name(names_role.role) = any (names_role.names)
           or (names_role.role).org_id is not null and (names_role.role).name || ':own' = any (names_role.names)
$$;
comment on function auth_internal.names_role is 'Does one of these names mean the role, in an organization that has it? NULL for NULL.';

-- Whoever gives a role to somebody shares it until the transaction ends, so that it is not dropped meanwhile. Who shares it is
-- never waited for: to drop a role that others share is refused.
create or replace function auth_internal.share_role(role_id uuid) returns void
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
begin
    perform auth_internal.take_lock('role', role_id, false, true);
    -- An older snapshot still shows a role that was dropped since.
    if auth_internal.keeps_snapshot() then
        perform auth_internal.demand_current_roles();
        -- One that came with the extension is not dropped: nobody keeps administrators from what it was.
        perform from auth.roles r
          where r.id = share_role.role_id and not exists (select from auth.roles b where b.id = r.id and b.builtin) for key share;
    end if;
end
$$;
comment on function auth_internal.share_role is 'Keeps a role from being dropped until the transaction ends; 55P03 when somebody has been dropping it for 2 seconds, 40001 for one that was changed or dropped since the snapshot of a transaction that has one. Look at the role again.';

create or replace function auth_internal.granted_role(org_id uuid, name text) returns auth.roles
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    shared auth.roles;
    granted auth.roles := auth_internal.role_named(org_id, name);
begin
    -- Again: while this waited the role may have been dropped, or the name have come to mean another one.
    while granted.id is distinct from shared.id loop
        shared := granted;
        perform auth_internal.share_role(shared.id);
        granted := auth_internal.role_named(org_id, name);
    end loop;
    return granted;
end
$$;
comment on function auth_internal.granted_role is 'The role that this name means in this organization, for somebody who is about to give it: it is not dropped until the transaction ends. 22023 when there is none.';
