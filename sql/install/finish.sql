-- Comments of what is generated, owners, and the one list of grants.

comment on schema auth is
    'Bearer credentials verified in the database: identities, issuers and keys (extension pg_bearer).';

comment on function auth.authenticate(text) is
    'Verifies a JWT ("Bearer " before it is tolerated), makes it the identity of this transaction and returns the identity. 28000 when it is missing, refused or expired; F0000 when no issuer is configured; 55006 while a cursor is open; 42501 in a security-restricted operation. After an error that is caught, the identity is what it was before the call.';
comment on function auth.sign_out() is
    'Leaves the rest of the transaction without an identity. 55006 while a cursor is open.';
comment on function auth.verify_jwt(text, text, text) is
    'The claims of a good JWT, or the error that auth.authenticate() would raise; changes nothing. issuer and audience, when given, must be the token''s.';
comment on function auth.check_jwt(text) is
    'Administrators: the verdict on a JWT with its reason, and what the token says, believed or not. Never raises for a bad token.';
comment on function auth.identity() is
    'The identity as jsonb (kind, user_id, issuer, role, email, org_id, org_role, workspace_id, environment, permissions, scopes, key_id, session_id, actor, expires_at, claims), or NULL.';
comment on function auth.user_id() is 'The user''s id: the subject of the credential, whatever its form; NULL without one.';
comment on function auth.jwt() is 'The claims of the token as jsonb, or NULL.';
comment on function auth.role() is 'The role that the credential names, or NULL. No Postgres role follows from it.';
comment on function auth.email() is 'The user''s e-mail address as the credential states it, or NULL.';
comment on function auth.claim(text) is
    'A top-level claim of the token: a string as it is, anything else as JSON text; NULL when it is absent or null.';
comment on function auth.org_role() is 'The user''s role in the current organization, or NULL.';
comment on function auth.environment() is 'live or test; NULL only without an identity.';
comment on function auth.is_authenticated() is 'Is somebody signed in?';
comment on function auth.is_service_role() is
    'Is the identity a verified service credential? The name of the Postgres role plays no part.';
comment on function auth.has_permission(text) is
    'Does the identity have this permission in its current organization? "a.*" covers all below "a.", "*" everything. NULL without an identity or for NULL.';
comment on function auth.has_permission_in(text, uuid) is
    'Does the identity have this permission in this organization? NULL without an identity or for NULL.';
comment on function auth.org_ids_with(text) is
    'The organizations in which the identity has this permission; empty without one, NULL for NULL.';
comment on function auth.has_scope(text) is
    'Was this scope granted to the credential? NULL without an identity or for NULL.';
comment on function auth.require_authenticated() is 'True, or 28000 without an identity.';
comment on function auth.require_permission(text) is
    'True, or 42501 without this permission in the current organization, also for NULL; 28000 without an identity.';
comment on function auth.require_org(uuid) is
    'True, or 42501 when this is not the current organization, also for NULL; 28000 without an identity.';
comment on function auth.require_administrator() is
    'Internal: 42501 unless the outer user is a superuser or a member of bearer_admin.';
comment on function auth.parse_jwks(text, text) is 'Internal: the usable keys of a JWK Set; 22023 with the reason.';
comment on function auth.parse_jwt_key(text, text, text) is 'Internal: a public key from JWK or PEM; 22023 with the reason.';
comment on function auth.check_jwt_secret(bytea, text) is 'Internal: 22023 unless these bytes can be a secret for the algorithm.';
comment on function auth.decode_jwt_secret(text, text) is 'Internal: the bytes of a secret; 22023 when the text is not in the encoding.';

-- Tables and security-definer functions belong to a role that can do nothing else.
do $$
declare
    target record;
begin
    for target in
        select c.oid::pg_catalog.regclass as name from pg_catalog.pg_class c
         where c.relnamespace operator(pg_catalog.=) 'auth'::pg_catalog.regnamespace
           and c.relkind operator(pg_catalog.=) 'r'
    loop
        execute pg_catalog.format('alter table %s owner to bearer_owner', target.name);
    end loop;
    for target in
        select p.oid::pg_catalog.regprocedure as name from pg_catalog.pg_proc p
         where p.pronamespace operator(pg_catalog.=) 'auth'::pg_catalog.regnamespace and p.prosecdef
    loop
        execute pg_catalog.format('alter function %s owner to bearer_owner', target.name);
    end loop;
end
$$;

-- Nobody but the owners keeps a right that default privileges or Postgres itself gave.
do $$
declare
    target record;
begin
    for target in
        select o.kind, o.name, a.grantee
          from (select 'schema' as kind, pg_catalog.quote_ident(n.nspname) as name, n.nspowner as owner,
                       coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner)) as acl
                  from pg_catalog.pg_namespace n
                 where n.nspname operator(pg_catalog.=) 'auth'
                union all
                select 'table', c.oid::pg_catalog.regclass::pg_catalog.text, c.relowner,
                       coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))
                  from pg_catalog.pg_class c
                 where c.relnamespace operator(pg_catalog.=) 'auth'::pg_catalog.regnamespace
                   and c.relkind in ('r', 'v', 'm', 'p', 'f')
                union all
                select 'function', p.oid::pg_catalog.regprocedure::pg_catalog.text, p.proowner,
                       coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))
                  from pg_catalog.pg_proc p
                 where p.pronamespace operator(pg_catalog.=) 'auth'::pg_catalog.regnamespace
                union all
                select 'type', t.oid::pg_catalog.regtype::pg_catalog.text, t.typowner,
                       t.typacl
                  from pg_catalog.pg_type t
                 where t.typnamespace operator(pg_catalog.=) 'auth'::pg_catalog.regnamespace
                   and t.typelem operator(pg_catalog.=) 0::pg_catalog.oid
                   -- Row types keep what PUBLIC has by default: pg_dump would warn about anything else.
                   and t.typacl is not null) o
          cross join lateral (
               select distinct case x.grantee when 0::pg_catalog.oid then 'public'
                                    else x.grantee::pg_catalog.regrole::pg_catalog.text end as grantee
                 from pg_catalog.aclexplode(o.acl) x
                where x.grantee operator(pg_catalog.<>) o.owner) a
    loop
        execute pg_catalog.format('revoke all on %s %s from %s cascade', target.kind, target.name, target.grantee);
    end loop;
end
$$;

grant usage on schema auth to public;

grant execute on function
    auth.authenticate(text), auth.sign_out(), auth.verify_jwt(text, text, text),
    auth.uid(), auth.user_id(), auth.jwt(), auth.role(), auth.email(), auth.claim(text), auth.identity(),
    auth.current_org(), auth.current_workspace(), auth.org_role(), auth.org_ids(), auth.workspace_ids(),
    auth.org_ids_with(text), auth.in_org(uuid), auth.is_member(uuid), auth.is_workspace_member(uuid),
    auth.has_permission(text), auth.has_permission_in(text, uuid), auth.has_scope(text), auth.environment(),
    auth.is_authenticated(), auth.is_service_role(),
    auth.require_authenticated(), auth.require_permission(text), auth.require_org(uuid)
to public;

grant execute on function
    auth.check_jwt(text), auth.list_issuers(), auth.list_jwt_keys(text),
    auth.add_issuer(text, text[], text[], text[], boolean, boolean, text, interval, interval, text[], text[], text[], text[], text[], text[], text[], uuid[]),
    auth.update_issuer(text, text[], text[], text[], boolean, boolean, text, interval, interval, text[], text[], text[], text[], text[], text[], text[], uuid[]),
    auth.remove_issuer(text), auth.load_jwks(text, text, interval),
    auth.add_jwt_key(text, text, text, text, timestamptz, timestamptz),
    auth.add_jwt_secret(text, text, text, text, text, timestamptz, timestamptz),
    auth.revoke_jwt_key(uuid)
to bearer_admin;

-- The bodies of the functions above run as bearer_owner, which calls these.
grant execute on function
    auth.require_administrator(), auth.parse_jwks(text, text), auth.parse_jwt_key(text, text, text),
    auth.check_jwt_secret(bytea, text), auth.decode_jwt_secret(text, text), auth.lock_issuer(text),
    auth.refuse_issuer_setting(text), auth.rsa_algorithm(text[]), auth.revoked_jwt_key(uuid, bytea)
to bearer_owner;
