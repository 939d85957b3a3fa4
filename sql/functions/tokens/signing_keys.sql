-- Signing keys of our own issuers. A key is next (published, so that verifiers know it before it signs), active (one for each
-- issuer: it signs), retired (what it signed is good until it expires) or revoked, for good. Private keys never leave
-- auth.jwt_secrets: signing is in src/pg/signing.rs.

-- An issuer of ours; NULL is the only one.
create or replace function auth_internal.own_issuer(name text) returns auth.issuers
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    found_issuer auth.issuers;
begin
    select * into found_issuer from auth.issuers i
     where i.own and (name is null or i.issuer = name) order by i.created_at limit 1;
    if found_issuer.id is null and name is null then
        perform auth_internal.refuse('55000', 'this database makes no tokens',
            'An administrator adds an issuer with auth.add_issuer(url, own => true) and a key with auth.create_signing_key().');
    elsif found_issuer.id is null then
        perform auth_internal.refuse('22023', 'issuer has a value that is not allowed',
            'It is the URL of an issuer that was added with own => true.');
    elsif name is null and exists (select from auth.issuers i where i.own and i.id <> found_issuer.id) then
        perform auth_internal.refuse('22023', 'issuer must be given', 'There are several issuers with own => true.');
    end if;
    return found_issuer;
end
$$;
comment on function auth_internal.own_issuer is 'An issuer of ours, NULL: the only one; 22023 where that says none, 55000 where there is none.';

-- Keys of others would let others make our tokens.
create or replace function auth_internal.refuse_own_issuer(issuer auth.issuers) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if (issuer).own then
        perform auth_internal.refuse('22023', 'this issuer has keys of its own only',
            'auth.create_signing_key() makes them.');
    end if;
end
$$;
comment on function auth_internal.refuse_own_issuer is '22023 for an issuer of ours, which takes no keys of others.';

-- Two spellings of one address would pass for one another.
create or replace function auth_internal.demand_distinct_issuer(issuer text, own boolean) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from auth.issuers i
                where i.issuer <> demand_distinct_issuer.issuer and (i.own or demand_distinct_issuer.own)
                  and rtrim(lower(i.issuer collate "C"), '/') = rtrim(lower(demand_distinct_issuer.issuer collate "C"), '/')) then
        perform auth_internal.refuse('22023', 'issuer has a value that is not allowed',
            'It differs from the URL of an issuer with own => true, or of another one, in case or a slash only.');
    end if;
end
$$;
comment on function auth_internal.demand_distinct_issuer is '22023 for an issuer whose URL differs from that of one of ours in its spelling only.';

-- A copy of the database has another one, and so has a dump that was restored elsewhere.
create or replace function auth_internal.this_database() returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select c.system_identifier || '/' || d.oid from pg_control_system() c, pg_database d where d.datname = current_database()
$$;
comment on function auth_internal.this_database is 'Which database this is: system identifier and number.';

-- The row of an issuer of ours, locked for a change of its keys. A change of the row as well, so that whoever keeps a snapshot
-- is not led by the keys that it shows.
create or replace function auth_internal.lock_own_issuer(name text) returns auth.issuers
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    the_issuer auth.issuers;
begin
    the_issuer := auth_internal.lock_issuer((auth_internal.own_issuer(name)).issuer);
    update auth.issuers i set own = true where i.id = the_issuer.id;
    return the_issuer;
end
$$;
comment on function auth_internal.lock_own_issuer is 'The row of an issuer of ours, NULL: the only one, locked; 22023 where that says none, 55000 where there is none, 40001 where somebody else changed its keys since the snapshot was taken.';

-- The row of a signing key, its issuer locked.
create or replace function auth_internal.lock_signing_key(key_id uuid) returns auth.jwt_keys
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    found_key auth.jwt_keys;
begin
    perform auth_internal.lock_own_issuer(i.issuer) from auth.issuers i join auth.jwt_keys k on k.issuer_id = i.id
      where k.id = lock_signing_key.key_id and i.own;
    select k.* into found_key from auth.jwt_keys k join auth.issuers i on i.id = k.issuer_id
     where k.id = lock_signing_key.key_id and i.own;
    if found_key.id is null then
        perform auth_internal.refuse('22023', 'no such signing key', 'auth.list_jwt_keys() shows those there are.');
    end if;
    return found_key;
end
$$;
comment on function auth_internal.lock_signing_key is 'The row of a signing key, with its issuer locked; 22023 when there is none.';

create or replace function auth.create_signing_key(alg text default 'ES256', issuer text default null) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    the_issuer auth.issuers;
    new_id uuid := gen_random_uuid();
    is_first boolean;
begin
    perform auth_internal.require_administrator();
    the_issuer := auth_internal.lock_own_issuer(create_signing_key.issuer);
    if alg is null or cardinality(the_issuer.algorithms) > 0 and alg <> all (the_issuer.algorithms) then
        perform auth_internal.refuse('22023', 'alg has a value that is not allowed',
            'It is ES256, RS256, EdDSA or HS256, and one of the issuer''s algorithms where it lists some.');
    end if;
    is_first := not exists (select from auth.jwt_keys k where k.issuer_id = the_issuer.id and k.state = 'active');
    if not is_first and exists (select from auth.jwt_keys k where k.issuer_id = the_issuer.id and k.state = 'next') then
        perform auth_internal.refuse('55000', 'the issuer has a next key already',
            'auth.rotate_signing_key() makes it the active one; auth.revoke_jwt_key() ends it.');
    end if;
    -- In one statement: what passes through a variable is in plans and parameters, which any caller can have printed.
    with made as materialized (select * from auth_internal.generate_signing_key(alg, new_id::text)),
         key as (
        insert into auth.jwt_keys (id, issuer_id, kid, alg, public_jwk, thumbprint, state, made_in)
        select new_id, the_issuer.id, new_id::text, alg, made.public_jwk, made.thumbprint,
               case when is_first then 'active' else 'next' end, auth_internal.this_database()
          from made
    )
    insert into auth.jwt_secrets (key_id, material) select new_id, made.material from made;
    perform auth_internal.audit('signing_key.create', null, new_id::text, details => jsonb_build_object('issuer', the_issuer.issuer, 'alg', alg));
    return new_id;
end
$$;
comment on function auth.create_signing_key is
    'Administrators: makes a key that an issuer of ours signs with, for ES256, RS256, EdDSA or HS256, and returns its id, which is its kid. The first key is active at once; another one is next, published by auth.jwks() until auth.rotate_signing_key(). issuer NULL is the only one. HS256 keys are not published: nobody else can verify their tokens. 22023 for another algorithm or issuer, 55000 when there is a next key or no issuer of ours, 42501 for anybody else.';

create or replace function auth.rotate_signing_key(issuer text default null)
    returns table (key_id uuid, alg text, state text)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    the_issuer auth.issuers;
    next_id uuid;
begin
    perform auth_internal.require_administrator();
    the_issuer := auth_internal.lock_own_issuer(rotate_signing_key.issuer);
    select k.id into next_id from auth.jwt_keys k where k.issuer_id = the_issuer.id and k.state = 'next';
    if next_id is null then
        perform auth_internal.refuse('55000', 'the issuer has no next key',
            'auth.create_signing_key() makes one. Rotate when whoever caches auth.jwks() has seen it.');
    end if;
    perform auth_internal.change_signing_key(next_id, 'active');
    perform auth_internal.audit('signing_key.rotate', null, next_id::text, details => jsonb_build_object('issuer', the_issuer.issuer));
    return query select k.id, k.alg, k.state from auth.jwt_keys k
                  where k.issuer_id = the_issuer.id and k.state <> 'revoked' order by k.state, k.created_at;
end
$$;
comment on function auth.rotate_signing_key is
    'Administrators: makes the next key of an issuer of ours the active one and retires the one that was; returns the keys that are not revoked. Tokens of a retired key are good until they expire. auth.set_signing_key_state() goes back. issuer NULL is the only one. 55000 when there is no next key or no issuer of ours, 22023 for another issuer, 42501 for anybody else.';

-- Of the next and the active key there is one at most.
create or replace function auth_internal.change_signing_key(key_id uuid, state text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if state = 'active' then
        update auth.jwt_keys k set state = 'retired', retired_until = 'infinity'
          from auth.jwt_keys changed
         where changed.id = change_signing_key.key_id and k.issuer_id = changed.issuer_id
           and k.state = 'active' and k.id <> changed.id;
    end if;
    update auth.jwt_keys k
       set state = change_signing_key.state,
           retired_until = case when change_signing_key.state = 'retired' then 'infinity'::timestamptz end
     where k.id = change_signing_key.key_id;
end
$$;
comment on function auth_internal.change_signing_key is 'Gives a signing key this state; where it becomes active, the one that was retires.';

create or replace function auth.set_signing_key_state(key_id uuid, state text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    changed auth.jwt_keys;
begin
    perform auth_internal.require_administrator();
    if (state in ('next', 'active', 'retired')) is not true then
        perform auth_internal.refuse('22023', 'state has a value that is not allowed',
            'It is next, active or retired. auth.revoke_jwt_key() ends a key for good.');
    end if;
    changed := auth_internal.lock_signing_key(key_id);
    if changed.state = set_signing_key_state.state then
        return;
    elsif changed.state = 'revoked' then
        perform auth_internal.refuse('55000', 'the key is revoked for good', 'auth.create_signing_key() makes another one.');
    elsif changed.state = 'active' then
        perform auth_internal.refuse('55000', 'the issuer would have no active key',
            'Make another key active first: this one retires then.');
    elsif set_signing_key_state.state = 'next'
          and exists (select from auth.jwt_keys k where k.issuer_id = changed.issuer_id and k.state = 'next') then
        perform auth_internal.refuse('55000', 'the issuer has a next key already', 'Retire that one first.');
    end if;
    perform auth_internal.change_signing_key(key_id, state);
    perform auth_internal.audit('signing_key.set_state', null, key_id::text, details => jsonb_build_object('was', changed.state, 'state', state));
end
$$;
comment on function auth.set_signing_key_state is
    'Administrators: makes a signing key of ours next, active or retired, from whichever of these it is; what it signed stays good. The key that was active retires when another one becomes active. Idempotent. 22023 for another state and for a key that is not ours, 55000 for a revoked key, for the active one, and for a second next one, 42501 for anybody else.';

create or replace function auth.jwks(issuer text default null) returns jsonb
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return jsonb_build_object('keys', coalesce(
        (select jsonb_agg(k.public_jwk::jsonb || '{"use": "sig"}' order by k.created_at, k.id)
           from auth.jwt_keys k join auth.issuers i on i.id = k.issuer_id
          where i.own and (jwks.issuer is null or i.issuer = jwks.issuer)
            and k.state in ('next', 'active', 'retired') and k.public_jwk is not null), '[]'));
end
$$;
comment on function auth.jwks is
    'Everybody: the JWK Set (RFC 7517) that verifies tokens of our issuers, for /.well-known/jwks.json: public members of the next, active and retired keys. issuer NULL: of all. Keys for HS256 are secrets and not in it. No keys for an issuer that is not ours.';
