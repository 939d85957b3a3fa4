-- What auth.lint() says about who counts as an administrator, and about roles of ours that somebody changed. Roles are those of
-- the whole server.

create or replace function auth_internal.our_roles() returns table (name text, role_oid oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    -- What the extension gave to the role or has from it: another one of the same name is none of ours.
    select o.name, r.oid
      from unnest(array['bearer_owner', 'bearer_users', 'bearer_admin', 'bearer_service']) o (name)
      left join pg_roles r
             on r.rolname = o.name
            and case o.name when 'bearer_owner' then exists (select from pg_class c where c.oid = 'auth.issuers'::regclass and c.relowner = r.oid)
                            when 'bearer_users' then exists (select from pg_class c where c.oid = 'auth.users'::regclass and c.relowner = r.oid)
                            when 'bearer_admin' then exists (select from pg_proc p cross join lateral aclexplode(p.proacl) x
                                                              where p.oid in ('auth.list_issuers()'::regprocedure, 'auth.list_membership_sources()'::regprocedure)
                                                                and x.grantee = r.oid)
                            else true end
$$;
comment on function auth_internal.our_roles is 'The roles of the extension, and their numbers; NULL for one that is missing, also where another role has its name.';

-- A superuser needs no grant.
create or replace function auth_internal.role_members()
    returns table (role name, member name, can_admin boolean, revoke_admin text, revoke_all text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select o.rolname, d.rolname, m.admin_option,
           format('revoke admin option for %I from %I%s', o.rolname, d.rolname, g.granted),
           format('revoke %I from %I%s', o.rolname, d.rolname, g.granted)
      from pg_auth_members m
      join pg_roles o on o.oid = m.roleid
      join pg_roles d on d.oid = m.member and not d.rolsuper
     cross join lateral (
          -- From 16 on a grant belongs to whoever made it.
          select case when current_setting('server_version_num')::integer < 160000 then ' cascade'
                      else format(' granted by %I cascade', pg_get_userbyid(m.grantor)) end as granted) g
$$;
comment on function auth_internal.role_members is 'Which roles are members of others, and the SQL that takes it away.';

create or replace function auth_internal.lint_administrators()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'administrator', 'info', quote_ident(m.member),
           'the role counts as an administrator of pg_bearer where it has the rights of bearer_admin, by inheritance or SET ROLE, and so does who has its rights'
               || coalesce(': ' || (select string_agg(quote_ident(l.rolname), ', ' order by l.rolname collate "C")
                                      from pg_roles l
                                     where not l.rolsuper and l.rolname <> m.member and pg_has_role(l.oid, m.member, 'member')), ''),
           m.revoke_all, null::oid
      from auth_internal.role_members() m where m.role = 'bearer_admin'
    union all
    select 'owner_has_members', 'error', quote_ident(m.member),
           format('the role is a member of %I, which nobody is to be: it reads and writes %s past every check', m.role,
                  case m.role when 'bearer_users' then 'users' else 'secrets, keys and memberships' end),
           m.revoke_all, null::oid
      from auth_internal.role_members() m where m.role in ('bearer_owner', 'bearer_users')
    union all
    select 'administrator_reachable', 'warning', format('%s for %s', quote_ident(m.role), quote_ident(m.member)),
           'the role may grant itself the rights of bearer_admin (ADMIN OPTION)', m.revoke_admin, null::oid
      from auth_internal.role_members() m
      join auth_internal.our_roles() a on a.name = 'bearer_admin'
     where m.can_admin and (pg_has_role(m.role, a.role_oid, 'member') or m.role = 'bearer_owner')
    union all
    select 'administrator', 'info', quote_ident(m.member), format('the role can become the superuser %I', m.role), m.revoke_all, null::oid
      from auth_internal.role_members() m join pg_roles s on s.rolname = m.role and s.rolsuper
    union all
    select 'administrator_reachable', 'warning', quote_ident(r.rolname),
           'the role may grant itself bearer_admin and bearer_owner: before PostgreSQL 16, CREATEROLE lets it grant every role but superusers',
           format('alter role %I nocreaterole', r.rolname), null::oid
      from pg_roles r
     where r.rolcreaterole and not r.rolsuper and current_setting('server_version_num')::integer < 160000
       and r.rolname not in (select o.name from auth_internal.our_roles() o)
$$;
comment on function auth_internal.lint_administrators is 'Findings of auth.lint() about who counts, or can make itself, an administrator.';

create or replace function auth_internal.lint_our_roles()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'role_missing', 'error', o.name,
           'the role was renamed, and what needs it fails'
               || case when t.named is null then ': no SQL can tell what it is called now' else '' end,
           (select format('alter role %I rename to %I', pg_get_userbyid(c.relowner), o.name) from pg_class c where c.oid = t.named), null::oid
      from auth_internal.our_roles() o
     cross join lateral (select case o.name when 'bearer_owner' then 'auth.issuers'::regclass
                                            when 'bearer_users' then 'auth.users'::regclass end as named) t
     where o.role_oid is null
    union all
    select 'role_altered', 'error', o.name, 'the role has more rights than it is made with: it is not to log in, nor to have attributes',
           format('alter role %I nologin nosuperuser nobypassrls nocreaterole nocreatedb noreplication', o.name), null::oid
      from auth_internal.our_roles() o join pg_roles r on r.oid = o.role_oid
     where r.rolcanlogin or r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication
    union all
    select 'role_altered', 'error', format('%s for %s', quote_ident(m.role), o.name),
           'the role is a member of another one, and whoever has its rights has those too', m.revoke_all, null::oid
      from auth_internal.our_roles() o
      join pg_roles r on r.oid = o.role_oid
      join auth_internal.role_members() m on m.member = r.rolname
$$;
comment on function auth_internal.lint_our_roles is 'Findings of auth.lint() about roles of the extension that somebody renamed or gave rights.';

create or replace function auth_internal.lint_issuers()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'names_other_users', 'error', format('issuer %L', i.issuer),
           'the issuer is limited to organizations, and its tokens name users of other issuers, whose prefix is the same or begins so: in tables that go by the user alone they see the rows of those. '
               'A user_id_prefix of its own keeps them apart (auth.update_issuer); it renames its users, so no SQL can tell what of theirs is to be renamed with them',
           null::text, null::oid
      from auth.issuers i
     where cardinality(i.org_ids) > 0
       and exists (select from auth.issuers o
                    where o.id <> i.id
                      and (i.user_id_prefix = '' or o.user_id_prefix <> '' and starts_with(o.user_id_prefix, i.user_id_prefix)
                           or cardinality(o.org_ids) > 0 and starts_with(i.user_id_prefix, o.user_id_prefix)))
$$;
comment on function auth_internal.lint_issuers is 'Findings of auth.lint() about issuers whose tokens can name users of others.';
