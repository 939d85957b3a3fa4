-- The members of organizations.

create or replace function auth_internal.refuse_member() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise invalid_parameter_value using
        message = 'no such member', hint = 'auth.list_members() shows those there are.';
end
$$;
comment on function auth_internal.refuse_member is 'The error for a user who is no member (22023).';

-- The organization must be locked, and the caller's right to do it known.
create or replace function auth_internal.insert_member(org_id uuid, user_id text, role_id uuid, created_by text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    violated text;
begin
    if exists (select from auth.memberships m
                where m.org_id = insert_member.org_id and m.user_id = insert_member.user_id) then
        raise unique_violation using
            message = 'already a member', hint = 'auth.set_member_role() changes the role.';
    end if;
    -- Others must not add a user to so many that his sign-in takes long.
    if auth_internal.acting_user() <> user_id
       and (select count(*) from (select from auth.memberships m
                                   where m.user_id = insert_member.user_id limit 1000) c) >= 1000 then
        raise program_limit_exceeded using message = 'the user belongs to too many organizations';
    end if;
    insert into auth.memberships (user_id, org_id, role_id, suspended, created_by)
    select insert_member.user_id, insert_member.org_id, insert_member.role_id, o.disabled_at is not null,
           insert_member.created_by
      from auth.organizations o where o.id = insert_member.org_id;
exception
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('memberships', violated);
    when not_null_violation then
        get stacked diagnostics violated = column_name;
        perform auth_internal.refuse_value('memberships', violated);
end
$$;
comment on function auth_internal.insert_member is 'Adds a member to a locked organization; 23505 when he is one, 22023 for a bad id.';

create or replace function auth_internal.delete_member(org_id uuid, user_id text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    -- They are worth nothing now, and would be again if he came back.
    update auth.invitations i set revoked_at = clock_timestamp()
     where i.org_id = delete_member.org_id and i.created_by = delete_member.user_id
       and i.accepted_at is null and i.revoked_at is null;
    perform auth_internal.end_api_key(k.id, 'its user is no longer a member')
       from auth.api_keys k
      where k.org_id = delete_member.org_id and k.user_id = delete_member.user_id and k.revoked_at is null;
    delete from auth.workspace_memberships m
     where m.org_id = delete_member.org_id and m.user_id = delete_member.user_id;
    delete from auth.memberships m where m.org_id = delete_member.org_id and m.user_id = delete_member.user_id;
end
$$;
comment on function auth_internal.delete_member is 'Removes a member of a locked organization, from its workspaces too, and revokes his open invitations.';

-- Where he belongs to workspaces, a member has no higher role there than in their organization.
create or replace function auth_internal.lower_workspace_roles(org_id uuid, user_id text, role auth.roles) returns void
    language sql set search_path = pg_catalog, pg_temp as $$
    update auth.workspace_memberships m set role_id = (lower_workspace_roles.role).id
     where m.org_id = lower_workspace_roles.org_id and m.user_id = lower_workspace_roles.user_id
       and (auth_internal.live_role(m.role_id)).rank > (lower_workspace_roles.role).rank
$$;
comment on function auth_internal.lower_workspace_roles is 'Gives a member of a locked organization this role in those of its workspaces where his is higher.';

create or replace function auth.add_member(org_id uuid, user_id text, role text default 'member') returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_organization(org_id, 'members.write');
    granted auth.roles := auth_internal.granted_role(org_id, role);
begin
    perform auth_internal.demand_grant(actor, granted);
    if auth_internal.acting_user() is not null
       and current_setting('pg_bearer.member_addition', true) is distinct from 'direct' then
        raise insufficient_privilege using
            message = 'users are not added without their consent here',
            hint = 'Invite them with auth.create_invitation() (pg_bearer.member_addition is invitation).';
    end if;
    perform auth_internal.insert_member(org_id, user_id, granted.id, auth_internal.acting_user());
end
$$;
comment on function auth.add_member is
    'With members.write: makes a user a member with a role that the caller may grant: of a lower rank than his own and not excluded by it; an owner may grant every role. 23505 when he is one, 22023 for an unknown role or a bad or missing user id, 42501 when the caller may not or, for a user, pg_bearer.member_addition is invitation, 54000 when a user adds one who has 1,000 organizations, 28000 without an identity.';

create or replace function auth.set_member_role(org_id uuid, user_id text, role text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_organization(org_id, 'members.write');
    old auth.roles := auth_internal.role_of(org_id, user_id);
    granted auth.roles := auth_internal.granted_role(org_id, role);
begin
    if old.id is null then
        perform auth_internal.refuse_member();
    end if;
    -- Nobody has a higher rank than his own: of those who change themselves only owners come further.
    perform auth_internal.demand_seniority(actor, old);
    perform auth_internal.demand_grant(actor, granted);
    if old.id = auth_internal.owner_role() and granted.id <> old.id then
        perform auth_internal.demand_other_owner(org_id, user_id);
    end if;
    update auth.memberships m set role_id = granted.id
     where m.org_id = set_member_role.org_id and m.user_id = set_member_role.user_id;
    perform auth_internal.lower_workspace_roles(org_id, user_id, granted);
end
$$;
comment on function auth.set_member_role is
    'With members.write: gives a member another role, also in workspaces where his would be higher than that. His old role must have a lower rank than the caller''s own, and the new one be one that he may grant; an owner may change everybody, himself too. 22023 for an unknown member or role, 42501 when the caller may not or the last owner would go, 28000 without an identity.';

create or replace function auth.remove_member(org_id uuid, user_id text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    leaves boolean := coalesce(user_id = auth_internal.acting_user(), false);
    actor auth.roles := auth_internal.enter_organization(org_id, case when leaves then null else 'members.write' end);
    old auth.roles := auth_internal.role_of(org_id, user_id);
begin
    if old.id is null then
        perform auth_internal.refuse_member();
    end if;
    if not leaves then
        perform auth_internal.demand_seniority(actor, old);
    end if;
    if old.id = auth_internal.owner_role() then
        perform auth_internal.demand_other_owner(org_id, user_id);
    end if;
    perform auth_internal.delete_member(org_id, user_id);
end
$$;
comment on function auth.remove_member is
    'With members.write: removes a member, whose role must have a lower rank than the caller''s own (an owner removes everybody), from the organization and its workspaces. Anybody may remove himself. 22023 for an unknown member, 42501 when the caller may not or the last owner would go, 28000 without an identity.';

create or replace function auth.leave_organization(org_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth.remove_member(org_id, auth_internal.leaving_user());
end
$$;
comment on function auth.leave_organization is
    'Ends the caller''s own membership of the organization and its workspaces. 42501 when he is no member, or its last owner, 28000 without an identity.';

create or replace function auth.list_members(org_id uuid default null)
    returns table (user_id text, role text, rank integer, created_at timestamptz, created_by text)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := coalesce(list_members.org_id, auth.current_org());
begin
    perform auth_internal.read_organization(its_org, 'members.read');
    return query
        select m.user_id, auth_internal.role_name(r), r.rank, m.created_at, m.created_by
          from auth.memberships m cross join lateral auth_internal.live_role(m.role_id) r
         where m.org_id = its_org
         order by r.rank desc, m.user_id;
end
$$;
comment on function auth.list_members is
    'With members.read: the members of an organization, for NULL of the current one, and their roles; the highest first. 42501 when the caller may not or it is unknown or not his, 28000 without an identity.';
