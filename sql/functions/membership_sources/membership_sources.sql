-- Tables of the application that say who belongs where. The library reads them directly, past the
-- executor: no trigger, policy, view or function of their owners runs, and no grant is needed or made.
-- Every function demands an administrator, whoever was granted it.

-- 22023 for a table that cannot be a source.
create or replace function auth_internal.refuse_source(message text, hint text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('22023', refuse_source.message, refuse_source.hint);
end
$$;
comment on function auth_internal.refuse_source is 'The error for a table that cannot be a source of memberships (22023).';

-- The column's number, when it is there, stored and of one of these types; 22023 else.
create or replace function auth_internal.source_column(source regclass, argument text, wanted name, types regtype[], or_enum boolean)
    returns smallint
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    the_column record;
begin
    select a.attnum, a.attgenerated = 'v' as is_virtual, coalesce(c.collisdeterministic, true) as is_exact,
           a.atttypid = any (types) or or_enum and t.typtype = 'e' as has_type
      into the_column
      from pg_attribute a
      join pg_type t on t.oid = a.atttypid
      left join pg_collation c on c.oid = a.attcollation
     where a.attrelid = source and a.attname = wanted and a.attnum > 0 and not a.attisdropped;
    if not found then
        perform auth_internal.refuse_source(format('%s is not a column of the table', argument),
                                   'Give the name as it is stored, without quotes.');
    elsif not the_column.has_type then
        perform auth_internal.refuse_source(
            format('the column for %s has a type that is not allowed', argument),
            case when or_enum then 'Use text, varchar or an enum.'
                 else 'Use text, varchar, uuid, bigint or integer.' end);
    elsif not the_column.is_exact or the_column.is_virtual then
        perform auth_internal.refuse_source(
            format('the column for %s must be stored and compared exactly', argument),
            'It can be no virtual column and have no nondeterministic collation.');
    end if;
    return the_column.attnum;
end
$$;
comment on function auth_internal.source_column is 'The number of a column of a source; 22023 when it is not there or not fit for it.';

-- 22023 unless an index finds the rows of a user.
create or replace function auth_internal.demand_source_index(source regclass, user_number smallint) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform from pg_index i
      join pg_class c on c.oid = i.indexrelid
      join pg_am m on m.oid = c.relam and m.amname = 'btree'
      join pg_opclass o on o.oid = i.indclass[0] and o.opcdefault
      join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
     where i.indrelid = source and i.indkey[0] = user_number and i.indcollation[0] = a.attcollation
       and i.indisvalid and i.indisready and i.indislive and i.indpred is null;
    if not found then
        perform auth_internal.refuse_source(
            'the table has no index that finds the rows of a user',
            'Create a btree index, without WHERE, whose first column is user_column.');
    end if;
end
$$;
comment on function auth_internal.demand_source_index is '22023 unless an index of the table finds the rows of a user.';

create or replace function auth.register_membership_source(
    source regclass, user_column name, org_column name, role_column name default null
) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    ids constant regtype[] := '{text,varchar,uuid,bigint,integer}';
    old auth.membership_sources;
begin
    perform auth_internal.require_administrator();
    perform from pg_class c
      join pg_namespace n on n.oid = c.relnamespace and auth_internal.is_application_schema(n.nspname)
      where c.oid = register_membership_source.source and c.relkind = 'r' and c.relpersistence <> 't';
    if not found then
        perform auth_internal.refuse_source('the source is not a plain table',
                                   'It can be no view, partitioned, foreign or temporary table, and none of pg_bearer.');
    end if;
    if auth_internal.owns_table(source) is not true then
        raise insufficient_privilege using
            message = 'the table is not yours', hint = 'Its owner, who must be an administrator of pg_bearer, can do it.';
    end if;
    perform auth_internal.demand_source_index(source, auth_internal.source_column(source, 'user_column', user_column, ids, false));
    perform auth_internal.source_column(source, 'org_column', org_column, ids, false);
    if role_column is not null then
        perform auth_internal.source_column(source, 'role_column', role_column, '{text,varchar}', true);
    end if;
    select s.* into old from auth.membership_sources s where s.source = register_membership_source.source;
    insert into auth.membership_sources as s (source, user_column, org_column, role_column)
    values (source, user_column, org_column, role_column)
    on conflict on constraint membership_sources_pkey do update
       set user_column = excluded.user_column, org_column = excluded.org_column,
           role_column = excluded.role_column;
    -- Other columns are other members.
    perform auth_internal.commit_durably();
    if (old.user_column, old.org_column, old.role_column) is distinct from (user_column, org_column, role_column) then
        perform auth_internal.audit('membership_source.register', null, source::text);
    end if;
end
$$;
comment on function auth.register_membership_source is
    'Administrators who own the table: the rows of the table make users members of organizations from now on. user_column and org_column are text, varchar, uuid, bigint or integer, org_column the organization''s id or external_id; role_column, text, varchar or an enum, is the name of a role. A btree index must begin with user_column. Whoever writes the table decides who is a member; several rows for one user and organization that differ in the role give none, and rows of tables that inherit from it do not count. The library reads it directly: no SQL of its owner runs, and no grant or policy is needed or made. Registering again changes the columns. 22023 with a hint for a table that is not fit for it or NULL, 42501 for one of somebody else and for anybody but administrators.';

create or replace function auth.unregister_membership_source(source regclass) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.require_administrator();
    delete from auth.membership_sources s where s.source = unregister_membership_source.source;
    if not found then
        perform auth_internal.refuse_source('the table is not registered', 'auth.list_membership_sources() shows those that are.');
    end if;
    perform auth_internal.commit_durably();
    perform auth_internal.audit('membership_source.unregister', null, source::text);
end
$$;
comment on function auth.unregister_membership_source is
    'Administrators: the table makes nobody a member any more, from the commit on. Of a table that is gone give the number. 22023 when it is not registered, 42501 for anybody else.';

create or replace function auth.list_membership_sources() returns setof auth.membership_sources
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.require_administrator();
    return query select * from auth.membership_sources s order by s.source::text;
end
$$;
comment on function auth.list_membership_sources is
    'Administrators: the tables that make users members. 42501 for anybody else.';
