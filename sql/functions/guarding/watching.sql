-- What the event triggers run, after every command of the database. A table is judged by what it is when the command is done. They run as
-- bearer_owner, read catalogs and evaluate nothing of anybody's: whoever changes the table may be a superuser. Before a table of an
-- application is touched they call nothing of ours, which an update may just be replacing. To compile their queries would take longer
-- than all the rest.

create or replace function auth_internal.guard_changes() returns event_trigger
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
    set jit = off as $$
declare
    tables oid[];
    commands jsonb;
    command record;
    refused record;
begin
    tables := array(
        select distinct r.oid
          from pg_event_trigger_ddl_commands() c
          left join pg_policy p on c.classid = 'pg_policy'::regclass and p.oid = c.objid
          join pg_class r on r.oid = case c.classid when 'pg_class'::regclass then c.objid else p.polrelid end
          join pg_namespace n on n.oid = r.relnamespace
         where r.relkind in ('r', 'p', 'f') and r.relpersistence <> 't'
           -- As auth_internal.is_application_schema() has it, which an update takes from us for a moment.
           and n.nspname not in ('auth', 'auth_internal', 'auth_http', 'information_schema') and n.nspname !~ '^pg_'
        union
        -- Roles that go from policies are in no list.
        select p.polrelid from pg_policy p where tg_tag = 'DROP OWNED');
    if tables = '{}' then
        return;
    end if;
    if auth_internal.guard_is_off() then
        return;
    end if;
    select jsonb_agg(jsonb_build_object('class', c.classid, 'object', c.objid, 'tag', c.command_tag, 'is_member', c.in_extension,
                                        'changes', auth_internal.command_changes(c.command)))
      into commands
      from pg_event_trigger_ddl_commands() c where c.classid in ('pg_class'::regclass, 'pg_policy'::regclass);
    for command in
        select x.object, x.tag, x.is_member, array(select jsonb_array_elements_text(x.changes)) as changes
          from jsonb_to_recordset(commands) x (class oid, object oid, tag text, is_member boolean, changes jsonb)
          join pg_class r on r.oid = x.object and r.relkind in ('r', 'p')
         where x.class = 'pg_class'::regclass and x.object = any (tables)
    loop
        select g.* into refused
          from auth_internal.guard_new_table(command.object, command.tag, command.is_member, command.changes) g;
        exit when found;
    end loop;
    if refused is null then
        select g.* into refused
          from jsonb_to_recordset(commands) x (class oid, object oid, tag text, changes jsonb)
         cross join lateral auth_internal.guard_parents(x.object) g
         where x.class = 'pg_class'::regclass
           -- What belongs to a protected table is under no other.
           and (x.changes ? 'parent'
                or x.tag = 'CREATE TABLE' and exists (select from pg_inherits i
                                                       where i.inhrelid = x.object and auth_internal.protection_of(i.inhparent) is not null))
         limit 1;
    end if;
    -- Nothing that has no policies is protected; most tables cost no more than this.
    tables := array(select t.oid from unnest(tables) t (oid)
                     where exists (select from auth_internal.table_ancestors(t.oid) a join pg_policy p on p.polrelid = a.ancestor));
    if refused is null and tables <> '{}' then
        select f.fault, f.repair into refused
          from (select 1 as place, g.*
                  from unnest(tables) t (oid) cross join lateral auth_internal.guard_table(t.oid) g
                union all
                select 2, g.*
                  from jsonb_to_recordset(commands) x (class oid, object oid, changes jsonb)
                 cross join lateral auth_internal.guard_owner(x.object) g
                 where x.class = 'pg_class'::regclass and x.changes ? 'owner'
                union all
                select 3, g.*
                  from jsonb_to_recordset(commands) x (class oid, object oid, tag text)
                 cross join lateral auth_internal.guard_policy(x.object) g
                 where x.class = 'pg_policy'::regclass and x.tag in ('CREATE POLICY', 'ALTER POLICY')) f
         order by f.place limit 1;
    end if;
    if refused is not null then
        perform auth_internal.refuse_command(refused.fault, refused.repair);
    end if;
end
$$;
comment on function auth_internal.guard_changes is 'The event trigger that judges tables after a command that changed them.';

-- What was dropped is known by name alone; what it was dropped from is still there.
create or replace function auth_internal.guard_drops() returns event_trigger
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
    set jit = off as $$
declare
    dropped jsonb;
    refused record;
begin
    select jsonb_agg(jsonb_build_object('type', d.object_type, 'schema', d.address_names[1], 'relation', d.address_names[2],
                                        'name', d.address_names[3]))
      into dropped
      from pg_event_trigger_dropped_objects() d
     where d.object_type in ('policy', 'default value', 'table column', 'index') and not d.is_temporary
       -- Not those that go with their table.
       and (d.object_type <> 'index' or d.original or tg_tag = 'ALTER TABLE')
       and d.address_names[1] not in ('auth', 'auth_internal', 'auth_http', 'information_schema') and d.address_names[1] !~ '^pg_';
    if dropped is null then
        return;
    end if;
    if auth_internal.guard_is_off() then
        return;
    end if;
    select f.fault, f.repair into refused
      from (select 1 as place, g.*
              from (select c.oid, coalesce(array_agg(x.name) filter (where x.type = 'policy'), '{}') as policies
                      from jsonb_to_recordset(dropped) x (type text, schema name, relation name, name name)
                      join pg_namespace n on n.nspname = x.schema
                      join pg_class c on c.relnamespace = n.oid and c.relname = x.relation and c.relkind in ('r', 'p', 'f')
                     where x.type <> 'index'
                     group by c.oid
                    having bool_or(x.type = 'policy')
                        or exists (select from auth_internal.table_ancestors(c.oid) a join pg_policy p on p.polrelid = a.ancestor)) t
             cross join lateral auth_internal.guard_lost(t.oid, t.policies) g
            union all
            select 2, g.*
              from jsonb_to_recordset(dropped) x (type text, schema name, relation name)
             cross join lateral auth_internal.guard_index(x.schema, x.relation) g
             where x.type = 'index') f
     order by f.place limit 1;
    if found then
        perform auth_internal.refuse_command(refused.fault, refused.repair);
    end if;
end
$$;
comment on function auth_internal.guard_drops is 'The event trigger that judges tables from which something was dropped.';

create or replace function auth_internal.refuse_command(fault text, repair text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse(
        '42501', format('a guard of pg_bearer refuses the command: %s', fault),
        concat_ws(' ', 'Right is: ' || repair || ';', 'An administrator can begin the transaction with: select auth.allow_changes();'));
end
$$;
comment on function auth_internal.refuse_command is 'The error of guards (42501), with the statement that is right.';
