-- Who may create and change API keys, and how far a key reaches. As in organizations/rules.sql.

create or replace function auth_internal.all_covered(granted text[], wanted text[]) returns boolean
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select not exists (select from unnest(all_covered.wanted) w
                        where auth_internal.permission_covers(all_covered.granted, w) is not true)
$$;
comment on function auth_internal.all_covered is 'Does the first list of permissions cover each of the second? True for NULL or nothing wanted.';

create or replace function auth_internal.is_of_own_issuer() returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from auth.issuers i where i.own and i.issuer = auth.identity() ->> 'issuer')
$$;
comment on function auth_internal.is_of_own_issuer is 'Is the identity that of a token that this database made? False for nobody.';

-- The scopes that limit a token, or NULL: those of OpenID Connect Core 1.0 only ask for claims.
create or replace function auth_internal.token_scopes() returns text[]
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when own.permissions is null or given.scopes is null then coalesce(own.permissions, given.scopes)
                else auth_internal.common_permissions(own.permissions, given.scopes) end
      from (select array_agg(s) as scopes from jsonb_array_elements_text(auth.identity() -> 'scopes') s
             where auth.identity() ->> 'kind' in ('jwt', 'service') and auth.identity() ->> 'key_id' is null
               and s not in ('openid', 'profile', 'email', 'address', 'phone', 'offline_access')) given,
           -- What a token of ours was made for.
           (select case when auth.jwt() ? 'permissions' and auth.identity() ->> 'key_id' is null
                             and auth_internal.is_of_own_issuer()
                        then array(select jsonb_array_elements_text(auth.jwt() -> 'permissions')) end as permissions) own
$$;
comment on function auth_internal.token_scopes is 'The scopes that limit the token of the identity, and the permissions that a token of ours was made for; NULL: none do, or it is no token.';

-- What the identity may do in this organization now, or NULL when it does not belong there.
create or replace function auth_internal.acting_permissions(org_id uuid) returns text[]
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    held text[];
begin
    if auth.is_member(org_id) is not true then
        return null;
    elsif auth.user_id() is not null then
        held := auth_internal.member_permissions(auth.user_id(), org_id);
    else
        held := (auth_internal.acting_key_role()).permissions;
    end if;
    if held is null then
        return null;
    elsif auth.api_key_id() is null then
        return auth_internal.common_permissions(held, coalesce(auth_internal.token_scopes(), held));
    end if;
    return auth_internal.cut_by_scopes(held);
end
$$;
comment on function auth_internal.acting_permissions is 'What the identity may do in this organization now; NULL when it does not belong there.';

create or replace function auth_internal.demand_key_creation() returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    allowed text := current_setting('pg_bearer.api_key_creation', true);
begin
    if allowed = 'any' or allowed = 'interactive' and auth.api_key_id() is null then
        return;
    end if;
    raise insufficient_privilege using
        message = case when auth.api_key_id() is null then 'users do not create API keys here'
                       else 'API keys do not create API keys here' end,
        hint = format('pg_bearer.api_key_creation is %s.', coalesce(allowed, 'admin'));
end
$$;
comment on function auth_internal.demand_key_creation is '42501 where pg_bearer.api_key_creation does not let such an identity create keys.';

-- Locks the organization, or with NULL none, and returns what the caller may do in it.
create or replace function auth_internal.enter_api_keys(org_id uuid, environment text) returns text[]
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    unrestricted boolean := auth_internal.is_unrestricted();
    locked auth.organizations;
    permissions text[] := '{*}';
begin
    perform auth_internal.refuse_lesser_token();
    if org_id is null and unrestricted then
        perform auth_internal.demand_handing_on(null, environment);
        return permissions;
    elsif not unrestricted and auth.is_member(org_id) is not true then
        perform auth_internal.refuse_target('organization');
    end if;
    locked := auth_internal.lock_organization(org_id);
    -- Whoever waits for more asks once more. What a key makes while it is revoked ends with it all the same.
    perform auth_internal.demand_handing_on(org_id, environment);
    if not unrestricted then
        permissions := auth_internal.acting_permissions(org_id);
    end if;
    if locked.id is not null and permissions is null then
        raise insufficient_privilege using
            message = 'a membership that only a token claims gives no API keys',
            hint = 'A service or an administrator can create keys of the organization.';
    elsif locked.id is null then
        perform auth_internal.refuse_target('organization');
    end if;
    if auth_internal.permission_covers(permissions, 'api_keys.write') is not true then
        perform auth_internal.refuse_action();
    end if;
    return permissions;
end
$$;
comment on function auth_internal.enter_api_keys is 'Locks an organization for a key of this environment and returns what the caller may do there; 42501 when it is not theirs or they lack api_keys.write and for a token that came from an API key, 28000 for nobody and a credential that has ended. NULL: services and administrators only.';

-- Would the first key reach nothing that the second does not?
create or replace function auth_internal.key_is_within(inner_key auth.api_keys, outer_key auth.api_keys) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select (inner_key.org_id is not distinct from outer_key.org_id
            and inner_key.user_id is not distinct from outer_key.user_id
            and inner_key.role_id is not distinct from outer_key.role_id
            and inner_key.environment = outer_key.environment
            -- A key that is nobody's belongs to no workspace but this one.
            and (inner_key.workspace_id is not distinct from outer_key.workspace_id
                 or outer_key.workspace_id is null and outer_key.user_id is not null)
            and (outer_key.scopes is null
                 or inner_key.scopes is not null and auth_internal.all_covered(outer_key.scopes, inner_key.scopes))
            and (outer_key.expires_at is null or inner_key.expires_at <= outer_key.expires_at)
            and (outer_key.allowed_cidrs is null
                 or inner_key.allowed_cidrs is not null
                    and not exists (select from unnest(inner_key.allowed_cidrs) i
                                     where not exists (select from unnest(outer_key.allowed_cidrs) o
                                                        where i::cidr <<= o::cidr)))
            and (outer_key.allowed_origins is null or inner_key.allowed_origins <@ outer_key.allowed_origins)
            and (outer_key.allowed_endpoints is null or inner_key.allowed_endpoints <@ outer_key.allowed_endpoints)
            and (outer_key.allowed_tables is null or inner_key.allowed_tables <@ outer_key.allowed_tables)
            and (outer_key.rate_limit is null
                 or inner_key.rate_limit <= outer_key.rate_limit
                    and inner_key.rate_period >= outer_key.rate_period)) is true
$$;
comment on function auth_internal.key_is_within is 'Would the first key reach nothing that the second does not?';

create or replace function auth_internal.refuse_width(what text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise insufficient_privilege using
        message = format('the key would go beyond what you may do: %s', what);
end
$$;
comment on function auth_internal.refuse_width is 'The error for a key that goes beyond its creator (42501).';

-- May the caller, who may do this in the organization, have such a key? Asked with the organization locked.
create or replace function auth_internal.demand_own_width(wanted auth.api_keys, permissions text[]) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    role auth.roles;
begin
    if auth.environment() = 'test' and wanted.environment <> 'test' then
        perform auth_internal.refuse_width('environment');
    elsif wanted.kind <> 'secret' then
        perform auth_internal.demand_unrestricted();
    end if;
    if auth_internal.is_unrestricted() and (wanted.kind <> 'service' or auth.api_key_id() is null) then
        perform auth_internal.demand_scopes('{*}');
        return;
    elsif auth.api_key_id() is not null then
        perform from auth.api_keys k where k.id = auth.api_key_id() and auth_internal.key_is_within(wanted, k);
        if not found then
            perform auth_internal.refuse_width('it is itself an API key');
        end if;
        return;
    elsif wanted.role_id is null and wanted.user_id is distinct from auth.user_id() then
        perform auth_internal.refuse_width('user_id');
    elsif wanted.role_id is not null then
        role := auth_internal.live_role(wanted.role_id);
        perform auth_internal.demand_grant(auth_internal.role_of(wanted.org_id, auth.user_id()), role);
    end if;
    if not auth_internal.all_covered(permissions, coalesce(wanted.scopes, role.permissions))
       or wanted.scopes is null and role.id is null and auth_internal.token_scopes() is not null then
        perform auth_internal.refuse_width('scopes');
    end if;
    if wanted.workspace_id is not null
       and (auth.is_workspace_member(wanted.workspace_id) is not true
            or not auth_internal.is_workspace_user(wanted.workspace_id, auth.user_id())) then
        perform auth_internal.refuse_width('workspace_id');
    elsif wanted.workspace_id is not null and wanted.role_id is not null
          and ((auth_internal.workspace_role_of(wanted.workspace_id, auth.user_id())).rank >= role.rank) is not true then
        perform auth_internal.refuse_width('role in the workspace');
    end if;
end
$$;
comment on function auth_internal.demand_own_width is '42501 for a key that goes beyond its creator, who may do this in its organization.';

create or replace function auth_internal.is_workspace_user(workspace_id uuid, user_id text) returns boolean
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from auth_internal.live_workspace_memberships m
                    where m.workspace_id = is_workspace_user.workspace_id
                      and m.user_id = is_workspace_user.user_id and not m.suspended)
$$;
comment on function auth_internal.is_workspace_user is 'Is this user a member of the workspace, as the tables say? False for NULL.';

create or replace function auth_internal.refuse_key_argument(argument text, hint text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.refuse('22023', format('%s has a value that is not allowed', argument), hint);
end
$$;
comment on function auth_internal.refuse_key_argument is 'The error for an argument (22023).';

create or replace function auth_internal.latest_key_end(created_at timestamptz) returns timestamptz
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select latest_key_end.created_at + nullif(current_setting('pg_bearer.api_key_max_age', true), '0')::interval
$$;
comment on function auth_internal.latest_key_end is 'The latest end that pg_bearer.api_key_max_age leaves a key created then; NULL: it does not limit it.';

-- The end of a key created then for which this one is asked; NULL is the latest.
create or replace function auth_internal.api_key_end(expires_at timestamptz, created_at timestamptz) returns timestamptz
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    latest timestamptz := auth_internal.latest_key_end(created_at);
    wanted timestamptz := coalesce(expires_at, latest, 'infinity');
begin
    if wanted <= clock_timestamp() or wanted > latest
       or wanted >= '10000-01-01Z' and wanted <> 'infinity' then
        perform auth_internal.refuse_key_argument('expires_at', 'It must be in the future, before the year 10000 and within pg_bearer.api_key_max_age.');
    end if;
    return nullif(wanted, 'infinity');
end
$$;
comment on function auth_internal.api_key_end is 'When a key created then, for which this end is asked, ends, NULL never; 22023 for one that is not allowed.';

-- Is this a key that can be, whoever wants it?
create or replace function auth_internal.demand_valid_key(wanted auth.api_keys) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if wanted.rate_limit is not null and not auth_internal.counts_api_key_uses() then
        perform auth_internal.refuse_rate_limit();
    elsif wanted.kind <> 'secret' and (wanted.scopes is not null or wanted.workspace_id is not null) then
        perform auth_internal.refuse_key_argument('kind', 'scopes and workspace_id are for secret keys.');
    elsif wanted.kind = 'publishable' and wanted.rate_limit is not null then
        perform auth_internal.refuse_key_argument('rate_limit', 'A publishable key is never used.');
    elsif 0 in (cardinality(wanted.allowed_cidrs), cardinality(wanted.allowed_origins),
                cardinality(wanted.allowed_endpoints), cardinality(wanted.allowed_tables)) then
        perform auth_internal.refuse_key_argument('an empty list', 'NULL is no restriction; auth.update_api_key() takes one away with its argument clear.');
    elsif wanted.workspace_id is not null
          and auth_internal.workspace_org(wanted.workspace_id) is distinct from wanted.org_id then
        perform auth_internal.refuse_target('workspace');
    elsif wanted.user_id is not null and auth_internal.member_permissions(wanted.user_id, wanted.org_id) is null then
        perform auth_internal.refuse_member();
    elsif wanted.user_id is not null and wanted.workspace_id is not null
          and not auth_internal.is_workspace_user(wanted.workspace_id, wanted.user_id) then
        perform auth_internal.refuse_member();
    end if;
end
$$;
comment on function auth_internal.demand_valid_key is '22023, 42501 or 0A000 for a key that cannot be.';

create or replace function auth_internal.refuse_rate_limit() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise feature_not_supported using
        message = 'rate limits need pg_bearer in shared_preload_libraries',
        hint = 'Add it to shared_preload_libraries and restart the server.';
end
$$;
comment on function auth_internal.refuse_rate_limit is 'The error for a rate limit that nobody would keep (0A000).';

-- Asked when the key is there. Keys that were rotated and have not ended yet may be as many again. What is created in
-- an hour is limited for who creates and revokes without end. Of keys that took the place of another one (`made` is
-- new, rotated, or replaced when the other one has ended) more are let through.
create or replace function auth_internal.demand_quota(org_id uuid, made text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    quota integer := coalesce((select s.max_keys from auth.api_key_settings s where s.org_id = demand_quota.org_id),
                              current_setting('pg_bearer.max_api_keys', true)::integer, 0);
    recent_quota integer;
    counted record;
begin
    select count(l.id) filter (where l.replaced_by is null) as kept, count(l.id) as alive,
           count(*) filter (where k.created_at > clock_timestamp() - interval '1 hour') as recent
      into counted
      from auth.api_keys k left join auth_internal.live_api_keys l on l.id = k.id
     where k.org_id = demand_quota.org_id;
    recent_quota := case made when 'new' then quota + 10 else 2 * quota + 100 end;
    if counted.recent > recent_quota or made = 'new' and counted.kept > quota
       or made <> 'replaced' and counted.alive > 2 * quota then
        raise program_limit_exceeded using
            message = case when counted.recent > recent_quota
                           then 'the organization has created as many API keys as it may in an hour'
                           else 'the organization has as many API keys as it may' end,
            hint = 'Revoke keys that are no longer used, or wait.';
    end if;
end
$$;
comment on function auth_internal.demand_quota is '54000 when the organization has more live keys than it may, or created too many in the last hour; nothing for NULL.';

create or replace function auth_internal.audit_key(action text, new_key auth.api_keys) returns void
    language sql set search_path = pg_catalog, pg_temp as $$
    select auth_internal.audit(audit_key.action, new_key.org_id, new_key.id::text, new_key.user_id,
                               jsonb_build_object('kind', new_key.kind, 'environment', new_key.environment,
                                                  'role', auth_internal.role_name(auth_internal.live_role(new_key.role_id)),
                                                  'workspace_id', new_key.workspace_id))
$$;
comment on function auth_internal.audit_key is 'Adds a row to the audit log for a new API key.';

-- Tables as they are called in a list of allowed ones.
create or replace function auth_internal.table_names(tables regclass[]) returns text[]
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    names text[];
begin
    select array_agg(distinct quote_ident(n.nspname) || '.' || quote_ident(c.relname)) into names
      from unnest(tables) t
      left join pg_class c on c.oid = t and c.relkind in ('r', 'p', 'v', 'm', 'f')
      left join pg_namespace n on n.oid = c.relnamespace
    having bool_and(c.oid is not null);
    if names is null and cardinality(tables) > 0 then
        perform auth_internal.refuse_key_argument('allowed_tables', 'Name tables and views that there are.');
    end if;
    return case when cardinality(tables) = 0 then '{}' else names end;
end
$$;
comment on function auth_internal.table_names is 'The names of tables with their schemas; 22023 for one that there is not; NULL for NULL.';

-- Narrower: its user, and whoever may write keys. Wider: whoever could create it so.
create or replace function auth_internal.demand_changeable(old auth.api_keys, new auth.api_keys) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.is_unrestricted() then
        perform auth_internal.demand_handing_on(old.org_id, old.environment);
        -- No service key beyond the one that asks.
        perform auth_internal.demand_own_width(new, '{*}');
    elsif not auth_internal.key_is_within(new, old) then
        perform auth_internal.demand_key_creation();
        perform auth_internal.demand_own_width(new, auth_internal.enter_api_keys(old.org_id, old.environment));
    elsif old.user_id is distinct from auth.user_id() then
        perform auth_internal.enter_api_keys(old.org_id, old.environment);
    end if;
end
$$;
comment on function auth_internal.demand_changeable is '42501 unless the caller may change the first key to the second.';

-- A SHA-256 as other systems keep it: 64 hexadecimal digits, or base64 or base64url with or without padding.
create or replace function auth_internal.decode_key_hash(hash text) returns bytea
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if hash ~ '^[0-9A-Fa-f]{64}$' then
        return decode(hash, 'hex');
    elsif hash ~ '^[0-9A-Za-z+/_-]{43}=?$' then
        return decode(rtrim(translate(hash, '-_', '+/'), '=') || '=', 'base64');
    end if;
    perform auth_internal.refuse_key_argument('hash', 'It is the SHA-256 of the whole key, as 64 hexadecimal digits or base64.');
    return null;
end
$$;
comment on function auth_internal.decode_key_hash is 'The bytes of a SHA-256; 22023 for what is none; NULL is none.';
