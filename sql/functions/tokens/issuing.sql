-- Who may have which token of ours. None reaches further than whoever asks for it, then and later: src/pg/minted.rs looks at
-- what it came from each time.

-- The token that the caller's own would allow: where it came from, and how far that reaches.
create or replace function auth_internal.token_of_caller(wanted_issuer text, out described auth.minted_tokens, out issuer auth.issuers,
                                                         out latest timestamptz)
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    origin record;
    parent record;
    -- All NULL. As a record, because linters take the fields of other types for unknown variables.
    begun record := jsonb_populate_record(null::auth.minted_tokens, '{}');
    is_seen boolean;
begin
    -- Before anything else is told, and again when the token is there.
    perform auth_internal.demand_handing_on(null, coalesce(auth.environment(), 'live'));
    select * into origin from auth_internal.origin_of_identity();
    begun.api_key_id := auth.api_key_id();
    select k.expires_at into latest from auth.api_keys k where k.id = begun.api_key_id;
    is_seen := found or begun.api_key_id is null;
    if origin.minted_id is not null then
        select * into parent from auth.minted_tokens t where t.id = origin.minted_id;
        is_seen := is_seen and found;
        issuer := auth_internal.own_issuer(origin.issuer);
        if wanted_issuer <> (issuer).issuer then
            perform auth_internal.refuse_token_argument('issuer', 'A token that a token makes is of the same issuer.');
        end if;
        begun.parent_id := parent.id;
        begun.org_id := parent.org_id;
        begun.workspace_id := parent.workspace_id;
        latest := least(latest, parent.expires_at);
    else
        issuer := auth_internal.own_issuer(wanted_issuer);
        if origin.issuer is not null then
            begun.from_issuer := origin.issuer;
            begun.from_user := origin.user_id;
            begun.from_subject := origin.subject;
            begun.from_session := origin.session;
            begun.from_token := origin.token;
            begun.from_digest := origin.digest;
            begun.from_issued_at := origin.issued_at;
            begun.from_key_id := origin.key_id;
        end if;
    end if;
    -- A snapshot that is kept is older than what it came from.
    if not is_seen then
        perform auth_internal.refuse_snapshot();
    end if;
    begun.environment := coalesce(auth.environment(), 'live');
    begun.is_service := false;
    begun.is_member := false;
    described := begun;
end
$$;
comment on function auth_internal.token_of_caller is 'A token that begins as that of the caller: its origin, issuer, and latest end; 55000 where this database makes no tokens, 40001 where a snapshot that is kept does not show what it comes from.';

create or replace function auth_internal.refuse_wider_token(hint text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('42501', 'the token would go beyond what you may do', hint);
end
$$;
comment on function auth_internal.refuse_wider_token is 'The error for a token that goes beyond whoever asks for it (42501).';

-- A token that was made for less than its user may do makes others only where it says so.
create or replace function auth_internal.demand_minting(org_id uuid) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth.api_key_id() is not null then
        perform auth_internal.refuse_derived();
        if auth_internal.permission_covers(auth_internal.acting_permissions(org_id), 'tokens.write') is not true then
            perform auth_internal.refuse('42501', 'the API key may not make tokens', 'It needs the permission tokens.write.');
        end if;
    end if;
    perform auth_internal.demand_scopes('{tokens.write}');
end
$$;
comment on function auth_internal.demand_minting is '42501 for an API key, or a token with scopes or permissions, without tokens.write.';

-- The user id that a token is for which this subject is asked: somebody's own; for an API key a member of its organization, or a
-- name of its own.
create or replace function auth_internal.minted_user(subject text, org_id uuid) returns text
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth.api_key_id() is null then
        if subject <> auth.user_id() or auth.user_id() is null then
            perform auth_internal.refuse('42501', 'users have tokens for themselves only',
                'A service or an administrator makes tokens for others.');
        end if;
        return auth.user_id();
    elsif subject is null or subject = auth.user_id() then
        return auth.user_id();
    elsif auth_internal.member_permissions(subject, org_id) is not null then
        perform auth_internal.demand_senior_key(org_id, subject);
        return subject;
    elsif char_length(subject) not between 1 and 200 or subject ~ '[[:cntrl:]]' or subject !~ '[^[:space:]]' then
        perform auth_internal.refuse_token_argument('subject', 'It is a member, or a name of 1 to 200 characters without control characters.');
    end if;
    return org_id || ':' || subject;
end
$$;
comment on function auth_internal.minted_user is 'The user that a token is for which the caller asks; 42501 for anybody else''s, 22023 for what is no name.';

-- Who acts as somebody sees what is theirs alone.
create or replace function auth_internal.demand_senior_key(org_id uuid, user_id text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    actor auth.roles := case when auth.user_id() is null then auth_internal.acting_key_role()
                             else auth_internal.role_of(org_id, auth.user_id()) end;
    member auth.roles := auth_internal.role_of(org_id, user_id);
begin
    if (actor.id = auth_internal.owner_role() or actor.rank > member.rank) is not true then
        perform auth_internal.refuse('42501', 'the API key may not make tokens for this member',
            'The rank of the member''s role must be lower than that of the key''s own.');
    end if;
end
$$;
comment on function auth_internal.demand_senior_key is '42501 unless the role of the identity''s API key is above that of this member.';

-- Permissions for which somebody asks, in this organization or, NULL, wherever they act; NULL is what they have.
create or replace function auth_internal.minted_permissions(permissions text[], org_id uuid) returns text[]
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    held text[] := case when org_id is null then auth_internal.token_scopes() else auth_internal.acting_permissions(org_id) end;
    is_narrowed boolean := auth_internal.token_scopes() is not null;
    lacking text;
begin
    if org_id is not null and held is null then
        perform auth_internal.refuse('42501', 'a membership that only a token claims gives no tokens',
            'A service or an administrator can make one.');
    end if;
    if is_narrowed then
        -- A scope may be what nobody can have.
        held := array(select h from unnest(held) h where auth_internal.is_permission(h));
    end if;
    if held is not null then
        select min(p collate "C") into lacking from unnest(permissions) p
         where auth_internal.permission_covers(held, p) is not true;
    end if;
    if lacking is not null or permissions is null and is_narrowed and cardinality(held) = 0 then
        perform auth_internal.refuse_wider_token(format('You do not have %s there.', coalesce(lacking, 'any permission')));
    end if;
    return coalesce(permissions, case when is_narrowed then held end);
end
$$;
comment on function auth_internal.minted_permissions is 'The permissions of a token for which the caller asks; 42501 where they go beyond the caller.';

-- As RFC 6749 section 3.3 has them: with a space in it, one would be read as two.
create or replace function auth_internal.is_scope(name text) returns boolean
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select (is_scope.name ~ '^[!#-[\]-~]{1,200}$') is true
$$;
comment on function auth_internal.is_scope is 'Can a token have this scope? False for NULL.';

-- In policies a scope may open something, so that nobody takes one.
create or replace function auth_internal.minted_scopes(scopes text[]) returns text[]
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    unrestricted boolean := auth_internal.is_unrestricted();
begin
    if exists (select from unnest(scopes) s where not auth_internal.is_scope(s)) or cardinality(scopes) > 200 then
        perform auth_internal.refuse_token_argument('scopes', 'It is at most 200 names as RFC 6749 section 3.3 has them, of up to 200 bytes.');
    elsif not unrestricted and exists (select from unnest(scopes) s where auth.has_scope(s) is not true) then
        perform auth_internal.refuse_wider_token('Its scopes are not among those of your credential.');
    elsif unrestricted or auth.api_key_id() is not null then
        return scopes;
    end if;
    return coalesce(scopes, array(select s from jsonb_array_elements_text(auth.identity() -> 'scopes') s where auth_internal.is_scope(s)));
end
$$;
comment on function auth_internal.minted_scopes is 'The scopes of a token for which the caller asks, NULL: their own; 22023 for what is none, 42501 where they go beyond the caller.';

-- What a service or an administrator asks for.
create or replace function auth_internal.described_for_others(begun auth.minted_tokens, subject text, org_id uuid, workspace_id uuid, role text) returns auth.minted_tokens
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    described record := begun;
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.refuse_derived();
    described.maker_key_id := described.api_key_id;
    described.api_key_id := null;
    if role = 'service_role' then
        if not auth_internal.is_administrator() then
            perform auth_internal.refuse('42501', 'only administrators make tokens of services', null);
        elsif subject is not null or org_id is not null or workspace_id is not null then
            perform auth_internal.refuse_token_argument('role', 'A service has neither a subject nor an organization.');
        end if;
        described.is_service := true;
        return described;
    elsif role is not null and not auth_internal.is_administrator() then
        perform auth_internal.refuse('42501', 'only administrators choose the role of a token', null);
    elsif octet_length(role) not between 1 and 63 or role ~ '[[:cntrl:]]' then
        perform auth_internal.refuse_token_argument('role', 'It is the name of a database role, or service_role.');
    elsif (octet_length(subject) between 1 and 1024) is not true then
        perform auth_internal.refuse_token_argument('subject', 'Name the user that the token is for, in 1 to 1024 bytes.');
    end if;
    described.user_id := subject;
    described.org_id := coalesce(org_id, auth_internal.workspace_org(workspace_id));
    if workspace_id is not null and described.org_id is null then
        perform auth_internal.refuse_token_argument('workspace_id', 'It is a workspace, of the organization where one is named.');
    end if;
    described.workspace_id := workspace_id;
    described.is_member := described.org_id is not null;
    if workspace_id is not null and auth_internal.workspace_org(workspace_id) is distinct from described.org_id then
        perform auth_internal.refuse_target('workspace');
    elsif described.is_member and auth_internal.member_permissions(subject, described.org_id) is null
          or workspace_id is not null and not auth_internal.is_workspace_user(workspace_id, subject) then
        perform auth_internal.refuse_member();
    end if;
    return described;
end
$$;
comment on function auth_internal.described_for_others is 'The token that a service or an administrator asks for; 42501 for anybody else, 22023 for what makes no sense.';

-- What a user or an API key asks for.
create or replace function auth_internal.described_for_oneself(begun auth.minted_tokens, subject text, org_id uuid, workspace_id uuid, role text) returns auth.minted_tokens
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    described record := begun;
    -- A token of ours, an issuer and an API key may be for one organization only.
    its_workspace uuid := (select k.workspace_id from auth.api_keys k where k.id = auth.api_key_id());
    bound boolean := described.org_id is not null or auth.api_key_id() is not null
        or auth.jwt() is not null and not auth_internal.issuer_reaches(null);
begin
    if role is not null then
        perform auth_internal.refuse('42501', 'only administrators choose the role of a token', null);
    elsif described.org_id <> org_id or described.workspace_id <> workspace_id then
        perform auth_internal.refuse_wider_token('Yours is for another organization or workspace.');
    elsif workspace_id is not null and auth.is_workspace_member(workspace_id) is not true then
        perform auth_internal.refuse_target('workspace');
    end if;
    described.org_id := coalesce(described.org_id, org_id, auth_internal.workspace_org(workspace_id), case when bound then auth.current_org() end);
    if bound and described.org_id is null or described.org_id is not null and auth.is_member(described.org_id) is not true then
        perform auth_internal.refuse_target('organization');
    end if;
    -- The issuer may be believed less than when the caller signed in.
    perform auth_internal.demand_handing_on(described.org_id, described.environment);
    perform auth_internal.demand_minting(described.org_id);
    described.workspace_id := coalesce(described.workspace_id, workspace_id, its_workspace);
    if described.workspace_id is not null
       and (auth.is_workspace_member(described.workspace_id) is not true
            or auth_internal.workspace_org(described.workspace_id) is distinct from described.org_id) then
        perform auth_internal.refuse_target('workspace');
    end if;
    described.user_id := auth_internal.minted_user(subject, described.org_id);
    -- One that an API key names, and its own, act where the key does.
    described.is_member := described.org_id is not null
        and (auth.api_key_id() is null
             or described.user_id is distinct from auth.user_id()
                and auth_internal.member_permissions(described.user_id, described.org_id) is not null);
    if not described.is_member and described.workspace_id is distinct from its_workspace then
        perform auth_internal.refuse_token_argument('workspace_id', 'A token that acts as an API key acts where the key does.');
    end if;
    return described;
end
$$;
comment on function auth_internal.described_for_oneself is 'The token that a user or an API key asks for; 42501 where it goes beyond them.';

-- Nobody becomes more by a token of their own: what their own says of them, and of the client, stays.
create or replace function auth_internal.minted_role(role text) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(minted_role.role, case when auth.jwt() is not null and not auth_internal.is_unrestricted() then auth.role() end,
                    'authenticated')
$$;
comment on function auth_internal.minted_role is 'The role of a token for which this one is asked, NULL: the caller''s own.';

create or replace function auth_internal.kept_claims() returns jsonb
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(jsonb_object_agg(c.key, c.value), '{}') from jsonb_each(auth.jwt()) c
     where c.key in ('is_anonymous', 'azp', 'client_id') and not auth_internal.is_unrestricted()
$$;
comment on function auth_internal.kept_claims is 'The claims of the caller''s token that a token of theirs has too.';

-- A policy may open something for a claim.
create or replace function auth_internal.demand_own_claims(claims jsonb) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    -- A part of a list or an object is another value than the whole.
    if exists (select from jsonb_each(claims) c where auth.jwt() -> c.key is distinct from c.value) then
        perform auth_internal.refuse_wider_token('Its claims are not among those of your token. A service or an administrator adds others.');
    end if;
end
$$;
comment on function auth_internal.demand_own_claims is '42501 for claims that the caller''s own token has not.';

create or replace function auth_internal.minted_environment(environment text, own text) returns text
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if (coalesce(environment, own) in ('live', 'test')) is not true then
        perform auth_internal.refuse_token_argument('environment', 'It is live or test.');
    end if;
    perform auth_internal.demand_environment(coalesce(environment, own));
    if environment <> own and (own = 'test' or auth.api_key_id() is not null) then
        perform auth_internal.refuse_wider_token('Its environment is another one than yours.');
    end if;
    return coalesce(environment, own);
end
$$;
comment on function auth_internal.minted_environment is 'The environment of a token for which the caller asks; 22023 and 42501 for one that is not allowed.';

create or replace function auth.issue_jwt(
    subject text default null, permissions text[] default null, scopes text[] default null, org_id uuid default null,
    workspace_id uuid default null, environment text default null, expires_at timestamptz default null,
    claims jsonb default null, role text default null, issuer text default null
) returns text
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    unrestricted boolean := auth_internal.is_unrestricted();
    begun record;
    described record;
begin
    perform auth_internal.demand_claims(claims);
    if not unrestricted then
        perform auth_internal.demand_own_claims(claims);
    end if;
    if array_position(permissions, null) is not null or 0 = cardinality(permissions) then
        perform auth_internal.refuse_token_argument('permissions', 'NULL is all that the user may do; a list names some.');
    end if;
    begun := auth_internal.token_of_caller(issuer);
    described := begun.described;
    if role = 'service_role' and not (begun.issuer).allow_service_role then
        perform auth_internal.refuse('55000', 'the issuer may not make tokens of services',
            'auth.update_issuer(issuer, allow_service_role => true) lets it.');
    elsif unrestricted then
        described := auth_internal.described_for_others(described, subject, org_id, workspace_id, role);
        described.permissions := permissions;
    else
        described := auth_internal.described_for_oneself(described, subject, org_id, workspace_id, role);
        described.permissions := auth_internal.minted_permissions(permissions, described.org_id);
    end if;
    described.environment := auth_internal.minted_environment(environment, described.environment);
    described.expires_at := auth_internal.token_end(expires_at, begun.latest, begun.issuer);
    return auth_internal.mint('token.issue', described, begun.issuer, auth_internal.minted_role(role),
                              auth_internal.minted_scopes(scopes), coalesce(claims, '{}') || auth_internal.kept_claims());
end
$$;
comment on function auth.issue_jwt is
    'Everybody who is signed in, for themselves; API keys with tokens.write for a member of their organization, or for a name of their own, whose user id is the organization''s id, a colon and the name; services and administrators for anybody: makes a token and returns it. permissions NULL: all that the user may do; a list: that much of it, at each use. A token never goes beyond whoever asked for it and ends with the API key, the token of ours or the membership that it came from; with org_id it is for that organization only. expires_at NULL: in a year, or as late as pg_bearer.max_token_lifetime, and an API key or token of ours that asks, let it. claims: a JSON object without reserved names; users give what their own token has. API keys give none, and act for members whose role is below theirs. role: administrators only; service_role makes the token of a service, without subject. environment NULL: the caller''s. issuer NULL: the only one of ours. 22023 for a value that is not allowed, 42501 for what goes beyond the caller, 28000 without an identity, 54000 beyond pg_bearer.max_tokens, 55000 without an issuer of ours or its key.';
