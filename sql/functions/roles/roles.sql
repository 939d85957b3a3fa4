-- The roles of one organization, and those of every one. A changed built-in role is a second row with the
-- same id, so that what the extension installs and what a dump restores never meet.

-- There is no row to notice that somebody began to use a role after an older snapshot.
create or replace function auth_internal.demand_read_committed(message text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.keeps_snapshot() then
        raise invalid_transaction_state using message = demand_read_committed.message, hint = 'Use READ COMMITTED.';
    end if;
end
$$;
comment on function auth_internal.demand_read_committed is '25000 with this message in a transaction that keeps its snapshot.';

create or replace function auth_internal.enter_general_roles() returns auth.roles
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.demand_environment(null);
    perform auth_internal.demand_read_committed('roles of every organization cannot be changed in this isolation level');
    -- Only those who change such roles queue here: no tenant is in the way.
    perform auth_internal.commit_durably();
    perform auth_internal.take_lock('roles', auth_internal.owner_role(), true, true);
    -- For who has an older snapshot.
    update auth.roles r set created_at = r.created_at where r.id = auth_internal.owner_role() and r.builtin;
    return auth_internal.live_role(auth_internal.owner_role());
end
$$;
comment on function auth_internal.enter_general_roles is 'Enters the roles of every organization and returns the role of the owner; 42501 for users, 25000 unless READ COMMITTED.';

-- Locks the place of a role and returns the role in which the caller acts there: for one that an organization has, without
-- waiting. Whoever gives a role meanwhile waits for none of this (auth_internal.granted_role).
create or replace function auth_internal.enter_roles(org_id uuid, name text) returns auth.roles
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles;
begin
    if (auth_internal.role_in(org_id, name)).id is null and org_id is not null then
        return auth_internal.enter_organization(org_id, 'roles.write');
    elsif org_id is not null then
        actor := auth_internal.enter_ending(org_id, 'roles.write');
    else
        actor := auth_internal.enter_general_roles();
    end if;
    -- To drop a role can give as well: a built-in one is what it was again.
    perform auth_internal.demand_handing_on(org_id, null);
    return actor;
end
$$;
comment on function auth_internal.enter_roles is 'Enters the roles of an organization, or for NULL those of every one, for this one, and returns the caller''s own role; 42501 when they may not change them.';

-- The seed of the owner's role stands for the roles of every organization: who changes one of those changes this row. It is
-- locked, without waiting, to be told of that, and let go at once: else it would be in the way of the next change.
create or replace function auth_internal.demand_current_roles() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.keeps_snapshot() then
        begin
            perform from auth.roles r where r.id = auth_internal.owner_role() and r.builtin for share skip locked;
            raise exception using errcode = 'LETGO';
        exception
            when sqlstate 'LETGO' then
                null;
        end;
    end if;
end
$$;
comment on function auth_internal.demand_current_roles is '40001 in a transaction with an older snapshot than the roles of every organization.';

create or replace function auth_internal.demand_free_role_name(name text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform from auth.roles r where r.name = demand_free_role_name.name and r.org_id is null;
    if found then
        raise unique_violation using
            message = 'every organization has a role of this name', hint = 'Choose another name.';
    end if;
end
$$;
comment on function auth_internal.demand_free_role_name is '23505 when the name means a role of every organization.';

-- Are these roles known where the role is, and of a lower rank than it?
create or replace function auth_internal.demand_lower_roles(actor auth.roles, org_id uuid, rank integer, names text[])
    returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    wanted text;
    wanted_role auth.roles;
    restricted boolean := not auth_internal.is_unrestricted();
    -- What one's own role may not grant, no role may grant that one makes.
    limited boolean := restricted and actor.id <> auth_internal.owner_role() and actor.grantable is not null;
    is_scoped boolean := auth_internal.token_scopes() is not null;
    is_beyond boolean := (limited or is_scoped) and names is null;
begin
    foreach wanted in array coalesce(names, '{}') loop
        wanted_role := auth_internal.find_role(org_id, wanted);
        if wanted_role.rank < rank then
            is_beyond := is_beyond or limited and auth_internal.names_role(actor.grantable, wanted_role) is not true;
            continue;
        end if;
        if restricted then
            raise insufficient_privilege using message = 'a role can only grant known roles of a lower rank';
        end if;
        raise invalid_parameter_value using message = 'a role can only grant known roles of a lower rank';
    end loop;
    if is_scoped then
        perform auth_internal.demand_scopes((auth_internal.find_role(org_id, n)).permissions) from unnest(names) n;
    end if;
    if is_beyond then
        raise insufficient_privilege using
            message = 'a role cannot grant what yours cannot', hint = 'Give the argument grantable.';
    end if;
end
$$;
comment on function auth_internal.demand_lower_roles is 'Refuses roles to grant that are unknown, not of a lower rank or more than the caller''s own role may grant; 42501 for users, 22023 else.';

create or replace function auth_internal.demand_definable(actor auth.roles, old auth.roles, rank integer, permissions text[])
    returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    permission text;
begin
    perform auth_internal.demand_scopes(permissions);
    if auth_internal.is_unrestricted() then
        return;
    end if;
    if (actor.rank > demand_definable.rank) is not true or old.rank >= actor.rank then
        raise insufficient_privilege using
            message = 'you cannot define this role', hint = 'Its rank must be lower than that of your own role.';
    end if;
    foreach permission in array permissions loop
        if auth_internal.permission_covers(actor.permissions, permission) is not true then
            raise insufficient_privilege using
                message = 'you cannot define this role', hint = 'It has a permission that your own role lacks.';
        end if;
    end loop;
end
$$;
comment on function auth_internal.demand_definable is '42501 when a user defines a role that is not below their own, or has permissions that their own lacks, or anybody one that the scopes of their token do not cover.';

create or replace function auth_internal.audited_role(rank integer, permissions text[]) returns jsonb
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select jsonb_build_object('rank', audited_role.rank, 'permission_count', cardinality(audited_role.permissions),
                              'permissions', array(select p from unnest(audited_role.permissions) p limit 20))
$$;
comment on function auth_internal.audited_role is 'What the audit log says of a role: its rank, and its first 20 permissions.';

create or replace function auth.define_role(
    name text, permissions text[], org_id uuid default null, rank integer default null,
    grantable text[] default null
) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_roles(org_id, name);
    old auth.roles := auth_internal.role_in(org_id, name);
    usual_rank constant integer := coalesce(old.rank, 300);
    new_rank constant integer := coalesce(rank, usual_rank);
    defined_id uuid;
    relation text;
    violated text;
begin
    if name = 'owner' then
        raise invalid_parameter_value using message = 'the role owner cannot be changed';
    end if;
    if new_rank not between 1 and 999 then
        perform auth_internal.refuse_value('roles', 'rank');
    end if;
    if old.id is null and org_id is not null then
        perform auth_internal.demand_free_role_name(name);
        perform auth_internal.demand_creatable('roles', org_id);
    end if;
    if org_id is not null and old.id is not null
       and not (auth_internal.try_role(old.id) and auth_internal.clear_beside('role', old.id)) then
        if permissions is null then
            perform auth_internal.refuse_value('roles', 'permissions');
        end if;
        perform auth_internal.begin_beside('role', old.id, org_id, new_rank, false);
        insert into auth.endings (kind, target_id, org_id, rank, permissions, grantable, ended_by)
        values ('role', old.id, org_id, new_rank, permissions, grantable, auth_internal.acting_user())
        returning endings.target_id into defined_id;
    else
        insert into auth.roles as r (id, org_id, name, rank, permissions, grantable)
        values (coalesce(old.id, gen_random_uuid()), org_id, coalesce(old.name, name), new_rank, permissions, grantable)
        on conflict on constraint roles_pkey do update
           set rank = excluded.rank, permissions = excluded.permissions, grantable = excluded.grantable,
               version = gen_random_uuid()
        returning r.id into defined_id;
    end if;
    -- Afterwards, so that what these look at is well-formed.
    perform auth_internal.demand_definable(actor, old, new_rank, permissions);
    -- Who gets a higher rank gets those below them, too.
    if new_rank > usual_rank then
        perform auth_internal.demand_scopes('{*}');
    end if;
    perform auth_internal.demand_lower_roles(actor, org_id, new_rank, grantable);
    perform auth_internal.demand_handing_on(org_id, null);
    if (old.rank, old.permissions, old.grantable) is distinct from (new_rank, permissions, grantable) then
        perform auth_internal.audit('role.define', org_id, coalesce(old.name, name), null,
                                    auth_internal.audited_role(new_rank, permissions));
    end if;
    return defined_id;
exception
    when check_violation then
        get stacked diagnostics relation = table_name, violated = constraint_name;
        perform auth_internal.refuse_value(relation, violated);
    when not_null_violation then
        get stacked diagnostics violated = column_name;
        perform auth_internal.refuse_value('roles', violated);
end
$$;
comment on function auth.define_role is
    'With roles.write, or for every organization services and administrators: creates or replaces a role and returns its id. Without org_id it is a role of every organization; where an organization has its own of that name, that one is name:own from then on, everywhere. For users its rank is below that of their own role, which has all its permissions and grantable roles too. rank is 1 to 999; NULL is 300, or leaves it. grantable NULL: every role of a lower rank. 22023 for a value that is not allowed and for the role owner, 23505 for a new role of an organization with the name of one of every organization, 42501 when the caller may not, 25000 for a role of every organization unless the transaction is READ COMMITTED, 54000 for a new role of a user where the organization has pg_bearer.max_roles, or who created too many in an hour, 28000 without an identity.';

create or replace function auth_internal.try_role(role_id uuid) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform from auth.roles r where r.id = try_role.role_id and not r.builtin for update skip locked;
    return found and auth_internal.is_lock_free('beside', role_id);
end
$$;
comment on function auth_internal.try_role is 'Locks the row of an organization''s own role; false where somebody holds it or is changing it beside the row.';

create or replace function auth_internal.is_role_used(role_id uuid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from auth.memberships m where m.role_id = is_role_used.role_id)
        or exists (select from auth.workspace_memberships m where m.role_id = is_role_used.role_id)
        or exists (select from auth.endings e where e.role_id = is_role_used.role_id)
        or exists (select from auth_internal.live_api_keys k where k.role_id = is_role_used.role_id)
        or exists (select from auth_internal.open_invitations i where i.role_id = is_role_used.role_id)
$$;
comment on function auth_internal.is_role_used is 'Has a member this role, an invitation that is open or an API key that works?';

create or replace function auth_internal.refuse_used_role() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise dependent_objects_still_exist using
        message = 'the role is in use',
        hint = 'Give its members another one, revoke the open invitations that give it and the API keys that have it, and let whoever is giving it finish.';
end
$$;
comment on function auth_internal.refuse_used_role is 'The error for a role that cannot be dropped (2BP01).';

create or replace function auth.drop_role(name text, org_id uuid default null) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_roles(org_id, name);
    old auth.roles := auth_internal.role_in(org_id, name);
begin
    if old.id is null then
        perform auth_internal.refuse_role();
    elsif old.builtin then
        raise invalid_parameter_value using message = 'a built-in role cannot be dropped';
    end if;
    perform auth_internal.demand_definable(actor, old, old.rank, '{}');
    perform from auth.roles r where r.id = old.id and r.builtin;
    if not found then
        perform auth_internal.demand_read_committed('roles cannot be dropped in this isolation level');
        -- Whoever is giving it is not waited for, and who has done so is seen only by what begins with the lock held.
        if not auth_internal.take_lock('role', old.id, true, false) then
            perform auth_internal.refuse_used_role();
        elsif auth_internal.is_role_used(old.id) or old.org_id is not null and not auth_internal.try_role(old.id) then
            perform auth_internal.refuse_used_role();
        end if;
    end if;
    perform auth_internal.clear_beside('role', old.id);
    delete from auth.roles r where r.id = old.id and not r.builtin;
    perform auth_internal.audit('role.drop', org_id, old.name);
end
$$;
comment on function auth.drop_role is
    'With roles.write, or for every organization services and administrators: drops a role of an organization, of a rank below that of the caller''s own; without org_id, one of every organization. A built-in role that was changed becomes what it was. 22023 when there is none or it is built in, 2BP01 while it is in use or somebody is giving it, 42501 when the caller may not, 25000 unless the transaction is READ COMMITTED, 28000 without an identity.';

create or replace function auth_internal.roles_in(its_org uuid)
    returns table (role text, org_id uuid, rank integer, permissions text[], grantable text[], builtin boolean)
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if its_org is not null then
        perform auth_internal.read_organization(its_org, 'roles.read');
    else
        -- 28000 for nobody.
        perform auth_internal.is_unrestricted();
    end if;
    return query
        select auth_internal.role_name(r), l.org_id, l.rank, l.permissions, l.grantable, l.builtin
          from auth.roles r cross join lateral auth_internal.live_role(r.id) l
         where (r.org_id is null or r.org_id = its_org) and r.builtin = l.builtin
         order by r.rank desc, r.name;
end
$$;
comment on function auth_internal.roles_in is 'What auth.list_roles() shows.';

create or replace function auth.list_roles(org_id uuid default null)
    returns table (role text, org_id uuid, rank integer, permissions text[], grantable text[], builtin boolean)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select * from auth_internal.roles_in(list_roles.org_id)
$$;
comment on function auth.list_roles is
    'The roles of every organization, for anybody who is signed in; with an organization its own too, with roles.read there. builtin: as it came with the extension. 42501 for an organization that is unknown or not the caller''s, 28000 without an identity.';
