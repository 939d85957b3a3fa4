-- Creating, changing and ending organizations. Whoever may call these is decided in rules.sql.
-- Security definer, like all that follow, because the tables have no grants at all.

-- The user who will own a new organization, or NULL; raises when the caller may not create one.
create or replace function auth_internal.owner_of_new(owner_id text, external_id text) returns text
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    unrestricted boolean := auth_internal.is_unrestricted();
begin
    perform auth_internal.refuse_api_key();
    -- An owner may do everything there.
    perform auth_internal.demand_scopes('{*}');
    perform auth_internal.demand_handing_on(null, null);
    if unrestricted then
        if octet_length(owner_id) not between 1 and 1024 then
            raise invalid_parameter_value using
                message = 'owner_id has a value that is not allowed', hint = 'It is 1 to 1024 bytes long.';
        end if;
        return owner_id;
    end if;
    if current_setting('pg_bearer.organization_creation', true) = 'admin' then
        raise insufficient_privilege using
            message = 'users do not create organizations here',
            hint = 'Ask an administrator (pg_bearer.organization_creation is admin).';
    end if;
    if owner_id is not null or external_id is not null then
        raise insufficient_privilege using
            message = 'only a service or an administrator sets owner_id and external_id',
            hint = 'You become the owner yourself.';
    end if;
    if auth.user_id() is null then
        raise insufficient_privilege using message = 'the identity is no user''s';
    end if;
    if not auth_internal.issuer_reaches(null) then
        raise insufficient_privilege using
            message = 'users of this issuer do not create organizations',
            hint = 'The issuer is limited to the organizations in its org_ids.';
    end if;
    return auth.user_id();
end
$$;
comment on function auth_internal.owner_of_new is 'The owner of an organization that the caller is about to create, or NULL; 42501 when he may not, 28000 for nobody.';

-- Turns a duplicate into an error about the argument (23505).
create or replace function auth_internal.refuse_duplicate(violated text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('23505', case when violated = 'organizations_external_id_key' then 'this external id is taken'
                                               else 'this slug is taken' end, null);
end
$$;
comment on function auth_internal.refuse_duplicate is 'The error for a slug or an external id that is taken (23505).';

create or replace function auth.create_organization(
    name text, slug text default null, external_id text default null, metadata jsonb default '{}',
    owner_id text default null
) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    owner text := auth_internal.owner_of_new(owner_id, external_id);
    new_id uuid;
    relation text;
    violated text;
begin
    perform auth_internal.demand_creatable('organizations');
    insert into auth.organizations (name, slug, external_id, metadata, created_by)
    values (name, slug, external_id, metadata, auth_internal.acting_user())
    returning organizations.id into new_id;
    if owner is not null then
        insert into auth.memberships (user_id, org_id, role_id, created_by, accepted)
        values (owner, new_id, auth_internal.owner_role(), auth_internal.acting_user(), true);
    end if;
    -- When there is nothing more to wait for.
    perform auth_internal.demand_handing_on(null, null);
    perform auth_internal.audit('organization.create', new_id, new_id::text, owner);
    return new_id;
exception
    when unique_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_duplicate(violated);
    when check_violation then
        get stacked diagnostics relation = table_name, violated = constraint_name;
        perform auth_internal.refuse_value(relation, violated);
    when not_null_violation then
        get stacked diagnostics violated = column_name;
        perform auth_internal.refuse_value('organizations', violated);
end
$$;
comment on function auth.create_organization is
    'Creates an organization and returns its id. A user becomes its owner, and a member for the library with his next auth.authenticate(); a service or an administrator may name the owner and an external id, or have none. 22023 for a value that is not allowed, 23505 for a slug or external id that is taken, 42501 for an API key, for a user who gives owner_id or external_id, whose issuer is limited by org_ids, or where pg_bearer.organization_creation is admin, 54000 for a user who created pg_bearer.max_organizations, or too many in an hour, 28000 without an identity.';

create or replace function auth.update_organization(
    org_id uuid, name text default null, slug text default null, external_id text default null,
    metadata jsonb default null
) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    old auth.organizations;
    new auth.organizations;
    changed jsonb;
    violated text;
begin
    perform auth_internal.enter_organization(org_id, 'organization.write');
    if external_id is not null then
        perform auth_internal.demand_unrestricted();
    end if;
    select o.* into old from auth.organizations o where o.id = update_organization.org_id;
    update auth.organizations o
       set name = coalesce(update_organization.name, o.name),
           slug = case when update_organization.slug = '' then null else coalesce(update_organization.slug, o.slug) end,
           external_id = coalesce(update_organization.external_id, o.external_id),
           metadata = coalesce(update_organization.metadata, o.metadata)
     where o.id = update_organization.org_id
    returning o.* into new;
    perform auth_internal.demand_handing_on(org_id, null);
    changed := auth_internal.changed_members(to_jsonb(old), to_jsonb(new));
    if changed is not null then
        perform auth_internal.audit(
            case when changed ? 'external_id' then 'organization.set_external_id' else 'organization.update' end,
            org_id, org_id::text, null, jsonb_build_object('changed', changed));
    end if;
exception
    when unique_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_duplicate(violated);
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('organizations', violated);
end
$$;
comment on function auth.update_organization is
    'With organization.write: changes what is given; NULL leaves it, slug '''' removes the slug. external_id is for services and administrators only. 22023 for a value that is not allowed, 23505 for a slug or external id that is taken, 42501 when the caller may not or the organization is unknown or not his or NULL, 28000 without an identity.';

create or replace function auth.disable_organization(org_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    was_enabled boolean;
    sees_all boolean;
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.enter_ending(org_id, null);
    was_enabled := auth_internal.is_enabled('organization', org_id);
    sees_all := auth_internal.sees_all('organization', org_id);
    update auth.organizations o set disabled_at = coalesce(o.disabled_at, clock_timestamp())
     where o.id = (select f.id from auth.organizations f
                    where f.id = disable_organization.org_id for no key update skip locked);
    sees_all := sees_all and found;
    sees_all := auth_internal.suspend_members(org_id, null) and sees_all;
    if not sees_all then
        perform auth_internal.end_beside('organization', org_id, org_id);
    end if;
    if was_enabled then
        perform auth_internal.audit('organization.disable', org_id, org_id::text);
    end if;
end
$$;
comment on function auth.disable_organization is
    'Services and administrators: the organization and its workspaces have no members for the library, and nobody changes it but they, until auth.enable_organization(). Waits for nobody. Idempotent. 42501 for anybody else, or when there is none, 28000 without an identity.';

create or replace function auth.enable_organization(org_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
    was_enabled boolean;
begin
    perform auth_internal.demand_unrestricted();
    -- The row first, as everybody does.
    perform from auth.organizations o where o.id = enable_organization.org_id for no key update;
    -- Before it is shared as well. What is being made in it, and which of its workspaces are being disabled, has to be seen.
    perform auth_internal.take_lock('organization', org_id, true, true);
    perform auth_internal.enter_organization(org_id, null);
    perform from auth.workspaces w where w.org_id = enable_organization.org_id for share;
    was_enabled := auth_internal.is_enabled('organization', org_id);
    delete from auth.endings e where e.target_id = enable_organization.org_id and not e.deleted;
    update auth.organizations o set disabled_at = null where o.id = enable_organization.org_id;
    update auth.memberships m set suspended = false where m.org_id = enable_organization.org_id and m.suspended;
    update auth.workspace_memberships m set suspended = false
      from auth.workspaces w
     where m.org_id = enable_organization.org_id and m.suspended and w.id = m.workspace_id and w.disabled_at is null
       and not exists (select from auth.endings e where e.target_id = w.id);
    perform auth_internal.demand_handing_on(org_id, null);
    if not was_enabled then
        perform auth_internal.audit('organization.enable', org_id, org_id::text);
    end if;
end
$$;
comment on function auth.enable_organization is
    'Services and administrators: undoes auth.disable_organization(); disabled workspaces stay so. Idempotent. 42501 for anybody else, or when there is none, 55P03 when somebody makes something in it for 2 seconds, 28000 without an identity.';

create or replace function auth.delete_organization(org_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_ending(org_id, null);
begin
    perform auth_internal.demand_ownership(actor);
    if not auth_internal.sees_all('organization', org_id)
       or not auth_internal.delete_organization_rows(org_id) then
        perform auth_internal.end_beside('organization', org_id, org_id, deleted => true);
    end if;
    perform auth_internal.audit('organization.delete', org_id, org_id::text);
end
$$;
comment on function auth.delete_organization is
    'Owners, services and administrators: deletes an organization with its workspaces, memberships, roles, invitations and API keys. Waits for nobody: what somebody holds is worth nothing from now on, and auth.purge_endings() deletes it. Rows of the application stay, and a registered table or a trusted claim that still names it gives membership, as for every organization without a row: disable it to shut it. 42501 for anybody else and for an organization that is unknown or not the caller''s or NULL, 28000 without an identity.';

-- Deletes what is in an organization, and then its row, as far as nobody holds a row. Are all of them gone?
create or replace function auth_internal.delete_organization_rows(org_id uuid) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    -- What was counted of the keys stays until auth.purge_api_keys(): the recorder waits for no tenant.
    delete from auth.api_keys k where k.id in
        (select f.id from auth.api_keys f where f.org_id = delete_organization_rows.org_id for update skip locked);
    delete from auth.api_key_settings s where s.org_id =
        (select f.org_id from auth.api_key_settings f where f.org_id = delete_organization_rows.org_id for update skip locked);
    delete from auth.invitations i where i.id in
        (select f.id from auth.invitations f where f.org_id = delete_organization_rows.org_id for update skip locked);
    delete from auth.workspace_memberships m where m.org_id = delete_organization_rows.org_id and (m.user_id, m.workspace_id) in
        (select f.user_id, f.workspace_id from auth.workspace_memberships f
          where f.org_id = delete_organization_rows.org_id for update skip locked);
    delete from auth.memberships m where m.org_id = delete_organization_rows.org_id and m.user_id in
        (select f.user_id from auth.memberships f where f.org_id = delete_organization_rows.org_id for update skip locked);
    delete from auth.workspaces w where w.id in
        (select f.id from auth.workspaces f where f.org_id = delete_organization_rows.org_id for update skip locked);
    delete from auth.roles r where r.id in
        (select f.id from auth.roles f where f.org_id = delete_organization_rows.org_id for update skip locked);
    if exists (select from auth.api_keys k where k.org_id = delete_organization_rows.org_id
               union all select from auth.api_key_settings s where s.org_id = delete_organization_rows.org_id
               union all select from auth.invitations i where i.org_id = delete_organization_rows.org_id
               union all select from auth.workspace_memberships m where m.org_id = delete_organization_rows.org_id
               union all select from auth.memberships m where m.org_id = delete_organization_rows.org_id
               union all select from auth.workspaces w where w.org_id = delete_organization_rows.org_id
               union all select from auth.roles r where r.org_id = delete_organization_rows.org_id) then
        return false;
    end if;
    delete from auth.organizations o where o.id =
        (select f.id from auth.organizations f where f.id = delete_organization_rows.org_id for update skip locked);
    if not found and exists (select from auth.organizations o where o.id = delete_organization_rows.org_id) then
        return false;
    end if;
    delete from auth.endings e where e.id in
        (select f.id from auth.endings f where f.org_id = delete_organization_rows.org_id for update skip locked);
    return true;
end
$$;
comment on function auth_internal.delete_organization_rows is 'Deletes an organization as far as nobody holds its rows; true when nothing is left. The caller has its lock alone.';

-- Suspends the members of an organization, or with a workspace those of the workspace, whose rows nobody holds.
create or replace function auth_internal.suspend_members(org_id uuid, workspace_id uuid) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    update auth.workspace_memberships m set suspended = true
     where m.org_id = suspend_members.org_id and (m.user_id, m.workspace_id) in
           (select f.user_id, f.workspace_id from auth.workspace_memberships f
             where f.org_id = suspend_members.org_id and not f.suspended
               and (suspend_members.workspace_id is null or f.workspace_id = suspend_members.workspace_id)
               for update skip locked);
    if workspace_id is null then
        update auth.memberships m set suspended = true
         where m.org_id = suspend_members.org_id and m.user_id in
               (select f.user_id from auth.memberships f
                 where f.org_id = suspend_members.org_id and not f.suspended for update skip locked);
    end if;
    return not exists (select from auth.workspace_memberships m
                        where m.org_id = suspend_members.org_id and not m.suspended
                          and (suspend_members.workspace_id is null or m.workspace_id = suspend_members.workspace_id)
                       union all
                       select from auth.memberships m
                        where suspend_members.workspace_id is null
                          and m.org_id = suspend_members.org_id and not m.suspended);
end
$$;
comment on function auth_internal.suspend_members is 'Suspends members whose rows nobody holds; true when those were all.';

create or replace function auth.transfer_ownership(org_id uuid, user_id text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_organization(org_id, null);
    former text := auth_internal.acting_user();
    lower auth.roles := auth_internal.role_named(null, 'admin');
    was_owner boolean;
begin
    perform auth_internal.demand_ownership(actor);
    if user_id = former then
        raise invalid_parameter_value using message = 'the new owner must be somebody else';
    end if;
    -- Rows first: whoever has the owners' lock waits for no row.
    perform auth_internal.wait_for_member(org_id, user_id);
    perform auth_internal.lock_owners(org_id);
    -- Again: others may have ended this owner while this waited.
    perform auth_internal.demand_ownership(auth_internal.acting_role(org_id, null));
    if (auth_internal.role_of(org_id, user_id)).id is null then
        perform auth_internal.refuse_member();
    end if;
    was_owner := (auth_internal.role_of(org_id, user_id)).id = auth_internal.owner_role();
    perform auth_internal.change_role(org_id, user_id, auth_internal.owner_role(), 1000, false);
    if former is not null then
        perform auth_internal.change_role(org_id, former, lower.id, 1000, auth_internal.try_member(org_id, former) is not true);
        perform auth_internal.lower_workspace_roles(org_id, former, lower);
    end if;
    perform auth_internal.demand_handing_on(org_id, null);
    if former is not null or not was_owner then
        perform auth_internal.audit('organization.transfer', org_id, org_id::text, user_id);
    end if;
end
$$;
comment on function auth.transfer_ownership is
    'Owners, services and administrators: makes a member an owner. An owner who calls it becomes admin; for a service or an administrator the others stay owners. 22023 when the user is no member, NULL or the caller, 42501 for anybody else, 55P03 after 2 seconds of waiting for other owners, 28000 without an identity.';

-- What was left out is no part of the identity: the user sees it here, to confirm it.
create or replace function auth.list_organizations()
    returns table (org_id uuid, slug text, name text, external_id text, metadata jsonb, role text,
                   disabled_at timestamptz, created_at timestamptz, accepted boolean, left_out boolean)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    counted uuid[];
begin
    if auth_internal.is_unrestricted() then
        return query
            select o.id, o.slug, o.name, o.external_id, o.metadata, null::text, o.disabled_at, o.created_at, null::boolean,
                   null::boolean
              from auth_internal.live_organizations o order by o.name, o.id;
        return;
    end if;
    counted := case when auth.api_key_id() is null then auth_internal.counted_organizations(auth.user_id()) end;
    return query
        select o.id, o.slug, o.name, o.external_id, o.metadata, auth_internal.role_name(r), o.disabled_at, o.created_at, a.accepted,
               not auth.is_member(m.org_id)
          from auth_internal.live_memberships m
          join auth_internal.live_organizations o on o.id = m.org_id
         cross join lateral auth_internal.live_role(m.role_id) r
         cross join lateral (select auth_internal.is_accepted(m.accepted, m.created_by, m.user_id) as accepted) a
         where m.user_id = auth.user_id() and not m.suspended and o.disabled_at is null
           and (auth.is_member(m.org_id)
                or not a.accepted and counted is not null and m.org_id not in (select unnest(counted))
                   and auth_internal.issuer_reaches(m.org_id))
         order by o.name, o.id;
end
$$;
comment on function auth.list_organizations is
    'The organizations that the user is a member of now, with his role; for a service or an administrator all of them, role NULL. accepted is false where another user added them and they never confirmed it; left_out true where that does not count because others gave them too many: auth.confirm_membership() makes it count. 28000 without an identity.';
