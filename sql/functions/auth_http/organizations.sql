-- Organizations, their members and invitations.

create or replace function auth_http.list_organizations()
    returns table (id uuid, slug text, name text, external_id text, role text, created_at timestamptz)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select o.org_id, o.slug, o.name, o.external_id, o.role, o.created_at from auth.list_organizations() o
$$;
comment on function auth_http.list_organizations is 'Whoever is signed in: their organizations, as in auth.list_organizations(). Errors as there.';

create or replace function auth_http.create_organization(name text, slug text default null) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    made constant uuid := auth.create_organization(create_organization.name, slug => create_organization.slug);
begin
    perform auth_internal.http_answer(201, false);
    return jsonb_build_object('id', made, 'name', create_organization.name, 'slug', create_organization.slug);
end
$$;
comment on function auth_http.create_organization is
    'Whoever may call auth.create_organization(): an organization that belongs to them: {id, name, slug}, with 201. NULL and errors as there.';

create or replace function auth_http.list_members(org_id uuid default null)
    returns table (user_id text, role text, created_at timestamptz, accepted boolean)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select m.user_id, m.role, m.created_at, m.accepted from auth.list_members(list_members.org_id) m
$$;
comment on function auth_http.list_members is 'Whoever may call auth.list_members(): the members of an organization, NULL: of the current one. Errors as there.';

create or replace function auth_http.set_member_role(user_id text, role text, org_id uuid default null) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    its_org constant uuid := coalesce(set_member_role.org_id, auth.current_org());
begin
    perform auth.set_member_role(its_org, set_member_role.user_id, set_member_role.role);
    return jsonb_build_object('org_id', its_org, 'user_id', set_member_role.user_id, 'role', set_member_role.role);
end
$$;
comment on function auth_http.set_member_role is
    'Whoever may call auth.set_member_role(), for org_id NULL in the current organization: {org_id, user_id, role}. NULL and errors as there.';

create or replace function auth_http.remove_member(user_id text, org_id uuid default null) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    its_org constant uuid := coalesce(remove_member.org_id, auth.current_org());
begin
    perform auth.remove_member(its_org, remove_member.user_id);
    return jsonb_build_object('org_id', its_org, 'user_id', remove_member.user_id, 'removed', true);
end
$$;
comment on function auth_http.remove_member is
    'Whoever may call auth.remove_member(), for org_id NULL in the current organization: {org_id, user_id, removed}. NULL and errors as there.';

create or replace function auth_http.list_invitations(org_id uuid default null)
    returns table (id uuid, email text, role text, workspace_id uuid, created_at timestamptz, expires_at timestamptz,
                   accepted_at timestamptz, revoked_at timestamptz)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select i.invitation_id, i.email, i.role, i.workspace_id, i.created_at, i.expires_at, i.accepted_at, i.revoked_at
      from auth.list_invitations(list_invitations.org_id) i
$$;
comment on function auth_http.list_invitations is 'Whoever may call auth.list_invitations(): the invitations of an organization, NULL: of the current one. Errors as there.';

create or replace function auth_http.create_invitation(
    role text default 'member', email text default null, workspace_id uuid default null, expires_in interval default '7 days',
    org_id uuid default null
) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    made record;
begin
    select i.* into made
      from auth.create_invitation(coalesce(create_invitation.org_id, auth.current_org()), create_invitation.role, create_invitation.email,
                                  create_invitation.workspace_id, create_invitation.expires_in) i;
    perform auth_internal.http_answer(201, true);
    return jsonb_build_object('id', made.invitation_id, 'token', made.token, 'expires_at', made.expires_at);
end
$$;
comment on function auth_http.create_invitation is
    'Whoever may call auth.create_invitation(), for org_id NULL into the current organization: {id, token, expires_at}, with 201. The token is never shown again. NULL and errors as there.';

create or replace function auth_http.accept_invitation(token text) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    org constant uuid := auth.accept_invitation(accept_invitation.token);
begin
    return jsonb_build_object('org_id', org);
end
$$;
comment on function auth_http.accept_invitation is 'Users: become a member by an invitation: {org_id}. NULL and errors as auth.accept_invitation().';

create or replace function auth_http.revoke_invitation(id uuid) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
    perform auth.revoke_invitation(revoke_invitation.id);
    return jsonb_build_object('id', revoke_invitation.id, 'revoked', true);
end
$$;
comment on function auth_http.revoke_invitation is 'Whoever may call auth.revoke_invitation(): {id, revoked}. NULL and errors as there.';
