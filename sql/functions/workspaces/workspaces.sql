-- Workspaces and their members. What somebody may do in a workspace's place depends on his role in its
-- organization; his role in the workspace is for the application.

create or replace function auth.create_workspace(
    org_id uuid, name text, slug text default null, metadata jsonb default '{}'
) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_organization(org_id, 'workspaces.write');
    new_id uuid;
    violated text;
begin
    perform auth_internal.demand_creatable('workspaces', org_id);
    insert into auth.workspaces (org_id, name, slug, metadata) values (org_id, name, slug, metadata)
    returning workspaces.id into new_id;
    if auth_internal.acting_user() is not null then
        perform auth_internal.demand_scopes(actor.permissions);
        perform auth_internal.insert_workspace_member(new_id, auth_internal.acting_user(), actor.id, auth_internal.acting_user());
    end if;
    perform auth_internal.demand_handing_on(org_id, null);
    perform auth_internal.audit('workspace.create', org_id, new_id::text, auth_internal.acting_user());
    return new_id;
exception
    when unique_violation then
        raise unique_violation using message = 'this slug is taken';
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('workspaces', violated);
    when not_null_violation then
        get stacked diagnostics violated = column_name;
        perform auth_internal.refuse_value('workspaces', violated);
end
$$;
comment on function auth.create_workspace is
    'With workspaces.write: creates a workspace and returns its id. A user becomes a member of it with his role in the organization. 22023 for a value that is not allowed, 23505 for a slug that is taken there, 42501 when the caller may not or the organization is unknown or not his or NULL, 54000 for a user where the organization has pg_bearer.max_workspaces, or who created too many in an hour, 28000 without an identity.';

create or replace function auth.update_workspace(
    workspace_id uuid, name text default null, slug text default null, metadata jsonb default null
) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    old auth.workspaces;
    new auth.workspaces;
    changed jsonb;
    violated text;
begin
    perform auth_internal.enter_workspace(workspace_id, 'workspaces.write');
    select w.* into old from auth.workspaces w where w.id = update_workspace.workspace_id;
    update auth.workspaces w
       set name = coalesce(update_workspace.name, w.name),
           slug = case when update_workspace.slug = '' then null else coalesce(update_workspace.slug, w.slug) end,
           metadata = coalesce(update_workspace.metadata, w.metadata)
     where w.id = update_workspace.workspace_id
    returning w.* into new;
    perform auth_internal.demand_handing_on(new.org_id, null);
    changed := auth_internal.changed_members(to_jsonb(old), to_jsonb(new));
    if changed is not null then
        perform auth_internal.audit('workspace.update', new.org_id, workspace_id::text, null,
                                    jsonb_build_object('changed', changed));
    end if;
exception
    when unique_violation then
        raise unique_violation using message = 'this slug is taken';
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('workspaces', violated);
end
$$;
comment on function auth.update_workspace is
    'With workspaces.write: changes what is given; NULL leaves it, slug '''' removes the slug. 22023 for a value that is not allowed, 23505 for a slug that is taken, 42501 when the caller may not or it is unknown or not his or NULL, 28000 without an identity.';

create or replace function auth.disable_workspace(workspace_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := auth_internal.enter_workspace_ending(workspace_id);
    was_enabled boolean := auth_internal.is_enabled('workspace', workspace_id);
    sees_all boolean := auth_internal.sees_all('workspace', workspace_id);
begin
    update auth.workspaces w set disabled_at = coalesce(w.disabled_at, clock_timestamp())
     where w.id = (select f.id from auth.workspaces f
                    where f.id = disable_workspace.workspace_id for no key update skip locked);
    sees_all := sees_all and found;
    sees_all := auth_internal.suspend_members(its_org, workspace_id) and sees_all;
    if not sees_all then
        perform auth_internal.end_beside('workspace', workspace_id, its_org);
    end if;
    if was_enabled then
        perform auth_internal.audit('workspace.disable', its_org, workspace_id::text);
    end if;
end
$$;
comment on function auth.disable_workspace is
    'With workspaces.write: the workspace has no members for the library until auth.enable_workspace(). Waits for nobody. Idempotent. 42501 when the caller may not or it is unknown or not theirs or NULL, 28000 without an identity.';

-- As auth_internal.enter_ending(), for a workspace.
create or replace function auth_internal.enter_workspace_ending(workspace_id uuid) returns uuid
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := auth_internal.workspace_org(workspace_id);
begin
    perform auth_internal.demand_own(its_org, 'workspace');
    perform auth_internal.enter_ending(its_org, 'workspaces.write');
    return its_org;
end
$$;
comment on function auth_internal.enter_workspace_ending is 'The organization of a workspace in which the caller ends something, with workspaces.write.';

create or replace function auth.enable_workspace(workspace_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
    its_org uuid := auth_internal.workspace_org(workspace_id);
    was_enabled boolean;
begin
    perform auth_internal.demand_own(its_org, 'workspace');
    -- The organization first, as everybody does.
    perform auth_internal.enter_organization(its_org, 'workspaces.write');
    perform auth_internal.take_lock('workspace', workspace_id, true, true);
    -- Again: it may have been deleted while this waited.
    if auth_internal.workspace_org(workspace_id) is null then
        perform auth_internal.refuse_target('workspace');
    end if;
    was_enabled := auth_internal.is_enabled('workspace', workspace_id);
    delete from auth.endings e where e.target_id = enable_workspace.workspace_id and not e.deleted;
    update auth.workspaces w set disabled_at = null where w.id = enable_workspace.workspace_id;
    update auth.workspace_memberships m set suspended = false
      from auth.organizations o
     where m.workspace_id = enable_workspace.workspace_id and m.suspended and o.id = m.org_id and o.disabled_at is null
       and not exists (select from auth.endings e where e.target_id = o.id);
    perform auth_internal.demand_handing_on(its_org, null);
    if not was_enabled then
        perform auth_internal.audit('workspace.enable', its_org, workspace_id::text);
    end if;
end
$$;
comment on function auth.enable_workspace is
    'With workspaces.write: undoes auth.disable_workspace(). Idempotent. 42501 when the caller may not or it is unknown or not theirs or NULL, 55P03 when somebody makes something in it for 2 seconds, 28000 without an identity.';

create or replace function auth.delete_workspace(workspace_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := auth_internal.enter_workspace_ending(workspace_id);
begin
    if not auth_internal.sees_all('workspace', workspace_id)
       or not auth_internal.delete_workspace_rows(workspace_id, its_org) then
        perform auth_internal.end_beside('workspace', workspace_id, its_org, deleted => true);
    end if;
    perform auth_internal.audit('workspace.delete', its_org, workspace_id::text);
end
$$;
comment on function auth.delete_workspace is
    'With workspaces.write: deletes a workspace with its memberships and revokes the open invitations to it. Waits for nobody: what somebody holds is worth nothing from now on, and auth.purge_endings() deletes it. Rows of the application stay. 42501 when the caller may not or it is unknown or not theirs or NULL, 28000 without an identity.';

-- Deletes what is in a workspace, and then its row, as far as nobody holds a row. Are all of them gone?
create or replace function auth_internal.delete_workspace_rows(workspace_id uuid, org_id uuid) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.end_invitation(i.id, i.org_id)
       from auth.invitations i
      where i.org_id = delete_workspace_rows.org_id and i.workspace_id = delete_workspace_rows.workspace_id
        and i.accepted_at is null and i.revoked_at is null;
    delete from auth.workspace_memberships m where m.workspace_id = delete_workspace_rows.workspace_id and m.user_id in
        (select f.user_id from auth.workspace_memberships f
          where f.workspace_id = delete_workspace_rows.workspace_id for update skip locked);
    if exists (select from auth.workspace_memberships m where m.workspace_id = delete_workspace_rows.workspace_id) then
        return false;
    end if;
    delete from auth.workspaces w where w.id =
        (select f.id from auth.workspaces f where f.id = delete_workspace_rows.workspace_id for update skip locked);
    if not found and exists (select from auth.workspaces w where w.id = delete_workspace_rows.workspace_id) then
        return false;
    end if;
    delete from auth.endings e where e.id in
        (select f.id from auth.endings f where f.target_id = delete_workspace_rows.workspace_id for update skip locked);
    return true;
end
$$;
comment on function auth_internal.delete_workspace_rows is 'Deletes a workspace as far as nobody holds its rows; true when nothing is left. The caller has its lock alone.';

-- The organization must be locked, and the caller's right to do it known.
create or replace function auth_internal.insert_workspace_member(workspace_id uuid, user_id text, role_id uuid, created_by text)
    returns void
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
begin
    if exists (select from auth_internal.live_workspace_memberships m
                where m.workspace_id = insert_workspace_member.workspace_id
                  and m.user_id = insert_workspace_member.user_id) then
        raise unique_violation using
            message = 'already a member', hint = 'auth.set_workspace_member_role() changes the role.';
    end if;
    perform auth_internal.demand_acceptable(user_id, true);
    -- One that has ended beside its row.
    delete from auth.workspace_memberships m
     where m.workspace_id = insert_workspace_member.workspace_id and m.user_id = insert_workspace_member.user_id
       and not exists (select from auth_internal.live_workspace_memberships l
                        where l.id = m.id and l.user_id = m.user_id and l.workspace_id = m.workspace_id);
    insert into auth.workspace_memberships (user_id, workspace_id, org_id, role_id, suspended, created_by, accepted, membership_id)
    select m.user_id, w.id, w.org_id, insert_workspace_member.role_id, m.suspended or w.disabled_at is not null,
           insert_workspace_member.created_by, coalesce(auth_internal.acting_user() = m.user_id, true), m.id
      from auth_internal.live_workspaces w join auth_internal.live_memberships m on m.org_id = w.org_id
     where w.id = insert_workspace_member.workspace_id and m.user_id = insert_workspace_member.user_id;
    if not found then
        perform auth_internal.refuse_member();
    end if;
    -- When there is nothing more to wait for.
    perform auth_internal.demand_handing_on(auth_internal.workspace_org(workspace_id), null);
exception
    when unique_violation then
        raise unique_violation using
            message = 'already a member', hint = 'auth.set_workspace_member_role() changes the role.';
end
$$;
comment on function auth_internal.insert_workspace_member is
    'Adds a member of the locked organization to its workspace; 23505 when he is there, 22023 when he is no member, 54000 when others have given them too many.';

-- The role of a member of a workspace; 22023 when he is none.
create or replace function auth_internal.workspace_role_of(workspace_id uuid, user_id text) returns auth.roles
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    its_role auth.roles;
begin
    select r.* into its_role
      from auth_internal.live_workspace_memberships m cross join lateral auth_internal.live_role(m.role_id) r
     where m.workspace_id = workspace_role_of.workspace_id and m.user_id = workspace_role_of.user_id;
    if not found then
        perform auth_internal.refuse_member();
    end if;
    return its_role;
end
$$;
comment on function auth_internal.workspace_role_of is
    'The role of a member of a workspace as it counts now; 22023 when he is none.';

create or replace function auth.add_workspace_member(workspace_id uuid, user_id text, role text default 'member')
    returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_workspace(workspace_id, 'workspaces.write');
    granted auth.roles := auth_internal.granted_role(auth_internal.workspace_org(workspace_id), role);
begin
    perform auth_internal.demand_grant(actor, granted);
    perform auth_internal.demand_senior_to(actor, auth_internal.workspace_org(workspace_id), user_id);
    perform auth_internal.insert_workspace_member(workspace_id, user_id, granted.id, auth_internal.acting_user());
    perform auth_internal.audit('workspace_member.add', auth_internal.workspace_org(workspace_id), workspace_id::text, user_id,
                                jsonb_build_object('role', auth_internal.role_name(granted)));
end
$$;
comment on function auth.add_workspace_member is
    'With workspaces.write: makes a member of the organization one of the workspace, with a role that the caller may grant as one who has his role in the organization. The member''s own role in the organization must have a lower rank than that of the caller, who may add themselves and, as an owner, everybody. 23505 when he is one, 22023 for an unknown role or a user who is no member of the organization, 42501 when the caller may not, 54000 when a user adds one whom others, or this user alone, have let into as many workspaces as pg_bearer.max_granted_memberships and ten times pg_bearer.max_granted_by_one allow and who accepted none of them, 28000 without an identity.';

create or replace function auth.set_workspace_member_role(workspace_id uuid, user_id text, role text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := auth_internal.enter_workspace_ending(workspace_id);
    actor auth.roles := auth_internal.acting_role(its_org, 'workspaces.write');
    old auth.roles := auth_internal.workspace_role_of(workspace_id, user_id);
    granted auth.roles := auth_internal.granted_role(its_org, role);
begin
    perform auth_internal.demand_seniority(actor, old);
    perform auth_internal.demand_senior_to(actor, its_org, user_id);
    -- Unlike in an organization their role here may have a lower rank than the one they act in.
    if user_id = auth_internal.acting_user() and actor.id <> auth_internal.owner_role() then
        raise insufficient_privilege using
            message = 'you cannot change this member', hint = 'Nobody but an owner changes their own role.';
    end if;
    perform auth_internal.demand_grant(actor, granted);
    perform auth_internal.change_workspace_role(m, granted.id)
       from auth.workspace_memberships m
      where m.workspace_id = set_workspace_member_role.workspace_id and m.user_id = set_workspace_member_role.user_id;
    perform auth_internal.demand_handing_on(its_org, null);
    if granted.id <> old.id then
        perform auth_internal.audit('workspace_member.set_role', its_org, workspace_id::text, user_id,
                                    jsonb_build_object('role', auth_internal.role_name(granted), 'was', auth_internal.role_name(old)));
    end if;
end
$$;
comment on function auth.set_workspace_member_role is
    'With workspaces.write: gives a member of a workspace another role. Their old one, and their role in the organization, must have a lower rank than the caller''s own in the organization, and the new one be one that the caller may grant; an owner may change everybody, and nobody else changes themselves. Waits for nobody. 22023 for an unknown member or role, 42501 when the caller may not, 28000 without an identity.';

create or replace function auth.remove_workspace_member(workspace_id uuid, user_id text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    leaves boolean := coalesce(user_id = auth_internal.acting_user(), false);
    its_org uuid := auth_internal.workspace_org(workspace_id);
    actor auth.roles;
    old auth.roles;
begin
    perform auth_internal.demand_own(its_org, 'workspace');
    actor := case when leaves then auth_internal.enter_own_ending(its_org)
                  else auth_internal.enter_ending(its_org, 'workspaces.write') end;
    old := auth_internal.workspace_role_of(workspace_id, user_id);
    if not leaves then
        perform auth_internal.demand_seniority(actor, old);
        perform auth_internal.demand_senior_to(actor, its_org, user_id);
    end if;
    perform auth_internal.end_workspace_membership(m)
       from auth.workspace_memberships m
      where m.workspace_id = remove_workspace_member.workspace_id and m.user_id = remove_workspace_member.user_id;
    perform auth_internal.audit('workspace_member.remove', its_org, workspace_id::text, user_id,
                                jsonb_build_object('was', auth_internal.role_name(old)));
end
$$;
comment on function auth.remove_workspace_member is
    'With workspaces.write: removes a member from a workspace, whose role there and in the organization must have a lower rank than the caller''s own in the organization; an owner removes everybody. Anybody may remove themselves. Waits for nobody. 22023 for an unknown member, 42501 when the caller may not, 28000 without an identity.';

create or replace function auth.leave_workspace(workspace_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth.remove_workspace_member(workspace_id, auth_internal.leaving_user());
end
$$;
comment on function auth.leave_workspace is
    'Ends the caller''s own membership of a workspace. 22023 when he is no member of it, 42501 when it is unknown or not his, 28000 without an identity.';

-- PL/pgSQL has no argument and column of one name, so auth.list_workspaces() only passes on what this finds.
create or replace function auth_internal.workspaces_in(its_org uuid)
    returns table (workspace_id uuid, org_id uuid, slug text, name text, metadata jsonb, role text,
                   disabled_at timestamptz, created_at timestamptz)
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.read_organization(its_org, null);
    all_of_them boolean := auth_internal.permission_covers(actor.permissions, 'workspaces.write') is true;
begin
    return query
        select w.id, w.org_id, w.slug, w.name, w.metadata, auth_internal.role_name(r), w.disabled_at, w.created_at
          from auth_internal.live_workspaces w
          left join auth_internal.live_workspace_memberships m on m.workspace_id = w.id and m.user_id = auth_internal.acting_user()
          left join lateral auth_internal.live_role(m.role_id) r on true
         where w.org_id = its_org and (all_of_them or m.user_id is not null and not m.suspended)
         order by w.name, w.id;
end
$$;
comment on function auth_internal.workspaces_in is 'What auth.list_workspaces() shows.';

create or replace function auth.list_workspaces(org_id uuid default null)
    returns table (workspace_id uuid, org_id uuid, slug text, name text, metadata jsonb, role text,
                   disabled_at timestamptz, created_at timestamptz)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select * from auth_internal.workspaces_in(coalesce(list_workspaces.org_id, auth.current_org()))
$$;
comment on function auth.list_workspaces is
    'The workspaces of an organization, for NULL of the current one, and the caller''s role in each: with workspaces.write all, else those that he is a member of. 42501 when the organization is unknown or not the caller''s, 28000 without an identity.';

create or replace function auth.list_workspace_members(workspace_id uuid)
    returns table (user_id text, role text, created_at timestamptz, created_by text, accepted boolean, left_out boolean)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := auth_internal.workspace_org(list_workspace_members.workspace_id);
    actor auth.roles;
begin
    perform auth_internal.demand_own(its_org, 'workspace');
    actor := auth_internal.read_organization(its_org, null);
    perform from auth_internal.live_workspace_memberships m
      where m.workspace_id = list_workspace_members.workspace_id
        and m.user_id = auth_internal.acting_user() and not m.suspended;
    if not found then
        perform auth_internal.demand_permission(actor, 'workspaces.write');
    end if;
    return query
        select m.user_id, auth_internal.role_name(r), m.created_at, m.created_by, a.accepted,
               not (a.accepted and a.of_org) and not m.suspended
               and auth_internal.is_left_out(m.user_id, m.org_id, m.workspace_id)
          from auth_internal.live_workspace_memberships m cross join lateral auth_internal.live_role(m.role_id) r
          left join auth.memberships o on o.user_id = m.user_id and o.org_id = m.org_id
         cross join lateral (select auth_internal.is_accepted(m.accepted, m.created_by, m.user_id) as accepted,
                                    auth_internal.is_accepted(o.accepted, o.created_by, o.user_id) as of_org) a
         where m.workspace_id = list_workspace_members.workspace_id
         order by m.user_id;
end
$$;
comment on function auth.list_workspace_members is
    'Members of the workspace, and whoever has workspaces.write: the members of a workspace and their roles. accepted is false where another user added them and they never confirmed it, left_out true where they do not count because others gave them too many memberships. 42501 when the caller may not or it is unknown or not his, 28000 without an identity.';
