-- What auth.lint() says about roles, grants, and who else gets the rows.

create or replace function auth_internal.lint_grants(namespaces oid[], tables oid[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with relations as materialized (
        select c.oid, c.relowner, c.relacl from pg_class c
         where c.relkind in ('r', 'p') and c.relnamespace = any (namespaces)
           and (c.relrowsecurity or c.oid = any (tables))
           and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                              and d.deptype = 'e')),
    grants as (
        select r.oid, r.relowner, x.grantor, x.grantee, x.privilege_type
          from relations r cross join lateral aclexplode(r.relacl) x
        union
        select r.oid, r.relowner, x.grantor, x.grantee, x.privilege_type
          from relations r join pg_attribute a on a.attrelid = r.oid and a.attacl is not null
          cross join lateral aclexplode(a.attacl) x),
    risks as (
        select * from (values
            ('TRUNCATE', 'truncate_granted', 'error', 'TRUNCATE asks no policy: %s can remove the rows of every organization'),
            ('TRIGGER', 'trigger_granted', 'error', '%s can add a trigger, whose code runs as whoever writes, also as a service'),
            ('REFERENCES', 'references_granted', 'warning', '%s can refer to rows, which shows whether there are any, also of other organizations')
        ) r (privilege_type, code, severity, message))
    select k.code, k.severity, format('%s for %s', g.oid::regclass, n.name), format(k.message, n.name),
           -- Whoever passed it on was given the right to.
           case when g.grantor = g.relowner
                then format('revoke %s on %s from %s cascade', lower(k.privilege_type), auth_internal.qualified(g.oid), n.name)
                else format('revoke grant option for %s on %s from %I cascade', lower(k.privilege_type), auth_internal.qualified(g.oid),
                            pg_get_userbyid(g.grantor)) end, g.relowner
      from grants g join risks k on k.privilege_type = g.privilege_type
      cross join lateral (
           select case g.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(g.grantee)) end as name) n
     where g.grantee <> g.relowner and not exists (select from pg_roles r where r.oid = g.grantee and r.rolsuper)
    union all
    select 'create_granted', 'warning', n.oid::regnamespace::text,
           'everybody may create in the schema: functions and operators there are taken for yours',
           format('revoke create on schema %s from public', n.oid::regnamespace), n.nspowner
      from pg_namespace n
     where n.oid = any (namespaces) and exists (select from pg_class c join relations r on r.oid = c.oid where c.relnamespace = n.oid)
       and exists (select from aclexplode(n.nspacl) x where x.grantee = 0 and x.privilege_type = 'CREATE')
    union all
    select 'temporary_granted', 'warning', format('%s for %s', quote_ident(d.datname), n.name),
           'rows copied to a temporary table have no policies, and stay there for the next client of a pooled connection',
           format('revoke temporary on database %I from %s cascade', d.datname, n.name), d.datdba
      from pg_database d
      cross join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) x
      cross join lateral (
           select case x.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(x.grantee)) end as name) n
     where d.datname = current_database() and x.privilege_type = 'TEMPORARY' and x.grantee <> d.datdba
       and not exists (select from pg_roles r where r.oid = x.grantee and r.rolsuper)
       and exists (select from relations)
$$;
comment on function auth_internal.lint_grants is 'Findings of auth.lint() about grants.';

-- Who may own tables instead of their owner: whoever has tables already, cannot log in, and cannot be taken on by anybody but
-- superusers and that owner, who have these tables already. Whoever can grant a role can take it on.
create or replace function auth_internal.lint_keeper(owner oid, candidates oid[]) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with recursive reach (candidate, member) as (
        select m.roleid, m.member from pg_auth_members m where m.roleid = any (lint_keeper.candidates)
        union
        select h.candidate, m.member from reach h join pg_auth_members m on m.roleid = h.member
         where h.member <> lint_keeper.owner)
    select min(r.rolname::text) from pg_roles r
     where r.oid = any (lint_keeper.candidates) and not r.rolcanlogin and not r.rolsuper and not r.rolbypassrls
       -- The owner of the database is a member of pg_database_owner without being one in the catalog.
       and r.oid <> lint_keeper.owner and r.rolname !~ '^pg_'
       and not exists (select from reach h join pg_roles m on m.oid = h.member
                        where h.candidate = r.oid and h.member <> lint_keeper.owner and not m.rolsuper)
$$;
comment on function auth_internal.lint_keeper is 'Who of these may own the tables of this owner; NULL when nobody.';

create or replace function auth_internal.lint_roles(namespaces oid[], tables oid[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with relations as materialized (
        select c.oid, c.relowner, c.relacl, c.relnamespace from pg_class c
         where c.relkind in ('r', 'p') and c.relnamespace = any (namespaces)
           and (c.relrowsecurity or c.oid = any (tables))
           and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                              and d.deptype = 'e')),
    owners as materialized (
        select r.oid, r.rolname, r.rolsuper, r.rolsuper or r.rolbypassrls as escapes, count(*) as owned,
               auth_internal.lint_keeper(r.oid, array(select distinct relowner from relations)) as keeper
          from relations t join pg_roles r on r.oid = t.relowner
         where r.rolcanlogin or r.rolsuper or r.rolbypassrls
         group by r.oid, r.rolname, r.rolsuper, r.rolbypassrls),
    -- Each that has none gets a new one of its own, so that these run in any order.
    fresh as materialized (
        select o.oid, f.name
          from (select oid, row_number() over (order by oid) as place from owners where keeper is null) o
          join (select g.name, row_number() over (order by g.n) as place
                  from (select n, 'application_owner' || case n when 1 then '' else '_' || n end as name
                          from generate_series(1, (select count(*) from pg_roles k where starts_with(k.rolname::text, 'application_owner'))
                                                  + (select count(*) from owners)) n) g
                 where not exists (select from pg_roles k where k.rolname = g.name)) f on f.place = o.place),
    moved as (
        select o.*, f.name as fresh,
               string_agg(distinct format('grant usage on schema %s to %I; ', t.relnamespace::regnamespace, k.name), '')
               || string_agg(format('alter table %s owner to %I; ', auth_internal.qualified(t.oid), k.name)
                             || case when o.rolsuper then '' else
                                     format('grant select, insert, update, delete on %s to %I; ', auth_internal.qualified(t.oid), o.rolname) end,
                             '' order by t.oid) as moves
          from owners o left join fresh f on f.oid = o.oid
          join relations t on t.relowner = o.oid
          cross join lateral (select coalesce(o.keeper, f.name) as name) k
         group by o.oid, o.rolname, o.rolsuper, o.escapes, o.owned, o.keeper, f.name)
    select case when escapes then 'owner_bypasses' else 'owner_logs_in' end, 'warning', quote_ident(rolname),
           case when escapes then format('the role owns %s protected tables, and FORCE does not bind it: its views and functions see everything', owned)
                else format('the role owns %s protected tables and logs in: it can switch their policies off', owned) end,
           -- In one statement: where somebody took the name meanwhile, nothing becomes theirs.
           case when fresh is null then rtrim(moves, '; ')
                else auth_internal.pinned(format('create role %I nologin; ', fresh) || rtrim(moves, '; ')) end, oid
      from moved
    union all
    select 'bypasses_rls', 'error', quote_ident(r.rolname),
           case when r.rolsuper then 'a superuser is granted protected tables as if an application logged in with it: no policy holds for it'
                when r.rolcanlogin then 'the role logs in, has grants on protected tables, and no policy holds for it: good for backups alone'
                else 'roles that log in can become this one, for which no policy holds' end,
           format('alter role %I %s', r.rolname, case when r.rolsuper then 'nosuperuser nobypassrls' else 'nobypassrls' end), null::oid
      from pg_roles r
     where case when r.rolsuper
                then r.rolcanlogin and exists (
                     select from relations t cross join lateral aclexplode(t.relacl) x
                      where x.grantee = r.oid and t.relowner <> r.oid)
                else r.rolbypassrls
                     and (r.rolcanlogin
                          or exists (select from pg_roles m where m.rolcanlogin and not m.rolsuper and pg_has_role(m.oid, r.oid, 'member')))
                     and exists (select from relations t where t.relowner <> r.oid
                                    and has_table_privilege(r.oid, t.oid, 'select, insert, update, delete')) end
    union all
    select 'inherits_service', 'warning', quote_ident(d.rolname),
           'roles that log in have the policies of bearer_service all the time: every query of a tenant loses its index to them',
           case when current_setting('server_version_num')::integer < 160000 then format('alter role %I noinherit', d.rolname)
                else format('grant bearer_service to %I with inherit false granted by %I', d.rolname, pg_get_userbyid(m.grantor)) end, null::oid
      from pg_auth_members m
      join pg_roles s on s.oid = m.roleid and s.rolname = 'bearer_service'
      join pg_roles d on d.oid = m.member
     where not d.rolsuper and coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, d.rolinherit)
       and exists (select from pg_roles l where l.rolcanlogin and not l.rolsuper and pg_has_role(l.oid, d.oid, 'usage'))
    union all
    select 'owner_reachable', 'info', format('%s for %s', quote_ident(o.rolname), quote_ident(d.rolname)),
           'a role that logs in is a member of the owner of protected tables and can switch their policies off: good for migrations alone',
           format('revoke %I from %I cascade', o.rolname, d.rolname), o.oid
      from pg_auth_members m
      join pg_roles o on o.oid = m.roleid
      join pg_roles d on d.oid = m.member
     where d.rolcanlogin and not d.rolsuper and o.oid in (select relowner from relations)
$$;
comment on function auth_internal.lint_roles is 'Findings of auth.lint() about roles.';

-- Replication gives and takes rows past every policy.
create or replace function auth_internal.lint_replication()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return query
    select 'publishes_credentials', 'warning', quote_ident(p.pubname),
           case when p.puballtables then 'all tables are published, also those of schema auth, with keys and secrets'
                else 'tables of schema auth are published, with keys and secrets' end,
           case when p.puballtables
                then format('drop publication %1$I; create publication %1$I%2$s with (publish = %3$L, publish_via_partition_root = %4$s)',
                            p.pubname, coalesce(' for tables in schema ' || s.names, ''),
                            concat_ws(', ', case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end,
                                      case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end),
                            p.pubviaroot::text)
                else concat_ws('; ',
                     case when t.names is not null then format('alter publication %I drop table %s', p.pubname, t.names) end,
                     case when x.whole then format('alter publication %I drop tables in schema auth', p.pubname) end) end, p.pubowner
      from pg_publication p
      cross join lateral (
           select string_agg(distinct quote_ident(n.nspname), ', ') as names
             from pg_namespace n join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p')
            where auth_internal.is_application_schema(n.nspname)) s
      cross join lateral (
           select string_agg(distinct auth_internal.qualified(r.prrelid), ', ') as names
             from pg_publication_rel r join pg_class c on c.oid = r.prrelid
            where r.prpubid = p.oid and c.relnamespace = 'auth'::regnamespace) t
      cross join lateral (
           select exists (select from pg_publication_namespace n
                           where n.pnpubid = p.oid and n.pnnspid = 'auth'::regnamespace) as whole) x
     where p.puballtables or t.names is not null or x.whole;
    -- Before 16 changes are applied as the subscription's owner, who is a superuser.
    if current_setting('server_version_num')::integer >= 160000 then
        return query
        select 'subscriber_refuses', 'error', format('%s into %s', quote_ident(s.subname), c.oid::regclass),
               'changes are not applied: whoever applies them is bound by the policies of the table, which replication refuses'
                   || case when s.subrunasowner or not (o.rolsuper or o.rolbypassrls)
                           then '; no SQL can say who else should own the subscription' else '' end,
               case when not s.subrunasowner and (o.rolsuper or o.rolbypassrls)
                    then format('alter subscription %I set (run_as_owner = true)', s.subname) end, c.relowner
          from pg_subscription s
          join pg_roles o on o.oid = s.subowner
          join pg_subscription_rel r on r.srsubid = s.oid
          join pg_class c on c.oid = r.srrelid and c.relrowsecurity
         where s.subdbid = (select d.oid from pg_database d where d.datname = current_database())
           and not auth_internal.lint_escapes(case when s.subrunasowner then s.subowner else c.relowner end, c.oid);
    end if;
end
$$;
comment on function auth_internal.lint_replication is 'Findings of auth.lint() about replication.';
