-- What a token of ours may say, and making it. Who may have which is in issuing.sql.

create or replace function auth_internal.refuse_token_argument(argument text, hint text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('22023', format('%s has a value that is not allowed', argument), hint);
end
$$;
comment on function auth_internal.refuse_token_argument is 'The error for an argument (22023).';

-- What an issuer of ours, a registry (RFC 7519, RFC 8693, RFC 8705, OpenID Connect) or a reader of ours gives a meaning.
create or replace function auth_internal.reserved_claims() returns text[]
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select array['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'role', 'act', 'may_act', 'aal', 'acr', 'amr', 'auth_time',
                 'azp', 'client_id', 'cnf', 'nonce', 'events', 'token_use', 'sid', 'session_id', 'email', 'email_verified',
                 'phone', 'phone_verified', 'org_id', 'org_role', 'workspace_id', 'permissions', 'scope', 'scopes',
                 'environment', 'is_anonymous', 'app_metadata', 'user_metadata', 'roles', 'groups', 'entitlements']
$$;
comment on function auth_internal.reserved_claims is 'The claims that auth.issue_jwt() does not take from its caller.';

-- And what other issuers call it, whose claims policies believe.
create or replace function auth_internal.is_reserved_claim(name text) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select is_reserved_claim.name = any (auth_internal.reserved_claims())
        or exists (select from auth.issuers i
                    where is_reserved_claim.name in (i.org_claim[1], i.workspace_claim[1], i.role_claim[1], i.org_role_claim[1],
                                                     i.permissions_claim[1], i.scopes_claim[1], i.email_claim[1], i.email_verified_claim[1]))
$$;
comment on function auth_internal.is_reserved_claim is 'Is this claim of a token of ours not for anybody else to say?';

create or replace function auth_internal.demand_claims(claims jsonb) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    reserved text;
begin
    if claims is null then
        return;
    elsif jsonb_typeof(claims) <> 'object' or octet_length(claims::text) > 8192 then
        perform auth_internal.refuse_token_argument('claims', 'It is a JSON object of at most 8192 bytes.');
    end if;
    select min(name) into reserved from jsonb_object_keys(claims) name where auth_internal.is_reserved_claim(name);
    if reserved is not null then
        perform auth_internal.refuse_token_argument('claims', format('%s is not for the caller to say.', reserved));
    end if;
end
$$;
comment on function auth_internal.demand_claims is '22023 for claims that are no small JSON object, or one with a reserved name.';

-- Until the end of the last whole second: what exp says and what the row says are one moment.
create or replace function auth_internal.token_end(wanted timestamptz, latest timestamptz, issuer auth.issuers) returns timestamptz
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    cap interval := coalesce(current_setting('pg_bearer.max_token_lifetime', true), '0')::interval;
    limits timestamptz := least(latest, clock_timestamp() + cap,
        case when (issuer).max_lifetime > '0' then clock_timestamp() + (issuer).max_lifetime end);
    its_end timestamptz := coalesce(wanted, least(limits, clock_timestamp() + interval '1 year'));
begin
    -- A second of grace, for whoever asks for just as long as is allowed.
    if not isfinite(its_end) or its_end > limits + interval '1 second' or its_end < clock_timestamp() + interval '1 second' then
        perform auth_internal.refuse_token_argument('expires_at',
            'It must be in the future, within pg_bearer.max_token_lifetime and the issuer''s max_lifetime, and no later than the end of what the token comes from.');
    end if;
    return to_timestamp(floor(extract(epoch from least(its_end, limits))));
end
$$;
comment on function auth_internal.token_end is 'When a token of ours ends for which this end is asked, NULL: as late as may be, up to a year; 22023 for one that is not allowed.';

-- How many tokens a user, or the API key that they come from, may have. Asked when the new one is there.
create or replace function auth_internal.demand_token_quota(minted auth.minted_tokens) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    quota integer := coalesce(current_setting('pg_bearer.max_tokens', true)::integer, 0);
    counted bigint;
begin
    if auth_internal.is_unrestricted() then
        return;
    end if;
    select count(*) into counted
      from (select from auth.minted_tokens t
             where case when (minted).api_key_id is null then t.user_id = (minted).user_id and t.api_key_id is null and t.session_id is null
                        else t.api_key_id = (minted).api_key_id end
               and t.expires_at > clock_timestamp()
             limit quota + 1) t;
    if counted > quota then
        perform auth_internal.refuse('54000', 'there are as many tokens as there may be',
            'pg_bearer.max_tokens is the limit for a user and for an API key. Tokens that have expired do not count.');
    end if;
end
$$;
comment on function auth_internal.demand_token_quota is '54000 when the user, or the API key, has more tokens than they may; nothing for services and administrators.';

-- What has expired goes as new rows come, a few at a time, and waits for nobody.
create or replace function auth_internal.purge_minted_tokens(most integer) returns integer
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    gone integer;
begin
    -- As a list of ids: joined, without statistics, every token would be read.
    delete from auth.minted_tokens t
     where t.id = any (array(select o.id from auth.minted_tokens o where o.expires_at < clock_timestamp() - interval '10 minutes'
                              order by o.expires_at limit most for update skip locked));
    get diagnostics gone = row_count;
    return gone;
exception when serialization_failure then
    return 0;
end
$$;
comment on function auth_internal.purge_minted_tokens is 'Deletes so many tokens at most that have expired; returns how many.';

-- The claims of a token of ours, besides those that its maker gives.
create or replace function auth_internal.minted_claims(minted auth.minted_tokens, issuer auth.issuers, role text, scopes text[]) returns jsonb
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return jsonb_strip_nulls(jsonb_build_object(
        'iss', (issuer).issuer,
        'sub', (minted).user_id,
        'aud', coalesce((issuer).audiences[1], 'authenticated'),
        'role', role,
        'iat', floor(extract(epoch from (minted).created_at))::bigint,
        'exp', floor(extract(epoch from (minted).expires_at))::bigint,
        'jti', (minted).id,
        'org_id', (minted).org_id,
        'workspace_id', (minted).workspace_id,
        'environment', (minted).environment,
        'permissions', to_jsonb((minted).permissions),
        'scope', nullif(array_to_string(scopes, ' '), ''),
        'act', case when (minted).actor is not null then jsonb_build_object('sub', (minted).actor) end));
end
$$;
comment on function auth_internal.minted_claims is 'The claims of a token of ours, besides those that its maker gives.';

-- Signs a token and keeps its row. That the token is accepted, and gives what is meant, is asked last.
create or replace function auth_internal.sign_minted(
    described auth.minted_tokens, issuer auth.issuers, role text, scopes text[], claims jsonb, out token text, out minted auth.minted_tokens
)
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    begun record := described;
    signing_key record;
    payload text;
begin
    select * into signing_key from auth.jwt_keys k where k.issuer_id = (sign_minted.issuer).id and k.state = 'active';
    if signing_key.id is null then
        perform auth_internal.refuse('55000', 'the issuer has no active signing key',
            'auth.create_signing_key() makes one, and auth.rotate_signing_key() makes the next one active.');
    end if;
    begun.id := gen_random_uuid();
    begun.issuer_id := (sign_minted.issuer).id;
    begun.created_at := clock_timestamp();
    payload := (coalesce(claims, '{}') || auth_internal.minted_claims(begun, sign_minted.issuer, role, scopes))::text;
    begun.digest := sha256(convert_to(payload, 'UTF8'));
    insert into auth.minted_tokens select (begun::auth.minted_tokens).*;
    perform auth_internal.purge_minted_tokens(10);
    perform auth_internal.commit_durably();
    token := auth_internal.sign_jwt(signing_key.id, signing_key.alg, payload, begun.user_id, begun.id, begun.expires_at);
    perform auth_internal.demand_accepted(token, begun.user_id, begun.session_id);
    minted := begun;
end
$$;
comment on function auth_internal.sign_minted is 'Signs a token and keeps its row; 22023 for one that would be refused, 55000 without a signing key.';

create or replace function auth_internal.mint(action text, described auth.minted_tokens, issuer auth.issuers, role text, scopes text[], claims jsonb) returns text
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    begun record := described;
    signed record;
    minted record;
    violated text;
begin
    begun.created_by := auth_internal.acting_user();
    signed := auth_internal.sign_minted(begun, mint.issuer, role, scopes, claims);
    minted := signed.minted;
    perform auth_internal.demand_token_quota(minted);
    -- When there is nothing more to wait for.
    perform auth_internal.demand_handing_on(minted.org_id, minted.environment);
    perform auth_internal.audit(action, minted.org_id, minted.id::text, minted.user_id,
        jsonb_strip_nulls(jsonb_build_object('issuer', (mint.issuer).issuer, 'expires_at', minted.expires_at,
            'is_service', nullif(minted.is_service, false), 'actor', minted.actor, 'reason', minted.reason)));
    return signed.token;
exception
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('minted_tokens', violated);
end
$$;
comment on function auth_internal.mint is 'Makes the token for which somebody asks, and returns it; 22023 for one that would be refused, 54000 beyond the quota, 55000 without a signing key.';
