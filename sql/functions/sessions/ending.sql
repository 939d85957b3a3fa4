-- Ending sessions. Deleting the row is enough; where somebody holds it, a revocation is added, so that this waits for nobody.

create or replace function auth_internal.end_session(session auth.sessions) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    issuer text := (select i.issuer from auth.issuers i where i.id = session.issuer_id);
    is_gone boolean;
begin
    perform auth_internal.commit_durably();
    begin
        with free as (select s.id from auth.sessions s where s.id = session.id for update skip locked)
        delete from auth.sessions s using free where s.id = free.id;
        is_gone := found;
    exception when serialization_failure then
        is_gone := false;
    end;
    -- Not by auth_internal.revoke(), which asks who calls: nobody does who only refreshes.
    if not is_gone and issuer is not null then
        insert into auth.revocations (kind, value, issuer, issued_before, expires_at)
        values ('session', session.id::text, issuer, clock_timestamp(), auth_internal.end_of_tokens(issuer) + interval '30 days');
    end if;
end
$$;
comment on function auth_internal.end_session is 'Ends a session, without waiting for whoever is refreshing it.';

create or replace function auth_internal.end_sessions_of(user_id text, but uuid default null) returns bigint
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    session auth.sessions;
    ended bigint := 0;
begin
    for session in select * from auth.sessions s where s.user_id = end_sessions_of.user_id and s.id is distinct from but loop
        perform auth_internal.end_session(session);
        ended := ended + 1;
    end loop;
    return ended;
end
$$;
comment on function auth_internal.end_sessions_of is 'Ends the sessions of a user, but this one; returns how many.';

-- The oldest go. One that is being refreshed stays this time.
create or replace function auth_internal.end_surplus_sessions(user_id text, environment text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    most integer := coalesce(current_setting('pg_bearer.max_sessions', true)::integer, 1);
begin
    if most > 0 then
        delete from auth.sessions s
         where s.id = any (array(select o.id from auth.sessions o
                                  where o.id = any (array(select a.id from auth.sessions a
                                                           where a.user_id = end_surplus_sessions.user_id
                                                             and a.environment = end_surplus_sessions.environment
                                                           order by a.created_at desc, a.id offset most))
                                  for update skip locked));
    end if;
exception when serialization_failure then
    null;
end
$$;
comment on function auth_internal.end_surplus_sessions is 'Ends the oldest sessions of a user who has more than pg_bearer.max_sessions in this environment.';

create or replace function auth_internal.purge_sessions(most integer) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    delete from auth.sessions s
     where s.id = any (array(select o.id from auth.sessions o where o.expires_at < clock_timestamp() - interval '10 minutes'
                              order by o.expires_at limit most for update skip locked));
exception when serialization_failure then
    null;
end
$$;
comment on function auth_internal.purge_sessions is 'Deletes so many sessions at most that have ended by themselves.';

create or replace function auth_internal.own_session() returns auth.sessions
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select s.* from auth.sessions s join auth.issuers i on i.id = s.issuer_id and i.own
     where s.id = auth_internal.token_id(auth.identity() ->> 'session_id') and s.user_id = auth.user_id()
       and i.issuer = auth.identity() ->> 'issuer'
$$;
comment on function auth_internal.own_session is 'The session of the access token by which somebody is signed in; NULL where there is none.';

create or replace function auth_internal.refuse_sessionless(hint text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('42501', 'the credential belongs to no session of this database', refuse_sessionless.hint);
end
$$;
comment on function auth_internal.refuse_sessionless is '42501 for what is done with an access token of a session only.';

create or replace function auth.sign_out_session(scope text default 'this') returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    own auth.sessions;
    ended bigint;
begin
    perform auth_internal.refuse_restricted_operation();
    perform auth.require_authenticated();
    if (scope in ('this', 'others', 'all')) is not true then
        perform auth_internal.refuse_token_argument('scope', 'It is this, others or all.');
    end if;
    own := auth_internal.own_session();
    if own.id is null then
        perform auth_internal.refuse_sessionless('auth.revoke_session() ends sessions of other issuers.');
    end if;
    perform auth_internal.demand_handing_on(null, own.environment);
    if scope <> 'this' then
        perform auth_internal.demand_oneself(own.user_id);
        ended := auth_internal.end_sessions_of(own.user_id, case scope when 'others' then own.id end);
    else
        perform auth_internal.end_session(own);
    end if;
    perform auth_internal.audit('session.end', own.org_id, own.id::text, own.user_id, jsonb_strip_nulls(jsonb_build_object('scope', scope, 'sessions', ended)));
end
$$;
comment on function auth.sign_out_session is
    'Users, with an access token of a session: ends that session (this), all others of theirs (others), or all of them (all). Counts for every authenticate that starts after the commit, and waits for nobody. auth.sign_out() is about the transaction alone. Services and administrators end sessions with auth.revoke_session() and auth.revoke_user(). 22023 for another scope, 42501 for any other credential, for whoever acts for the user and, but for this, for tokens with permissions but tokens.write, 28000 without an identity.';

create or replace function auth.list_sessions(user_id text default null)
    returns table (id uuid, subject text, org_id uuid, permissions text[], method text, aal text, network text, is_current boolean,
                   created_at timestamptz, refreshed_at timestamptz, expires_at timestamptz)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    unrestricted boolean := auth_internal.is_unrestricted();
begin
    if unrestricted then
        perform auth_internal.demand_unrestricted();
    else
        perform auth_internal.refuse_api_key();
        if coalesce(list_sessions.user_id = auth.user_id(), list_sessions.user_id is null) is not true or auth.user_id() is null then
            perform auth_internal.refuse('42501', 'users see their own sessions only', null);
        end if;
    end if;
    return query
        select s.id, s.user_id, s.org_id, s.permissions, s.method, s.aal, s.network,
               coalesce(s.id::text = auth.identity() ->> 'session_id', false), s.created_at, s.refreshed_at, s.expires_at
          from auth.sessions s
         where s.user_id = case when unrestricted then coalesce(list_sessions.user_id, s.user_id) else auth.user_id() end
           and (auth.environment() is distinct from 'test' or s.environment = 'test')
           and (unrestricted or auth.jwt() is null or auth_internal.issuer_reaches(s.org_id))
           and auth_internal.session_is_alive(s)
         order by s.created_at, s.id;
end
$$;
comment on function auth.list_sessions is
    'Users, their own; services and administrators, all or those of a user: the sessions that can still be refreshed. network is where the user signed in. No token is shown: nobody keeps them. 42501 for the sessions of others, 28000 without an identity.';
