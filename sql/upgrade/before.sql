-- The first part of every update: what was there before, and what the steps call.

-- Whatever names the script leaves unqualified are Postgres's own, whoever runs it.
set local search_path = pg_catalog, pg_temp;

do $$
declare
    wanted text;
begin
    foreach wanted in array array['auth_internal', 'auth_http'] loop
        if not exists (select from pg_catalog.pg_namespace n where n.nspname operator(pg_catalog.=) wanted) then
            execute pg_catalog.format('create schema %I', wanted);
        elsif not exists (select from pg_catalog.pg_depend d
                            join pg_catalog.pg_extension e on e.oid operator(pg_catalog.=) d.refobjid
                            join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) d.objid
                           where d.classid operator(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
                             and n.nspname operator(pg_catalog.=) wanted
                             and d.deptype operator(pg_catalog.=) 'e' and e.extname operator(pg_catalog.=) 'pg_bearer') then
            raise duplicate_schema using
                message = pg_catalog.format('schema "%s" already exists', wanted),
                hint = 'pg_bearer needs that name to itself. Rename the schema that is there, and run the update again.';
        end if;
    end loop;
end
$$;

comment on schema auth_http is 'What PostgREST may serve of schema auth (extension pg_bearer).';
comment on schema auth_internal is 'What the functions of schema auth are made of: call those instead (extension pg_bearer).';

-- A function of somebody else with the name of one of ours would stop the update further on, and say less.
do $$
declare
    foreign_function pg_catalog.regprocedure;
begin
    select p.oid into foreign_function
      from pg_catalog.pg_proc p
     where p.pronamespace operator(pg_catalog.=) 'auth'::pg_catalog.regnamespace
       and not exists (select from pg_catalog.pg_depend d
                        where d.classid operator(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
                          and d.objid operator(pg_catalog.=) p.oid and d.deptype operator(pg_catalog.=) 'e')
       and exists (select from pg_catalog.pg_proc o
                    where o.pronamespace operator(pg_catalog.=) p.pronamespace
                      and o.proname operator(pg_catalog.=) p.proname and o.oid operator(pg_catalog.<>) p.oid)
     limit 1;
    if found then
        raise duplicate_function using
            message = pg_catalog.format('%s is not a function of pg_bearer', foreign_function),
            hint = 'Drop it, or move it to another schema, and run the update again.';
    end if;
end
$$;

-- What was there before the update, with its grants. grants.sql reads and drops it.
create table auth_internal.before_update (class oid not null, object oid not null, name text not null, acl aclitem[]);

insert into auth_internal.before_update
select 'pg_catalog.pg_namespace'::pg_catalog.regclass, n.oid, n.nspname, n.nspacl
  from pg_catalog.pg_namespace n where n.nspname operator(pg_catalog.=) 'auth'
union all
select 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, c.relname, c.relacl
  from pg_catalog.pg_class c where c.relnamespace operator(pg_catalog.=) 'auth'::pg_catalog.regnamespace
union all
select 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, t.typname, t.typacl
  from pg_catalog.pg_type t where t.typnamespace operator(pg_catalog.=) 'auth'::pg_catalog.regnamespace
union all
select 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid,
       -- Functions of the two schemas have the same names.
       case p.pronamespace when 'auth'::pg_catalog.regnamespace then '' else 'auth_http.' end operator(pg_catalog.||) p.proname, p.proacl
  from pg_catalog.pg_proc p
 where p.pronamespace in ('auth'::pg_catalog.regnamespace, 'auth_http'::pg_catalog.regnamespace);

-- For steps. Moves a function of schema auth to auth_internal; what refers to it goes on doing so. Nothing happens
-- where there is none: a step also runs in databases that never had the version before it.
create function auth_internal.move_function(signature text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if to_regprocedure('auth.' || signature) is not null then
        execute format('alter function %s set schema auth_internal', to_regprocedure('auth.' || signature));
    end if;
end
$$;

-- For steps. Drops a function, of either schema, that goes or changes in a way that CREATE OR REPLACE cannot follow.
-- Where something of a user's refers to it, such as a view, it moves out of the way and refuses.
create function auth_internal.retire_function(signature text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    retired constant regprocedure := to_regprocedure(signature);
    schema regnamespace;
    old_name name;
    new_name name;
    arguments text;
    result text;
    users_objects text;
begin
    if retired is null then
        return;
    end if;
    select p.pronamespace, p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid)
      into strict schema, old_name, arguments, result
      from pg_proc p where p.oid = retired;
    -- Not by trying to drop it: that waits for whoever holds a lock on what refers to it.
    select string_agg(pg_describe_object(d.classid, d.objid, d.objsubid), ', ' order by d.classid, d.objid, d.objsubid)
      into users_objects
      from pg_depend d where d.refclassid = 'pg_proc'::regclass and d.refobjid = retired and d.deptype in ('n', 'a');
    if users_objects is null then
        execute format('drop function %s', retired);
        return;
    elsif old_name like 'retired\_%' then
        return;
    end if;
    new_name := format('retired_%s_%s', retired::oid, old_name);
    execute format('alter function %s rename to %I', retired, new_name);
    if schema = 'auth'::regnamespace then
        execute format('alter function %s set schema auth_internal', retired);
    end if;
    execute format(
        'create or replace function auth_internal.%I(%s) returns %s language plpgsql set search_path = pg_catalog, pg_temp as %L',
        new_name, arguments, result,
        format('begin raise object_not_in_prerequisite_state using message = %L, hint = %L; end',
               format('auth.%s() is not what it was when this was made', old_name),
               'Make the view, policy, default or function that calls it anew, without this function or with what it is now.'));
    execute format('comment on function %s is %L', retired, 'A function of an older version that something of a user''s still refers to. It refuses.');
    raise warning using
        message = format('%s.%s() is gone or has changed, and something still refers to it as it was', schema, old_name),
        detail = format('It refuses from now on in: %s.', users_objects),
        hint = 'Make that anew before you dump the database: a dump that refers to the old function cannot be restored.';
end
$$;

-- Those that an earlier update could not drop.
select auth_internal.retire_function(p.oid::pg_catalog.regprocedure::pg_catalog.text)
  from pg_catalog.pg_proc p
 where p.pronamespace operator(pg_catalog.=) 'auth_internal'::pg_catalog.regnamespace
   and p.proname operator(pg_catalog.~~) 'retired\_%'::pg_catalog.text;
