-- What tickets (auth.issue_ticket) are sealed with.

-- Made here and never dumped: a restored database has one of its own. A copy within a server has the same one, but another
-- number, to which tickets are bound.
create table auth.ticket_secret (
    single boolean primary key default true check (single),
    secret bytea not null check (pg_catalog.octet_length(secret) >= 32)
);

comment on table auth.ticket_secret is 'What the tickets of this database are sealed with, and its refresh tokens are marked with. Never dumped: each database makes its own.';
comment on column auth.ticket_secret.single is 'True, so that there is one row at most.';
comment on column auth.ticket_secret.secret is 'The secret, 32 bytes or more. Whoever reads it can make tickets, which are good where the library is not in shared_preload_libraries.';
alter table auth.ticket_secret enable row level security;

-- 488 random bits of Postgres's strong source.
insert into auth.ticket_secret (secret)
select pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.string_agg(pg_catalog.gen_random_uuid()::pg_catalog.text, ''), 'UTF8'))
  from pg_catalog.generate_series(1, 4);
