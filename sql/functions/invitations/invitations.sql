-- Invitations. The token is shown once and only its hash is kept. Whoever invites must still be allowed to
-- when the invitation is accepted.

create or replace function auth_internal.token_hash(token text) returns bytea
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    return sha256(convert_to(token, 'UTF8'));
end
$$;
comment on function auth_internal.token_hash is 'What is kept of a token.';

-- When an invitation of this duration ends; 22023 for a duration that is not allowed.
create or replace function auth_internal.invitation_end(expires_in interval) returns timestamptz
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    start timestamptz := clock_timestamp();
begin
    -- First without adding, which fails for huge intervals.
    if (expires_in between '1 minute' and '400 days') is true then
        if start + expires_in between start + interval '1 minute' and start + interval '1 year' then
            return start + expires_in;
        end if;
    end if;
    raise invalid_parameter_value using
        message = 'expires_in has a value that is not allowed', hint = 'Use 1 minute to 1 year.';
end
$$;
comment on function auth_internal.invitation_end is 'When an invitation of this duration ends; 22023 unless it is 1 minute to 1 year.';

-- May somebody with this role give out the role, and the workspace if there is one?
create or replace function auth_internal.may_invite(inviter auth.roles, granted auth.roles, workspace_id uuid) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select (auth_internal.permission_covers(inviter.permissions, 'invitations.write')
            and (workspace_id is null or auth_internal.permission_covers(inviter.permissions, 'workspaces.write'))
            and auth_internal.may_grant(inviter, granted)) is true
$$;
comment on function auth_internal.may_invite is 'May a member with the first role invite others to have the second one, and to this workspace?';

create or replace function auth.create_invitation(
    org_id uuid, role text default 'member', email text default null, workspace_id uuid default null,
    expires_in interval default '7 days'
) returns table (invitation_id uuid, token text, expires_at timestamptz)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := auth_internal.enter_organization(org_id, 'invitations.write');
    granted auth.roles := auth_internal.granted_role(org_id, role);
    own_membership uuid := (select m.id from auth_internal.live_memberships m
                             where m.org_id = create_invitation.org_id and m.user_id = auth_internal.acting_user());
    violated text;
begin
    if workspace_id is not null then
        perform auth_internal.share('workspace', workspace_id);
        if auth_internal.workspace_org(workspace_id) is distinct from org_id then
            perform auth_internal.refuse_target('workspace');
        end if;
        perform auth_internal.demand_permission(actor, 'workspaces.write');
        perform auth_internal.demand_scopes('{workspaces.write}');
    end if;
    perform auth_internal.demand_grant(actor, granted);
    -- The invitation ends with it.
    if own_membership is null and auth_internal.acting_user() is not null then
        perform auth_internal.refuse_target('organization');
    end if;
    perform auth_internal.demand_creatable('invitations', org_id);
    token := 'inv_' || auth_internal.random_token();
    expires_at := auth_internal.invitation_end(expires_in);
    insert into auth.invitations (org_id, workspace_id, email, role_id, token_hash, created_by, membership_id, expires_at)
    values (create_invitation.org_id, create_invitation.workspace_id, auth_internal.folded(create_invitation.email), granted.id,
            auth_internal.token_hash(create_invitation.token), auth_internal.acting_user(),
            own_membership, create_invitation.expires_at)
    returning invitations.id into invitation_id;
    perform auth_internal.demand_handing_on(org_id, null);
    perform auth_internal.audit('invitation.create', org_id, invitation_id::text, null,
                                jsonb_build_object('role', auth_internal.role_name(granted), 'workspace_id', workspace_id));
    return next;
exception
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('invitations', violated);
end
$$;
comment on function auth.create_invitation is
    'With invitations.write, for a workspace workspaces.write too: invites whoever has the token, or only the one with this verified e-mail address, to a role that the caller may grant. The token is shown this once. expires_in is 1 minute to 1 year. 22023 for an unknown role or a value that is not allowed, 42501 when the caller may not or the organization or workspace is unknown or not his, 54000 for a user where pg_bearer.max_invitations are open in the organization or of theirs, or who created too many in an hour, 28000 without an identity.';

create or replace function auth.list_invitations(org_id uuid default null)
    returns table (invitation_id uuid, email text, role text, workspace_id uuid, created_by text,
                   created_at timestamptz, expires_at timestamptz, accepted_at timestamptz,
                   accepted_by text, revoked_at timestamptz)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := coalesce(list_invitations.org_id, auth.current_org());
begin
    perform auth_internal.read_organization(its_org, 'invitations.read');
    return query
        select i.id, i.email, auth_internal.role_name(r), i.workspace_id, i.created_by, i.created_at, i.expires_at,
               i.accepted_at, i.accepted_by,
               coalesce(i.revoked_at, (select min(e.ended_at) from auth.endings e where e.target_id = i.id))
          from auth.invitations i left join lateral auth_internal.live_role(i.role_id) r on true
         where i.org_id = its_org
         order by i.created_at, i.id;
end
$$;
comment on function auth.list_invitations is
    'With invitations.read: the invitations of an organization, for NULL of the current one, without their tokens. 42501 when the caller may not or it is unknown or not his, 28000 without an identity.';

create or replace function auth.revoke_invitation(invitation_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := (select i.org_id from auth.invitations i where i.id = revoke_invitation.invitation_id);
begin
    perform auth_internal.demand_own(its_org, 'invitation');
    perform auth_internal.enter_ending(its_org, 'invitations.write');
    perform auth_internal.end_invitation(invitation_id, its_org);
    perform from auth.invitations i where i.id = revoke_invitation.invitation_id and i.accepted_at is not null;
    if found then
        raise invalid_parameter_value using
            message = 'the invitation was accepted', hint = 'auth.remove_member() removes the member.';
    end if;
end
$$;
comment on function auth.revoke_invitation is
    'With invitations.write: makes an invitation worth nothing. Waits for nobody: whoever is accepting it at the moment becomes no member. Idempotent. 22023 when it was accepted, 42501 when the caller may not or it is unknown or not theirs or NULL, 28000 without an identity.';

-- Does everything about the invitation still hold, besides being open?
create or replace function auth_internal.invitation_holds(invitation auth.invitations) returns boolean
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    granted auth.roles := auth_internal.live_role(invitation.role_id);
begin
    return granted.id is not null
       and auth_internal.issuer_reaches(invitation.org_id)
       and (invitation.email is null
            or auth.email_verified() and auth_internal.folded(auth.email()) = invitation.email)
       and (invitation.workspace_id is null
            or auth_internal.workspace_org(invitation.workspace_id) = invitation.org_id)
       and (invitation.created_by is null
            or auth_internal.may_invite(auth_internal.role_of(invitation.org_id, invitation.created_by), granted,
                               invitation.workspace_id));
end
$$;
comment on function auth_internal.invitation_holds is 'May this user accept it, and may whoever invited him still do so?';

-- The invitation that a token is for, with its organization and workspace kept from going; NULL when there is none.
create or replace function auth_internal.enter_invitation(token text) returns auth.invitations
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    invitation auth.invitations;
begin
    -- The length first: texts so long that a regular expression cannot hold them are refused like all others.
    if octet_length(token) = 47 and token ~ '^inv_[A-Za-z0-9_-]{43}$' then
        select i.* into invitation
          from auth.invitations i where i.token_hash = auth_internal.token_hash(enter_invitation.token);
        perform auth_internal.share('organization', invitation.org_id);
        perform auth_internal.share('workspace', invitation.workspace_id);
        perform auth_internal.share_role(invitation.role_id);
        perform auth_internal.refuse_stale(invitation.org_id, invitation.created_by);
    end if;
    perform from auth_internal.live_organizations o where o.id = invitation.org_id and o.disabled_at is null;
    if not found then
        return null;
    end if;
    return invitation;
end
$$;
comment on function auth_internal.enter_invitation is 'The invitation that a token is for, kept from going with its organization; NULL when there is none or that is disabled.';

create or replace function auth.accept_invitation(token text) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    invited text := auth_internal.user_in_person('only a user can accept an invitation');
    invitation auth.invitations := auth_internal.enter_invitation(token);
begin
    -- It works once, also after a crash.
    perform auth_internal.commit_durably();
    -- Of several who show the token at once, one changes the row.
    update auth.invitations i
       set accepted_at = clock_timestamp(), accepted_by = invited,
           accepted_email = case when auth.email_verified() then auth_internal.folded(auth.email()) end
     where i.id = invitation.id and i.id in (select o.id from auth_internal.open_invitations o where o.id = invitation.id)
       and i.accepted_at is null and i.revoked_at is null and i.expires_at > clock_timestamp()
       and auth_internal.invitation_holds(i)
    returning i.* into invitation;
    if not found then
        raise insufficient_privilege using
            message = 'the invitation is not valid', hint = 'Ask for a new one.';
    end if;
    perform auth_internal.demand_scopes((auth_internal.live_role(invitation.role_id)).permissions);
    perform auth_internal.insert_member(invitation.org_id, invited, invitation.role_id, invitation.created_by);
    update auth.memberships m set invitation_id = invitation.id
     where m.org_id = invitation.org_id and m.user_id = invited;
    if invitation.workspace_id is not null then
        perform auth_internal.insert_workspace_member(invitation.workspace_id, invited, invitation.role_id,
                                             invitation.created_by);
    end if;
    perform auth_internal.audit('invitation.accept', invitation.org_id, invitation.id::text, invited,
                                jsonb_build_object('role', auth_internal.role_name(auth_internal.live_role(invitation.role_id)),
                                                   'workspace_id', invitation.workspace_id));
    return invitation.org_id;
end
$$;
comment on function auth.accept_invitation is
    'Makes the user a member by an invitation and returns the organization; takes effect with their next auth.authenticate(). Pass the token as a bind parameter. 42501 for everything that is wrong with the token, NULL included: unknown, expired, used, revoked, for another or an unverified e-mail address, the organization disabled, the inviter no longer allowed to; 42501 for a service and an API key; 23505 when they are a member already, which leaves the invitation as it is; 55P03 when somebody is disabling or deleting the organization for 2 seconds; 28000 without an identity.';
