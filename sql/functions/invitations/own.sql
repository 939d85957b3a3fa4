-- Invitations as those see them who were invited.

create or replace function auth.list_own_invitations()
    returns table (invitation_id uuid, org_id uuid, organization text, role text, workspace_id uuid, created_at timestamptz, expires_at timestamptz)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse_restricted_operation();
    perform auth.require_authenticated();
    perform auth_internal.refuse_api_key();
    return query
        select i.id, i.org_id, o.name, auth_internal.role_name(r), i.workspace_id, i.created_at, i.expires_at
          from auth.invitations i
          join auth_internal.open_invitations p on p.id = i.id
          join auth_internal.live_organizations o on o.id = i.org_id and o.disabled_at is null
         cross join lateral auth_internal.live_role(i.role_id) r
         where i.email = auth_internal.folded(auth.email()) and auth.email_verified()
           and auth_internal.invitation_holds(i)
         order by i.created_at, i.id;
end
$$;
comment on function auth.list_own_invitations is
    'Users: the open invitations for their verified e-mail address, without tokens: whoever has the token accepts it. Nothing for an address that is not verified. 42501 for an API key, 28000 without an identity.';

create or replace function auth.decline_invitation(invitation_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    invitation record;
begin
    perform auth_internal.user_in_person('only a user can decline an invitation');
    perform auth_internal.commit_durably();
    select i.id, i.org_id into invitation
      from auth_internal.open_invitations i
     where i.id = decline_invitation.invitation_id and i.email = auth_internal.folded(auth.email()) and auth.email_verified()
       and auth_internal.issuer_reaches(i.org_id);
    if not found then
        perform auth_internal.refuse_target('invitation');
    end if;
    perform auth_internal.end_invitation(invitation.id, invitation.org_id);
end
$$;
comment on function auth.decline_invitation is
    'Users: makes an open invitation for their verified e-mail address worth nothing. 42501 for any other invitation, an API key and whoever acts for the user, 28000 without an identity.';
