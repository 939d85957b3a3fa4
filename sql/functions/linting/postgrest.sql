-- What auth.lint() says about what is stored for PostgREST, and the roles of its requests. With db-config = true PostgREST reads
-- pgrst.* of its login, for all databases and for this one; everybody may read what is stored.

create or replace function auth_internal.stored_for_postgrest()
    returns table (setting text, value text, object text, fix text)
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    select lower(m.parts[1]), m.parts[2], w.setting || ' of ' || w.owner, format('alter %s reset %s', w.owner, w.setting)
      from pg_db_role_setting s
      left join pg_database d on d.oid = s.setdatabase
     cross join lateral unnest(s.setconfig) u (setting)
     -- Names with capitals are the same setting for Postgres.
     cross join lateral regexp_match(u.setting, '^(pgrst\.[^=]*)=(.*)$', 'i') m (parts)
     cross join lateral (
          select (select string_agg(quote_ident(p.part), '.' order by p.place)
                    from string_to_table(m.parts[1], '.') with ordinality p (part, place)) as setting,
                 case when s.setrole = 0 then coalesce('database ' || quote_ident(d.datname), 'role all')
                      else concat('role ', quote_ident(pg_get_userbyid(s.setrole)), ' in database ' || quote_ident(d.datname)) end as owner) w
     where (s.setdatabase = 0 or d.datname = current_database()) and m.parts is not null
$$;
comment on function auth_internal.stored_for_postgrest is 'The settings of PostgREST that are stored for this database, whose they are, and what takes each away.';

-- The function that is called before every request. Without a schema it is looked for in several.
create or replace function auth_internal.lint_pre_requests()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    with named as materialized (
        select s.object, s.fix, btrim(s.value) as function
          from auth_internal.stored_for_postgrest() s where s.setting = 'pgrst.db_pre_request'),
    known as materialized (
        select n.*, case when n.function ~ '^(?:(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)\.)?(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)$' and length(n.function) < 200
                         then parse_ident(n.function, false) end as words
          from named n),
    judged as (
        select k.*, k.function = '' or exists (
                   select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                    where p.proname = k.words[cardinality(k.words)] and p.pronargs = p.pronargdefaults
                      and (cardinality(k.words) = 1 or n.nspname = k.words[1])) as is_there
          from known k)
    select 'pre_request_missing', 'warning', substr(j.object, strpos(j.object, ' of ') + 4),
           format('pgrst.db_pre_request names %s, which does not exist: requests fail, and whoever can make it decides what runs before each of them; no SQL can say which function was meant', j.function),
           null::text, null::oid
      from judged j where not j.is_there
    union all
    select 'pre_request_other', 'warning', j.object,
           format('where PostgREST reads it (db-config = true), %s and not auth.pre_request is called before every request: unless that calls it, nothing settles who sends one',
                  coalesce(nullif(j.function, ''), 'nothing')),
           j.fix, null
      from judged j where j.is_there and j.words is distinct from '{auth,pre_request}'
$$;
comment on function auth_internal.lint_pre_requests is 'Findings of auth.lint() about functions to be called before requests that do not exist, or are not ours.';

create or replace function auth_internal.lint_postgrest()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    select case when k.is_secret then 'postgrest_secret' when k.exposes then 'postgrest_exposes' else 'postgrest_stored' end,
           case when k.is_secret or k.exposes then 'error' else 'info' end, s.object,
           case when k.is_secret then 'everybody who logs in can read the secret that PostgREST verifies tokens with. It is to be in PostgREST''s configuration alone, and another one, since this one was seen'
                when k.exposes then 'where PostgREST reads it (db-config = true), it serves a schema of pg_bearer, or of the system: everything that roles may do there can be called from outside'
                else 'where PostgREST reads it (db-config = true), its configuration is what somebody stores here. Keep it in its file, with db-config = false' end,
           s.fix, null::oid
      from auth_internal.stored_for_postgrest() s
     cross join lateral (
          select s.setting ~ 'jwt_secret$' as is_secret,
                 s.setting in ('pgrst.db_schemas', 'pgrst.db_schema')
                 and exists (select from string_to_table(s.value, ',') n (name)
                              where not auth_internal.may_be_served(btrim(n.name, E' \t"')::name)) as exposes) k
     where s.setting <> 'pgrst.db_pre_request' or btrim(s.value) = 'auth.pre_request'
$$;
comment on function auth_internal.lint_postgrest is 'Findings of auth.lint() about what is stored of PostgREST''s configuration.';

create or replace function auth_internal.lint_http_roles()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    with named as materialized (
        select s.setting, s.role, r.oid, r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolreplication as escapes,
               (select min(format('%s', c.oid::regclass)) from pg_class c where c.relowner = r.oid and c.relrowsecurity) as owned
          from auth_internal.postgrest_settings() s left join pg_roles r on r.oid = s.role_oid),
    -- Whatever logs in and was made a member, also a superuser.
    logins as materialized (
        select l.oid, l.rolname, l.rolsuper or l.rolbypassrls or l.rolcreaterole or l.rolreplication as escapes,
               coalesce(f.length ~ '^0+[a-zA-Z]*$', false) and coalesce(f.length_on_error ~ '^0+[a-zA-Z]*$', true) as is_silent
          from pg_roles l
         cross join lateral (
              select max(x.value) filter (where x.name = 'log_parameter_max_length') as length,
                     max(x.value) filter (where x.name = 'log_parameter_max_length_on_error') as length_on_error
                from (select distinct on (split_part(u.setting, '=', 1)) split_part(u.setting, '=', 1) as name, split_part(u.setting, '=', 2) as value
                        from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase
                       cross join lateral unnest(s.setconfig) u (setting)
                       where s.setrole in (l.oid, 0) and (s.setdatabase = 0 or d.datname = current_database())
                       order by split_part(u.setting, '=', 1), s.setrole = 0, s.setdatabase = 0) x) f
         where l.rolcanlogin and exists (select from pg_auth_members m join named n on n.oid = m.roleid where m.member = l.oid))
    select 'http_role_missing', 'error', format('%s of database %I', n.setting, current_database()),
           format('there is no role %I, and requests fail that are to go on as it; no SQL can say which role was meant', n.role), null::text, null::oid
      from named n where n.oid is null
    union all
    select 'http_role_unreachable', 'warning', format('%s of database %I', n.setting, current_database()),
           format('no role that logs in is a member of %I, and requests fail that are to go on as it; no SQL can say which login is PostgREST''s', n.role), null, null
      from named n
     where n.oid is not null
       -- A superuser is a member of all.
       and not exists (select from pg_roles l
                        where l.rolcanlogin and not l.rolsuper and l.oid <> n.oid and pg_has_role(l.oid, n.oid, 'member'))
       and not exists (select from logins l join pg_auth_members m on m.member = l.oid and m.roleid = n.oid)
    union all
    select distinct 'http_role_escapes', 'error', quote_ident(n.role),
           case when n.escapes then 'requests go on as a role that no policy holds for, or that can make itself one'
                else format('requests go on as the owner of %s, who can switch its policies off; no SQL can say who is to own it', n.owned) end,
           case when n.escapes then format('alter role %I nosuperuser nobypassrls nocreaterole noreplication', n.role) end, null::oid
      from named n where n.escapes or n.owned is not null
    union all
    select 'http_login_escapes', 'error', quote_ident(l.rolname),
           'PostgREST''s login is a role that no policy holds for, or that can make itself one: requests that run SQL of their own can be it (RESET ROLE)',
           format('alter role %I nosuperuser nobypassrls nocreaterole noreplication', l.rolname), null
      from logins l where l.escapes
    union all
    select 'http_login_logs', 'warning', quote_ident(l.rolname),
           'PostgREST binds the headers of requests, and the log has the parameters of statements of its login that are logged: log_parameter_max_length = 0 is not stored for it',
           format('alter role %1$I set log_parameter_max_length = 0; alter role %1$I set log_parameter_max_length_on_error = 0', l.rolname), null
      from logins l where not l.is_silent
    union all
    select 'http_login_setting', 'info', p.name || ' of ' || p.owner,
           'the setting is stored for PostgREST''s login, and every request starts with it: requests that run SQL of their own can store settings for it (RESET ROLE)',
           format('alter %s reset %s', p.owner, p.name), null
      from logins l join pg_db_role_setting s on s.setrole = l.oid
      left join pg_database d on d.oid = s.setdatabase
     cross join lateral unnest(s.setconfig) u (setting)
     cross join lateral (
          select split_part(u.setting, '=', 1) as name, concat('role ', quote_ident(l.rolname), ' in database ' || quote_ident(d.datname)) as owner) p
     where (s.setdatabase = 0 or d.datname = current_database()) and p.name !~* '^(pgrst\.|log_parameter_max_length)'
$$;
comment on function auth_internal.lint_http_roles is 'Findings of auth.lint() about the roles of requests and PostgREST''s login.';
