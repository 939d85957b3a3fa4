//! A session in which nothing that is left to it means what it should, and all that a fix can change.

/// Operators, functions, types, a collation, an operator class and tables that stand in for those of Postgres and of the
/// application, where names are looked for. To be planted after the tables.
pub(crate) const PLANTED: &str = r#"
do $plant$
declare
    pair text;
    op text;
    bool_type text := 'pg_catalog.bool';
begin
    foreach pair in array '{varchar text,text text,text varchar,varchar varchar,uuid uuid,name name,name text,int4 int4,int4 int8,int8 int8,date date,timestamptz timestamptz,interval interval,float8 float8,bytea bytea,bool bool}'::text[] loop
        execute format('create function public.always(pg_catalog.%I, pg_catalog.%I) returns boolean immutable language sql as ''select true''',
                       split_part(pair, ' ', 1), split_part(pair, ' ', 2));
        foreach op in array '{=,<>,~~,<,>,<=,>=,!~~}'::text[] loop
            execute format('create operator public.%s (leftarg = pg_catalog.%I, rightarg = pg_catalog.%I, function = public.always)',
                           op, split_part(pair, ' ', 1), split_part(pair, ' ', 2));
        end loop;
    end loop;
    create function public.joined(text, text) returns text immutable language sql as 'select ''''::pg_catalog.text';
    create operator public.|| (leftarg = text, rightarg = text, function = public.joined);
    create operator class public.text_ops for type text using btree as operator 1 ~<~, operator 2 ~<=~, operator 3 pg_catalog.=, operator 4 ~>=~, operator 5 ~>~,
        function 1 bttext_pattern_cmp(text, text);
    create collation public."C" from pg_catalog."POSIX";
    create function public.lower(text) returns text immutable language sql as 'select $1';
    create function public.upper(text) returns text immutable language sql as 'select $1';
    create function public.current_setting(text) returns text language sql as 'select ''public''::pg_catalog.text';
    create function public.set_config(text, text, boolean) returns text language sql as 'select $2';
    create function public.format(text, variadic text[]) returns text language sql as 'select ''''::pg_catalog.text';
    create function public.to_jsonb(anyelement) returns jsonb language sql as 'select ''[]''::pg_catalog.jsonb';
    create table pg_temp.parents (id int);
    create table pg_temp.children (id int, org_id int);
    create table pg_temp.things (id int, org_id int);
    foreach op in array '{text,uuid,regclass,oid,varchar,int4,bool,date,timestamptz,interval,bytea,float8,numeric,jsonb}'::text[] loop
        execute format('create domain public.%I as pg_catalog.int2', op);
        execute format('create domain pg_temp.%I as pg_catalog.int2', op);
    end loop;
end
$plant$
"#;

/// After these, SQL of a test has to say `pg_catalog.` as well.
pub(crate) const SETTINGS: &str = "
set local standard_conforming_strings = off;
set local escape_string_warning = off;
set local backslash_quote = on;
set local quote_all_identifiers = on;
set local datestyle = 'SQL, DMY';
set local intervalstyle = sql_standard;
set local timezone = 'Asia/Tokyo';
set local extra_float_digits = -15;
set local bytea_output = escape;
set local array_nulls = off;
set local transform_null_equals = on;
set local search_path = public, pg_temp, pg_catalog";

pub(crate) const NO_SETTINGS: &str = "
reset search_path; reset standard_conforming_strings; reset escape_string_warning; reset backslash_quote; reset quote_all_identifiers;
reset datestyle; reset intervalstyle; reset timezone; reset extra_float_digits; reset bytea_output; reset array_nulls;
reset transform_null_equals";

/// Rules are compared as node trees, in which every operator, function and type is a number.
pub(crate) const CATALOG: &str = r#"
with relations as (
    select c.* from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname !~ '^pg_' and n.nspname not in ('auth', 'auth_internal', 'information_schema')),
facts as (
    select concat_ws(' ', 'relation', r.oid::regclass, r.relkind, r.relowner::regrole, r.relacl, r.relrowsecurity, r.relforcerowsecurity, r.reloptions, obj_description(r.oid)) as fact
      from relations r
    union all
    select concat_ws(' ', 'column', a.attrelid::regclass, a.attname, a.attnotnull, a.attacl, d.adbin) from relations r
      join pg_attribute a on a.attrelid = r.oid left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    union all
    select concat_ws(' ', 'policy', p.polrelid::regclass, p.polname, p.polcmd, p.polpermissive, p.polroles, 'using', p.polqual, 'check', p.polwithcheck,
                     obj_description(p.oid, 'pg_policy'))
      from pg_policy p join relations r on r.oid = p.polrelid
    union all
    select concat_ws(' ', 'constraint', k.conrelid::regclass, k.conname, k.contype, k.conkey, k.confrelid::regclass, k.confkey, k.conpfeqop, k.conffeqop, k.confdelsetcols,
                     k.confmatchtype, k.confupdtype, k.confdeltype, k.condeferrable, k.condeferred, k.convalidated, k.conbin)
      from pg_constraint k join relations r on r.oid = k.conrelid
    union all
    select concat_ws(' ', 'unchecked', k.conrelid::regclass, k.conname)
      from auth.unchecked_foreign_keys u join pg_constraint k on k.oid = u.key
    union all
    select concat_ws(' ', 'hook', h.name, h.function, h.owner, h.digest) from auth.hooks h
    union all
    select concat_ws(' ', 'index', i.indexrelid::regclass, i.indrelid::regclass, i.indisunique, i.indnullsnotdistinct, i.indkey, i.indclass, i.indcollation, i.indoption, i.indexprs, 'where', i.indpred)
      from pg_index i join relations r on r.oid = i.indrelid
    union all
    select concat_ws(' ', 'function', p.oid::regprocedure, p.proowner::regrole, p.prosecdef, p.provolatile, replace(array_to_string(p.proconfig, ' '), '"', '')) from pg_proc p
      join pg_namespace n on n.oid = p.pronamespace where n.nspname !~ '^pg_' and n.nspname not in ('auth', 'auth_internal', 'information_schema')
    union all
    select concat_ws(' ', 'schema', n.oid::regnamespace, n.nspacl) from pg_namespace n where n.nspname !~ '^pg_'
    union all
    select concat_ws(' ', 'role', r.rolname, r.rolsuper, r.rolbypassrls, r.rolcanlogin, r.rolinherit, r.rolcreaterole) from pg_roles r
     where r.rolname ~ '^bearer_' or r.rolname ~ 'lint|villain|application_owner|^tenant$|^table_owner$'
    union all
    select concat_ws(' ', 'member', m.roleid::regrole, m.member::regrole, to_jsonb(m) ->> 'inherit_option', m.admin_option) from pg_auth_members m
     where m.member::regrole::text ~ 'lint|bearer_'
    union all
    select concat_ws(' ', 'database', d.datacl) from pg_database d where d.datname = current_database()
    union all
    select concat_ws(' ', 'publication', p.pubname, p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot,
                     array(select r.prrelid::regclass::text from pg_publication_rel r where r.prpubid = p.oid order by 1),
                     array(select n.pnnspid::regnamespace::text from pg_publication_namespace n where n.pnpubid = p.oid order by 1)) from pg_publication p
  union all select pg_catalog.concat_ws(' ', 'event trigger', e.evtname, e.evtevent, e.evtenabled, e.evttags::text, e.evtfoid::regproc) from pg_event_trigger e
  union all select pg_catalog.concat_ws(' ', 'setting', s.setrole::regrole, s.setdatabase, s.setconfig::text) from pg_db_role_setting s
    where s.setdatabase = (select d.oid from pg_database d where d.datname = pg_catalog.current_database())
       or s.setdatabase = 0 and s.setrole::regrole::text ~ 'lint'
    union all
    select concat_ws(' ', 'subscription', s.subname, to_jsonb(s) ->> 'subrunasowner') from pg_subscription s)
select string_agg(regexp_replace(fact, ':(location|stmt_location|stmt_len) -?\d+', '', 'g'), E'\n' order by fact collate "C") from facts"#;
