-- What auth.lint() says about users who sign in here.

create or replace function auth_internal.lint_users()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'trigger_on_users', 'warning', format('trigger %I on auth.users', t.tgname),
           'pg_dump leaves triggers on tables of an extension out, so that a restored database does not have it. '
               'The hook after_user_created (auth.set_hook) is in the dump; no SQL can move what the trigger does there',
           null::text, null::oid
      from pg_trigger t where t.tgrelid = 'auth.users'::regclass and not t.tgisinternal
    union all
    select 'hook_changed', 'warning', format('hook %L', h.name),
           format('%s was changed, or has another owner, since it was set: what calls it fails. Read it before it is set again', h.function),
           case when pg_get_userbyid(p.proowner) = h.owner then format('select auth.set_hook(%L, %L)', h.name, h.function)
                else format('select auth.remove_hook(%L)', h.name) end, null::oid
      from auth.hooks h left join pg_proc p on p.oid = auth_internal.hook_function(h.function)
     where not auth_internal.hook_is_intact(h) and auth_internal.hook_function(h.function) is not null
    union all
    select 'hook_missing', 'warning', format('hook %L', h.name),
           format('there is no function %s that takes a jsonb: what calls it fails', h.function),
           format('select auth.remove_hook(%L)', h.name), null::oid
      from auth.hooks h where auth_internal.hook_function(h.function) is null
    union all
    select 'tries_undone', 'warning', 'auth.sign_in_tries',
           'pg_bearer is not in shared_preload_libraries, so that tries to sign in are counted in a table: whoever rolls back, with SQL of their own, tries passwords without end, and no SQL can load it',
           null::text, null::oid
     where exists (select from auth.user_passwords) and not auth_internal.counts_api_key_uses()
$$;
comment on function auth_internal.lint_users is 'Findings of auth.lint() about users who sign in here.';
