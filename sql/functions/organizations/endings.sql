-- Endings wait for nobody. What takes something away tries the row's lock; where somebody holds the row, who might be the
-- very user that is removed, the ending becomes a row of auth.endings, which every reader honours, also against what the
-- holder makes of the row afterwards. auth.purge_endings() makes the rows what they count as.

-- Does an ending of this rank count against a member whose row names this role? One that somebody of a lower rank made while
-- the promotion was under way does not, unless the row still names the role that it named then.
create or replace function auth_internal.ending_counts(rank integer, former_role_id uuid, role_id uuid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(ending_counts.rank >= 1000 or ending_counts.rank > (auth_internal.live_role(ending_counts.role_id)).rank, true)
        or coalesce(ending_counts.former_role_id = ending_counts.role_id, false)
$$;
comment on function auth_internal.ending_counts is 'Does an ending by somebody of this rank count against a member with this role? True where the rank is not known.';

create or replace function auth_internal.end_beside(
    kind text, target_id uuid, org_id uuid, user_id text default null, role_id uuid default null, rank integer default null,
    deleted boolean default false, former_role_id uuid default null
) returns void
    language sql set search_path = pg_catalog, pg_temp as $$
    select auth_internal.begin_beside(kind, target_id, org_id, rank, deleted);
    insert into auth.endings (kind, target_id, org_id, user_id, role_id, rank, deleted, former_role_id, ended_by)
    values (kind, target_id, org_id, user_id, role_id, rank, deleted, former_role_id, auth_internal.acting_user_if_any())
$$;
comment on function auth_internal.end_beside is 'Ends or changes something whose row somebody holds.';

-- Changes beside a row share this lock; whoever makes one in the row looks whether it is free, and goes beside the row as well
-- where it is not: what is not committed yet, and older, must not count against what comes later. Nobody keeps it alone.
create or replace function auth_internal.begin_beside(kind text, target_id uuid, org_id uuid, rank integer, deleted boolean)
    returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform case
        when kind in ('membership', 'membership_role', 'role') then auth_internal.take_lock('beside', target_id, false, true)
        -- There can be many of them.
        when kind = 'workspace_membership_role' then auth_internal.take_lock('beside', org_id, false, true)
    end;
    -- Nobody makes others read without end.
    delete from auth.endings e where e.id in
        (select f.id from auth.endings f
          where f.target_id = begin_beside.target_id and f.kind = begin_beside.kind and f.deleted <= begin_beside.deleted
            and (begin_beside.kind = 'role' or begin_beside.rank is null or f.rank <= begin_beside.rank)
            for update skip locked);
end
$$;
comment on function auth_internal.begin_beside is 'Prepares an ending or a change beside a row: the last one of several is enough.';

-- Before a row itself is changed. Whoever is changing the same thing beside its row once more holds what came before, and is not
-- waited for: what is left would go before the row.
create or replace function auth_internal.clear_beside(kind text, target_id uuid) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    delete from auth.endings e where e.id in
        (select f.id from auth.endings f
          where f.target_id = clear_beside.target_id and f.kind = clear_beside.kind for update skip locked);
    return not exists (select from auth.endings e where e.target_id = clear_beside.target_id and e.kind = clear_beside.kind);
end
$$;
comment on function auth_internal.clear_beside is 'Takes away what was changed beside a row; false where somebody holds some of that, so that the change has to go beside the row as well.';

create or replace function auth_internal.refuse_busy_member() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise lock_not_available using
        message = 'somebody is changing this membership now', hint = 'Try again.';
end
$$;
comment on function auth_internal.refuse_busy_member is 'The error for a membership that somebody else is changing (55P03).';

create or replace function auth_internal.keeps_snapshot() returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select current_setting('transaction_isolation') not in ('read committed', 'read uncommitted')
$$;
comment on function auth_internal.keeps_snapshot is 'Does the transaction go on seeing what its first statement saw?';

-- As Postgres says it, for clients that try again.
create or replace function auth_internal.refuse_snapshot() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    raise serialization_failure using message = 'could not serialize access due to concurrent update';
end
$$;
comment on function auth_internal.refuse_snapshot is 'The error for a snapshot that does not show what counts now (40001).';

-- Under REPEATABLE READ nobody acts on the strength of what was.
create or replace function auth_internal.refuse_stale(org_id uuid, user_id text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if not auth_internal.is_as_seen(org_id, user_id) then
        perform auth_internal.refuse_snapshot();
    end if;
end
$$;
comment on function auth_internal.refuse_stale is '40001 where the transaction keeps a snapshot in which the organization, or the place of the user there, is not what it is now.';

-- As auth_internal.enter_organization(), for what takes something away: raises the revision if nobody is in the way.
create or replace function auth_internal.enter_ending(org_id uuid, permission text) returns auth.roles
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.enter_own_ending(org_id);
    perform auth_internal.acting_role(org_id, permission);
    update auth.organizations o set revision = o.revision + 1
     where o.id = (select f.id from auth.organizations f where f.id = enter_ending.org_id for no key update skip locked);
    -- Again: what that row's last holder did counts.
    return auth_internal.acting_role(org_id, permission);
end
$$;
comment on function auth_internal.enter_ending is 'As auth_internal.enter_organization(), without waiting for anybody.';

-- As auth_internal.enter_ending(), for members who end something of their own: touches nothing that others need.
create or replace function auth_internal.enter_own_ending(org_id uuid) returns auth.roles
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse_api_key();
    perform auth_internal.demand_own(org_id, 'organization');
    -- What ends here ends in the live environment too, with live API keys.
    perform auth_internal.demand_environment(null);
    perform auth_internal.commit_durably();
    perform auth_internal.refuse_stale(org_id, auth_internal.acting_user());
    return auth_internal.read_organization(org_id, null);
end
$$;
comment on function auth_internal.enter_own_ending is 'The role of a member who ends something of their own.';

create or replace function auth_internal.is_enabled(what text, id uuid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case what when 'organization' then
                exists (select from auth_internal.live_organizations o where o.id = is_enabled.id and o.disabled_at is null)
           else exists (select from auth_internal.live_workspaces w where w.id = is_enabled.id and w.disabled_at is null) end
$$;
comment on function auth_internal.is_enabled is 'Is there this organization or workspace, and is it not disabled itself?';

-- Before what the row says is looked at. Where somebody holds it, what is seen is what was before.
create or replace function auth_internal.try_member(org_id uuid, user_id text) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform from auth.memberships m
      where m.org_id = try_member.org_id and m.user_id = try_member.user_id for update skip locked;
    return found and auth_internal.is_lock_free('beside', m.id)
      from auth.memberships m where m.org_id = try_member.org_id and m.user_id = try_member.user_id;
end
$$;
comment on function auth_internal.try_member is 'Locks the row of a member; false where somebody holds it or is changing something beside it, NULL where there is none.';

create or replace function auth_internal.wait_for_member(org_id uuid, user_id text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
begin
    perform from auth.memberships m
      where m.org_id = wait_for_member.org_id and m.user_id = wait_for_member.user_id for update;
    if auth_internal.try_member(org_id, user_id) is false then
        perform auth_internal.refuse_busy_member();
    end if;
end
$$;
comment on function auth_internal.wait_for_member is 'Locks the row of a member. 55P03 after 2 seconds, and when somebody is changing something beside it.';

-- Ends invitations that are open: those that the user made, and those to addresses that they accepted with.
create or replace function auth_internal.end_invitations(org_id uuid, user_id text) returns void
    language sql set search_path = pg_catalog, pg_temp as $$
    select auth_internal.end_invitation(i.id, i.org_id)
      from auth_internal.open_invitations i
     where i.org_id = end_invitations.org_id
       and (i.created_by = end_invitations.user_id
            or i.email in (select auth_internal.folded(unnest(array[a.email, a.accepted_email]))
                             from auth.invitations a where a.accepted_by = end_invitations.user_id))
$$;
comment on function auth_internal.end_invitations is 'Ends the open invitations of an organization that this user made or could come back by.';

create or replace function auth_internal.end_invitation(invitation_id uuid, org_id uuid) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    was_open boolean := exists (select from auth_internal.open_invitations i where i.id = end_invitation.invitation_id);
begin
    perform from auth.invitations i where i.id = end_invitation.invitation_id for no key update skip locked;
    if found then
        update auth.invitations i set revoked_at = coalesce(i.revoked_at, clock_timestamp())
         where i.id = end_invitation.invitation_id and i.accepted_at is null;
    else
        perform auth_internal.end_beside('invitation', invitation_id, org_id);
    end if;
    if was_open then
        perform auth_internal.audit('invitation.revoke', org_id, invitation_id::text);
    end if;
end
$$;
comment on function auth_internal.end_invitation is 'Revokes an invitation without waiting: if somebody is accepting it, that ends too.';

-- The caller's right to do it must be known. `rank` is that of the role in which the caller acts.
create or replace function auth_internal.delete_member(org_id uuid, user_id text, rank integer) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.end_invitations(org_id, user_id);
    perform auth_internal.end_api_key(k.id, 'its user is no longer a member')
       from auth.api_keys k
      where k.org_id = delete_member.org_id and k.user_id = delete_member.user_id and k.revoked_at is null;
    perform auth_internal.end_workspace_membership(w)
       from auth.workspace_memberships w
      where w.org_id = delete_member.org_id and w.user_id = delete_member.user_id;
    perform from auth.memberships m
      where m.org_id = delete_member.org_id and m.user_id = delete_member.user_id for update skip locked;
    if found then
        delete from auth.memberships m where m.org_id = delete_member.org_id and m.user_id = delete_member.user_id;
    else
        perform auth_internal.end_beside('membership', m.id, m.org_id, m.user_id, null,
                                         auth_internal.rank_beside(m.id, delete_member.rank), false, m.role_id)
           from auth.memberships m where m.org_id = delete_member.org_id and m.user_id = delete_member.user_id;
    end if;
end
$$;
comment on function auth_internal.delete_member is 'Removes a member, from the workspaces too, without waiting, and ends their keys, the invitations that they made and those that they could come back by.';

-- Whoever makes somebody an owner, or counts on an owner who stays, keeps the membership, and whoever removes or demotes an
-- owner ends it: several may do the one or the other, and nobody does what somebody else does the opposite of meanwhile.
create or replace function auth_internal.may_keep(membership_id uuid) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.take_lock('keeps', membership_id, false, true);
    return auth_internal.is_lock_free('ends', membership_id);
end
$$;
comment on function auth_internal.may_keep is 'Is nobody ending this membership of an owner? Then nobody does until the transaction ends.';

create or replace function auth_internal.may_end(membership_id uuid) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.take_lock('ends', membership_id, false, true);
    return auth_internal.is_lock_free('keeps', membership_id);
end
$$;
comment on function auth_internal.may_end is 'Does nobody count on this membership being an owner''s? Then nobody does until the transaction ends.';

create or replace function auth_internal.rank_beside(membership_id uuid, rank integer) returns integer
    language sql set search_path = pg_catalog, pg_temp as $$
    select case when rank < 1000 or auth_internal.may_end(membership_id) then rank else 999 end
$$;
comment on function auth_internal.rank_beside is 'The rank of an ending beside a member''s row: one that an owner need not heed where somebody is making the member an owner.';

create or replace function auth_internal.end_workspace_membership(ended auth.workspace_memberships) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.end_api_key(k.id, 'its user is no longer a member')
       from auth.api_keys k
      where k.org_id = (end_workspace_membership.ended).org_id and k.workspace_id = (end_workspace_membership.ended).workspace_id
        and k.user_id = (end_workspace_membership.ended).user_id and k.revoked_at is null;
    perform from auth.workspace_memberships m
      where m.workspace_id = (end_workspace_membership.ended).workspace_id
        and m.user_id = (end_workspace_membership.ended).user_id for update skip locked;
    if found then
        delete from auth.workspace_memberships m
         where m.workspace_id = (end_workspace_membership.ended).workspace_id
           and m.user_id = (end_workspace_membership.ended).user_id;
    else
        perform auth_internal.end_beside('workspace_membership', ended.id, ended.org_id, ended.user_id);
    end if;
end
$$;
comment on function auth_internal.end_workspace_membership is 'Removes a member of a workspace, and their keys for it, without waiting.';

-- Where they belong to workspaces, members have no higher role there than in their organization.
create or replace function auth_internal.lower_workspace_roles(org_id uuid, user_id text, role auth.roles) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    too_high auth.workspace_memberships;
begin
    for too_high in
        select w.* from auth.workspace_memberships w
          join auth_internal.live_workspace_memberships l on l.id = w.id
         where w.org_id = lower_workspace_roles.org_id and w.user_id = lower_workspace_roles.user_id
           and (auth_internal.live_role(l.role_id)).rank > (lower_workspace_roles.role).rank
    loop
        perform auth_internal.change_workspace_role(too_high, role.id);
    end loop;
end
$$;
comment on function auth_internal.lower_workspace_roles is 'Gives a member this role in those workspaces of an organization where theirs is higher, without waiting.';

create or replace function auth_internal.change_workspace_role(changed auth.workspace_memberships, role_id uuid) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform from auth.workspace_memberships m
      where m.workspace_id = (change_workspace_role.changed).workspace_id
        and m.user_id = (change_workspace_role.changed).user_id for update skip locked;
    if not (found and auth_internal.is_lock_free('beside', changed.org_id)
            and auth_internal.clear_beside('workspace_membership_role', changed.id)) then
        perform auth_internal.end_beside('workspace_membership_role', changed.id, changed.org_id, changed.user_id, role_id);
        return;
    end if;
    update auth.workspace_memberships m set role_id = change_workspace_role.role_id
     where m.workspace_id = (change_workspace_role.changed).workspace_id
       and m.user_id = (change_workspace_role.changed).user_id;
end
$$;
comment on function auth_internal.change_workspace_role is 'Gives a member of a workspace another role, without waiting.';

-- Users who end an owner wait for one another, at most 2 seconds; an administrator never does.
create or replace function auth_internal.lock_owners(org_id uuid) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
begin
    return auth_internal.take_lock('owners', org_id, true, auth_internal.acting_user() is not null);
end
$$;
comment on function auth_internal.lock_owners is 'Keeps others from ending owners of an organization. 55P03 after 2 seconds. False for an administrator or a service that would have to wait.';

create or replace function auth_internal.demand_other_owner(org_id uuid, user_id text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    is_alone boolean := auth_internal.lock_owners(org_id);
    other uuid;
begin
    -- Unless somebody counts on this one.
    if (select auth_internal.may_end(m.id) from auth.memberships m
         where m.org_id = demand_other_owner.org_id and m.user_id = demand_other_owner.user_id) then
        foreach other in array auth_internal.other_owners(org_id, user_id, auth_internal.owner_role()) loop
            -- Where somebody is ending an owner, it is not the one that can be kept; and whoever just did is not seen to be
            -- doing it any more.
            if is_alone
               or auth_internal.may_keep(other)
                  and other = any (auth_internal.other_owners(org_id, user_id, auth_internal.owner_role())) then
                return;
            end if;
        end loop;
    end if;
    raise insufficient_privilege using
        message = 'the last owner must stay',
        hint = 'Make somebody else an owner first (auth.transfer_ownership).';
end
$$;
comment on function auth_internal.demand_other_owner is '42501 unless somebody else is an owner and stays one.';

-- What is made in an organization, or given to somebody, shares this lock with everything else that is; what disables or deletes
-- the organization tries to have it alone, to know whether it sees everything that there is.
create or replace function auth_internal.share(what text, id uuid) returns void
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
begin
    perform auth_internal.take_lock(what, id, false, true);
end
$$;
comment on function auth_internal.share is 'Shares the lock of an organization or a workspace; nothing for NULL. 55P03 when somebody is disabling or deleting it for 2 seconds.';

-- A snapshot that is kept is older than the lock.
create or replace function auth_internal.sees_all(what text, id uuid) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    return auth_internal.take_lock(what, id, true, false) and not auth_internal.keeps_snapshot();
end
$$;
comment on function auth_internal.sees_all is 'Is nobody making anything in this organization or workspace, so that the next statement sees everything that is in it? Then nobody does until the transaction ends.';

-- Ends a key without waiting for whoever holds its row, who might be its thief.
create or replace function auth_internal.end_api_key(key_id uuid, reason text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    is_held boolean;
begin
    perform from auth.api_key_revocations r where r.key_id = end_api_key.key_id;
    if found then
        return;
    end if;
    begin
        perform from auth.api_keys k where k.id = end_api_key.key_id and k.revoked_at is null for update skip locked;
        is_held := not found;
    exception when serialization_failure then
        is_held := true;
    end;
    if is_held then
        insert into auth.api_key_revocations (key_id, revoked_by, revoke_reason)
        select end_api_key.key_id, auth_internal.acting_user_if_any(), end_api_key.reason
          from auth.api_keys k where k.id = end_api_key.key_id and k.revoked_at is null;
    else
        update auth.api_keys k
           set revoked_at = clock_timestamp(), revoked_by = auth_internal.acting_user_if_any(), revoke_reason = end_api_key.reason
         where k.id = end_api_key.key_id;
    end if;
    perform auth_internal.audit('api_key.revoke', k.org_id, k.id::text, k.user_id)
       from auth.api_keys k where k.id = end_api_key.key_id and (not is_held or k.revoked_at is null);
end
$$;
comment on function auth_internal.end_api_key is 'Revokes a key that is not revoked, without waiting.';
