-- What auth.lint() says about the tenants' own data, to administrators alone.

create or replace function auth_internal.lint_granted()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    most integer := current_setting('pg_bearer.max_granted_memberships', true)::integer;
    -- So many memberships are looked at, and so many users named.
    looked_at constant integer := 1000000;
    named constant integer := 100;
begin
    if not auth_internal.has_rights_of(0) then
        return;
    end if;
    return query
    select 'too_much_granted', 'warning', quote_literal(g.user_id),
           format('others made the user a member of %s %s, of which they accepted none; those beyond pg_bearer.max_granted_memberships (%s) do not count, '
                  'and no SQL can tell which are wanted: the user confirms those (auth.confirm_membership), their admins remove the others',
                  g.given, g.kind, most), null::text, null::oid
      from (select m.user_id, 'organizations' as kind, count(*) as given
              from (select n.user_id, n.created_by, n.accepted from auth.memberships n
                     where n.accepted is not true limit looked_at) m
             where not auth_internal.is_accepted(m.accepted, m.created_by, m.user_id)
             group by m.user_id having count(*) > most
            union all
            select m.user_id, 'workspaces', count(*)
              from (select n.user_id, n.created_by, n.accepted from auth.workspace_memberships n
                     where n.accepted is not true limit looked_at) m
             where not auth_internal.is_accepted(m.accepted, m.created_by, m.user_id)
             group by m.user_id having count(*) > most) g
     order by g.given desc, g.user_id limit named;
end
$$;
comment on function auth_internal.lint_granted is 'Findings of auth.lint() about users whom others gave more memberships than count.';
