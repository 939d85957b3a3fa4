-- Foreign keys that may never have been checked: whom row security binds used to check them against the rows that he saw.

-- Apart from the catalog, which does not say when a key was made. Not dumped: a restore checks every key.
create table auth.unchecked_foreign_keys (
    key oid primary key
);
comment on table auth.unchecked_foreign_keys is 'Foreign keys of forced tables from before the extension refused to check them against a part of the rows. auth.lint() names them until they are made anew. Not dumped: a restore checks every key.';
comment on column auth.unchecked_foreign_keys.key is 'The key, in pg_constraint.';
alter table auth.unchecked_foreign_keys enable row level security;

insert into auth.unchecked_foreign_keys (key)
select k.oid from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid operator(pg_catalog.=) k.conrelid
 where k.contype operator(pg_catalog.=) 'f'::pg_catalog."char" and k.conparentid operator(pg_catalog.=) 0::pg_catalog.oid
   and k.convalidated and c.relforcerowsecurity;
