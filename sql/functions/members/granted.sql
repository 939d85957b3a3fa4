-- What users give to others: how much of it, and how these accept it. Of too many, authenticate leaves some out
-- (src/verify/granted.rs): the functions here keep it from coming to that.

create or replace function auth_internal.is_accepted(accepted boolean, created_by text, user_id text) returns boolean
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select coalesce(is_accepted.accepted, is_accepted.created_by is null or is_accepted.created_by = is_accepted.user_id)
$$;
comment on function auth_internal.is_accepted is
    'Did the user make the membership or accept it, or did a service or an administrator make it? Where the row does not say, whoever made it does.';

-- Does what its user never accepted count? That of an organization, or with a workspace that of both.
create or replace function auth_internal.is_left_out(user_id text, org_id uuid, workspace_id uuid default null) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select not (is_left_out.org_id = any (auth_internal.counted_organizations(is_left_out.user_id))
                and (is_left_out.workspace_id is null
                     or is_left_out.workspace_id = any (auth_internal.counted_workspaces(is_left_out.user_id))))
$$;
comment on function auth_internal.is_left_out is
    'Is this membership, which is not suspended, one of too many that others gave the user?';

-- Of one giver, other sessions wait, so that they cannot give more together. Nobody else waits.
create or replace function auth_internal.demand_acceptable(user_id text, in_workspaces boolean) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    giver text := auth_internal.acting_user();
    obstacle text;
begin
    if giver is null or giver = user_id then
        return;
    end if;
    perform auth_internal.take_lock('grant ' || jsonb_build_array(giver, user_id)::text,
                                    '00000000-0000-0000-0000-000000000000', true, true);
    obstacle := auth_internal.grant_obstacle(user_id, giver, in_workspaces);
    if obstacle is not null then
        raise program_limit_exceeded using
            message = case when obstacle = 'pg_bearer.max_granted_by_one' then 'you have given this user as many memberships as you may'
                           else 'others have given this user as many memberships as they may' end,
            hint = format('Invite them, or ask them to confirm what they have (%s).', obstacle);
    end if;
end
$$;
comment on function auth_internal.demand_acceptable is
    '54000 where a user has been given as many memberships of organizations, or of workspaces, as others may give; nothing for what the user does, a service or an administrator.';

-- Not what the identity has, which may have been made without this membership. Whoever holds a row may be ending it.
create or replace function auth.confirm_membership(org_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    me text := auth_internal.user_in_person('only a user can confirm a membership');
    was_confirmed boolean;
begin
    perform from auth_internal.live_memberships m join auth_internal.live_organizations o on o.id = m.org_id
      where m.user_id = me and m.org_id = confirm_membership.org_id
        and not m.suspended and o.disabled_at is null and auth_internal.issuer_reaches(m.org_id);
    if not found then
        perform auth_internal.refuse_target('organization');
    end if;
    perform auth_internal.demand_scopes((auth_internal.role_of(org_id, me)).permissions);
    perform auth_internal.demand_scopes((auth_internal.live_role(m.role_id)).permissions)
       from auth_internal.live_workspace_memberships m
      where m.user_id = me and m.org_id = confirm_membership.org_id;
    with free as (
        select m.id from auth.memberships m
         where m.user_id = me and m.org_id = confirm_membership.org_id
           and not auth_internal.is_accepted(m.accepted, m.created_by, m.user_id)
           for no key update skip locked)
    update auth.memberships m set accepted = true
      from free where m.user_id = me and m.org_id = confirm_membership.org_id and m.id = free.id;
    was_confirmed := not found;
    with free as (
        select m.id, m.workspace_id from auth.workspace_memberships m
         where m.user_id = me and m.org_id = confirm_membership.org_id
           and not auth_internal.is_accepted(m.accepted, m.created_by, m.user_id)
           for no key update skip locked)
    update auth.workspace_memberships m set accepted = true
      from free where m.user_id = me and m.workspace_id = free.workspace_id and m.id = free.id;
    was_confirmed := was_confirmed and not found;
    perform from auth.memberships m
      where m.user_id = me and m.org_id = confirm_membership.org_id
        and not auth_internal.is_accepted(m.accepted, m.created_by, m.user_id)
    union all
    select from auth.workspace_memberships m
      where m.user_id = me and m.org_id = confirm_membership.org_id
        and not auth_internal.is_accepted(m.accepted, m.created_by, m.user_id);
    if found then
        perform auth_internal.refuse_busy_member();
    end if;
    if not was_confirmed then
        perform auth_internal.audit('member.confirm', org_id, org_id::text, me);
    end if;
end
$$;
comment on function auth.confirm_membership is
    'Accepts the caller''s own membership of an organization, and of the workspaces they have there now: it counts however much others give, from their next auth.authenticate() on, also where it was left out. Idempotent. 42501 when the organization is unknown or disabled or not theirs or NULL, for a service and an API key, 55P03 when somebody is changing a membership there at this moment, 28000 without an identity.';
