-- Guards: event triggers that keep protected tables protected while they are changed. They are no members of the extension, so
-- that pg_dump carries them.

-- The event triggers: ALWAYS, because others are silent where session_replication_role is replica.
create or replace function auth_internal.guard_triggers() returns table (name name, event text, function name)
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    values ('bearer_guard_changes'::name, 'ddl_command_end', 'guard_changes'::name), ('bearer_guard_drops', 'sql_drop', 'guard_drops')
$$;
comment on function auth_internal.guard_triggers is 'The event triggers that auth.guard() makes.';

-- The caller makes them: Postgres lets nobody but superusers.
create or replace function auth.guard(schemas name[] default null, new_tables text default 'protect') returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    wanted record;
    is_new boolean;
begin
    perform auth_internal.demand_superuser('make guards and take them away', null);
    if coalesce(guard.new_tables, '') not in ('protect', 'refuse', 'ignore') then
        perform auth_internal.refuse('22023', 'new_tables has a value that is not allowed', 'It is protect, refuse or ignore.');
    end if;
    -- 22023 for a schema that does not exist.
    perform auth_internal.lint_schemas(guard.schemas);
    is_new := exists (select from auth_internal.lint_guards())
              or not exists (select from auth.guard_settings g
                              where g.schemas is not distinct from guard.schemas and g.new_tables = guard.new_tables);
    for wanted in select t.* from auth_internal.guard_triggers() t loop
        if exists (select from pg_event_trigger e where e.evtname = wanted.name) then
            execute format('drop event trigger %I', wanted.name);
        end if;
        execute format('create event trigger %I on %s execute function auth_internal.%I()', wanted.name, wanted.event, wanted.function);
        execute format('alter event trigger %I enable always', wanted.name);
    end loop;
    perform auth_internal.commit_durably();
    insert into auth.guard_settings as g (schemas, new_tables) values (guard.schemas, guard.new_tables)
        on conflict (single) do update set schemas = excluded.schemas, new_tables = excluded.new_tables;
    if is_new then
        perform auth_internal.audit('guards.guard', null, null, null, jsonb_build_object('new_tables', guard.new_tables));
    end if;
end
$$;
comment on function auth.guard is
    'Administrators who are superusers: guards every table that auth.protect() protects, whoever changes it: a command after which one lacks row security, FORCE, one of its policies, a default or its index, has a new permissive policy of somebody else, an open partition, child or parent, or an owner who logs in, is refused, and told the statement that is right. New partitions and children of protected tables are protected by the command that makes them. new_tables says what becomes of other tables in these schemas (NULL: all of applications) that are made, renamed, moved there or given a column for the organization: protect, with the usual settings; refuse; ignore. Called again it replaces what was asked for. The event triggers and this are in dumps. 22023 for a bad argument, 42501 for others.';

create or replace function auth.unguard() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    made record;
    guarded boolean := exists (select from auth.guard_settings);
begin
    perform auth_internal.demand_superuser('make guards and take them away', null);
    for made in select t.name from auth_internal.guard_triggers() t join pg_event_trigger e on e.evtname = t.name loop
        execute format('drop event trigger %I', made.name);
        guarded := true;
    end loop;
    delete from auth.guard_settings;
    if guarded then
        perform auth_internal.audit('guards.unguard', null, null);
    end if;
end
$$;
comment on function auth.unguard is
    'Administrators who are superusers: takes away what auth.guard() made. Tables stay protected, and are guarded no more. 42501 for others.';

create or replace function auth.guards() returns table (schemas name[], new_tables text, intact boolean)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.require_administrator();
    return query
    select g.schemas, g.new_tables, not exists (select from auth_internal.lint_guards())
      from auth.guard_settings g;
end
$$;
comment on function auth.guards is
    'Administrators: what auth.guard() was asked for; no row without guards. intact is false when auth.lint() finds that they do not guard everything (guard_off). 42501 for others.';

-- The function is in src/pg/functions/guards.rs.
comment on function auth.allow_changes is
    'Administrators: lets the rest of the transaction change protected tables and make new ones, as if there were no guards; a rollback to a savepoint before it takes it back. Noted in the server log. 42501 for others and for whoever acts for somebody.';
comment on function auth_internal.guard_is_off is 'Do the guards look away: by auth.allow_changes() or the setting pg_bearer.allow_changes, or in the middle of auth.protect()?';
comment on function auth_internal.command_changes is 'What a command changed of a table: owner, name, and the numbers of new columns and of those of another type. Empty for NULL.';
comment on function auth_internal.run_protection is 'Runs auth_internal.protection_run() as the caller, with the guards looking away until all its steps are done, and notes what was done in the audit log. NULL for NULL.';
comment on function auth_internal.run_unprotection is 'Runs auth_internal.protection_undo() as the caller, and notes what was done in the audit log. NULL for NULL.';
comment on function auth_internal.protect_as_owner is 'Calls auth.protect() with these settings as the table''s owner, in a security-restricted operation. NULL for NULL.';
