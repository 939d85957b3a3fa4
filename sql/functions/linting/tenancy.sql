-- What auth.lint() says about tenants: what there is more of than quotas allow, and roles that are shown under another name.

create or replace function auth_internal.lint_quotas()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    -- It is nobody's in particular, and to be counted in whole tables.
    if not auth_internal.has_rights_of(0) then
        return;
    end if;
    return query
    select 'over_quota', 'info', c.whose,
           format('%s %s, and pg_bearer.max_%s is %s: these stay, users create no more, and no SQL can tell which are needed',
                  c.number, c.what, c.kind, auth_internal.quota(c.kind)), null::text, null::oid
      from (select 'organizations' as kind, 'organizations' as what, format('user %L', o.created_by) as whose, count(*) as number
              from auth.organizations o where o.created_by is not null group by o.created_by
            union all
            select 'workspaces', 'workspaces', format('organization %L', w.org_id), count(*)
              from auth.workspaces w group by w.org_id
            union all
            select 'roles', 'roles of its own', format('organization %L', r.org_id), count(*)
              from auth.roles r where r.org_id is not null group by r.org_id
            union all
            select 'invitations', 'open invitations', format('organization %L', i.org_id), count(*)
              from auth.invitations i
             where i.accepted_at is null and i.revoked_at is null and i.expires_at > clock_timestamp()
             group by i.org_id
            union all
            select 'invitations', 'open invitations', format('user %L', i.created_by), count(*)
              from auth.invitations i
             where i.created_by is not null and i.accepted_at is null and i.revoked_at is null
               and i.expires_at > clock_timestamp()
             group by i.created_by) c
     where c.number > auth_internal.quota(c.kind);
end
$$;
comment on function auth_internal.lint_quotas is 'Findings of auth.lint() about what there is more of than quotas allow.';

create or replace function auth_internal.lint_role_names()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'role_renamed', 'info', format('role %s of organization %L', auth_internal.role_name(r), r.org_id),
           format('every organization has a role %1$s, so this one is %1$s:own: no policy that compares with %1$s means it, and no SQL can tell which of the two its members should have',
                  r.name), null::text, null::oid
      from auth.roles r
     where r.org_id is not null
       and exists (select from auth.roles g where g.org_id is null and g.name = r.name)
$$;
comment on function auth_internal.lint_role_names is 'Findings of auth.lint() about roles whose name administrators gave to one of every organization.';
