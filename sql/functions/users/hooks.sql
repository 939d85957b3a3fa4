-- Functions of the application that are called here. Each runs as its owner; src/pg/ffi/hooks.rs puts back what it changes.

-- How a body is printed must not depend on who signs in.
create or replace function auth_internal.hook_digest(function regprocedure) returns bytea
    language sql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on
    set quote_all_identifiers = off set datestyle = 'ISO, YMD' set intervalstyle = 'iso_8601' set timezone = 'UTC'
    set bytea_output = 'hex' set extra_float_digits = 1 as $$
    select sha256(convert_to(jsonb_build_array(p.prosrc, p.probin, p.proconfig, p.prosecdef, l.lanname, p.provolatile,
                                               format_type(p.prorettype, null), pg_get_function_sqlbody(p.oid))::text, 'UTF8'))
      from pg_proc p join pg_language l on l.oid = p.prolang where p.oid = hook_digest.function
$$;
comment on function auth_internal.hook_digest is 'What a hook is recognised by: its body and how it runs.';

-- A name without quotes around it could mean another function later.
create or replace function auth_internal.hook_function(name text) returns regprocedure
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    parts text[];
    found_function regprocedure;
begin
    begin
        parts := parse_ident(name);
    exception when invalid_parameter_value then
        parts := null;
    end;
    if cardinality(parts) = 2 then
        select p.oid into found_function
          from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where n.nspname = parts[1] and p.proname = parts[2] and p.pronargs = 1 and p.proargtypes[0] = 'jsonb'::regtype
           and p.prokind = 'f' and not p.proretset and p.prorettype in ('jsonb'::regtype, 'void'::regtype)
           and n.nspname <> all (auth_internal.our_schemas() || 'pg_catalog'::text)
           and not pg_is_other_temp_schema(n.oid) and n.oid <> pg_my_temp_schema();
    end if;
    return found_function;
end
$$;
comment on function auth_internal.hook_function is 'The function of this name, with its schema, that takes one jsonb and returns jsonb or void; NULL when there is none.';

create or replace function auth.set_hook(name text, function text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp set quote_all_identifiers = off as $$
declare
    its_function regprocedure := auth_internal.hook_function(function);
    its_owner text;
begin
    perform auth_internal.require_administrator();
    perform auth_internal.commit_durably();
    if (name in ('send_email', 'before_user_created', 'after_user_created', 'access_token')) is not true then
        perform auth_internal.refuse_token_argument('name', 'It is send_email, before_user_created, after_user_created or access_token.');
    elsif its_function is null then
        perform auth_internal.refuse_token_argument('function', 'It is the name of a function with its schema, which takes one jsonb and returns jsonb or void.');
    end if;
    -- Whoever signs in may have tables of that name, which come first where pg_temp is not the last schema.
    if exists (select from pg_proc p, unnest(p.proconfig) c
                where p.oid = its_function and starts_with(lower(c), 'search_path=') and c !~ '[=,] *pg_temp$') then
        perform auth_internal.refuse_token_argument('function', 'Its search_path has pg_temp last: set search_path = …, pg_temp.');
    end if;
    perform auth_internal.demand_hook_owner(its_function::oid);
    select pg_get_userbyid(p.proowner) into its_owner from pg_proc p where p.oid = its_function;
    insert into auth.hooks as h (name, function, owner, digest)
    select set_hook.name, format('%I.%I', n.nspname, p.proname), its_owner, auth_internal.hook_digest(its_function)
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.oid = its_function
        on conflict on constraint hooks_pkey
        do update set function = excluded.function, owner = excluded.owner, digest = excluded.digest, created_at = clock_timestamp();
    perform auth_internal.audit('hook.set', null, name, details => jsonb_build_object('function', its_function::text, 'owner', its_owner));
end
$$;
comment on function auth.set_hook is
    'Administrators: has a function of the application called here. name is send_email (to mail a token: recipient, purpose, token and user_id), before_user_created (those who sign up; may return {"error": {"message"}}) and after_user_created (everybody; the user as auth.current_user_record() shows one), or access_token (user_id, session_id, method, org_id and claims; returns claims to add, of which reserved ones are left out). The function takes one jsonb and returns jsonb or void. It runs as its owner, who is neither a superuser nor one of our roles, with search_path pg_catalog, pg_temp unless it says another, with pg_temp last; it is a security-restricted operation, in which no deferred trigger fires and nothing is left in the session, what it does to settings and the identity is undone, and its messages and errors reach nobody: that it failed is all that is said. One that was changed since, or has another owner, is not called: set it again. 22023 for another name or no such function, 42501 for anybody else, 55000 where the owner has too many rights.';

create or replace function auth.remove_hook(name text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.require_administrator();
    perform auth_internal.commit_durably();
    delete from auth.hooks h where h.name = remove_hook.name;
    if found then
        perform auth_internal.audit('hook.remove', null, name);
    end if;
end
$$;
comment on function auth.remove_hook is 'Administrators: has the function of a hook called no more. Idempotent. 42501 for anybody else.';

create or replace function auth.list_hooks() returns table (name text, function text, owner text, intact boolean, created_at timestamptz)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.require_administrator();
    return query
        select h.name, h.function, h.owner, auth_internal.hook_is_intact(h), h.created_at from auth.hooks h order by h.name;
end
$$;
comment on function auth.list_hooks is 'Administrators: the hooks. One that is not intact was changed, or given to somebody else, since it was set, and fails when it would be called. 42501 for anybody else.';

create or replace function auth_internal.hook_is_intact(hook auth.hooks) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce((select pg_get_userbyid(p.proowner) = hook.owner and auth_internal.hook_digest(p.oid) = hook.digest
                       from pg_proc p where p.oid = auth_internal.hook_function(hook.function)), false)
$$;
comment on function auth_internal.hook_is_intact is 'Is it the function that was set, and that owner''s?';

-- src/pg/functions/outside.rs calls it with a snapshot of its own: what was decided about hooks counts at once.
create or replace function auth_internal.find_hook(name text) returns jsonb
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    hook auth.hooks;
begin
    select * into hook from auth.hooks h where h.name = find_hook.name;
    return case when hook.name is not null then jsonb_build_object(
        'function', auth_internal.hook_function(hook.function)::oid::bigint, 'intact', auth_internal.hook_is_intact(hook)) end;
end
$$;
comment on function auth_internal.find_hook is 'The number of the function of a hook, NULL where there is none of that name any more, and whether it is what was set; NULL without a hook.';

create or replace function auth_internal.has_hook(name text) returns boolean
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return auth_internal.current_hook(has_hook.name) is not null;
end
$$;
comment on function auth_internal.has_hook is 'Is there such a hook now?';

create or replace function auth_internal.refuse_changed_hook(name text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('55000', format('hook "%s" failed', name), 'auth.list_hooks() shows whether the function was changed since it was set.');
end
$$;
comment on function auth_internal.refuse_changed_hook is 'The error for a hook that is not what was set (55000).';

-- Before it is known whether the hook is called, where that tells something.
create or replace function auth_internal.demand_intact(name text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if not (auth_internal.current_hook(name) -> 'intact')::boolean then
        perform auth_internal.refuse_changed_hook(name);
    end if;
end
$$;
comment on function auth_internal.demand_intact is '55000 where the function of a hook was changed since it was set; nothing without one.';

create or replace function auth_internal.run_hook(name text, argument jsonb) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    hook jsonb := auth_internal.current_hook(name);
begin
    if hook is null then
        return null;
    elsif not (hook -> 'intact')::boolean then
        perform auth_internal.refuse_changed_hook(name);
    end if;
    return auth_internal.call_hook((hook ->> 'function')::oid, argument);
end
$$;
comment on function auth_internal.run_hook is 'What the function of a hook returns; NULL without one. 55000 where it fails or was changed.';
