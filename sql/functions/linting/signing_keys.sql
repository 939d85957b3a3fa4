-- What auth.lint() says about the keys that this database signs with.

create or replace function auth_internal.lint_signing_keys()
    returns table (code text, severity text, object text, message text, fix text, owner oid)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    with signing_keys as (
        select k.id, k.alg, k.state, k.made_in, i.issuer, i.id as issuer_id, format('key %L of issuer %L', k.id, i.issuer) as object,
               exists (select from auth.jwt_secrets s where s.key_id = k.id) as has_material
          from auth.jwt_keys k join auth.issuers i on i.id = k.issuer_id
         where i.own and k.state <> 'revoked'
    )
    select 'signing_key_copied', 'warning', k.object,
           'another database made the key, of which this one is a copy: tokens that it made until then are accepted here, where their revocation may be unknown, and whoever has either can sign for both. '
               'Make another one (auth.create_signing_key) and sign with it (auth.rotate_signing_key), then end this one (auth.revoke_jwt_key). That ends its tokens, so no SQL can tell when',
           null::text, null::oid
      from signing_keys k where k.made_in is distinct from auth_internal.this_database()
    union all
    select 'signing_key_missing', 'warning', k.object,
           'the private key is not here, as after a restore from a dump without secrets: nothing can be signed with it, and what it signed '
               || case when k.alg = 'HS256' then 'is refused' else 'stays good' end,
           case when k.state = 'next' then format('select auth.set_signing_key_state(%L, %L)', k.id, 'retired')
                when n.has_material then format('select auth.rotate_signing_key(%L)', k.issuer)
                else case when n.id is null then '' else format('select auth.set_signing_key_state(%L, %L); ', n.id, 'retired') end
                     || format('select auth.create_signing_key(%1$L, %2$L); select auth.rotate_signing_key(%2$L)', k.alg, k.issuer) end,
           null::oid
      from signing_keys k
      left join signing_keys n on k.state = 'active' and n.issuer_id = k.issuer_id and n.state = 'next'
     where k.state in ('next', 'active') and not k.has_material
$$;
comment on function auth_internal.lint_signing_keys is 'Findings of auth.lint() about the keys of our own issuers.';
