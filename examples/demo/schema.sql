-- Two tenants, acme and beta, keep their invoices in one table.
-- psql variables: acme_keys (the public keys of acme's sign-in service, a JWKS) and beta_secret.

create extension pg_bearer;

-- Who may sign tokens. Each sign-in service says in `org_id` which organization a user works for, and may
-- name its own only; its users are called after it, so that it names nobody else's.
select auth.add_issuer('https://acme.example', audiences => '{api}', memberships_from_claims => true,
    org_ids => '{aaaaaaaa-0000-4000-8000-000000000000}', user_id_prefix => 'acme:');
select auth.load_jwks('https://acme.example', :'acme_keys');
select auth.add_issuer('https://beta.example', audiences => '{api}', memberships_from_claims => true,
    org_ids => '{bbbbbbbb-0000-4000-8000-000000000000}', user_id_prefix => 'beta:');
select auth.add_jwt_secret('https://beta.example', :'beta_secret');

-- The tables belong to a role that nobody logs in as; the application logs in as another.
create role app_owner nologin;
create role app login;
alter role app set search_path = app_data;

create schema app_data authorization app_owner;
set role app_owner;
set search_path = app_data;

create table organizations (
    id uuid primary key,
    name text not null
);

create table invoices (
    id bigint generated always as identity primary key,
    org_id uuid not null references organizations,
    customer text not null,
    amount numeric(10, 2) not null check (amount > 0)
);

insert into organizations (id, name) values
    ('aaaaaaaa-0000-4000-8000-000000000000', 'acme'),
    ('bbbbbbbb-0000-4000-8000-000000000000', 'beta');
insert into invoices (org_id, customer, amount) values
    ('aaaaaaaa-0000-4000-8000-000000000000', 'Duck & Sons', 120.00),
    ('aaaaaaaa-0000-4000-8000-000000000000', 'Rabbit Ltd', 80.50),
    ('aaaaaaaa-0000-4000-8000-000000000000', 'Coyote Inc', 999.00),
    ('bbbbbbbb-0000-4000-8000-000000000000', 'Harbour Café', 45.00),
    ('bbbbbbbb-0000-4000-8000-000000000000', 'Lighthouse', 310.00);

-- From here on even the owner sees only what the policies show.
alter table organizations enable row level security;
alter table organizations force row level security;
create policy members_read_their_organization on organizations
    for select using (auth.in_org(id));

-- The same in one line, with the column's default, the index, and a way in for services.
do $$ begin perform auth.protect('invoices'); end $$;

grant usage on schema app_data to app;
grant select on organizations to app;
grant select, insert, update, delete on invoices to app;
