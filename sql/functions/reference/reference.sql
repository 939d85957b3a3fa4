-- The comments on functions follow a form. Who may call one stands before a colon at the beginning, if not everybody may;
-- sentences that begin with a SQLSTATE are its errors; all others are what it promises.
create or replace function auth_internal.reference()
    returns table (place bigint, topic text, title text, name text, signature text[], promise text[], callers text, errors text[])
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select row_number() over (order by t.place, f.n), t.topic, t.title, f.name, auth_internal.signature_of(p.oid),
           array(select case when s.n = 1 and c.callers is not null then upper(left(s.sentence, 1)) || substr(s.sentence, 2)
                             else s.sentence end
                   from unnest(c.sentences) with ordinality s (sentence, n) where s.sentence !~ c.error order by s.n),
           auth_internal.callers_of(p.oid, c.callers),
           array(select rtrim(e.error, '.')
                   from unnest(c.sentences) with ordinality s (sentence, n)
                  cross join lateral regexp_split_to_table(s.sentence, '[,;] (?=' || substr(c.error, 2) || ')')
                                     with ordinality e (error, n)
                  where s.sentence ~ c.error order by s.n, e.n)
      from auth_internal.topics() t
     cross join lateral unnest(t.functions) with ordinality f (name, n)
      join pg_proc p on p.proname = f.name and p.pronamespace = 'auth'::regnamespace
     cross join lateral regexp_match(obj_description(p.oid, 'pg_proc'),
         '^(?:((?:Administrators|Services|Owners|The table''s owner|Members|Whoever|With)(?![a-z])(?:[^:.]|[.](?! ))*): )?(.*)$') m (parts)
     cross join lateral (select m.parts[1], regexp_split_to_array(m.parts[2], '(?<=[.?!]) '),
                                '^(?:[0-9][0-9A-Z]|[A-Z][0-9])[0-9A-Z]{3} ') c (callers, sentences, error)
$$;
comment on function auth_internal.reference is
    'What auth.help() and docs/reference.md say of each function, from its declaration, grants and comment.';

-- Arguments and columns are kept in one piece each.
create or replace function auth_internal.signature_of(described oid) returns text[]
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with parts as (
        select a.mode = 't' as is_column,
               concat(case when row_number() over w = 1 then
                          case a.mode when 't' then 'returns table (' else format('auth.%s(', p.proname) end end,
                      a.name, ' ', replace(format_type(a.type, null), 'timestamp with time zone', 'timestamptz'),
                      -- Without casts: each value is written as the type that stands before it.
                      ' default ' || replace(regexp_replace(pg_get_function_arg_default(p.oid, a.n::integer), '::[a-z ]+([[][]])?', '', 'g'),
                                             'NULL', 'null'),
                      case when lead(a.n) over w is null then ')' else ',' end) as part,
               a.n
          from pg_proc p
         cross join lateral unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargnames, p.proargmodes::text[])
                            with ordinality u (type, name, mode, n)
         cross join lateral (select u.type, u.name, coalesce(u.mode, 'i') as mode, u.n) a
         where p.oid = signature_of.described
        window w as (partition by a.mode order by a.n)
    ), pieces as (
        select coalesce(array_agg(p.part order by p.n) filter (where not p.is_column),
                        array[format('auth.%s()', (select proname from pg_proc where oid = signature_of.described))]) as arguments,
               coalesce(array_agg(p.part order by p.n) filter (where p.is_column),
                        array['returns ' || lower(replace(pg_get_function_result(signature_of.described),
                                                          'timestamp with time zone', 'timestamptz'))]) as result
          from parts p
    )
    select case when length(array_to_string(arguments || result, ' ')) <= 96 then array[array_to_string(arguments || result, ' ')]
                else array(select w from auth_internal.wrapped(arguments, '', '        ') w)
                     || array(select w from auth_internal.wrapped(result, '    ', '        ') w) end
      from pieces
$$;
comment on function auth_internal.signature_of is 'How a function of schema auth is called and what it returns, in lines of up to 96 characters.';

-- Whoever was granted it, and of them those whom its comment names.
create or replace function auth_internal.callers_of(described oid, named text) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when g.everybody then coalesce(n.callers, 'everybody')
                when g.roles = '{bearer_admin}' and n.callers ~ '^administrators' then n.callers
                when g.roles is null then 'superusers only'
                else concat('only ', array_to_string(g.roles, ', '), ': ' || n.callers) end
      from (select bool_or(a.grantee = 0) as everybody,
                   array_agg(pg_get_userbyid(a.grantee)::text order by pg_get_userbyid(a.grantee)) filter (where a.grantee not in (0, p.proowner)) as roles
              from pg_proc p cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
             where p.oid = callers_of.described) g
     cross join (select regexp_replace(regexp_replace(lower(left(named, 1)) || substr(named, 2), '^with ', 'whoever has the permission '),
                                       'administrators', 'administrators (superusers and members of bearer_admin)')
                        || case when named ~ '[.](read|write)(?![a-z])' and named !~ 'dministrators'
                                then '; services and administrators too' else '' end) n (callers)
$$;
comment on function auth_internal.callers_of is 'Who may call a function of schema auth: by its grants, and as its comment says.';

create or replace function auth_internal.help_heading(topic text) returns setof text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select w.line
      from auth_internal.topics() t
     cross join lateral (
           select t.topic || ': ' || t.title as line, 0 as n
            union all
           select w.line, w.n
             from auth_internal.wrapped(regexp_split_to_array(array_to_string(t.functions, ', '), ' '), '', '') with ordinality w (line, n)) w
     where t.topic = help_heading.topic order by w.n
$$;
comment on function auth_internal.help_heading is 'What auth.help() begins with for a topic.';

-- As many pieces on a line as fit, with blanks between them. A piece that is longer than a line has one to itself.
create or replace function auth_internal.wrapped(pieces text[], first_indent text, other_indent text) returns setof text
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    -- Nobody gets more out of it than he puts in.
    indent constant text := coalesce(left(other_indent, 96), '');
    line text := coalesce(first_indent, '');
    is_begun boolean := false;
    piece text;
begin
    foreach piece in array coalesce(pieces, '{}') loop
        piece := coalesce(piece, '');
        if is_begun and length(line) + 1 + length(piece) > 96 then
            return next line;
            line := indent;
            is_begun := false;
        end if;
        line := line || case when is_begun then ' ' else '' end || piece;
        is_begun := true;
    end loop;
    return next line;
end
$$;
comment on function auth_internal.wrapped is 'Pieces of text in lines of up to 96 characters, with these indents.';
