-- What auth.lint() says about unique and foreign keys: they see the rows of every organization.

create or replace function auth_internal.lint_unique_keys(namespaces oid[], tables oid[], columns smallint[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'unique_without_org', 'warning', format('%I on %s', k.name, k.source::regclass),
           format('the key shows whether another organization has a value: put column %I first', k.org)
               || coalesce('; ' || k.obstacle, ''),
           case when k.obstacle is null then array_to_string(k.statements, '; ') end, c.relowner
      from auth_internal.unique_keys_without_org(tables, columns) k
      join pg_class c on c.oid = k.source and c.relnamespace = any (namespaces)
$$;
comment on function auth_internal.lint_unique_keys is 'Findings of auth.lint() about unique keys.';

create or replace function auth_internal.lint_foreign_keys(namespaces oid[], tables oid[], columns smallint[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'fk_crosses_orgs', 'warning', format('%I on %s', k.name, k.source::regclass),
           format('a row can refer to another organization''s row of %s, and so shows whether there is one', k.parent::regclass)
               || coalesce('; no SQL can mend it: ' || k.obstacle, ''),
           array_to_string(k.statements, '; '), c.relowner
      from auth_internal.foreign_keys_without_org(tables, columns) k
      join pg_class c on c.oid = k.source and c.relnamespace = any (namespaces)
$$;
comment on function auth_internal.lint_foreign_keys is 'Findings of auth.lint() about foreign keys.';

-- Asks no rows: who owns the table does, where he sees them all.
create or replace function auth_internal.lint_unchecked_foreign_keys(namespaces oid[])
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'foreign_key_unchecked', 'warning', format('%I on %s', k.conname, k.conrelid::regclass),
           'it may have been checked against none of its rows, which row security hid: '
               || 'count those that violate it with auth.recheck_foreign_keys() in a data migration, and make it anew',
           auth_internal.as_data_migration(
               format('alter table %1$s drop constraint %2$I, add constraint %2$I %3$s',
                      auth_internal.qualified(k.conrelid), k.conname, pg_get_constraintdef(k.oid)),
               array[k.conrelid, k.confrelid]),
           c.relowner
      from auth.unchecked_foreign_keys u
      join pg_constraint k on k.oid = u.key and k.contype = 'f'
      join pg_class c on c.oid = k.conrelid and c.relnamespace = any (namespaces)
$$;
comment on function auth_internal.lint_unchecked_foreign_keys is 'Findings of auth.lint() about foreign keys that may be violated.';
