-- What protect, lint and explain have to know of an application's tables. Everything here reads the catalogs, as the caller.

create or replace function auth_internal.our_schemas() returns text[]
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select '{auth,auth_internal,auth_http}'::text[]
$$;
comment on function auth_internal.our_schemas is 'The names of our schemas.';

-- Is it a schema of an application's? None of Postgres's and none of ours.
create or replace function auth_internal.is_application_schema(name name) returns boolean
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select is_application_schema.name <> all (auth_internal.our_schemas() || 'information_schema'::text)
           and is_application_schema.name !~ '^pg_'
$$;
comment on function auth_internal.is_application_schema is 'Is it a schema of an application''s: none of Postgres''s and none of ours? NULL for NULL.';

-- The type below all domains.
create or replace function auth_internal.base_type(type oid) returns oid
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with recursive below (oid, base) as (
        select t.oid, t.typbasetype from pg_type t where t.oid = base_type.type
        union all
        select t.oid, t.typbasetype from below b join pg_type t on t.oid = b.base
    )
    select b.oid from below b where b.base = 0
$$;
comment on function auth_internal.base_type is 'The type below all domains; NULL for NULL and what is no type.';

-- The one list of what answers for a column: by what the column says of a row, and by its type below all domains. floor
-- is the least value of the type, for services only.
create or replace function auth_internal.column_readers()
    returns table (kind text, type oid, place integer, reader text, floor text)
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select * from (values
        ('organization', 'uuid'::regtype::oid, 1, 'auth.current_org()', 'auth.service_floor()'),
        ('organization', 'text'::regtype, 2, 'auth.external_org_id()', 'auth.service_floor_text()'),
        ('organization', 'varchar'::regtype, 3, 'auth.external_org_id()', 'auth.service_floor_text()'),
        ('organization', 'bigint'::regtype, 4, 'auth.external_org_number()', 'auth.service_floor_number()'),
        ('organization', 'integer'::regtype, 5, 'auth.external_org_number()', 'auth.service_floor_number()'),
        ('workspace', 'uuid'::regtype, 1, 'auth.current_workspace()', null),
        ('owner', 'text'::regtype, 1, 'auth.user_id()', null),
        ('owner', 'varchar'::regtype, 2, 'auth.user_id()', null),
        ('owner', 'uuid'::regtype, 3, 'auth.uid()', null),
        ('environment', 'text'::regtype, 1, 'auth.environment()', null),
        ('environment', 'varchar'::regtype, 2, 'auth.environment()', null)) r
$$;
comment on function auth_internal.column_readers is 'What answers for a column that says whose a row is (kind), by its base type; place orders the types of a kind.';

-- The one list of what a column of the organization is usually called. place: 1 counts whatever else is there, 2 and 3 where
-- it is not. 3 are names that mean something else as often: where nothing but such a name speaks for it, lint is cautious.
-- A workspace is no organization.
create or replace function auth_internal.organization_names() returns table (name name, place integer)
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select n.name::name, n.place
      from (values ('org_id', 1), ('organization_id', 2), ('tenant_id', 2),
                   ('account_id', 3), ('team_id', 3), ('company_id', 3)) n (name, place)
$$;
comment on function auth_internal.organization_names is 'What a column of the organization is usually called, the surest names first (place).';

-- The table and all that inherits from it, partitions or not, nearest first. Of other sessions' temporary tables
-- nothing can be changed, and nobody else sees them. A partition that is being detached is no part of it for queries.
create or replace function auth_internal.table_tree(source oid) returns table (part oid, is_being_detached boolean)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with recursive tree (oid, level, is_being_detached) as (
        select table_tree.source, 0, false
        union
        select i.inhrelid, t.level + 1, t.is_being_detached or i.inhdetachpending
          from tree t join pg_inherits i on i.inhparent = t.oid
    )
    select c.oid, t.is_being_detached
      from (select t.oid, min(t.level) as level, bool_and(t.is_being_detached) as is_being_detached
              from tree t group by t.oid) t
      join pg_class c on c.oid = t.oid and (c.relpersistence <> 't' or t.level = 0)
     order by t.level, c.oid
$$;
comment on function auth_internal.table_tree is 'A table and all that inherits from it, nearest first.';

-- Does an index find the rows that have a value in the column, when it is compared as our policies do? Or is the table
-- partitioned by list of that column, so that the planner leaves out the others?
create or replace function auth_internal.column_has_index(source oid, number smallint) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with compared as (
        select a.attcollation, auth_internal.base_type(a.atttypid) as type
          from pg_attribute a
         where a.attrelid = column_has_index.source and a.attnum = column_has_index.number)
    select exists (
        select from compared k
          join pg_index i on i.indrelid = column_has_index.source
          join pg_class x on x.oid = i.indexrelid
          join pg_am m on m.oid = x.relam and m.amname not in ('brin', 'bloom')
         cross join generate_series(0, i.indnkeyatts - 1) n (place)
          join pg_opclass c on c.oid = i.indclass[n.place]
          join pg_amop o on o.amopfamily = c.opcfamily
          join pg_operator p on p.oid = o.amopopr and p.oprname = '=' and p.oprnamespace = 'pg_catalog'::regnamespace
         where i.indkey[n.place] = column_has_index.number and i.indcollation[n.place] = k.attcollation
           -- GiST and GIN search by any of their columns.
           and (n.place = 0 or m.amname in ('gist', 'gin'))
           and i.indisvalid and i.indisready and i.indislive and i.indpred is null
           and o.amoplefttype = case k.type when 'varchar'::regtype then 'text'::regtype::oid else k.type end
           and o.amoprighttype = case k.type when 'varchar'::regtype then 'text'::regtype::oid
                                             when 'integer'::regtype then 'bigint'::regtype::oid else k.type end)
        or exists (
        select from pg_partitioned_table p
         where p.partrelid = column_has_index.source and p.partstrat = 'l' and p.partattrs[0] = column_has_index.number)
$$;
comment on function auth_internal.column_has_index is 'Does an index find the rows with a value of this column, or are there partitions for single values of it?';

-- The tables of applications and the column that says to which organization a row belongs: one that a policy compares
-- with our functions, or else one that they fill, or else one with a usual name and a type that there is a reader for. Several
-- rows for a table with several of one sort. is_guess: nothing but a name that can mean something else speaks for it.
-- Expressions are read as node trees, in which no name can pass for something else.
create or replace function auth_internal.organization_columns() returns table (source oid, org smallint, is_guess boolean)
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
    with readers as materialized (
        select p.oid, p.proargtypes = '2950'::oidvector as takes_column, p.pronargs = 0 as fills_column
          from auth_internal.readers() r
          join pg_proc p on p.pronamespace = 'auth'::regnamespace and p.proname = r.name
         where r.tells = 'organization'),
    pattern as materialized (
        select format('\{FUNCEXPR :funcid (?:%s) [^{}]*:args \(\{VAR :varno 1 :varattno (\d+) ',
                      string_agg(oid::text, '|') filter (where takes_column)) as called,
               format('\{(?:OPEXPR|SCALARARRAYOPEXPR) [^{}]*:args \((?:\{RELABELTYPE :arg )?\{VAR :varno 1 :varattno (\d+) [^{}]*\}(?:[^{}]*\})? \{FUNCEXPR :funcid (?:%s) ',
                      string_agg(oid::text, '|')) as compared,
               format('\{OPEXPR [^{}]*:args \(\{FUNCEXPR :funcid (?:%s) [^{}]*\} (?:\{RELABELTYPE :arg )?\{VAR :varno 1 :varattno (\d+) ',
                      string_agg(oid::text, '|')) as reversed,
               format(':funcid (?:%s) ', string_agg(oid::text, '|')) as any_reader
          from readers),
    relations as materialized (
        select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p', 'f') and auth_internal.is_application_schema(n.nspname)
           and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                              and d.deptype = 'e')),
    -- Both expressions of a policy, where it has two, are about the same column.
    policies as materialized (
        select p.polrelid as source, coalesce(p.polqual, p.polwithcheck)::text as nodes from pg_policy p),
    calls as materialized (
        select p.source, m.parts[1]::smallint as org
          from policies p cross join pattern cross join lateral regexp_matches(p.nodes, pattern.called, 'g') m (parts)),
    columns as (
        select c.source, c.org, 1 as rank from calls c
        union
        select p.source, m.parts[1]::smallint, 1
          from policies p
         cross join pattern
         cross join lateral (select regexp_matches(p.nodes, pattern.compared, 'g')
                             union all
                             select regexp_matches(p.nodes, pattern.reversed, 'g')) m (parts)
         where p.source not in (select c.source from calls c) and p.nodes ~ pattern.any_reader
        union
        select d.adrelid, d.adnum, 2
          from pg_attrdef d
          join pg_depend x on x.classid = 'pg_attrdef'::regclass and x.objid = d.oid
                          and x.refclassid = 'pg_proc'::regclass
          join readers on readers.oid = x.refobjid and readers.fills_column
        union
        select a.attrelid, a.attnum, 2 + n.place
          from auth_internal.organization_names() n
          join pg_attribute a on a.attname = n.name and a.attnum > 0 and not a.attisdropped
          join auth_internal.column_readers() r on r.kind = 'organization' and r.type = auth_internal.base_type(a.atttypid)),
    ranked as (
        select k.source, k.org, k.rank, rank() over (partition by k.source order by k.rank) as place
          from columns k join relations r on r.oid = k.source
         where k.org > 0)
    select distinct k.source, k.org, k.rank = 5 from ranked k where k.place = 1
$$;
comment on function auth_internal.organization_columns is 'The tables of applications that have a column for the organization, its number and whether that is a guess, whoever owns them.';
