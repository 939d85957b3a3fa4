-- Ending tokens before they expire, those of every issuer. A revocation is a row that is added: it waits for nobody, and counts
-- for every authenticate that starts after its commit.

-- 10 years are the most for ours (pg_bearer.max_token_lifetime).
create or replace function auth_internal.end_of_ours() returns timestamptz
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select clock_timestamp() + interval '10 years 10 days'
$$;
comment on function auth_internal.end_of_ours is 'When every token of ours will have expired that was made until now.';

-- How long a token can live that was issued until now, by this issuer, or for NULL by any, and those of ours that were made with
-- it. Clocks may differ by 5 minutes, twice.
create or replace function auth_internal.end_of_tokens(issuer text) returns timestamptz
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(max(case when i.own then auth_internal.end_of_ours()
                             when i.max_lifetime = '0' then 'infinity'::timestamptz
                             else clock_timestamp() + i.max_lifetime + interval '15 minutes' end), 'infinity')
      from auth.issuers i where i.own or end_of_tokens.issuer is null or i.issuer = end_of_tokens.issuer
$$;
comment on function auth_internal.end_of_tokens is 'When every token will have expired that this issuer, NULL: any, has issued until now, and those that were made with one.';

-- It may be beyond all timestamps.
create or replace function auth_internal.end_of_own(expires_at timestamptz) returns timestamptz
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select coalesce(least(end_of_own.expires_at, '290000-01-01 00:00:00+00'::timestamptz) + interval '15 minutes', 'infinity')
$$;
comment on function auth_internal.end_of_own is 'When a token will have expired that says it does then.';

-- A token of another issuer ends by itself; what it made here does not.
create or replace function auth_internal.end_of_token(expires_at timestamptz) returns timestamptz
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select greatest(auth_internal.end_of_own(end_of_token.expires_at),
        case when exists (select from auth.issuers i where i.own) then auth_internal.end_of_ours() end)
$$;
comment on function auth_internal.end_of_token is 'When a token of another issuer will have expired that says it does then, and those that were made with it.';

-- Ends what was issued until now, by whatever clock: that of this server may be behind the one that it took over from.
create or replace function auth_internal.revoke(kind text, value text, issuer text, expires_at timestamptz, latest timestamptz default null) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    before timestamptz := greatest(clock_timestamp(), latest, (select max(r.issued_before) from auth.revocations r
        where r.kind = revoke.kind and r.value = revoke.value and r.issuer is not distinct from revoke.issuer));
begin
    perform auth_internal.add_revocation(kind, value, issuer, before, expires_at);
end
$$;
comment on function auth_internal.revoke is 'Adds a revocation, which ends what was issued until now, and until the latest time; 22023 for a value that no token has.';

create or replace function auth_internal.add_revocation(kind text, value text, issuer text, before timestamptz, expires_at timestamptz) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.commit_durably();
    if before is null
       and exists (select from auth.revocations r
                    where r.kind = add_revocation.kind and r.value = add_revocation.value
                      and r.issuer is not distinct from add_revocation.issuer and r.issued_before is null) then
        return false;
    end if;
    if (octet_length(value) between 1 and 1300) is not true then
        perform auth_internal.refuse('22023', 'the value is too long for any token', null);
    end if;
    insert into auth.revocations (kind, value, issuer, issued_before, expires_at, revoked_by)
    values (kind, value, issuer, before, expires_at, auth_internal.acting_user_if_any());
    perform auth_internal.purge_superseded(kind, value, issuer);
    perform auth_internal.purge_expired_revocations(10);
    return true;
end
$$;
comment on function auth_internal.add_revocation is 'Adds a revocation, and says whether it is new; 22023 for a value that no token has.';

-- Waits for nobody.
create or replace function auth_internal.purge_superseded(kind text, value text, issuer text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    with same as (
        select r.id, coalesce(r.issued_before, '-infinity') as issued_before, r.expires_at from auth.revocations r
         where r.kind = purge_superseded.kind and r.value = purge_superseded.value
           and r.issuer is not distinct from purge_superseded.issuer
    ), old as (
        select r.id from auth.revocations r
         where r.id in (select s.id from same s
                         where exists (select from same later where later.expires_at >= s.expires_at
                                          and (later.issued_before, later.id) > (s.issued_before, s.id)))
         limit 10 for update skip locked
    )
    delete from auth.revocations r using old where r.id = old.id;
exception when serialization_failure then
    null;
end
$$;
comment on function auth_internal.purge_superseded is 'Deletes revocations that a later one repeats.';

-- Of an issuer whose max_lifetime is raised later, no token comes back: it must be younger than what has gone, by whatever clock.
create or replace function auth_internal.purge_expired_revocations(most integer) returns integer
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    old auth.revocations;
    gone integer := 0;
begin
    for old in
        select * from auth.revocations r where r.expires_at < clock_timestamp()
         order by r.expires_at limit most for update skip locked
    loop
        -- Users lock no issuer: administrators would wait for them. Of a session, tokens that were made later have gone too.
        if old.issued_before is null
           or auth_internal.is_unrestricted()
              and auth_internal.note_issued_since(old.issuer,
                      old.issued_before + case old.kind when 'session' then interval '30 days' else interval '0' end) then
            delete from auth.revocations r where r.id = old.id;
            gone := gone + 1;
        end if;
    end loop;
    return gone;
exception when serialization_failure then
    return 0;
end
$$;
comment on function auth_internal.purge_expired_revocations is 'Deletes so many revocations at most that have run out; returns how many.';

create or replace function auth_internal.note_issued_since(issuer text, since timestamptz) returns boolean
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    noted bigint;
    due bigint;
begin
    select count(*) into due from auth.issuers i
     where not i.own and (note_issued_since.issuer is null or i.issuer = note_issued_since.issuer)
       and (i.issued_since < since + i.leeway or i.issued_since is null and since is not null);
    if due = 0 then
        return true;
    end if;
    with free as (
        select i.id from auth.issuers i
         where not i.own and (note_issued_since.issuer is null or i.issuer = note_issued_since.issuer)
           and (i.issued_since < since + i.leeway or i.issued_since is null and since is not null)
         for no key update skip locked
    )
    update auth.issuers i set issued_since = since + i.leeway from free where i.id = free.id;
    get diagnostics noted = row_count;
    return noted = due;
end
$$;
comment on function auth_internal.note_issued_since is 'Sets the earliest iat of an issuer, NULL: of all but ours, without waiting; false where somebody is changing one.';

-- Services and administrators, and users in person: not by an API key, nor for somebody else, nor by what was made for less.
create or replace function auth_internal.demand_oneself(user_id text, environment text default null) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.is_unrestricted() then
        perform auth_internal.demand_unrestricted();
        perform auth_internal.demand_environment(environment);
        return;
    elsif auth.api_key_id() is not null or (user_id = auth.user_id()) is not true then
        perform auth_internal.refuse('42501', 'users end their own tokens only',
            'A service or an administrator ends those of others.');
    end if;
    perform auth_internal.demand_scopes('{tokens.write}');
    -- A token for one organization ends nothing elsewhere.
    if auth.jwt() is not null and not auth_internal.issuer_reaches(null) then
        perform auth_internal.refuse('42501', 'the token is for single organizations', 'Use one that is for all of the user''s.');
    end if;
    perform auth_internal.demand_handing_on(null, environment);
end
$$;
comment on function auth_internal.demand_oneself is '42501 unless a service or an administrator calls, or this user in person, for what counts in this environment or, NULL, in all; 28000 without an identity.';

-- Whatever a token was made for, it ends itself, and an API key itself what it made for its own user.
create or replace function auth_internal.demand_ending(jti text, issuer text, user_id text, key_id uuid, environment text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if (auth.identity() ->> 'issuer' = issuer and auth.jwt() -> 'jti' = to_jsonb(jti)
        or auth.jwt() is null and auth.api_key_id() = key_id and auth.user_id() = user_id) is not true then
        perform auth_internal.demand_oneself(user_id, environment);
    else
        perform auth_internal.demand_environment(environment);
    end if;
end
$$;
comment on function auth_internal.demand_ending is '42501 unless the caller may end this token, which came from this API key.';

create or replace function auth_internal.token_id(jti text) returns uuid
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select case when jti ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then jti::uuid end
$$;
comment on function auth_internal.token_id is 'The id of a token of ours, in whatever case; NULL for any other jti.';

-- By its id: whatever text a token of another issuer may have for one. It may be one of ours whose row is not to be seen yet.
create or replace function auth_internal.revoke_jti(jti text, issuer text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    its_id text := jti;
begin
    perform auth_internal.demand_issuer(issuer);
    if jti ~ '_(live|test)_[0-9A-Za-z]{20}' then
        perform auth_internal.refuse_token_argument('token', 'It looks like an API key: auth.revoke_api_key() ends those.');
    elsif exists (select from auth.issuers i where i.issuer = revoke_jti.issuer and i.own) then
        its_id := coalesce(auth_internal.token_id(jti)::text, jti);
    end if;
    perform auth_internal.revoke('token', its_id, issuer, auth_internal.end_of_tokens(issuer));
    perform auth_internal.audit('token.revoke', null, its_id, details => jsonb_build_object('issuer', issuer));
end
$$;
comment on function auth_internal.revoke_jti is 'Ends a token that is known by its id alone; 22023 for an unknown issuer.';

-- A token, by itself or by its id.
create or replace function auth.revoke_token(token text, issuer text default null) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    named record;
    minted auth.minted_tokens;
    its_issuer record;
begin
    perform auth_internal.is_unrestricted();
    if token is null then
        perform auth_internal.refuse_token_argument('token', 'It is a token, or the id of one (jti).');
    elsif auth_internal.looks_like_token(token) then
        select * into named from auth_internal.revocable_token(token);
    else
        select t.id::text as token, null::text as digest, i.issuer, t.user_id, t.expires_at into named
          from auth.minted_tokens t join auth.issuers i on i.id = t.issuer_id
         where t.id = auth_internal.token_id(revoke_token.token) and (revoke_token.issuer is null or i.issuer = revoke_token.issuer);
        if not found then
            -- Users learn nothing of which there are.
            perform auth_internal.demand_oneself(null);
            perform auth_internal.revoke_jti(token, issuer);
            return;
        end if;
    end if;
    select * into its_issuer from auth.issuers i where i.issuer = named.issuer;
    select * into minted from auth.minted_tokens t where t.id = auth_internal.token_id(named.token) and t.issuer_id = its_issuer.id;
    perform auth_internal.demand_ending(named.token, named.issuer, named.user_id, minted.api_key_id, coalesce(minted.environment, its_issuer.environment));
    if auth_internal.add_revocation(case when named.token is null then 'digest' else 'token' end, coalesce(named.token, named.digest), named.issuer, null,
           case when its_issuer.own then auth_internal.end_of_own(named.expires_at) else auth_internal.end_of_token(named.expires_at) end) then
        perform auth_internal.audit('token.revoke', minted.org_id, coalesce(named.token, named.digest), named.user_id,
                                    jsonb_build_object('issuer', named.issuer));
    end if;
end
$$;
comment on function auth.revoke_token is
    'The user of a token in person, services and administrators; every token for itself, and an API key for what came from it: ends a token of whatever issuer. token is the token itself, or its id (jti): of a token of ours, or with issuer of another one, which services and administrators name. Counts for every authenticate that starts after the commit; tokens that it made end too, also where it has expired itself. Idempotent. 28000 without an identity and for a text that is no good token, 42501 for a token that is not theirs, and for whoever was signed in for less (scopes or permissions without tokens.write) or acts for the user, 22023 for an unknown issuer and for NULL.';

create or replace function auth_internal.demand_issuer(issuer text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform from auth.issuers i where i.issuer = demand_issuer.issuer;
    if not found then
        perform auth_internal.refuse_token_argument('issuer', 'auth.list_issuers() shows those there are; the name is compared byte for byte.');
    end if;
end
$$;
comment on function auth_internal.demand_issuer is '22023 unless there is such an issuer.';

create or replace function auth.revoke_session(issuer text default null, session_id text default null) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    own_issuer text := auth.identity() ->> 'issuer';
    own_session text := auth.identity() ->> 'session_id';
    its_issuer text := coalesce(issuer, own_issuer);
    its_session text := coalesce(session_id, own_session);
begin
    if not auth_internal.is_unrestricted() and (its_issuer = own_issuer and its_session = own_session) is not true then
        perform auth_internal.refuse('42501', 'users end the session of their own token only',
            'auth.revoke_user() ends all of a user''s own.');
    elsif auth_internal.is_unrestricted() then
        perform auth_internal.demand_unrestricted();
    else
        perform auth_internal.demand_scopes('{tokens.write}');
        perform auth_internal.demand_handing_on(null, null);
    end if;
    perform auth_internal.demand_environment(null);
    if its_session is null then
        perform auth_internal.refuse_token_argument('session_id', 'It is the claim session_id or sid of the tokens.');
    end if;
    perform auth_internal.demand_issuer(its_issuer);
    -- The issuer may go on making tokens of it.
    perform auth_internal.revoke('session', its_session, its_issuer, auth_internal.end_of_tokens(its_issuer) + interval '30 days');
    perform auth_internal.audit('session.revoke', null, its_session, details => jsonb_build_object('issuer', its_issuer));
end
$$;
comment on function auth.revoke_session is
    'Users, for the session of the token that they are signed in with; services and administrators, for any: ends all tokens of an issuer with this session_id or, without one, sid, also those of the next 30 days, and the tokens of ours that they made. issuer and session_id NULL: those of the identity. Counts for every authenticate that starts after the commit. Idempotent. 28000 without an identity, 42501 for another session, for a token with scopes or permissions but tokens.write, and for whoever acts for the user, 22023 for an unknown issuer and where there is no session.';

create or replace function auth.revoke_user(user_id text, issuer text default null) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.demand_oneself(user_id);
    if (octet_length(user_id) between 1 and 1300) is not true then
        perform auth_internal.refuse_token_argument('user_id', 'Name the user whose tokens end.');
    elsif issuer is not null then
        perform auth_internal.demand_issuer(issuer);
    end if;
    perform auth_internal.revoke_tokens_of(user_id, issuer);
    perform auth_internal.audit('user.revoke', null, null, user_id, case when issuer is null then '{}'::jsonb else jsonb_build_object('issuer', issuer) end);
end
$$;
comment on function auth.revoke_user is
    'Users, for themselves; services and administrators, for anybody: ends all tokens of a user that were issued until now, by this issuer or, NULL, by any. user_id is what auth.user_id() gives; where a service or an administrator names an issuer, its sub too. Counts for every authenticate that starts after the commit. Tokens of ours that are made afterwards are good at once, those of other issuers once their iat is later by the issuer''s leeway; a token without iat stays refused. API keys stay: auth.remove_user() ends them. 28000 without an identity, 42501 for anybody else, 22023 for an unknown issuer and for NULL.';

create or replace function auth_internal.revoke_tokens_of(user_id text, issuer text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.revoke('user', user_id, issuer, auth_internal.end_of_tokens(issuer),
        (select max(t.created_at) from auth.minted_tokens t where t.user_id = revoke_tokens_of.user_id));
    -- Which subject of another issuer a user is, the user does not say.
    if issuer is not null and auth_internal.is_unrestricted() then
        perform auth_internal.revoke('subject', user_id, issuer, auth_internal.end_of_tokens(issuer));
    end if;
end
$$;
comment on function auth_internal.revoke_tokens_of is 'Ends the tokens of a user that were issued until now, by this issuer, NULL: by any.';

create or replace function auth.remove_user(user_id text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    removed record;
begin
    perform auth_internal.demand_oneself(user_id);
    if (octet_length(user_id) between 1 and 1024) is not true then
        perform auth_internal.refuse_token_argument('user_id', 'Name the user to remove.');
    end if;
    perform auth_internal.demand_handing_on(null, null);
    for removed in
        select m.org_id, m.role_id from auth_internal.live_memberships m
         where m.user_id = remove_user.user_id order by m.org_id
    loop
        if removed.role_id = auth_internal.owner_role() then
            perform auth_internal.demand_other_owner(removed.org_id, user_id);
        end if;
    end loop;
    for removed in
        select m.org_id from auth.memberships m where m.user_id = remove_user.user_id order by m.org_id
    loop
        perform auth_internal.delete_member(removed.org_id, user_id, 1000);
        perform auth_internal.audit('member.remove', removed.org_id, null, user_id);
    end loop;
    perform auth_internal.end_workspace_membership(w) from auth.workspace_memberships w where w.user_id = remove_user.user_id;
    perform auth_internal.end_api_key(k.id, 'its user was removed')
       from auth.api_keys k where k.user_id = remove_user.user_id and k.revoked_at is null;
    perform auth_internal.end_invitation(i.id, i.org_id)
       from auth_internal.open_invitations i
      where i.created_by = remove_user.user_id
         or i.email in (select auth_internal.folded(unnest(array[a.email, a.accepted_email]))
                          from auth.invitations a where a.accepted_by = remove_user.user_id);
    perform auth_internal.revoke_tokens_of(user_id, null);
    perform auth_internal.audit('user.remove', null, null, user_id);
end
$$;
comment on function auth.remove_user is
    'Users, for themselves; services and administrators, for anybody: ends a user''s memberships everywhere, their API keys, the invitations that they made and those that they could come back by, and all of their tokens that were issued until now. Rows of the application stay, and so do memberships that a registered table says. 42501 for the last owner of an organization (auth.transfer_ownership() or auth.delete_organization() first) and for anybody else, 28000 without an identity, 22023 for NULL.';

create or replace function auth.purge_revocations() returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    gone bigint;
begin
    perform auth_internal.demand_unrestricted();
    gone := auth_internal.purge_expired_revocations(2147483647)::bigint + auth_internal.purge_minted_tokens(2147483647);
    if gone > 0 then
        perform auth_internal.audit('revocation.purge', null, null, details => jsonb_build_object('rows', gone));
    end if;
    return gone;
end
$$;
comment on function auth.purge_revocations is
    'Services and administrators: deletes revocations that have run out and tokens of ours that have expired, and returns how many. Each revocation and each new token takes away a few by itself. 42501 for anybody else, 28000 without an identity.';

create or replace function auth.list_tokens(user_id text default null, org_id uuid default null)
    returns table (id uuid, subject text, organization uuid, workspace_id uuid, environment text, permissions text[], actor text,
                   reason text, api_key_id uuid, created_at timestamptz, created_by text, expires_at timestamptz)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    unrestricted boolean := auth_internal.is_unrestricted();
begin
    if unrestricted then
        perform auth_internal.demand_unrestricted();
    else
        perform auth_internal.refuse_api_key();
        if coalesce(list_tokens.user_id = auth.user_id(), list_tokens.user_id is null) is not true or auth.user_id() is null then
            perform auth_internal.refuse('42501', 'users see their own tokens only', null);
        end if;
    end if;
    return query
        select t.id, t.user_id, t.org_id, t.workspace_id, t.environment, t.permissions, t.actor, t.reason,
               coalesce(t.api_key_id, t.maker_key_id), t.created_at, t.created_by, t.expires_at
          from auth.minted_tokens t join auth.issuers i on i.id = t.issuer_id
         where t.user_id is not distinct from case when unrestricted then coalesce(list_tokens.user_id, t.user_id) else auth.user_id() end
           and (list_tokens.org_id is null or t.org_id = list_tokens.org_id)
           and (auth.environment() is distinct from 'test' or t.environment = 'test')
           and (unrestricted or auth.jwt() is null or auth_internal.issuer_reaches(t.org_id))
           and t.expires_at > clock_timestamp()
           and not exists (select from auth.revocations r
                            where r.kind = 'token' and r.value = t.id::text and r.issuer = i.issuer
                               or r.kind = 'user' and r.value = t.user_id and coalesce(r.issuer = i.issuer, true)
                                  and r.issued_before >= t.created_at)
         order by t.created_at, t.id;
end
$$;
comment on function auth.list_tokens is
    'Users, their own; services and administrators, all or those of a user: the tokens of ours that have neither expired nor been revoked themselves, with their ids for auth.revoke_token(). No token is shown: nobody keeps them. 42501 for the tokens of others, 28000 without an identity.';
