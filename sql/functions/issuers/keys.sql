-- Administering the keys of issuers. Like the functions of issuers, each demands an administrator.

create or replace function auth.list_jwt_keys(issuer text default null)
    returns table (key_id uuid, issuer_name text, kid text, alg text, state text, usable boolean,
                   not_before timestamptz, not_after timestamptz, retired_until timestamptz,
                   created_at timestamptz, revoked_at timestamptz)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.require_administrator();
    return query
        select k.id, i.issuer, k.kid, k.alg, k.state,
               (k.state in ('next', 'active') or k.state = 'retired' and k.retired_until > clock_timestamp())
                   and (k.not_before is null or k.not_before <= clock_timestamp())
                   and (k.not_after is null or k.not_after > clock_timestamp())
                   and (k.public_jwk is not null or exists (select from auth.jwt_secrets s where s.key_id = k.id)),
               k.not_before, k.not_after, k.retired_until, k.created_at, k.revoked_at
          from auth.jwt_keys k join auth.issuers i on i.id = k.issuer_id
         where list_jwt_keys.issuer is null or i.issuer = list_jwt_keys.issuer
         order by i.issuer, k.created_at, k.kid;
end
$$;
comment on function auth.list_jwt_keys is
    'Administrators: the keys of an issuer, or of all; usable says whether a key verifies tokens now. Shows no secret; no rows for an issuer that is not there. 42501 for anybody else.';

-- The bytes of a secret. Never repeats the text in an error, as decode() does.
create or replace function auth_internal.decode_jwt_secret(secret text, encoding text) returns bytea
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    return case encoding
        when 'text' then convert_to(secret, 'UTF8')
        when 'hex' then decode(secret, 'hex')
        when 'base64' then decode(secret, 'base64')
        when 'base64url' then
            decode(rpad(translate(secret, '-_', '+/'), (length(secret) + 3) / 4 * 4, '='), 'base64')
    end;
exception
    when invalid_parameter_value or null_value_not_allowed then
        raise invalid_parameter_value using
            message = 'the secret is not in the encoding that was given',
            hint = 'Use text, base64, base64url or hex.';
end
$$;
comment on function auth_internal.decode_jwt_secret is 'The bytes of a secret; 22023 when the text is not in the encoding.';

-- The algorithm of an RSA key that names none: the only one its issuer may use, else RS256.
create or replace function auth_internal.rsa_algorithm(allowed text[]) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case count(*) when 1 then min(a) else 'RS256' end
      from unnest(allowed) a where a like 'RS%' or a like 'PS%'
$$;
comment on function auth_internal.rsa_algorithm is 'The algorithm of an RSA key that names none.';

-- A key that an administrator revoked stays so under every algorithm.
create or replace function auth_internal.revoked_jwt_key(issuer_id uuid, thumbprint bytea) returns uuid
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select k.id from auth.jwt_keys k
     where k.issuer_id = revoked_jwt_key.issuer_id and k.thumbprint = revoked_jwt_key.thumbprint
       and k.state = 'revoked' and not k.disappeared
     limit 1
$$;
comment on function auth_internal.revoked_jwt_key is 'The key with this thumbprint that an administrator revoked.';

create or replace function auth.load_jwks(issuer text, jwks text, grace interval default '0')
    returns table (key_id uuid, kid text, alg text, state text)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    the_issuer auth.issuers;
    new_key record;
    present bytea[];
    touched uuid[];
    touched_id uuid;
    before jsonb;
begin
    perform auth_internal.require_administrator();
    if jwks is null then
        raise invalid_parameter_value using
            message = 'the key set must be given', hint = 'Pass the JWK Set (RFC 7517) that the issuer publishes.';
    end if;
    if (grace between '0' and '100 years') is not true then
        raise invalid_parameter_value using
            message = 'the grace must be from 0 to 100 years', hint = 'It is how long a key that disappeared goes on working.';
    end if;
    the_issuer := auth_internal.lock_issuer(load_jwks.issuer);
    perform auth_internal.refuse_own_issuer(the_issuer);
    before := auth_internal.audited_keys(the_issuer.id);
    select array_agg(p.thumbprint || p.alg::bytea) into present
      from auth_internal.parse_jwks(jwks, auth_internal.rsa_algorithm(the_issuer.algorithms)) p;

    -- What the set no longer has goes first, so that its kid is free for another key. A grace that is
    -- running may end sooner, but not later.
    with gone as (
        update auth.jwt_keys k
           set state = case when grace > '0' then 'retired' else 'revoked' end,
               retired_until = case when grace > '0' then least(k.retired_until, clock_timestamp() + grace) end,
               revoked_at = case when grace > '0' then null else clock_timestamp() end,
               disappeared = true
         where k.issuer_id = the_issuer.id and k.public_jwk is not null
           and k.state in ('next', 'active', 'retired')
           and k.thumbprint || k.alg::bytea <> all (present)
        returning k.id
    )
    select coalesce(array_agg(gone.id), '{}') into touched from gone;

    -- Kids may change places among the keys that stay.
    update auth.jwt_keys k set kid = null
     where k.issuer_id = the_issuer.id and k.public_jwk is not null and k.state in ('next', 'active');
    for new_key in
        select * from auth_internal.parse_jwks(jwks, auth_internal.rsa_algorithm(the_issuer.algorithms))
    loop
        touched_id := auth_internal.revoked_jwt_key(the_issuer.id, new_key.thumbprint);
        if touched_id is not null then
            touched := touched || touched_id;
            continue;
        end if;
        insert into auth.jwt_keys as k (issuer_id, kid, alg, public_jwk, thumbprint)
        values (the_issuer.id, new_key.kid, new_key.alg, new_key.public_jwk, new_key.thumbprint)
        on conflict on constraint jwt_keys_issuer_id_thumbprint_alg_key do update
           set kid = excluded.kid,
               public_jwk = excluded.public_jwk,
               state = case when k.disappeared then 'active' else k.state end,
               retired_until = null,
               revoked_at = null,
               disappeared = false
        returning k.id into touched_id;
        touched := touched || touched_id;
    end loop;
    if exists (select from auth.jwt_keys k where k.id = any (touched) and k.state = 'revoked' and not k.disappeared) then
        raise warning using
            message = 'the key set has a key that an administrator revoked; it stays revoked',
            hint = 'Tell the issuer to stop publishing it.';
    end if;
    if auth_internal.audited_keys(the_issuer.id) <> before then
        perform auth_internal.audit('jwt_key.load', null, issuer, null, jsonb_build_object(
            'keys', jsonb_array_length(auth_internal.changed_members(before, auth_internal.audited_keys(the_issuer.id)))));
    end if;
    return query
        select k.id, k.kid, k.alg, k.state from auth.jwt_keys k
         where k.id = any (touched) order by k.state, k.kid, k.created_at;
end
$$;
comment on function auth.load_jwks is
    'Administrators: makes a JWK Set (RFC 7517) the public keys of an issuer, all or nothing; returns the keys it has and those it lost. A key that disappeared is revoked, or with a grace (up to 100 years) retired until it ends, and comes back when the set has it again; a running grace may end sooner but not later. A key revoked by auth.revoke_jwt_key() stays revoked. 22023 with the reason for a bad set, for another grace and for an unknown issuer, 42501 for anybody else.';

create or replace function auth.add_jwt_key(
    issuer text, key text, alg text default null, kid text default null,
    not_before timestamptz default null, not_after timestamptz default null
) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    the_issuer auth.issuers;
    parsed record;
    new_id uuid;
    violated text;
begin
    perform auth_internal.require_administrator();
    if key is null then
        raise invalid_parameter_value using
            message = 'the key must be given', hint = 'Pass a public key as JWK or PEM.';
    end if;
    if not_after <= not_before then
        raise invalid_parameter_value using message = 'not_after must be later than not_before';
    end if;
    the_issuer := auth_internal.lock_issuer(issuer);
    perform auth_internal.refuse_own_issuer(the_issuer);
    select * into parsed from auth_internal.parse_jwt_key(add_jwt_key.key, add_jwt_key.alg, add_jwt_key.kid);
    if auth_internal.revoked_jwt_key(the_issuer.id, parsed.thumbprint) is not null then
        raise unique_violation using
            message = 'this key was revoked and cannot come back', hint = 'Have the issuer make a new one.';
    end if;
    insert into auth.jwt_keys (issuer_id, kid, alg, public_jwk, thumbprint, not_before, not_after)
    values (the_issuer.id, parsed.kid, parsed.alg, parsed.public_jwk, parsed.thumbprint, not_before, not_after)
    returning jwt_keys.id into new_id;
    perform auth_internal.audit('jwt_key.add', null, new_id::text, null,
                                jsonb_build_object('issuer', the_issuer.issuer, 'alg', parsed.alg));
    return new_id;
exception
    when unique_violation then
        get stacked diagnostics violated = constraint_name;
        if violated = '' then
            raise;
        end if;
        raise unique_violation using
            message = 'the issuer has this key, or another one with this kid',
            hint = 'auth.list_jwt_keys() shows it.';
end
$$;
comment on function auth.add_jwt_key is
    'Administrators: adds one public key, as JWK or PEM, to an issuer; returns its id. Without alg: what the JWK says, RS256 for RSA, or what the curve asks for. The next auth.load_jwks() of the issuer takes it away unless the set has it. 22023 with the reason for a bad key and for an unknown issuer, 23505 when it is there, was revoked, or another one has its kid, 42501 for anybody else.';

create or replace function auth.add_jwt_secret(
    issuer text, secret text, alg text default 'HS256', kid text default null, encoding text default 'text',
    not_before timestamptz default null, not_after timestamptz default null
) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    the_issuer auth.issuers;
    secret_bytes bytea;
    new_id uuid;
    violated text;
begin
    perform auth_internal.require_administrator();
    if secret is null or alg is null then
        raise invalid_parameter_value using message = 'the secret and its algorithm must be given';
    end if;
    if not_after <= not_before then
        raise invalid_parameter_value using message = 'not_after must be later than not_before';
    end if;
    if octet_length(kid) not between 1 and 128 or kid ~ '[\u0001-\u001f\u007f-\u009f]' then
        raise invalid_parameter_value using
            message = 'kid must be a string of 1 to 128 bytes without control characters';
    end if;
    if (encoding in ('text', 'base64', 'base64url', 'hex')) is not true then
        raise invalid_parameter_value using
            message = 'unknown encoding of the secret', hint = 'Use text, base64, base64url or hex.';
    end if;
    secret_bytes := auth_internal.decode_jwt_secret(secret, encoding);
    perform auth_internal.check_jwt_secret(secret_bytes, alg);
    the_issuer := auth_internal.lock_issuer(issuer);
    perform auth_internal.refuse_own_issuer(the_issuer);
    if exists (select from auth.jwt_keys k join auth.jwt_secrets s on s.key_id = k.id
                where k.issuer_id = the_issuer.id and k.state = 'revoked' and s.material = secret_bytes) then
        raise unique_violation using
            message = 'this secret was revoked and cannot come back', hint = 'Have the issuer make a new one.';
    end if;
    insert into auth.jwt_keys (issuer_id, kid, alg, not_before, not_after)
    values (the_issuer.id, kid, alg, not_before, not_after)
    returning jwt_keys.id into new_id;
    insert into auth.jwt_secrets (key_id, material) values (new_id, secret_bytes);
    perform auth_internal.audit('jwt_key.add', null, new_id::text, null,
                                jsonb_build_object('issuer', the_issuer.issuer, 'alg', alg));
    return new_id;
exception
    when unique_violation then
        get stacked diagnostics violated = constraint_name;
        if violated = '' then
            raise;
        end if;
        raise unique_violation using
            message = 'the issuer has another key with this kid', hint = 'auth.list_jwt_keys() shows it.';
end
$$;
comment on function auth.add_jwt_secret is
    'Administrators: adds a shared secret for HS256 (at least 32 bytes), HS384 (48) or HS512 (64); returns the key''s id. encoding says how the text becomes bytes: text, base64, base64url or hex. Pass it as a bind parameter: a psql variable becomes part of the statement. 22023 with the reason for a bad secret and for an unknown issuer, 23505 when it was revoked or another one has its kid, 42501 for anybody else.';

-- What the audit log tells apart of an issuer's keys.
create or replace function auth_internal.audited_keys(issuer_id uuid) returns jsonb
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(jsonb_object_agg(k.id, jsonb_build_array(k.kid, k.state, k.retired_until, k.disappeared, k.public_jwk)), '{}')
      from auth.jwt_keys k where k.issuer_id = audited_keys.issuer_id
$$;
comment on function auth_internal.audited_keys is 'The keys of an issuer by their ids, with what can change of them.';

create or replace function auth.revoke_jwt_key(key_id uuid) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    the_issuer auth.issuers;
    before jsonb;
begin
    perform auth_internal.require_administrator();
    -- A key set that is being loaded may bring the key under another algorithm: wait, and see it.
    perform auth_internal.lock_issuer(i.issuer)
       from auth.issuers i join auth.jwt_keys k on k.issuer_id = i.id
      where k.id = revoke_jwt_key.key_id;
    select i.* into the_issuer
      from auth.issuers i join auth.jwt_keys k on k.issuer_id = i.id where k.id = revoke_jwt_key.key_id;
    before := auth_internal.audited_keys(the_issuer.id);
    -- The same key may be there under several algorithms, the same secret under several kids.
    update auth.jwt_keys k
       set state = 'revoked', revoked_at = coalesce(k.revoked_at, clock_timestamp()), retired_until = null,
           disappeared = false
      from auth.jwt_keys named left join auth.jwt_secrets named_secret on named_secret.key_id = named.id
     where named.id = revoke_jwt_key.key_id and k.issuer_id = named.issuer_id
       and (k.id = named.id or k.thumbprint = named.thumbprint
            or exists (select from auth.jwt_secrets s
                        where s.key_id = k.id and s.material = named_secret.material));
    if not found then
        raise invalid_parameter_value using
            message = 'no such key', hint = 'auth.list_jwt_keys() shows those there are.';
    end if;
    if auth_internal.audited_keys(the_issuer.id) <> before then
        perform auth_internal.audit('jwt_key.revoke', null, key_id::text, null, jsonb_build_object('issuer', the_issuer.issuer));
    end if;
end
$$;
comment on function auth.revoke_jwt_key is
    'Administrators: revokes a key or secret for good, under every algorithm and kid, a signing key of ours too; no token it signed is accepted by an authenticate that starts after the commit. Idempotent. 22023 when there is no such key, 42501 for anybody else.';
