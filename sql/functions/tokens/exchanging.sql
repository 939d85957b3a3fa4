-- Tokens in place of an API key, and tokens to act for somebody; what such tokens may not do.

create or replace function auth.exchange_api_key(ttl interval default '1 hour') returns text
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    begun record;
    described record;
begin
    perform auth_internal.is_unrestricted();
    if auth.api_key_id() is null or auth.jwt() is not null then
        perform auth_internal.refuse('42501', 'only an API key can be exchanged', 'Authenticate with the key itself.');
    end if;
    perform auth_internal.demand_ttl(ttl, interval '1 day');
    begun := auth_internal.token_of_caller(null);
    described := begun.described;
    select k.user_id, k.org_id, k.workspace_id into described.user_id, described.org_id, described.workspace_id
      from auth.api_keys k where k.id = described.api_key_id;
    described.is_service := auth.is_service_role();
    if described.is_service then
        described.org_id := null;
    end if;
    described.expires_at := auth_internal.token_end(least(clock_timestamp() + ttl, begun.latest), begun.latest, begun.issuer);
    return auth_internal.mint('token.exchange', described, begun.issuer, case when described.is_service then 'service_role' else 'authenticated' end, null, null);
end
$$;
comment on function auth.exchange_api_key is
    'API keys: a token that acts as the key of the identity, with all of its restrictions, for ttl (up to a day), but no longer than the key. It counts as a use of the key each time, makes no tokens and changes no API keys. For clients that are not to have the key. 22023 for another ttl, 42501 for anybody else, 28000 without an identity, 54000 beyond pg_bearer.max_tokens, 55000 without an issuer of ours or its key.';

create or replace function auth_internal.demand_ttl(ttl interval, longest interval) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if (ttl between interval '1 second' and longest) is not true then
        perform auth_internal.refuse_token_argument('ttl', format('It is from 1 second to %s.', longest));
    end if;
end
$$;
comment on function auth_internal.demand_ttl is '22023 unless this is from a second to the longest time.';

-- A token for a workspace manages nothing: organizations, keys and members are not the workspace's.
create or replace function auth_internal.refuse_workspace_token() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth.jwt() ->> 'workspace_id' is not null and auth_internal.is_of_own_issuer() then
        perform auth_internal.refuse('42501', 'a token for a single workspace may not do this', 'Use one without workspace_id.');
    end if;
end
$$;
comment on function auth_internal.refuse_workspace_token is '42501 for the identity of a token of ours that is for a single workspace.';

-- Whoever came by a key changes no keys with what was made of it for less.
create or replace function auth_internal.refuse_derived() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth.api_key_id() is not null and auth.jwt() is not null then
        perform auth_internal.refuse('42501', 'a token that came from an API key may not do this', 'Use the API key itself.');
    end if;
end
$$;
comment on function auth_internal.refuse_derived is '42501 for the identity of a token that came from an API key.';

create or replace function auth_internal.refuse_lesser_token() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse_derived();
    perform auth_internal.refuse_workspace_token();
end
$$;
comment on function auth_internal.refuse_lesser_token is '42501 for the identity of a token that came from an API key, or is of ours and for a single workspace.';

create or replace function auth.impersonate(user_id text, reason text, ttl interval default '1 hour') returns text
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    begun record;
    described record;
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.refuse_derived();
    perform auth_internal.demand_handing_on(null, null);
    if (octet_length(user_id) between 1 and 1024) is not true then
        perform auth_internal.refuse_token_argument('user_id', 'Name the user to act for.');
    elsif (char_length(reason) between 1 and 1000 and reason ~ '[^[:space:]]' and reason !~ '[[:cntrl:]]') is not true then
        perform auth_internal.refuse_token_argument('reason', 'Say why, in 1 to 1000 characters.');
    end if;
    perform auth_internal.demand_ttl(ttl, interval '1 day');
    begun := auth_internal.token_of_caller(null);
    described := begun.described;
    described.user_id := impersonate.user_id;
    described.maker_key_id := described.api_key_id;
    described.api_key_id := null;
    described.reason := impersonate.reason;
    described.actor := auth_internal.actor_name();
    described.expires_at := auth_internal.token_end(least(clock_timestamp() + ttl, begun.latest), begun.latest, begun.issuer);
    return auth_internal.mint('token.impersonate', described, begun.issuer, 'authenticated', null, null);
end
$$;
comment on function auth.impersonate is
    'Services and administrators: a token with which one acts for a user, for ttl (up to a day), and says who does (the claim act of RFC 8693). It gives nothing that lasts and makes no tokens; auth.identity() shows the actor. The reason, 1 to 1000 characters, is kept with the token. 22023 for a value that is not allowed, 42501 for anybody else and for whoever acts for somebody already, 28000 without an identity, 55000 without an issuer of ours or its key.';

-- Who acts for a user: the API key or token of the service, else the database role.
create or replace function auth_internal.actor_name() returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce('api_key:' || auth.api_key_id(), 'token:' || (auth.jwt() ->> 'jti'), 'service:' || auth.user_id(),
                    case when auth.is_service_role() then 'service:' || (auth.identity() ->> 'issuer') end,
                    'role:' || auth_internal.outer_user_name())
$$;
comment on function auth_internal.actor_name is 'Who acts for a user, as the claim act says it.';
