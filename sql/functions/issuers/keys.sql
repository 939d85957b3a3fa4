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

-- RSA keys that say no algorithm follow the algorithms of their issuer. The JWK that is stored begins with it.
create or replace function auth_internal.assume_algorithms(of_issuer auth.issuers) returns void
    language sql set search_path = pg_catalog, pg_temp as $$
    update auth.jwt_keys k
       set alg = assumed.alg, public_jwk = regexp_replace(k.public_jwk, '^\{"alg":"[A-Z0-9]+"', format('{"alg":"%s"', assumed.alg))
      from auth_internal.rsa_algorithm(of_issuer.algorithms) assumed (alg)
     where k.issuer_id = of_issuer.id and k.alg_assumed and k.alg <> assumed.alg
$$;
comment on function auth_internal.assume_algorithms is 'RSA keys that say no algorithm take the one that their issuer leaves.';

-- A key that an administrator revoked stays so under every algorithm.
create or replace function auth_internal.revoked_jwt_key(issuer_id uuid, thumbprint bytea) returns uuid
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select k.id from auth.jwt_keys k
     where k.issuer_id = revoked_jwt_key.issuer_id and k.thumbprint = revoked_jwt_key.thumbprint
       and k.state = 'revoked' and not k.disappeared
     limit 1
$$;
comment on function auth_internal.revoked_jwt_key is 'The key with this thumbprint that an administrator revoked.';

-- Which row each entry of a key set takes: the one with its key, algorithm and kid, or else one with its key and algorithm whose kid
-- the set no longer has. NULL: a new row. Rows that an administrator revoked are nobody's.
create or replace function auth_internal.rows_of_keys(issuer_id uuid, entries jsonb) returns uuid[]
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    entry record;
    taken uuid[] := array_fill(null::uuid, array[jsonb_array_length(entries)]);
begin
    -- First those that stay as they are, then those that are renamed.
    for pass in 1..2 loop
        for entry in
            select e.* from jsonb_to_recordset(entries) as e (place integer, kid text, alg text, thumbprint bytea)
             where e.thumbprint is not null and taken[e.place + 1] is null order by e.place
        loop
            taken[entry.place + 1] := (
                select k.id from auth.jwt_keys k
                 where k.issuer_id = rows_of_keys.issuer_id and k.thumbprint = entry.thumbprint and k.alg = entry.alg
                   and (pass = 2 or k.kid is not distinct from entry.kid)
                   and not (k.state = 'revoked' and not k.disappeared) and (k.id = any (taken)) is not true
                 order by k.state in ('next', 'active') desc, k.created_at desc
                 limit 1);
        end loop;
    end loop;
    return taken;
end
$$;
comment on function auth_internal.rows_of_keys is 'The row of auth.jwt_keys for each entry of a key set; NULL: a new one, or none.';

create or replace function auth.load_jwks(issuer text, jwks text, grace interval default '0')
    returns table (key_id uuid, kid text, alg text, state text, result text, reason text)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    the_issuer auth.issuers;
    entries jsonb;
    entry record;
    ids uuid[];
    new_id uuid;
    lost uuid[];
    before jsonb;
    after jsonb;
    skipped text[];
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
    -- A key that an administrator revoked has its row already.
    select jsonb_agg(to_jsonb(p) || jsonb_build_object('revoked', auth_internal.revoked_jwt_key(the_issuer.id, p.thumbprint))
                     order by p.place)
      into entries
      from auth_internal.parse_jwks(jwks, auth_internal.rsa_algorithm(the_issuer.algorithms)) p;
    ids := auth_internal.rows_of_keys(the_issuer.id, (
        select jsonb_agg(case when e->>'revoked' is null then e else e - 'thumbprint' end order by (e->>'place')::integer)
          from jsonb_array_elements(entries) e));

    -- What the set no longer has goes first, so that its kid is free for another key. A grace that is
    -- running may end sooner, but not later.
    with gone as (
        update auth.jwt_keys k
           set state = case when grace > '0' then 'retired' else 'revoked' end,
               retired_until = case when grace > '0' then least(k.retired_until, clock_timestamp() + grace) end,
               revoked_at = case when grace > '0' then null else clock_timestamp() end,
               disappeared = true
         where k.issuer_id = the_issuer.id and k.public_jwk is not null
           and k.state in ('next', 'active', 'retired') and (k.id = any (ids)) is not true
        returning k.id
    )
    select array_agg(gone.id) into lost from gone;

    -- Kids may change places among the keys that stay.
    update auth.jwt_keys k set kid = null
     where k.issuer_id = the_issuer.id and k.public_jwk is not null and k.state in ('next', 'active');
    for entry in
        select e.* from jsonb_to_recordset(entries)
                     as e (place integer, kid text, alg text, public_jwk text, thumbprint bytea, alg_assumed boolean, revoked uuid)
         where e.thumbprint is not null and e.revoked is null order by e.place
    loop
        if ids[entry.place + 1] is null then
            -- A time that an administrator set for the key holds under every name of it.
            insert into auth.jwt_keys as k (issuer_id, kid, alg, public_jwk, thumbprint, alg_assumed, not_before, not_after)
            select the_issuer.id, entry.kid, entry.alg, entry.public_jwk, entry.thumbprint, entry.alg_assumed,
                   max(same.not_before), min(same.not_after)
              from auth.jwt_keys same where same.issuer_id = the_issuer.id and same.thumbprint = entry.thumbprint
            returning k.id into new_id;
            ids[entry.place + 1] := new_id;
        else
            update auth.jwt_keys k
               set kid = entry.kid, public_jwk = entry.public_jwk, alg_assumed = entry.alg_assumed,
                   state = case when k.disappeared then 'active' else k.state end,
                   retired_until = null, revoked_at = null, disappeared = false
             where k.id = ids[entry.place + 1];
        end if;
    end loop;

    if exists (select from jsonb_array_elements(entries) e where e->>'revoked' is not null) then
        raise warning using
            message = 'the key set has a key that an administrator revoked; it stays revoked',
            hint = 'Tell the issuer to stop publishing it.';
    end if;
    select array_agg(format('keys[%s]: %s', e->>'place', e->>'reason') order by (e->>'place')::integer) into skipped
      from jsonb_array_elements(entries) e where e->>'reason' is not null and not (e->>'is_usual')::boolean;
    if skipped is not null then
        raise warning using
            message = format('%s of %s keys in the set cannot be used', cardinality(skipped), jsonb_array_length(entries)),
            detail = array_to_string(skipped, E'\n'),
            hint = 'Tokens that they sign are refused. The other keys are loaded.';
    end if;
    after := auth_internal.audited_keys(the_issuer.id);
    if after <> before then
        perform auth_internal.audit('jwt_key.load', null, issuer, null, jsonb_build_object(
            'keys', jsonb_array_length(auth_internal.changed_members(before, after))));
    end if;
    return query
        select e.key_id, coalesce(k.kid, e.kid), coalesce(k.alg, e.alg), k.state,
               case when e.reason is not null then 'skipped'
                    when e.revoked is not null then 'revoked'
                    when after->(e.key_id::text) = before->(e.key_id::text) then 'unchanged'
                    else 'loaded' end,
               case when e.revoked is not null then 'an administrator revoked it' else e.reason end
          from (select coalesce(ids[e.place + 1], e.revoked) as key_id, e.*
                  from jsonb_to_recordset(entries) as e (place integer, kid text, alg text, reason text, revoked uuid)) e
               left join auth.jwt_keys k on k.id = e.key_id
         order by e.place;
    return query
        select k.id, k.kid, k.alg, k.state, k.state, 'the key set no longer has it'
          from auth.jwt_keys k where k.id = any (lost) order by k.kid, k.created_at;
end
$$;
comment on function auth.load_jwks is
    'Administrators: makes a key set the public keys of an issuer; returns a row for each of its entries, and one for each key that it no longer has. jwks is a JWK Set (RFC 7517), or an object of PEM certificates by kid: at most 100 keys and 262144 bytes. result is loaded, unchanged, skipped, revoked or retired, and reason says why. What cannot be used is skipped, with a WARNING unless it is meant for something else: RSA of less than 2048 or more than 8192 bits, an exponent below 65537, a kid of more than 128 bytes, two keys with one kid. RSA without alg is for RS256, or for the only RSA algorithm of the issuer. A key that disappeared is revoked, or with a grace (up to 100 years) retired until it ends, and comes back when the set has it again; a running grace may end sooner but not later. A key revoked by auth.revoke_jwt_key() stays revoked. 22023 with the reason for a set with a private key or without any usable one, for another grace and for an unknown issuer, 42501 for anybody else.';

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
            message = 'the key must be given', hint = 'Pass a public key as JWK, PEM or PEM certificate.';
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
    if exists (select from auth.jwt_keys k
                where k.issuer_id = the_issuer.id and k.thumbprint = parsed.thumbprint and k.alg = parsed.alg
                  and k.kid is not distinct from parsed.kid) then
        raise unique_violation using
            message = 'the issuer has this key, or another one with this kid', hint = 'auth.list_jwt_keys() shows it.';
    end if;
    insert into auth.jwt_keys (issuer_id, kid, alg, public_jwk, thumbprint, not_before, not_after, alg_assumed)
    values (the_issuer.id, parsed.kid, parsed.alg, parsed.public_jwk, parsed.thumbprint, not_before, not_after, parsed.alg_assumed)
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
    'Administrators: adds one public key, as JWK, PEM or PEM certificate, to an issuer; returns its id. Without alg: what the JWK says, RS256 for RSA, or what the curve asks for. Of a certificate only the key counts. The next auth.load_jwks() of the issuer takes it away unless the set has it. 22023 with the reason for a bad key and for an unknown issuer, 23505 when it is there, was revoked, or another one has its kid, 42501 for anybody else.';

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
