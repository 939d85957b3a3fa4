-- The members of organizations.

create or replace function auth_internal.refuse_member() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('22023', 'no such member', 'auth.list_members() shows those there are.');
end
$$;
comment on function auth_internal.refuse_member is 'The error for a user who is no member (22023).';

-- The organization must be locked, and the caller's right to do it known.
create or replace function auth_internal.insert_member(org_id uuid, user_id text, role_id uuid, created_by text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
    violated text;
begin
    if exists (select from auth_internal.live_memberships m
                where m.org_id = insert_member.org_id and m.user_id = insert_member.user_id) then
        raise unique_violation using
            message = 'already a member', hint = 'auth.set_member_role() changes the role.';
    end if;
    perform auth_internal.demand_acceptable(user_id, false);
    -- One that has ended beside its row.
    delete from auth.memberships m
     where m.org_id = insert_member.org_id and m.user_id = insert_member.user_id
       and not exists (select from auth_internal.live_memberships l
                        where l.id = m.id and l.org_id = m.org_id and l.user_id = m.user_id);
    insert into auth.memberships (user_id, org_id, role_id, suspended, created_by, accepted)
    select insert_member.user_id, insert_member.org_id, insert_member.role_id, o.disabled_at is not null,
           insert_member.created_by, coalesce(auth_internal.acting_user() = insert_member.user_id, true)
      from auth.organizations o where o.id = insert_member.org_id;
    -- When there is nothing more to wait for.
    perform auth_internal.demand_handing_on(org_id, null);
exception
    when unique_violation then
        raise unique_violation using
            message = 'already a member', hint = 'auth.set_member_role() changes the role.';
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('memberships', violated);
    when not_null_violation then
        get stacked diagnostics violated = column_name;
        perform auth_internal.refuse_value('memberships', violated);
end
$$;
comment on function auth_internal.insert_member is 'Adds a member to a locked organization; 23505 when he is one, 22023 for a bad id, 54000 when others have given them too many.';

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
    perform auth_internal.audit('member.add', org_id, org_id::text, user_id,
                                jsonb_build_object('role', auth_internal.role_name(granted)));
end
$$;
comment on function auth.add_member is
    'With members.write: makes a user a member with a role that the caller may grant: of a lower rank than his own and not excluded by it; an owner may grant every role. 23505 when he is one, 22023 for an unknown role or a bad or missing user id, 42501 when the caller may not or, for a user, pg_bearer.member_addition is invitation, 54000 when a user adds one whom others, or this user alone, have given as many memberships as pg_bearer.max_granted_memberships and pg_bearer.max_granted_by_one allow and who accepted none of them, 28000 without an identity.';

create or replace function auth_internal.keep_owner(membership_id uuid) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if not auth_internal.may_keep(membership_id) then
        perform auth_internal.refuse_busy_member();
    end if;
end
$$;
comment on function auth_internal.keep_owner is 'Lets nobody end a membership that is about to be an owner''s until the transaction ends; 55P03 when somebody is doing so.';

-- Gives a member another role: in their row, or where somebody holds that beside it.
create or replace function auth_internal.change_role(org_id uuid, user_id text, role_id uuid, rank integer, is_held boolean) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    member auth.memberships;
    makes_owner boolean := role_id = auth_internal.owner_role();
begin
    select m.* into member from auth.memberships m
     where m.org_id = change_role.org_id and m.user_id = change_role.user_id;
    -- Whoever held the row deleted it.
    if member.id is null then
        perform auth_internal.refuse_member();
    end if;
    if not is_held and makes_owner then
        perform auth_internal.keep_owner(member.id);
    end if;
    if is_held or not auth_internal.clear_beside('membership_role', member.id) then
        -- Who counts owners goes by the rows.
        if not is_held and makes_owner then
            perform auth_internal.refuse_busy_member();
        end if;
        perform auth_internal.end_beside('membership_role', member.id, org_id, user_id, role_id,
                                         auth_internal.rank_beside(member.id, rank), false, member.role_id);
        return;
    end if;
    update auth.memberships m set role_id = change_role.role_id
     where m.org_id = change_role.org_id and m.user_id = change_role.user_id;
end
$$;
comment on function auth_internal.change_role is 'Gives a member another role, for a caller of this rank. The row is locked, or held by somebody else.';

create or replace function auth.set_member_role(org_id uuid, user_id text, role text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_ending(org_id, 'members.write');
    is_held boolean := auth_internal.try_member(org_id, user_id) is not true;
    old auth.roles := auth_internal.role_of(org_id, user_id);
    granted auth.roles := auth_internal.granted_role(org_id, role);
begin
    if granted.rank > old.rank then
        perform auth_internal.share('organization', org_id);
        perform auth_internal.wait_for_member(org_id, user_id);
        is_held := false;
        -- Again: both may have been changed while this waited.
        actor := auth_internal.acting_role(org_id, 'members.write');
        old := auth_internal.role_of(org_id, user_id);
    end if;
    if old.id is null then
        perform auth_internal.refuse_member();
    end if;
    -- Nobody has a higher rank than their own: of those who change themselves only owners come further.
    perform auth_internal.demand_seniority(actor, old);
    perform auth_internal.demand_grant(actor, granted);
    if old.id = auth_internal.owner_role() and granted.id <> old.id then
        perform auth_internal.demand_other_owner(org_id, user_id);
    end if;
    perform auth_internal.change_role(org_id, user_id, granted.id, actor.rank, is_held);
    perform auth_internal.lower_workspace_roles(org_id, user_id, granted);
    perform auth_internal.demand_handing_on(org_id, null);
    if granted.id <> old.id then
        perform auth_internal.audit('member.set_role', org_id, org_id::text, user_id,
                                    jsonb_build_object('role', auth_internal.role_name(granted), 'was', auth_internal.role_name(old)));
    end if;
end
$$;
comment on function auth.set_member_role is
    'With members.write: gives a member another role, also in workspaces where theirs would be higher than that. Their old role must have a lower rank than the caller''s own, and the new one be one that the caller may grant; an owner may change everybody, themselves too. A lower role waits for nobody but, where an owner is changed, for others who do so. 22023 for an unknown member or role, 42501 when the caller may not or the last owner would go, 55P03 after 2 seconds of waiting, 28000 without an identity.';

create or replace function auth.remove_member(org_id uuid, user_id text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    leaves boolean := coalesce(user_id = auth_internal.acting_user(), false);
    actor auth.roles := case when leaves then auth_internal.enter_own_ending(org_id)
                             else auth_internal.enter_ending(org_id, 'members.write') end;
    old auth.roles;
begin
    perform auth_internal.try_member(org_id, user_id);
    old := auth_internal.role_of(org_id, user_id);
    if old.id is null then
        perform auth_internal.refuse_member();
    end if;
    if not leaves then
        perform auth_internal.demand_seniority(actor, old);
    end if;
    if old.id = auth_internal.owner_role() then
        perform auth_internal.demand_other_owner(org_id, user_id);
    end if;
    perform auth_internal.delete_member(org_id, user_id, case when leaves then 1000 else actor.rank end);
    perform auth_internal.audit('member.remove', org_id, org_id::text, user_id,
                                jsonb_build_object('was', auth_internal.role_name(old)));
end
$$;
comment on function auth.remove_member is
    'With members.write: removes a member, whose role must have a lower rank than the caller''s own (an owner removes everybody), from the organization and its workspaces. Their API keys there end, and open invitations that they made or could come back by. Anybody may remove themselves. Waits for nobody, but where an owner is removed for others who do so. 22023 for an unknown member, 42501 when the caller may not or the last owner would go, 55P03 after 2 seconds of waiting, 28000 without an identity.';

create or replace function auth.leave_organization(org_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth.remove_member(org_id, auth_internal.leaving_user());
end
$$;
comment on function auth.leave_organization is
    'Ends the caller''s own membership of the organization and its workspaces, as auth.remove_member() does. 42501 when they are no member, or its last owner, 55P03 after 2 seconds of waiting, 28000 without an identity.';

create or replace function auth.list_members(org_id uuid default null)
    returns table (user_id text, role text, rank integer, created_at timestamptz, created_by text, accepted boolean,
                   left_out boolean)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := coalesce(list_members.org_id, auth.current_org());
begin
    perform auth_internal.read_organization(its_org, 'members.read');
    return query
        select m.user_id, auth_internal.role_name(r), r.rank, m.created_at, m.created_by, a.accepted,
               not a.accepted and not m.suspended and auth_internal.is_left_out(m.user_id, m.org_id)
          from auth_internal.live_memberships m cross join lateral auth_internal.live_role(m.role_id) r
         cross join lateral (select auth_internal.is_accepted(m.accepted, m.created_by, m.user_id) as accepted) a
         where m.org_id = its_org
         order by r.rank desc, m.user_id;
end
$$;
comment on function auth.list_members is
    'With members.read: the members of an organization, for NULL of the current one, and their roles; the highest first. accepted is false where another user added them and they never confirmed it, left_out true where that does not count because others gave them too many memberships. 42501 when the caller may not or it is unknown or not his, 28000 without an identity.';
