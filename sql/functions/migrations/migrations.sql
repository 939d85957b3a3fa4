-- Changing the rows of all tenants at once, as the owner of their tables. The functions are in src/pg/functions/migrations.rs.

create or replace function auth.begin_data_migration(tables regclass[]) returns void
    language c parallel unsafe as 'MODULE_PATHNAME', 'begin_data_migration_wrapper';
comment on function auth.begin_data_migration is
    'The tables'' owner: sees and writes all rows of these tables, and of what inherits from them, until the transaction ends or is rolled back to before the call; also in foreign keys that are added or validated, and in functions and views of the owner that they use. Row security stays as it is: other roles see what they saw, also after SET ROLE. Called again it adds tables. Noted in the server log. Meanwhile nobody can sign in, no cursor WITH HOLD can be declared and the transaction cannot be prepared. 22023 for NULL, no tables and what is no table of an application, 42501 for a table of somebody else, 55000 where a restrictive policy binds the owner too, 55006 in a transaction that has had an identity, or has declared a cursor WITH HOLD that is open.';
comment on function auth_internal.is_migrating is 'Is the table in a data migration of the outer user, in this transaction? What the policy of one asks.';
