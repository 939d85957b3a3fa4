-- Organizations, workspaces, who belongs to them and as what.
-- As in issuers.sql: nobody has a grant, the functions alone read and write, and the functions, not
-- foreign keys, keep the tables together.
-- One constraint for each column: the functions tell the argument from the constraint's name. Lengths come
-- first: a regular expression needs four bytes for each character, and fails where they cannot be had.

-- Used by checks: is this a plain list of at most so many texts, each matching the pattern and no longer
-- than 100 bytes?
create or replace function auth_internal.is_list_of(texts text[], pattern text, most integer) returns boolean
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select coalesce(array_ndims(texts), 1) = 1 and cardinality(texts) <= most
           and not exists (select from unnest(texts) t
                            where (octet_length(t) <= 100 and t ~ pattern) is not true)
$$;
comment on function auth_internal.is_list_of is
    'Is it a list of at most so many texts, each of up to 100 bytes and matching the pattern? NULL for NULL.';
