-- Who may do what to an organization. All internal: the functions of the following files, which run as
-- bearer_owner, call them.
-- Whoever makes or gives something takes the organization's row first, by changing it: of two changes the second
-- sees the first, and under REPEATABLE READ it fails (40001) instead of acting on what no longer is. What takes something away
-- waits for nobody (endings.sql).

create or replace function auth_internal.owner_role() returns uuid
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select '00000000-0000-4000-8000-000000000001'::uuid
$$;
comment on function auth_internal.owner_role is 'The id of the role owner.';

-- One error for what is not there and what is somebody else's.
create or replace function auth_internal.refuse_target(kind text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('42501', format('no such %s, or it is not yours', kind), null);
end
$$;
comment on function auth_internal.refuse_target is 'The one error for what is unknown and what is foreign (42501).';

-- A hook, and a trigger on auth.users, may be the code of somebody who has less rights than whoever signs in just then.
create or replace function auth_internal.refuse_in_hook() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.in_hook() then
        perform auth_internal.refuse('55000', 'a hook or a trigger may not do this', null);
    end if;
end
$$;
comment on function auth_internal.refuse_in_hook is '55000 where a function of the application runs that one of ours called.';

-- Every function of this and the following files asks this first, or as soon as it acts.
create or replace function auth_internal.is_unrestricted() returns boolean
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse_restricted_operation();
    if auth_internal.is_administrator() then
        return true;
    end if;
    perform auth.require_authenticated();
    perform auth_internal.refuse_in_hook();
    return auth.is_service_role();
end
$$;
comment on function auth_internal.is_unrestricted is 'Does a service act, or an administrator without an identity? 28000 without either, 42501 in a security-restricted operation, 55000 in a hook.';

create or replace function auth_internal.demand_unrestricted() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.is_unrestricted() is not true then
        raise insufficient_privilege using
            message = 'this needs a service credential or an administrator',
            hint = 'The identity of a user may not do it, whatever his role.';
    end if;
    perform auth_internal.demand_scopes('{*}');
end
$$;
comment on function auth_internal.demand_unrestricted is '42501 for the identity of a user and for a service whose token has scopes but *, 28000 for nobody.';

create or replace function auth_internal.acting_user() returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when auth_internal.is_unrestricted() then null else auth.user_id() end
$$;
comment on function auth_internal.acting_user is 'The user who acts; NULL for a service or an administrator; 28000 for nobody.';

-- Whoever redeems a mailed token need not be signed in.
create or replace function auth_internal.acting_user_if_any() returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when auth.is_authenticated() then auth_internal.acting_user() end
$$;
comment on function auth_internal.acting_user_if_any is 'The user who acts; NULL for a service, an administrator and nobody.';

-- A key does not manage what its bearer could manage in person.
create or replace function auth_internal.refuse_api_key() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth.api_key_id() is not null and not auth.is_service_role() then
        raise insufficient_privilege using
            message = 'an API key may not do this', hint = 'Use the token of a user, or a service credential.';
    end if;
end
$$;
comment on function auth_internal.refuse_api_key is '42501 for the identity of an API key that is no service key.';

-- Whoever has no id of their own, a service and a key do nothing in person.
create or replace function auth_internal.user_in_person(refusal text) returns text
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse_restricted_operation();
    perform auth.require_authenticated();
    perform auth_internal.refuse_in_hook();
    perform auth_internal.refuse_api_key();
    if auth.is_service_role() or auth.user_id() is null then
        raise insufficient_privilege using message = refusal;
    end if;
    perform auth_internal.demand_handing_on(null, null);
    return auth.user_id();
end
$$;
comment on function auth_internal.user_in_person is 'The user who takes something that lasts, which nobody does for them; 28000 without an identity and for one whose credential has ended, 42501 with this message for a service, and for an API key.';

-- The user who leaves; a service and an administrator are members of nothing.
create or replace function auth_internal.leaving_user() returns text
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.acting_user() is null then
        raise insufficient_privilege using
            message = 'only a member can leave', hint = 'auth.remove_member() and auth.remove_workspace_member() remove others.';
    end if;
    return auth_internal.acting_user();
end
$$;
comment on function auth_internal.leaving_user is 'The user who leaves; 42501 for a service or an administrator, 28000 for nobody.';

create or replace function auth_internal.workspace_org(workspace_id uuid) returns uuid
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select w.org_id from auth_internal.live_workspaces w where w.id = workspace_org.workspace_id
$$;
comment on function auth_internal.workspace_org is 'The organization of a workspace, or NULL.';

-- A change of a built-in role has the same id and goes before it.
create or replace function auth_internal.live_role(role_id uuid) returns auth.roles
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select r.id, r.builtin, r.org_id, r.name, coalesce(e.rank, r.rank), coalesce(e.permissions, r.permissions),
           case when e.id is null then r.grantable else e.grantable end, r.created_at, coalesce(e.id, r.version)
      from auth.roles r
      left join lateral (select * from auth.endings e where e.target_id = r.id and e.kind = 'role'
                          order by e.ended_at desc limit 1) e on true
     where r.id = live_role.role_id order by r.builtin limit 1
$$;
comment on function auth_internal.live_role is 'The role with this id as it counts now, or NULL.';

create or replace function auth_internal.refuse_role() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('22023', 'no such role', 'auth.list_roles() shows those there are.');
end
$$;
comment on function auth_internal.refuse_role is 'The error for a role that there is not (22023).';

create or replace function auth_internal.role_of(org_id uuid, user_id text) returns auth.roles
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select r.* from auth_internal.live_memberships m cross join lateral auth_internal.live_role(m.role_id) r
     where m.org_id = role_of.org_id and m.user_id = role_of.user_id
$$;
comment on function auth_internal.role_of is 'The role of a member as it counts now, or NULL.';

-- The identity names the organization, and so does a membership that counts now.
create or replace function auth_internal.belongs_to(org_id uuid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select auth.is_member(belongs_to.org_id) is true
           and exists (select from auth_internal.live_memberships m join auth.organizations o on o.id = m.org_id
                        where m.org_id = belongs_to.org_id and m.user_id = auth.user_id()
                          and not m.suspended and o.disabled_at is null)
$$;
comment on function auth_internal.belongs_to is 'Is the user a member who may act there now? False for NULL and without an identity.';

-- The organization of something, or NULL when there is no such thing.
create or replace function auth_internal.demand_own(org_id uuid, kind text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.is_unrestricted() then
        if org_id is null then
            perform auth_internal.refuse_target(kind);
        end if;
    elsif not auth_internal.belongs_to(org_id) then
        perform auth_internal.refuse_target(kind);
    end if;
end
$$;
comment on function auth_internal.demand_own is 'auth_internal.refuse_target() unless this is an organization, and for a user one that he may act in; 28000 for nobody.';

create or replace function auth_internal.refuse_action() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('42501', 'your role in this organization does not allow this', null);
end
$$;
comment on function auth_internal.refuse_action is 'The error for what the caller''s role does not allow (42501).';

create or replace function auth_internal.demand_permission(actor auth.roles, permission text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.permission_covers(actor.permissions, permission) is not true then
        perform auth_internal.refuse_action();
    end if;
end
$$;
comment on function auth_internal.demand_permission is '42501 unless the role has the permission, also for NULL.';

create or replace function auth_internal.demand_ownership(actor auth.roles) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if actor.id is distinct from auth_internal.owner_role() then
        perform auth_internal.refuse_action();
    end if;
    perform auth_internal.demand_scopes(actor.permissions);
end
$$;
comment on function auth_internal.demand_ownership is '42501 unless it is the role owner, and the scopes of a token cover all that it may.';

-- In which role a key acts that is nobody's.
create or replace function auth_internal.acting_key_role() returns auth.roles
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select r.* from auth.api_keys k cross join lateral auth_internal.live_role(k.role_id) r where k.id = auth.api_key_id()
$$;
comment on function auth_internal.acting_key_role is 'The role, as it is now, of the API key of the identity; NULL without a key and for a key of a user.';

create or replace function auth_internal.read_organization(org_id uuid, permission text) returns auth.roles
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles;
begin
    if auth_internal.is_unrestricted() then
        perform from auth_internal.live_organizations o where o.id = read_organization.org_id;
        if not found then
            perform auth_internal.refuse_target('organization');
        end if;
        return auth_internal.live_role(auth_internal.owner_role());
    end if;
    if auth_internal.belongs_to(org_id) then
        actor := auth_internal.role_of(org_id, auth.user_id());
    elsif auth.user_id() is null and auth.is_member(org_id) then
        actor := auth_internal.acting_key_role();
    end if;
    if actor.id is null then
        perform auth_internal.refuse_target('organization');
    end if;
    if auth.api_key_id() is not null then
        actor := jsonb_populate_record(actor,
            jsonb_build_object('permissions', auth_internal.cut_by_scopes(actor.permissions)));
    end if;
    if permission is not null then
        perform auth_internal.demand_permission(actor, permission);
    end if;
    return actor;
end
$$;
comment on function auth_internal.read_organization is 'The role in which the caller acts in the organization, owner''s for a service or an administrator, with no more than its scopes for an API key; 42501 when it is not his or, with a permission, his role lacks it; 28000 for nobody.';

-- As auth_internal.read_organization(), for what changes something: the scopes of a token limit that, as those of an API key do.
create or replace function auth_internal.acting_role(org_id uuid, permission text) returns auth.roles
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.read_organization(org_id, permission);
begin
    perform auth_internal.refuse_workspace_token();
    if permission is not null then
        perform auth_internal.demand_scopes(array[permission]);
    end if;
    return actor;
end
$$;
comment on function auth_internal.acting_role is 'As auth_internal.read_organization(); 42501 also where the scopes of a token do not cover the permission.';

-- An administrator or a service does not wait for tenants who hold the row.
create or replace function auth_internal.lock_organization(org_id uuid) returns auth.organizations
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    locked auth.organizations;
begin
    if auth_internal.is_unrestricted() then
        perform from auth.organizations o where o.id = lock_organization.org_id for no key update skip locked;
        if not found then
            select o.* into locked from auth.organizations o where o.id = lock_organization.org_id;
        end if;
    end if;
    if locked.id is null then
        update auth.organizations o set revision = o.revision + 1
         where o.id = lock_organization.org_id
        returning o.* into locked;
    end if;
    perform auth_internal.share('organization', org_id);
    perform auth_internal.refuse_stale(org_id, auth_internal.acting_user());
    perform auth_internal.demand_current_roles();
    perform auth_internal.commit_durably();
    -- It may have been deleted while this waited.
    perform from auth_internal.live_organizations o where o.id = lock_organization.org_id;
    if not found then
        return null;
    end if;
    return locked;
end
$$;
comment on function auth_internal.lock_organization is 'Locks an organization for something new in it and raises its revision; NULL when there is none.';

create or replace function auth_internal.enter_organization(org_id uuid, permission text) returns auth.roles
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    locked auth.organizations;
begin
    perform auth_internal.refuse_api_key();
    -- Before the lock, so that nobody can hold up an organization of others.
    perform auth_internal.demand_own(org_id, 'organization');
    locked := auth_internal.lock_organization(org_id);
    if locked.id is null then
        perform auth_internal.refuse_target('organization');
    end if;
    -- Whoever waits for more asks once more.
    perform auth_internal.demand_handing_on(org_id, null);
    -- Again: it may have changed while this waited.
    return auth_internal.acting_role(org_id, permission);
end
$$;
comment on function auth_internal.enter_organization is 'As auth_internal.acting_role(), with the organization locked for something new in it; 28000 also for a credential that has ended.';

create or replace function auth_internal.enter_workspace(workspace_id uuid, permission text) returns auth.roles
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := auth_internal.workspace_org(workspace_id);
    actor auth.roles;
begin
    perform auth_internal.demand_own(its_org, 'workspace');
    actor := auth_internal.enter_organization(its_org, permission);
    perform auth_internal.share('workspace', workspace_id);
    -- Again: it may have been deleted while this waited.
    if auth_internal.workspace_org(workspace_id) is null then
        perform auth_internal.refuse_target('workspace');
    end if;
    return actor;
end
$$;
comment on function auth_internal.enter_workspace is 'As auth_internal.enter_organization(), for the organization of a workspace.';

-- Only the owner's role has rank 1000, and its members may grant it.
create or replace function auth_internal.may_grant(actor auth.roles, granted auth.roles) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select (actor.id = auth_internal.owner_role()
            or actor.rank > granted.rank
               and (actor.grantable is null or auth_internal.names_role(actor.grantable, granted))) is true
$$;
comment on function auth_internal.may_grant is 'May members with the first role grant the second?';

create or replace function auth_internal.demand_grant(actor auth.roles, granted auth.roles) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.may_grant(actor, granted) is not true then
        raise insufficient_privilege using
            message = 'you cannot grant this role',
            hint = 'Its rank must be lower than that of your own role, which must not exclude it either.';
    end if;
    perform auth_internal.demand_scopes(granted.permissions);
end
$$;
comment on function auth_internal.demand_grant is '42501 unless members with the first role may grant the second, and the scopes of a token cover it.';

create or replace function auth_internal.demand_seniority(actor auth.roles, changed auth.roles) returns void
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if (actor.id = auth_internal.owner_role() or actor.rank > changed.rank) is not true then
        raise insufficient_privilege using
            message = 'you cannot change this member',
            hint = 'The rank of his role must be lower than that of yours.';
    end if;
end
$$;
comment on function auth_internal.demand_seniority is '42501 unless members with the first role may change members with the second.';

-- What somebody is in a workspace does not say how much they are in the organization.
create or replace function auth_internal.demand_senior_to(actor auth.roles, org_id uuid, user_id text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    changed auth.roles := auth_internal.role_of(org_id, user_id);
begin
    if changed.id is not null and user_id is distinct from auth_internal.acting_user() then
        perform auth_internal.demand_seniority(actor, changed);
    end if;
end
$$;
comment on function auth_internal.demand_senior_to is '42501 for a member of the organization whose role there is not below that of the actor, unless it is the caller.';
