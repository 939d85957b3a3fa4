-- What constraints of the tables call. Created before them.

-- Is this a plain list of at most so many texts, each matching the pattern and no longer
-- than 100 bytes?
create or replace function auth_internal.is_list_of(texts text[], pattern text, most integer) returns boolean
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select coalesce(array_ndims(texts), 1) = 1 and cardinality(texts) <= most
           and not exists (select from unnest(texts) t
                            where (octet_length(t) <= 100 and t ~ pattern) is not true)
$$;
comment on function auth_internal.is_list_of is
    'Is it a list of at most so many texts, each of up to 100 bytes and matching the pattern? NULL for NULL.';

create or replace function auth_internal.is_permission(name text) returns boolean
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select auth_internal.is_list_of(array[is_permission.name], '^([*]|[^*[:cntrl:][:space:]]+([.][*])?)$', 1)
$$;
comment on function auth_internal.is_permission is 'Can a role have this permission? False for NULL.';
