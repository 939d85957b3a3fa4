-- Making rows what they count as, when nobody holds them any more.

create or replace function auth_internal.settle_membership(ending auth.endings) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    member auth.memberships;
begin
    select m.* into member from auth.memberships m
     where m.org_id = ending.org_id and m.user_id = ending.user_id
       and (m.id = ending.target_id or m.created_at <= ending.ended_at);
    if member.id is null or not auth_internal.ending_counts(ending.rank, ending.former_role_id, member.role_id) then
        return true;
    elsif auth_internal.try_member(ending.org_id, ending.user_id) is not true then
        return false;
    elsif ending.kind = 'membership' then
        perform auth_internal.delete_member(ending.org_id, ending.user_id, 1000);
    else
        update auth.memberships m set role_id = ending.role_id
         where m.org_id = ending.org_id and m.user_id = ending.user_id;
    end if;
    return true;
end
$$;
comment on function auth_internal.settle_membership is 'Does to the row of a membership what an ending says; false while somebody holds it.';

create or replace function auth_internal.settle_workspace_membership(ending auth.endings) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    member auth.workspace_memberships;
begin
    perform from auth.workspace_memberships m where m.user_id = ending.user_id and m.id = ending.target_id;
    if not found then
        return true;
    end if;
    select m.* into member from auth.workspace_memberships m
     where m.user_id = ending.user_id and m.id = ending.target_id for update skip locked;
    if member.id is null then
        return false;
    elsif ending.kind = 'workspace_membership' then
        perform auth_internal.end_workspace_membership(member);
    elsif not auth_internal.is_lock_free('beside', ending.org_id) then
        return false;
    else
        update auth.workspace_memberships m set role_id = ending.role_id
         where m.user_id = ending.user_id and m.id = ending.target_id;
    end if;
    return true;
end
$$;
comment on function auth_internal.settle_workspace_membership is 'Does to the row of a membership of a workspace what an ending says; false while somebody holds it.';

create or replace function auth_internal.settle_place(ending auth.endings) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    is_done boolean;
begin
    -- Who makes something in a workspace shares the lock of its organization too.
    if ending.kind = 'workspace' and ending.deleted then
        return auth_internal.delete_workspace_rows(ending.target_id, ending.org_id);
    elsif ending.kind = 'workspace' then
        update auth.workspaces w set disabled_at = coalesce(w.disabled_at, ending.ended_at)
         where w.id = (select f.id from auth.workspaces f where f.id = ending.target_id for no key update skip locked);
        is_done := found or not exists (select from auth.workspaces w where w.id = ending.target_id);
        return auth_internal.suspend_members(ending.org_id, ending.target_id) and is_done;
    end if;
    update auth.organizations o set disabled_at = coalesce(o.disabled_at, ending.ended_at)
     where o.id = (select f.id from auth.organizations f where f.id = ending.target_id for no key update skip locked);
    is_done := found or not exists (select from auth.organizations o where o.id = ending.target_id);
    return auth_internal.suspend_members(ending.org_id, null) and is_done;
end
$$;
comment on function auth_internal.settle_place is 'Disables or deletes an organization or workspace as an ending says; false while somebody holds a row. The caller has the organization''s lock alone.';

create or replace function auth_internal.settle_invitation(ending auth.endings) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    member auth.memberships;
begin
    perform from auth.invitations i where i.id = ending.target_id for no key update skip locked;
    if not found then
        return not exists (select from auth.invitations i where i.id = ending.target_id);
    end if;
    update auth.invitations i set revoked_at = ending.ended_at
     where i.id = ending.target_id and i.accepted_at is null and i.revoked_at is null;
    select m.* into member from auth.memberships m
     where m.org_id = ending.org_id and m.invitation_id = ending.target_id;
    if member.id is null then
        return true;
    elsif auth_internal.try_member(member.org_id, member.user_id) is not true then
        return false;
    end if;
    perform auth_internal.delete_member(member.org_id, member.user_id, 1000);
    return true;
end
$$;
comment on function auth_internal.settle_invitation is 'Revokes an invitation as an ending says, and removes whoever was accepting it; false while somebody holds a row.';

create or replace function auth_internal.settle_role(ending auth.endings) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if not auth_internal.try_role(ending.target_id) then
        return not exists (select from auth.roles r where r.id = ending.target_id and not r.builtin);
    end if;
    update auth.roles r
       set rank = ending.rank, permissions = ending.permissions, grantable = ending.grantable, version = ending.id
     where r.id = ending.target_id and not r.builtin;
    return true;
end
$$;
comment on function auth_internal.settle_role is 'Changes a role as an ending says; false while somebody holds its row.';

-- How many endings of an organization are done with. Its lock is held alone: nothing is there that is not seen.
create or replace function auth_internal.settle_organization(org_id uuid) returns bigint
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    ending auth.endings;
    is_settled boolean;
    settled bigint := 0;
begin
    -- Or somebody deleted it who did not see them.
    if exists (select from auth.endings e where e.target_id = settle_organization.org_id and e.deleted)
       or not exists (select from auth.organizations o where o.id = settle_organization.org_id) then
        select count(*) into settled from auth.endings e where e.org_id = settle_organization.org_id;
        return case when auth_internal.delete_organization_rows(org_id) then settled else 0 end;
    end if;
    for ending in
        select e.* from auth.endings e where e.org_id = settle_organization.org_id order by e.ended_at for update skip locked
    loop
        is_settled := case ending.kind
            when 'membership' then auth_internal.settle_membership(ending)
            when 'membership_role' then auth_internal.settle_membership(ending)
            when 'workspace_membership' then auth_internal.settle_workspace_membership(ending)
            when 'workspace_membership_role' then auth_internal.settle_workspace_membership(ending)
            when 'invitation' then auth_internal.settle_invitation(ending)
            when 'role' then auth_internal.settle_role(ending)
            else auth_internal.settle_place(ending)
        end;
        if is_settled then
            delete from auth.endings e where e.id = ending.id;
            settled := settled + 1;
        end if;
    end loop;
    return settled;
end
$$;
comment on function auth_internal.settle_organization is 'Makes the rows of an organization what its endings say, as far as nobody holds them; how many endings that were.';

-- What gives nobody anything: how fast users created something, when that is long ago; memberships of workspaces that were
-- given to members while they were removed, and the suspension of members who were added while their organization or workspace
-- was enabled, in transactions that did not see one another.
-- With the rows of the places locked, so that nobody disables one of them meanwhile who is not seen here.
create or replace function auth_internal.settle_leftovers() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    delete from auth.creation_rates r where (r.user_id, r.kind) in
        (select f.user_id, f.kind from auth.creation_rates f where f.busy_until < clock_timestamp() for update skip locked);
    delete from auth.workspace_memberships w where (w.user_id, w.workspace_id) in
        (select f.user_id, f.workspace_id from auth.workspace_memberships f
          where not exists (select from auth.memberships m
                             where m.user_id = f.user_id and m.org_id = f.org_id and m.id = coalesce(f.membership_id, m.id))
            for update skip locked);
    update auth.memberships m set suspended = false where (m.user_id, m.org_id) in
        (select f.user_id, f.org_id from auth.memberships f join auth.organizations o on o.id = f.org_id
          where f.suspended and o.disabled_at is null
            and not exists (select from auth.endings e where e.target_id = o.id)
            for update of f skip locked for no key update of o skip locked);
    update auth.workspace_memberships w set suspended = false where (w.user_id, w.workspace_id) in
        (select f.user_id, f.workspace_id from auth.workspace_memberships f
           join auth.workspaces w on w.id = f.workspace_id join auth.organizations o on o.id = f.org_id
          where f.suspended and w.disabled_at is null and o.disabled_at is null
            and not exists (select from auth.endings e where e.target_id in (w.id, o.id))
            for update of f skip locked for no key update of w, o skip locked);
end
$$;
comment on function auth_internal.settle_leftovers is 'Deletes what counts for nothing, and ends suspensions that have no reason any more.';

create or replace function auth.purge_endings() returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid;
    settled bigint := 0;
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.demand_environment(null);
    perform auth_internal.commit_durably();
    -- Each takes a lock, of which the server has only so many, and tenants make endings.
    for its_org in
        select o.org_id from (select distinct e.org_id from auth.endings e) o order by random() limit 1000
    loop
        if auth_internal.sees_all('organization', its_org) then
            settled := settled + auth_internal.settle_organization(its_org);
        end if;
    end loop;
    perform auth_internal.settle_leftovers();
    if settled > 0 then
        perform auth_internal.audit('endings.purge', null, null, null, jsonb_build_object('endings', settled));
    end if;
    return settled;
end
$$;
comment on function auth.purge_endings is
    'Services and administrators: what was removed, changed, disabled, deleted or revoked while somebody held its row is in auth.endings and counts; this does it to the rows, as far as nobody holds them now, and deletes those endings. Looks at up to 1,000 organizations. Returns how many. Nothing that counts changes. Call it now and then, for example each night with auth.purge_api_keys(). Waits for nobody. 42501 for anybody else, 28000 without an identity.';
