-- What those who sign in get. A refusal is returned and not raised: an error would undo what was counted.

-- In a request of PostgREST it gets its status too.
create or replace function auth_internal.refusal(error text, description text, status integer default 400, seconds integer default null) returns jsonb
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if nullif(current_setting('request.method', true), '') is not null then
        perform set_config('response.status', status::text, true);
        perform set_config('response.headers', (jsonb_build_array(jsonb_build_object('Cache-Control', 'no-store'))
            || case when seconds is null then '[]' else jsonb_build_array(jsonb_build_object('Retry-After', seconds::text)) end)::text, true);
    end if;
    return jsonb_strip_nulls(jsonb_build_object('error', error, 'error_description', description, 'retry_after', seconds));
end
$$;
comment on function auth_internal.refusal is 'The answer to a refused sign-in (RFC 6749 section 5.2), with the status of the HTTP response.';

create or replace function auth_internal.refuse_grant(description text default 'Invalid login credentials') returns jsonb
    language sql set search_path = pg_catalog, pg_temp as $$
    select auth_internal.refusal('invalid_grant', refuse_grant.description)
$$;
comment on function auth_internal.refuse_grant is 'The one answer to whatever is wrong with what somebody signs in with.';

create or replace function auth_internal.refuse_tries(seconds integer) returns jsonb
    language sql set search_path = pg_catalog, pg_temp as $$
    select auth_internal.refusal('too_many_requests', format('Too many tries. Try again in %s seconds.', refuse_tries.seconds), 429, refuse_tries.seconds)
$$;
comment on function auth_internal.refuse_tries is 'The answer to too many tries.';

create or replace function auth_internal.sign_in_issuer() returns auth.issuers
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select auth_internal.own_issuer(nullif(current_setting('pg_bearer.session_issuer', true), ''))
$$;
comment on function auth_internal.sign_in_issuer is 'The issuer of ours that makes access tokens; 55000 where there is none.';

-- Before anything else in a function that somebody signs in with.
create or replace function auth_internal.enter_sign_in() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse_restricted_operation();
    perform auth_internal.refuse_in_hook();
    perform auth_internal.sign_in_issuer();
end
$$;
comment on function auth_internal.enter_sign_in is '55000 where nobody signs in: without an issuer of ours, and within a hook.';

-- One more try, of what is named so. In shared memory, which no rollback undoes; without, in a table, which one does.
create or replace function auth_internal.count_try(kind text, value text, most integer, period interval) returns integer
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    its_key bytea := sha256(convert_to(kind || ' ' || value, 'UTF8'));
    seconds integer := auth_internal.take_try(kind, value, most, period);
    counted bigint;
    oldest timestamptz;
begin
    if seconds is not null then
        return seconds;
    end if;
    select count(*), min(t.tried_at) into counted, oldest
      from (select s.tried_at from auth.sign_in_tries s
             where s.key = its_key and s.tried_at > clock_timestamp() - period
             order by s.tried_at desc limit most) t;
    if counted >= most then
        return greatest(1, ceil(extract(epoch from oldest + period - clock_timestamp())));
    end if;
    insert into auth.sign_in_tries (key, expires_at) values (its_key, clock_timestamp() + period);
    begin
        delete from auth.sign_in_tries s
         where s.id = any (array(select o.id from auth.sign_in_tries o where o.expires_at < clock_timestamp()
                                  order by o.expires_at limit 10 for update skip locked));
    exception when serialization_failure then
        null;
    end;
    return 0;
end
$$;
comment on function auth_internal.count_try is 'Counts a try, and returns 0; or in how many seconds there may be one more.';

create or replace function auth_internal.tries_period() returns interval
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return current_setting('pg_bearer.sign_in_tries_period')::interval;
end
$$;
comment on function auth_internal.tries_period is 'In which time tries are counted together.';

-- Whoever signed in as the user from the same network before is not kept out by what others try.
create or replace function auth_internal.count_address_try(kind text, email text, most integer) returns integer
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    address text := auth_internal.folded(email);
    its_network text := auth_internal.client_network();
    its_user text := (auth_internal.user_by_email(email)).id::text;
begin
    perform from auth.sessions s where s.user_id = its_user and s.network = its_network;
    if found then
        kind := kind || ' of a known client';
        address := address || ' ' || its_network;
    end if;
    return auth_internal.count_try(kind, address, most, auth_internal.tries_period());
end
$$;
comment on function auth_internal.count_address_try is 'Counts a try of this kind for this address, and returns 0; or in how many seconds there may be one more.';

create or replace function auth_internal.count_password_try(email text) returns integer
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    seconds integer := auth_internal.count_network_try();
begin
    if seconds > 0 then
        return seconds;
    end if;
    return auth_internal.count_address_try('address', email, current_setting('pg_bearer.max_sign_in_tries')::integer);
end
$$;
comment on function auth_internal.count_password_try is 'Counts a try to sign in with this address, and returns 0; or in how many seconds there may be one more.';

create or replace function auth_internal.count_network_try() returns integer
    language sql set search_path = pg_catalog, pg_temp as $$
    select case when auth_internal.client_network() is null then 0
                else auth_internal.count_try('network', auth_internal.client_network(),
                         current_setting('pg_bearer.max_sign_in_tries_per_network')::integer, auth_internal.tries_period()) end
$$;
comment on function auth_internal.count_network_try is 'Counts a try from the client''s network, where it is known, and returns 0; or in how many seconds there may be one more.';

create or replace function auth_internal.count_mail(email text) returns integer
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    seconds integer := auth_internal.count_network_try();
begin
    if seconds > 0 then
        return seconds;
    end if;
    return auth_internal.count_address_try('mail', email, current_setting('pg_bearer.max_mails')::integer);
end
$$;
comment on function auth_internal.count_mail is 'Counts a mail to this address, whoever has it, and returns 0; or in how many seconds there may be one more.';
