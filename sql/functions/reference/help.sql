-- What people read about the functions: auth.help(), and docs/reference.md, which a test makes of the same rows.

create or replace function auth.help(topic text default null) returns setof text
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    -- As people write it: api-keys, auth.uid, uid().
    wanted constant text := regexp_replace(translate(lower(btrim(left(help.topic, 100))), ' -', '__'), '^auth[.]|[(].*$', '', 'g');
    entry record;
    found_any boolean := false;
begin
    if help.topic is null then
        return query select 'select auth.help(''api_keys'') shows the functions of a topic, auth.help(''uid'') one function.'::text;
        return query select ''::text;
        return query select rpad(t.topic, 20) || t.title from auth_internal.topics() t order by t.place;
        return;
    end if;
    for entry in select r.* from auth_internal.reference() r where wanted in (r.topic, r.name) order by r.place loop
        if found_any then
            return query select ''::text;
        elsif entry.topic = wanted then
            return query select h from auth_internal.help_heading(wanted) h;
            return query select ''::text;
        end if;
        found_any := true;
        return query select s from unnest(entry.signature) s;
        return query
            select w from unnest(entry.promise) p,
                          -- chr(92) is a backslash, whatever standard_conforming_strings says.
                          replace(p, 'explain the arguments', concat('explain the arguments (', chr(92), 'd+ ', split_part(p, ' ', 4), ' shows them)')) s,
                          auth_internal.wrapped(string_to_array(s, ' '), '  ', '    ') w;
        return query select w from auth_internal.wrapped(string_to_array(entry.callers, ' '), '  Who may call it: ', '    ') w;
        return query
            select w from unnest(entry.errors) with ordinality e (error, n),
                          auth_internal.wrapped(string_to_array(e.error, ' '),
                                                case e.n when 1 then '  Errors: ' else '          ' end, repeat(' ', 16)) w;
    end loop;
    if not found_any then
        raise invalid_parameter_value using
            message = 'there is no such topic, and no such function in schema auth',
            hint = 'The topics are ' || (select string_agg(t.topic, ', ' order by t.place) from auth_internal.topics() t) || '.';
    end if;
end
$$;
comment on function auth.help is
    'What the functions of schema auth promise, for psql, in lines of up to 96 characters. Without an argument: the topics. With a topic: its functions. With the name of a function: that one. 22023 for anything else; the hint lists the topics.';
