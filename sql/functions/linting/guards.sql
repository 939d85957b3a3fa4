-- What auth.lint() says about guards.

create or replace function auth_internal.lint_guards()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    with again as materialized (
        select format('select auth.guard(%s, %L)', coalesce(quote_literal(g.schemas::text), 'null'), g.new_tables) as guard, g.schemas
          from auth.guard_settings g),
    stored as materialized (
        select a.guard, s.setconfig, r.rolname, d.datname,
               case when s.setrole = 0 then coalesce('database ' || quote_ident(d.datname), 'role all')
                    else concat('role ', quote_ident(r.rolname), ' in database ' || quote_ident(d.datname)) end as object
          from again a cross join pg_db_role_setting s
          left join pg_roles r on r.oid = s.setrole
          left join pg_database d on d.oid = s.setdatabase
         where s.setdatabase = 0 or d.datname = current_database())
    select 'guard_off', 'warning', format('event trigger %I', t.name),
           case when e.oid is null then 'the event trigger that auth.guard() made is gone: nothing keeps protected tables protected'
                when e.evtenabled <> 'A' then 'the event trigger is off, or silent where session_replication_role is replica'
                else 'the event trigger runs something else than auth.guard() had it run' end, a.guard, null::oid
      from again a cross join auth_internal.guard_triggers() t
      left join pg_event_trigger e on e.evtname = t.name
      left join pg_proc p on p.oid = e.evtfoid
     where e.oid is null or e.evtenabled <> 'A' or e.evtevent <> t.event or e.evttags is not null
        or p.proname <> t.function or p.pronamespace <> 'auth_internal'::regnamespace
    union all
    select 'guard_off', 'warning', s.object, format('%s lets the guards of protected tables look away', m.parts[1]),
           format('alter %s reset %s', s.object, m.parts[1]), null
      from stored s cross join lateral unnest(s.setconfig) u (setting)
     cross join lateral regexp_match(u.setting, '^(event_triggers|pg_bearer\.allow_changes)=(.*)$') m (parts)
     where (m.parts[1] = 'event_triggers') <> (lower(m.parts[2]) in ('on', 'true', 'yes', '1', 't', 'y'))
    union all
    select 'guard_off', 'warning', format('schema %I', x.name),
           'new tables were to be looked at in the schema, which does not exist; no SQL can say what it is called now', null, null
      from again a cross join lateral unnest(a.schemas) x (name)
     where not exists (select from pg_namespace n where n.nspname = x.name)
$$;
comment on function auth_internal.lint_guards is 'Findings of auth.lint() about guards that guard no more; none where auth.guard() was not called.';
