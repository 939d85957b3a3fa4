-- Creating, changing and ending organizations. Whoever may call these is decided in rules.sql.
-- Security definer, like all that follow, because the tables have no grants at all.

-- The user who will own a new organization, or NULL; raises when the caller may not create one.
create or replace function auth_internal.owner_of_new(owner_id text, external_id text) returns text
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse_api_key();
    if auth_internal.is_unrestricted() then
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
    raise unique_violation using
        message = case when violated = 'organizations_external_id_key' then 'this external id is taken'
                       else 'this slug is taken' end;
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
    perform auth_internal.demand_organization_quota();
    insert into auth.organizations (name, slug, external_id, metadata, created_by)
    values (name, slug, external_id, metadata, auth_internal.acting_user())
    returning organizations.id into new_id;
    if owner is not null then
        insert into auth.memberships (user_id, org_id, role_id, created_by)
        values (owner, new_id, auth_internal.owner_role(), auth_internal.acting_user());
    end if;
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
    violated text;
begin
    perform auth_internal.enter_organization(org_id, 'organization.write');
    if external_id is not null then
        perform auth_internal.demand_unrestricted();
    end if;
    update auth.organizations o
       set name = coalesce(update_organization.name, o.name),
           slug = case when update_organization.slug = '' then null else coalesce(update_organization.slug, o.slug) end,
           external_id = coalesce(update_organization.external_id, o.external_id),
           metadata = coalesce(update_organization.metadata, o.metadata)
     where o.id = update_organization.org_id;
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
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.enter_organization(org_id, null);
    update auth.organizations o set disabled_at = coalesce(o.disabled_at, clock_timestamp())
     where o.id = disable_organization.org_id;
    update auth.memberships m set suspended = true
     where m.org_id = disable_organization.org_id and not m.suspended;
    update auth.workspace_memberships m set suspended = true
     where m.org_id = disable_organization.org_id and not m.suspended;
end
$$;
comment on function auth.disable_organization is
    'Services and administrators: the organization and its workspaces have no members for the library, and nobody changes it but they, until auth.enable_organization(). Idempotent. 42501 for anybody else, or when there is none, 28000 without an identity.';

create or replace function auth.enable_organization(org_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.enter_organization(org_id, null);
    update auth.organizations o set disabled_at = null where o.id = enable_organization.org_id;
    update auth.memberships m set suspended = false where m.org_id = enable_organization.org_id and m.suspended;
    update auth.workspace_memberships m set suspended = false
      from auth.workspaces w
     where m.org_id = enable_organization.org_id and m.suspended and w.id = m.workspace_id and w.disabled_at is null;
end
$$;
comment on function auth.enable_organization is
    'Services and administrators: undoes auth.disable_organization(); disabled workspaces stay so. Idempotent. 42501 for anybody else, or when there is none, 28000 without an identity.';

create or replace function auth.delete_organization(org_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_organization(org_id, null);
begin
    perform auth_internal.demand_ownership(actor);
    -- What was counted of them stays until auth.purge_api_keys(): the recorder waits for no tenant.
    delete from auth.api_keys k where k.org_id = delete_organization.org_id;
    delete from auth.api_key_settings s where s.org_id = delete_organization.org_id;
    delete from auth.invitations i where i.org_id = delete_organization.org_id;
    delete from auth.workspace_memberships m where m.org_id = delete_organization.org_id;
    delete from auth.memberships m where m.org_id = delete_organization.org_id;
    delete from auth.workspaces w where w.org_id = delete_organization.org_id;
    delete from auth.roles r where r.org_id = delete_organization.org_id;
    delete from auth.organizations o where o.id = delete_organization.org_id;
end
$$;
comment on function auth.delete_organization is
    'Owners, services and administrators: deletes an organization with its workspaces, memberships, roles, invitations and API keys. Rows of the application stay, and a registered table or a believed claim that still names it counts, as for every organization without a row: disable it to shut it. 42501 for anybody else and for an organization that is unknown or not the caller''s or NULL, 28000 without an identity.';

create or replace function auth.transfer_ownership(org_id uuid, user_id text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_organization(org_id, null);
    former text := auth_internal.acting_user();
    lower auth.roles := auth_internal.role_named(null, 'admin');
begin
    perform auth_internal.demand_ownership(actor);
    if user_id = former then
        raise invalid_parameter_value using message = 'the new owner must be somebody else';
    end if;
    update auth.memberships m set role_id = auth_internal.owner_role()
     where m.org_id = transfer_ownership.org_id and m.user_id = transfer_ownership.user_id;
    if not found then
        perform auth_internal.refuse_member();
    end if;
    update auth.memberships m set role_id = lower.id
     where m.org_id = transfer_ownership.org_id and m.user_id = former;
    perform auth_internal.lower_workspace_roles(org_id, former, lower);
end
$$;
comment on function auth.transfer_ownership is
    'Owners, services and administrators: makes a member an owner. An owner who calls it becomes admin himself; for a service or an administrator the others stay owners. 22023 when the user is no member, NULL or the caller, 42501 for anybody else, 28000 without an identity.';

create or replace function auth.list_organizations()
    returns table (org_id uuid, slug text, name text, external_id text, metadata jsonb, role text,
                   disabled_at timestamptz, created_at timestamptz)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.is_unrestricted() then
        return query
            select o.id, o.slug, o.name, o.external_id, o.metadata, null::text, o.disabled_at, o.created_at
              from auth.organizations o order by o.name, o.id;
    else
        return query
            select o.id, o.slug, o.name, o.external_id, o.metadata, auth_internal.role_name(r), o.disabled_at, o.created_at
              from auth.memberships m
              join auth.organizations o on o.id = m.org_id
             cross join lateral auth_internal.live_role(m.role_id) r
             where m.user_id = auth.user_id() and not m.suspended and o.disabled_at is null
               and auth.is_member(m.org_id)
             order by o.name, o.id;
    end if;
end
$$;
comment on function auth.list_organizations is
    'The organizations that the user is a member of now, with his role; for a service or an administrator all of them, role NULL. 28000 without an identity.';
