-- Refreshing: each refresh token is good for one, and the one before it for a moment longer, for clients that ask twice.

-- Whoever holds the row is refreshing the same session.
create or replace function auth_internal.lock_session(session_id uuid) returns auth.sessions
    language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
declare
    locked auth.sessions;
begin
    select * into locked from auth.sessions s where s.id = lock_session.session_id for update;
    return locked;
exception
    when lock_not_available then
        perform auth_internal.refuse_busy();
end
$$;
comment on function auth_internal.lock_session is 'The session, which nobody else refreshes meanwhile; NULL when there is none. 53400 where somebody else does for too long.';

-- Is it still one? As src/pg/minted.rs asks it of access tokens, and how long nobody refreshed it. In its last seconds no access
-- token can end with it.
create or replace function auth_internal.session_is_alive(session auth.sessions) returns boolean
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return auth_internal.session_holds((session).id, (session).user_id)
       and coalesce((session).expires_at > clock_timestamp() + interval '2 seconds', true)
       and auth_internal.is_allowed_environment((session).environment)
       and not auth_internal.is_banned((session).user_id)
       and (auth_internal.session_idle_time() = '0' or (session).refreshed_at > clock_timestamp() - auth_internal.session_idle_time())
       and not exists (select from auth.revocations r join auth.issuers i on i.id = (session).issuer_id
                        where r.kind = 'session' and r.value = (session).id::text and r.issuer = i.issuer
                           or r.kind in ('user', 'subject') and r.value = (session).user_id and coalesce(r.issuer = i.issuer, true)
                              and r.issued_before >= (session).created_at)
       and ((session).org_id is null or auth_internal.member_permissions((session).user_id, (session).org_id) is not null);
end
$$;
comment on function auth_internal.session_is_alive is 'May a session be refreshed?';

create or replace function auth_internal.session_idle_time() returns interval
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return coalesce(current_setting('pg_bearer.session_idle_time', true), '1s')::interval;
end
$$;
comment on function auth_internal.session_idle_time is 'After what time without a refresh a session ends; 0: never.';

create or replace function auth_internal.reuse_grace() returns interval
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return coalesce(current_setting('pg_bearer.refresh_reuse_grace', true), '0')::interval;
end
$$;
comment on function auth_internal.reuse_grace is 'How long after a refresh the same refresh token gives the same next one.';

-- The next refresh token of a session.
create or replace function auth_internal.rotate_session(session auth.sessions, presented text) returns text
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    next_token text := auth_internal.new_refresh_token(session.id, session.generation + 1);
begin
    update auth.sessions s
       set generation = s.generation + 1, parent_hash = s.token_hash, token_hash = auth_internal.token_hash(next_token),
           refreshed_at = clock_timestamp()
     where s.id = session.id;
    if auth_internal.reuse_grace() > '0' then
        insert into auth.sealed_tokens (session_id, generation, sealed, expires_at)
        values (session.id, session.generation + 1, auth_internal.seal_refresh_token(presented, next_token),
                clock_timestamp() + auth_internal.reuse_grace());
    end if;
    return next_token;
end
$$;
comment on function auth_internal.rotate_session is 'Makes the next refresh token of a session; whoever presented the last one can have it again during the grace.';

create or replace function auth.refresh_session(refresh_token text) returns jsonb
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    parsed record;
    session auth.sessions;
    presented bytea := auth_internal.token_hash(refresh_token);
    next_token text;
begin
    perform auth_internal.enter_sign_in();
    perform auth_internal.commit_durably();
    select * into parsed from auth_internal.parse_refresh_token(refresh_token);
    -- Whoever only knows the id of a session does not hold it up.
    if parsed.is_ours or exists (select from auth.sessions s where s.id = parsed.session_id and presented in (s.token_hash, s.parent_hash)) then
        session := auth_internal.lock_session(parsed.session_id);
    end if;
    if session.id is null or auth_internal.session_is_alive(session) is not true then
        return auth_internal.refuse_grant('Invalid refresh token');
    end if;
    if presented = session.token_hash then
        next_token := auth_internal.rotate_session(session, refresh_token);
    elsif presented = session.parent_hash then
        next_token := (select auth_internal.open_refresh_token(refresh_token, t.sealed) from auth.sealed_tokens t
                        where t.session_id = session.id and t.generation = session.generation and t.expires_at > clock_timestamp());
    end if;
    if next_token is null and parsed.is_ours and parsed.generation < session.generation then
        -- Whoever rolls back does not undo it.
        perform auth_internal.note_reuse(session.id);
        perform auth_internal.end_reused_session(session);
    end if;
    if next_token is null then
        return auth_internal.refuse_grant('Invalid refresh token');
    end if;
    perform auth_internal.purge_sealed_tokens(10);
    perform auth_internal.audit('session.refresh', session.org_id, session.id::text, session.user_id);
    return auth_internal.session_answer(session, next_token);
end
$$;
comment on function auth.refresh_session is
    'Everybody: a new access token and the next refresh token, as auth.sign_in_with_password() returns them. The same refresh token once more gives the same next one for pg_bearer.refresh_reuse_grace, as long as that one was not used; later, and with an older one, it ends the session, because two have it. Whatever is wrong, the answer is {"error": "invalid_grant", "error_description": "Invalid refresh token"}. Bind the token. Commit afterwards, also after a refusal. 40001 in a transaction that keeps an older snapshot, 53400 while another transaction refreshes the session, 55000 where this database makes no tokens.';

-- In a table of their own, so that this keeps nobody from refreshing a session.
create or replace function auth_internal.purge_sealed_tokens(most integer) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    delete from auth.sealed_tokens t
     where t.id = any (array(select o.id from auth.sealed_tokens o where o.expires_at < clock_timestamp()
                              order by o.expires_at limit most for update skip locked));
exception when serialization_failure then
    null;
end
$$;
comment on function auth_internal.purge_sealed_tokens is 'Deletes so many next refresh tokens at most whose grace is over.';

create or replace function auth_internal.end_reused_session(session auth.sessions) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.end_session(session);
    perform auth_internal.audit('session.reuse', session.org_id, session.id::text, session.user_id);
end
$$;
comment on function auth_internal.end_reused_session is 'Ends a session of which two have refresh tokens.';

-- The worker calls it: src/pg/ffi/reuse_worker.rs.
create or replace function auth_internal.end_reused_sessions(session_ids uuid[]) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.end_reused_session(s) from auth.sessions s
      where s.id = any (end_reused_sessions.session_ids) and auth_internal.session_is_alive(s);
end
$$;
comment on function auth_internal.end_reused_sessions is 'Ends those of these sessions that have not ended.';
