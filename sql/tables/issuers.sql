-- Who may make tokens for this database, and the keys that prove it.
-- Row-level security is on without a policy and nobody has a grant: the tables are read and written by
-- the functions alone, which belong to their owner.
-- Operators on arrays are qualified: pg_catalog has them for any array only, and an exact one elsewhere in
-- the installer's path would be preferred.
-- No foreign keys: pg_dump does not tell pg_restore -j that the rows of one of these tables must wait for
-- those of another, and keys would be missing. The functions keep the tables together.

create table auth.issuers (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    issuer text collate pg_catalog."C" not null unique
        check (pg_catalog.octet_length(issuer) between 1 and 1024),
    audiences text[] not null default '{}'
        check (('' <> all (audiences)) is true and coalesce(pg_catalog.array_ndims(audiences), 1) = 1),
    algorithms text[] not null default '{}'
        check (coalesce(pg_catalog.array_ndims(algorithms), 1) = 1 and algorithms operator(pg_catalog.<@)
                             array['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384',
                                   'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']),
    token_types text[] not null default '{}'
        check (('' <> all (token_types)) is true and coalesce(pg_catalog.array_ndims(token_types), 1) = 1),
    memberships_from_claims boolean not null default false,
    allow_service_role boolean not null default false,
    environment text not null default 'live' check (environment in ('live', 'test')),
    leeway interval not null default '30 seconds' check (leeway between '0' and '300 seconds'),
    max_lifetime interval not null default '0'
        check (max_lifetime = '0' or max_lifetime between '1 second' and '100 years'),
    org_claim text[] not null default '{org_id}'
        check (('' <> all (org_claim)) is true and coalesce(pg_catalog.array_ndims(org_claim), 1) = 1),
    workspace_claim text[] not null default '{workspace_id}'
        check (('' <> all (workspace_claim)) is true and coalesce(pg_catalog.array_ndims(workspace_claim), 1) = 1),
    role_claim text[] not null default '{role}'
        check (('' <> all (role_claim)) is true and coalesce(pg_catalog.array_ndims(role_claim), 1) = 1),
    org_role_claim text[] not null default '{org_role}'
        check (('' <> all (org_role_claim)) is true and coalesce(pg_catalog.array_ndims(org_role_claim), 1) = 1),
    permissions_claim text[] not null default '{permissions}'
        check (('' <> all (permissions_claim)) is true and coalesce(pg_catalog.array_ndims(permissions_claim), 1) = 1),
    scopes_claim text[] not null default '{scope}'
        check (('' <> all (scopes_claim)) is true and coalesce(pg_catalog.array_ndims(scopes_claim), 1) = 1),
    email_claim text[] not null default '{email}'
        check (('' <> all (email_claim)) is true and coalesce(pg_catalog.array_ndims(email_claim), 1) = 1),
    created_at timestamptz not null default pg_catalog.now(),
    org_ids uuid[] not null default '{}'
        check (case coalesce(pg_catalog.array_ndims(org_ids), 1)
                   when 1 then pg_catalog.array_position(org_ids, null) is null else false end),
    user_id_prefix text not null default '' check (pg_catalog.octet_length(user_id_prefix) <= 255),
    email_verified_claim text[] not null default '{email_verified}'
        check (('' <> all (email_verified_claim)) is true
               and coalesce(pg_catalog.array_ndims(email_verified_claim), 1) = 1),
    own boolean not null default false,
    issued_since timestamptz,
    -- A service sees every organization.
    constraint issuers_allow_service_role_check
        check (not (allow_service_role and pg_catalog.cardinality(org_ids) > 0)),
    constraint issuers_own_check
        check (not own or not memberships_from_claims and org_ids = '{}' and user_id_prefix = ''
                          and org_claim = '{org_id}' and workspace_claim = '{workspace_id}' and role_claim = '{role}'
                          and org_role_claim = '{org_role}' and permissions_claim = '{permissions}'
                          and scopes_claim = '{scope}' and email_claim = '{email}'
                          and email_verified_claim = '{email_verified}')
);

comment on table auth.issuers is 'The issuers whose tokens are accepted. Tokens of any other issuer are refused.';
comment on column auth.issuers.id is 'Identifies the issuer in other tables.';
comment on column auth.issuers.issuer is 'The iss claim, 1 to 1024 bytes, compared byte for byte (RFC 7519 section 4.1.1).';
comment on column auth.issuers.audiences is 'One of these must be in the aud claim; empty asks for none (RFC 7519 section 4.1.3).';
comment on column auth.issuers.algorithms is 'The JWS algorithms this issuer may use, out of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and EdDSA; empty leaves it to the keys.';
comment on column auth.issuers.token_types is 'The typ headers accepted; empty accepts JWT, at+jwt and none at all.';
comment on column auth.issuers.memberships_from_claims is 'Organizations, workspaces, organization roles and permissions in its tokens count as they are.';
comment on column auth.issuers.allow_service_role is 'Its tokens may name the role service_role. Not for an issuer with org_ids: a service sees every organization.';
comment on column auth.issuers.environment is 'The environment of its tokens: live or test.';
comment on column auth.issuers.leeway is 'How far its clock may differ from ours, 0 to 300 seconds.';
comment on column auth.issuers.max_lifetime is 'The longest time from iat to exp, 1 second to 100 years; 0 sets no limit.';
comment on column auth.issuers.org_claim is 'Path of member names to the organization, or list of organizations, in the claims.';
comment on column auth.issuers.workspace_claim is 'Path of member names to the workspace, or list of workspaces.';
comment on column auth.issuers.role_claim is 'Path of member names to the role.';
comment on column auth.issuers.org_role_claim is 'Path of member names to the role in the organization.';
comment on column auth.issuers.permissions_claim is 'Path of member names to the permissions: an array, or a line with spaces between them.';
comment on column auth.issuers.scopes_claim is 'Path of member names to the scopes: an array, or a line with spaces between them (RFC 8693 section 4.2).';
comment on column auth.issuers.email_claim is 'Path of member names to the e-mail address.';
comment on column auth.issuers.org_ids is 'The only organizations its users act in, whatever claims and memberships say, for a tenant''s own sign-in service, which then needs a user_id_prefix; its workspace claims count for nothing. Empty: any.';
comment on column auth.issuers.user_id_prefix is 'Put before the subject of its tokens, so that two issuers cannot name each other''s users; at most 255 bytes.';
comment on column auth.issuers.email_verified_claim is 'Path of member names to the claim that says true when the e-mail address is verified; empty: the issuer vouches for every address it names.';
comment on column auth.issuers.created_at is 'When it was added.';
comment on column auth.issuers.own is 'This database makes its tokens, with keys that auth.create_signing_key() makes. Their claims are where we put them: memberships_from_claims, org_ids, user_id_prefix and the names of claims stay as they are by default.';
comment on column auth.issuers.issued_since is 'Its tokens must have an iat from then on; NULL: any. Set where a revocation goes because no token of that time is good any more: a longer max_lifetime brings none back.';

create table auth.jwt_keys (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    issuer_id uuid not null,
    kid text collate pg_catalog."C" check (pg_catalog.octet_length(kid) between 1 and 128),
    alg text not null
        check (alg in ('HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512',
                       'ES256', 'ES384', 'ES512', 'EdDSA')),
    public_jwk text,
    thumbprint bytea,
    state text not null default 'active' check (state in ('next', 'active', 'retired', 'revoked')),
    disappeared boolean not null default false,
    not_before timestamptz,
    not_after timestamptz,
    created_at timestamptz not null default pg_catalog.now(),
    revoked_at timestamptz,
    retired_until timestamptz,
    made_in text,
    alg_assumed boolean not null default false,
    check ((alg in ('HS256', 'HS384', 'HS512')) = (public_jwk is null)),
    check ((public_jwk is null) = (thumbprint is null)),
    check ((state = 'revoked') = (revoked_at is not null)),
    check ((state = 'retired') = (retired_until is not null))
);

create index jwt_keys_issuer on auth.jwt_keys (issuer_id, kid);

create unique index jwt_keys_kid on auth.jwt_keys (issuer_id, kid, alg) where state in ('next', 'active');
comment on table auth.jwt_keys is 'The keys that verify tokens. A key belongs to one issuer and serves one algorithm.';
comment on column auth.jwt_keys.id is 'Identifies the key, for auth.revoke_jwt_key().';
comment on column auth.jwt_keys.issuer_id is 'The issuer that signs with it.';
comment on column auth.jwt_keys.kid is 'The key id a token names (RFC 7515 section 4.1.4), 1 to 128 bytes; NULL serves tokens that name none.';
comment on column auth.jwt_keys.alg is 'The one algorithm it is used with (RFC 7518 section 3.1).';
comment on column auth.jwt_keys.public_jwk is 'The public key (RFC 7517) without anything else; NULL for a secret.';
comment on column auth.jwt_keys.thumbprint is 'SHA-256 thumbprint of the public key (RFC 7638).';
comment on column auth.jwt_keys.state is 'next: published, signs nothing yet. active. retired: verifies until retired_until. revoked: never verifies again.';
comment on column auth.jwt_keys.disappeared is 'It was revoked or retired because the issuer''s key set no longer had it, and comes back with it.';
comment on column auth.jwt_keys.not_before is 'It verifies nothing before this time.';
comment on column auth.jwt_keys.not_after is 'It verifies nothing from this time on.';
comment on column auth.jwt_keys.created_at is 'When it was added.';
comment on column auth.jwt_keys.revoked_at is 'When it was revoked.';
comment on column auth.jwt_keys.retired_until is 'When the grace of a retired key ends.';
comment on column auth.jwt_keys.made_in is 'The database that made a signing key of ours, as system identifier and number of the database; NULL: a key of another issuer.';
comment on column auth.jwt_keys.alg_assumed is 'The key says no algorithm and could be used with several: alg follows the algorithms of its issuer.';

create table auth.jwt_secrets (
    key_id uuid primary key,
    material bytea not null
);
-- Nothing of it in pg_statistic.
alter table auth.jwt_secrets alter column material set statistics 0;
comment on table auth.jwt_secrets is 'The secrets of HS256, HS384 and HS512 keys, and the private keys of our own issuers. Left out of dumps unless pg_bearer.dump_secrets is on.';
comment on column auth.jwt_secrets.key_id is 'The key it belongs to.';
comment on column auth.jwt_secrets.material is 'The secret, or the private key as PKCS #8 (RFC 5958). Whoever reads it can sign tokens.';
comment on index auth.jwt_keys_issuer is 'Finds the keys that may have signed a token.';
comment on index auth.jwt_keys_kid is 'Among the keys that an issuer uses, a kid and an algorithm name one.';

alter table auth.issuers enable row level security;
alter table auth.jwt_keys enable row level security;
alter table auth.jwt_secrets enable row level security;
-- One call in each statement: together they would update the same catalog row twice.
select pg_catalog.pg_extension_config_dump('auth.issuers'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.jwt_keys'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.jwt_secrets'::pg_catalog.regclass,
    'where pg_catalog.current_setting(''pg_bearer.dump_secrets'', true)::pg_catalog.bool');
