-- Why a row is, or is not, there for somebody.

-- The row that is asked about: for an insert the one that would be, otherwise one that is looked up for the caller.
create or replace function auth_internal.asked_row(source regclass, command text, row_key jsonb) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    found jsonb[];
    unknown text;
begin
    if row_key is null then
        return null;
    end if;
    if jsonb_typeof(row_key) = 'object' then
        select k.name into unknown
          from jsonb_object_keys(row_key) k (name)
         where k.name not in (select a.attname from pg_attribute a
                               where a.attrelid = asked_row.source and a.attnum > 0 and not a.attisdropped)
         limit 1;
    end if;
    if jsonb_typeof(row_key) <> 'object' or unknown is not null then
        raise invalid_parameter_value using
            message = 'row_key has to be an object of columns of the table and their values',
            hint = coalesce('The table has no column ' || quote_ident(unknown) || '.', 'For example {"id": 7}.');
    end if;
    if command in ('insert', 'insert returning') then
        return row_key;
    end if;
    select array_agg(r.row_values) into found
      from auth_internal.stored_rows(source, auth_internal.parts_of(source), row_key, null, 2) r;
    if cardinality(found) > 1 then
        raise invalid_parameter_value using message = 'row_key has to name one row', hint = 'More than one has these values.';
    end if;
    return found[1];
end
$$;
comment on function auth_internal.asked_row is 'The row that row_key names, or NULL; 22023 for a bad key, 42501 for rows that the outer user may not read.';

-- What an insert puts into columns that it does not name, where the default is a constant or one of our functions.
-- Others are not tried: they may count, or do more.
create or replace function auth_internal.assumed_defaults(source regclass, as_role oid, credential text, identity jsonb, helper_search_path text)
    returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    queries text[];
begin
    select array_agg(format('select pg_catalog.jsonb_build_object(%L::pg_catalog.text, %s)::pg_catalog.text', a.attname, e.shown))
      into queries
      from pg_attrdef d
      join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum and a.attgenerated = ''
     cross join lateral (select pg_get_expr(d.adbin, d.adrelid) as shown) e
     where d.adrelid = assumed_defaults.source
       and (d.adbin::text like '{CONST %'
            or e.shown ~ ('^\(*"?auth"?\."?(' || (select string_agg(r.name, '|') from auth_internal.readers() r) || ')"?\(\)\)*(::[a-z ]+)?$'));
    if queries is null then
        return '{}';
    end if;
    return coalesce((select jsonb_object_agg(v.key, v.value)
                       from auth_internal.answers_for(as_role, as_role, credential, identity, queries, helper_search_path) r
                      cross join lateral jsonb_each(r.value::jsonb) v
                      where r.failure is null), '{}');
end
$$;
comment on function auth_internal.assumed_defaults is 'Defaults of a table that are constants or functions of ours, as an identity inserts them.';

create or replace function auth.explain_access(
    source regclass, command text, credential text default null, identity jsonb default null,
    row_key jsonb default null, as_role name default null,
    helper_search_path text default pg_catalog.current_setting('search_path')
) returns table (policy name, applies boolean, kind text, expression text, verdict text, functions jsonb, conclusion text)
    language plpgsql security definer set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
declare
    asked text := regexp_replace(lower(btrim(command)), '\s+', ' ', 'g');
    role_oid oid;
    rolename name;
    obstacle text;
    bypass text;
    who record;
    asked_about jsonb;
    found record;
    reading jsonb;
    readings jsonb := '[]';
    clauses text[];
begin
    perform auth_internal.require_administrator();
    if auth_internal.privileges_for(asked) is null then
        raise invalid_parameter_value using
            message = 'command has a value that is not allowed',
            hint = 'It is one of select, insert, insert returning, update, delete and upsert.';
    end if;
    if (select count(*) from pg_class c where c.oid = explain_access.source and c.relkind in ('r', 'p')) = 0 then
        raise invalid_parameter_value using 
            message = 'access to a table is explained, and this is none',
            hint = 'Of a view ask about its tables: as_role is its owner, or with security_invoker whoever asks.';
    end if;
    role_oid := auth_internal.asked_role(source, as_role);
    rolename := pg_get_userbyid(role_oid);
    bypass := auth_internal.policy_bypass(source, role_oid);
    if not auth_internal.may_run_as(role_oid) and bypass is null then
        raise insufficient_privilege using
            message = 'nothing is run as a superuser or as bearer_owner',
            hint = 'Nor as a role that may use files or programs of the server.';
    end if;
    obstacle := auth_internal.missing_grants(source, role_oid, asked);
    select * into who from auth_internal.described_identity(credential, identity);
    if who.refusal is not null then
        conclusion := 'refused: ' || who.refusal;
        return next;
        return;
    end if;
    asked_about := auth_internal.asked_row(source, asked, row_key);
    if asked in ('insert', 'insert returning') and row_key is not null and bypass is null then
        asked_about := auth_internal.assumed_defaults(source, role_oid, credential, identity, helper_search_path) || asked_about;
    end if;
    for found in
        select p.oid, p.polname, p.polpermissive, p.polcmd::text as cmd,
               pg_get_expr(p.polqual, p.polrelid) as qual, pg_get_expr(p.polwithcheck, p.polrelid) as checked,
               0 = any (p.polroles) or exists (select from unnest(p.polroles) r (oid)
                                                where pg_has_role(role_oid, r.oid, 'usage')) as for_role
          from pg_policy p where p.polrelid = explain_access.source
         order by p.polpermissive desc, p.polcmd <> '*', p.polname
    loop
        select array_agg(distinct s.clause) into clauses
          from auth_internal.policy_steps(asked) s where found.cmd in ('*', s.cmd);
        policy := found.polname;
        kind := case when found.polpermissive then 'permissive ' else 'restrictive ' end
                || case found.cmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
                                  when 'd' then 'delete' else 'all' end;
        expression := concat_ws(' ', 'using (' || found.qual || ')', 'with check (' || found.checked || ')');
        applies := bypass is null and found.for_role and clauses is not null;
        verdict := null;
        functions := null;
        conclusion := case when bypass is not null then 'does not apply: ' || bypass
                           when clauses is null then format('does not apply: it is not for %s', upper(asked))
                           when not found.for_role then format('does not apply: it is not for role %I', rolename) end;
        if applies then
            reading := auth_internal.policy_reading(found.oid, role_oid, credential, identity, who.shown, clauses, asked_about, helper_search_path);
            readings := readings || jsonb_build_object(
                'policy', found.polname, 'permissive', found.polpermissive, 'cmd', found.cmd,
                'using', found.qual, 'check', coalesce(found.checked, found.qual), 'reading', reading);
            verdict := case when reading ->> 'using' is distinct from reading ->> 'check' and cardinality(clauses) > 1
                            then concat_ws(', ', 'using ' || (reading ->> 'using'), 'with check ' || (reading ->> 'check'))
                            else coalesce(reading ->> 'using', reading ->> 'check') end;
            select jsonb_object_agg(c.item ->> 'call', c.item -> 'value') into functions
              from jsonb_array_elements(reading -> 'calls') c (item);
            conclusion := auth_internal.reading_words(reading);
        end if;
        return next;
    end loop;
    policy := null;
    applies := null;
    kind := null;
    expression := null;
    verdict := null;
    functions := null;
    conclusion := case
        when obstacle is not null then 'denied: ' || obstacle
        when bypass is not null then 'allowed: row-level security does not apply, since ' || bypass
        when row_key is not null and asked_about is null then 'no such row: nothing in the table has these values'
        else auth_internal.access_verdict(asked, rolename, readings, asked_about is not null) end
        || case when obstacle is null then coalesce(auth_internal.column_grants(source, role_oid, asked), '') else '' end
        || (select case when c.relkind = 'p' then '; partitions that are queried directly have policies of their own' else '' end
              from pg_class c where c.oid = explain_access.source);
    return next;
end
$$;
comment on function auth.explain_access is
    'Administrators: why a row is, or is not, there for somebody. A row for each policy, with what it says of the row and the values of the auth functions in it, then one with the conclusion. command: select, insert, insert returning, update, delete or upsert. Either credential or identity (as for auth.act_as()), or nobody. row_key: columns and values that find the row, or for inserts the row itself (columns that are left out have their default where it is a constant or one of our functions, otherwise NULL); NULL: no verdicts. as_role: NULL is the only role that the table is granted to, if the table''s owner has all of its rights; other roles have to be named, since policies run as that role, READ ONLY. All they do is rolled back. Meanwhile they see nothing of what the caller wrote, prepared, opened or sent as request.headers, say nothing to the client and lock nothing beyond the transaction. Functions in them that have no search_path of their own get helper_search_path, by default the caller''s. 22023 for a bad argument, 42501 for a role that the caller may not SET ROLE to, for rows that he may not read and for anybody but administrators.';

create or replace function auth.rows_visible_to(
    source regclass, identity jsonb, as_role name default null,
    helper_search_path text default pg_catalog.current_setting('search_path')
) returns table (visible jsonb)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    role_oid oid;
    answer record;
begin
    perform auth_internal.require_administrator();
    role_oid := auth_internal.asked_role(source, as_role);
    perform auth_internal.described_identity(null, identity);
    for answer in
        select * from auth_internal.answers_for(role_oid, role_oid, null, identity,
                                       array[format('select pg_catalog.to_jsonb(t.*)::pg_catalog.text from %s t', auth_internal.qualified(source))],
                                       helper_search_path)
    loop
        if answer.failure is not null then
            raise exception using errcode = answer.state, message = answer.failure;
        end if;
        visible := answer.value::jsonb;
        return next;
    end loop;
end
$$;
comment on function auth.rows_visible_to is
    'Administrators: the rows of a table or view that an identity (as for auth.act_as(); NULL is nobody) sees as a role, as jsonb; the other arguments, and how it runs, are those of auth.explain_access(). It also fails where selecting the rows fails. 22023 for a bad argument, 42501 for a role that the caller may not SET ROLE to and for anybody but administrators.';
