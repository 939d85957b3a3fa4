-- Creating, importing, changing, rotating and revoking API keys. The key itself is shown once.

-- The key that the arguments of a creating function describe, before anything is decided about it.
create or replace function auth_internal.described_key(
    kind text, name text, org_id uuid, environment text, scopes text[], workspace_id uuid, expires_at timestamptz,
    allowed_cidrs cidr[], allowed_origins text[], allowed_endpoints text[], allowed_tables regclass[],
    rate_limit integer, rate_period interval, metadata jsonb, role text, user_id text
) returns auth.api_keys
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    -- All NULL. As a record, because linters take the fields of other types for unknown variables.
    described record := jsonb_populate_record(null::auth.api_keys, '{}');
    parent record := described;
begin
    if role is not null and user_id is not null then
        perform auth_internal.refuse_key_argument('role', 'A key is either a user''s or has a role of its own.');
    end if;
    if auth.api_key_id() is not null and (kind = 'service' or not auth_internal.is_unrestricted()) then
        parent := auth_internal.own_api_key(auth.api_key_id());
    end if;
    described.id := gen_random_uuid();
    described.kind := kind;
    described.name := name;
    described.org_id := org_id;
    described.environment := coalesce(environment, auth.environment(), 'live');
    -- What a key that makes a key does not narrow, it hands on, and so does a token with scopes.
    described.scopes := coalesce(scopes, parent.scopes,
        case when auth_internal.token_scopes() is not null then auth_internal.acting_permissions(org_id) end);
    described.workspace_id := coalesce(workspace_id, parent.workspace_id);
    described.expires_at := auth_internal.api_key_end(coalesce(expires_at, parent.expires_at), clock_timestamp());
    described.allowed_cidrs := coalesce(allowed_cidrs::text[], parent.allowed_cidrs);
    described.allowed_origins := coalesce(allowed_origins, parent.allowed_origins);
    described.allowed_endpoints := coalesce(allowed_endpoints, parent.allowed_endpoints);
    described.allowed_tables := coalesce(auth_internal.table_names(allowed_tables), parent.allowed_tables);
    described.rate_limit := coalesce(rate_limit, parent.rate_limit);
    described.rate_period := coalesce(rate_period, parent.rate_period, '1 minute');
    described.metadata := coalesce(metadata, '{}');
    described.created_at := clock_timestamp();
    described.created_by := auth_internal.acting_user();
    described.created_by_key := auth.api_key_id();
    if described.kind <> 'secret' then
        if role is not null or user_id is not null then
            perform auth_internal.refuse_key_argument('role', 'Publishable and service keys have neither a role nor a user.');
        end if;
    elsif role is not null or user_id is null and auth_internal.is_unrestricted() then
        described.role_id := (auth_internal.granted_role(org_id, coalesce(role, 'admin'))).id;
    elsif parent.id is not null then
        described.user_id := coalesce(user_id, parent.user_id);
        described.role_id := parent.role_id;
    else
        described.user_id := coalesce(user_id, auth.user_id());
    end if;
    return described;
end
$$;
comment on function auth_internal.described_key is 'The row of the key that these arguments describe.';

-- Stores a key that was decided about.
create or replace function auth_internal.insert_api_key(new_key auth.api_keys) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    violated text;
begin
    insert into auth.api_keys select (new_key).*;
    insert into auth.api_key_uses (key_id) values (new_key.id);
    perform auth_internal.commit_durably();
    -- When there is nothing more to wait for.
    perform auth_internal.demand_handing_on((new_key).org_id, (new_key).environment);
exception
    when unique_violation then
        raise unique_violation using message = 'this key is known already';
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('api_keys', violated);
    when not_null_violation then
        get stacked diagnostics violated = column_name;
        perform auth_internal.refuse_value('api_keys', violated);
end
$$;
comment on function auth_internal.insert_api_key is 'Stores a key; 22023 for a value that is not allowed, 23505 for a key that is known.';

-- How new keys of this kind begin in this organization.
create or replace function auth_internal.key_prefix(kind text, org_id uuid) returns text
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select case kind when 'publishable' then 'pk' when 'service' then 'service'
                else coalesce((select s.key_prefix from auth.api_key_settings s where s.org_id = key_prefix.org_id),
                              current_setting('pg_bearer.api_key_prefix', true)) end
$$;
comment on function auth_internal.key_prefix is 'How new keys of this kind begin in this organization.';

-- Gives the key a text of its own, which is the only place where that is ever seen.
create or replace function auth_internal.issue_key(described auth.api_keys) returns text
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    issued record := described;
    made record;
begin
    select * into strict made
      from auth_internal.generate_api_key(auth_internal.key_prefix(issued.kind, issued.org_id), issued.environment);
    issued.key_hash := made.key_hash;
    issued.prefix := made.prefix;
    issued.public_id := made.public_id;
    issued.last4 := made.last4;
    perform auth_internal.insert_api_key(issued);
    return made.key;
end
$$;
comment on function auth_internal.issue_key is 'Makes the text of a key and stores the key.';

-- Apart from auth.create_api_key() because PL/pgSQL cannot return a column that is called like an argument.
create or replace function auth_internal.make_api_key(
    kind text, name text, org_id uuid, environment text, scopes text[], workspace_id uuid, expires_at timestamptz,
    allowed_cidrs cidr[], allowed_origins text[], allowed_endpoints text[], allowed_tables regclass[],
    rate_limit integer, rate_period interval, metadata jsonb, role text, user_id text
) returns table (new_id uuid, new_name text, new_key text)
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    its_org uuid := coalesce(org_id, auth.current_org());
    held text[];
    described record;
begin
    if not auth_internal.is_unrestricted() then
        perform auth_internal.demand_key_creation();
    elsif kind = 'secret' and its_org is null then
        perform auth_internal.refuse_key_argument('org_id', 'A secret key acts in an organization.');
    end if;
    held := auth_internal.enter_api_keys(its_org, coalesce(environment, auth.environment()));
    described := auth_internal.described_key(kind, name, its_org, environment, scopes, workspace_id, expires_at,
        allowed_cidrs, allowed_origins, allowed_endpoints, allowed_tables, rate_limit, rate_period, metadata,
        role, user_id);
    perform auth_internal.demand_valid_key(described);
    perform auth_internal.demand_own_width(described, held);
    new_key := auth_internal.issue_key(described);
    perform auth_internal.demand_quota(its_org, 'new');
    perform auth_internal.audit_key('api_key.create', described);
    new_id := described.id;
    new_name := described.name;
    return next;
end
$$;
comment on function auth_internal.make_api_key is 'What auth.create_api_key() does.';

create or replace function auth.create_api_key(
    name text, org_id uuid default null, environment text default null, scopes text[] default null,
    workspace_id uuid default null, expires_at timestamptz default null, allowed_cidrs cidr[] default null,
    allowed_origins text[] default null, allowed_endpoints text[] default null,
    allowed_tables regclass[] default null, metadata jsonb default null, role text default null,
    user_id text default null, kind text default 'secret', rate_limit integer default null,
    rate_period interval default null
) returns table (id uuid, name text, key text)
    language sql security definer set search_path = pg_catalog, pg_temp as $$
    select * from auth_internal.make_api_key(create_api_key.kind, create_api_key.name, create_api_key.org_id,
        create_api_key.environment, create_api_key.scopes, create_api_key.workspace_id, create_api_key.expires_at,
        create_api_key.allowed_cidrs, create_api_key.allowed_origins, create_api_key.allowed_endpoints,
        create_api_key.allowed_tables, create_api_key.rate_limit, create_api_key.rate_period,
        create_api_key.metadata, create_api_key.role, create_api_key.user_id)
$$;
comment on function auth.create_api_key is
    'With api_keys.write, where pg_bearer.api_key_creation lets the caller: creates an API key and returns its id, name and text, which is never shown again. org_id NULL is the current organization. The key acts as the user who creates it or, with role, as nobody; services and administrators may name a user_id, or else the role is admin. kind publishable and service: services and administrators only. The columns of auth.api_keys explain the arguments; environment NULL is that of the caller, or live. 42501 for what goes beyond the caller, 22023 for a value that is not allowed, 54000 beyond the quota, 0A000 for a rate limit without shared_preload_libraries, 28000 without an identity.';

create or replace function auth.import_api_key(
    name text, hash text, org_id uuid, environment text default null, scopes text[] default null,
    workspace_id uuid default null, expires_at timestamptz default null, allowed_cidrs cidr[] default null,
    allowed_origins text[] default null, allowed_endpoints text[] default null,
    allowed_tables regclass[] default null, metadata jsonb default null, role text default null,
    user_id text default null, rate_limit integer default null, rate_period interval default null,
    prefix text default null, last4 text default null
) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    described record;
begin
    perform auth_internal.demand_unrestricted();
    if org_id is null then
        perform auth_internal.refuse_key_argument('org_id', 'A secret key acts in an organization.');
    end if;
    perform auth_internal.enter_api_keys(org_id, coalesce(environment, auth.environment()));
    described := auth_internal.described_key('secret', name, org_id, environment, scopes, workspace_id, expires_at,
        allowed_cidrs, allowed_origins, allowed_endpoints, allowed_tables, rate_limit, rate_period, metadata,
        role, user_id);
    described.key_hash := auth_internal.decode_key_hash(hash);
    described.prefix := prefix;
    described.last4 := last4;
    perform auth_internal.demand_valid_key(described);
    perform auth_internal.demand_own_width(described, '{*}');
    perform auth_internal.insert_api_key(described);
    perform auth_internal.demand_quota(org_id, 'new');
    perform auth_internal.audit_key('api_key.import', described);
    return described.id;
end
$$;
comment on function auth.import_api_key is
    'Services and administrators: makes a key that was issued elsewhere valid here and returns its id. hash is the SHA-256 of the whole key, as 64 hexadecimal digits or base64; the key has 1 to 512 printable ASCII characters without blanks, and not exactly two dots. prefix and last4 are for people. The rest as for auth.create_api_key(). 23505 for a key that is known, 22023 for a value that is not allowed, 54000 beyond the quota, 0A000 for a rate limit without shared_preload_libraries, 42501 for anybody else and for an organization that is unknown, 28000 without an identity.';

-- A key that the caller may know of; one error for what is not there and what is somebody else's.
create or replace function auth_internal.own_api_key(key_id uuid) returns auth.api_keys
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    unrestricted boolean := auth_internal.is_unrestricted();
    found_key auth.api_keys;
begin
    select * into found_key from auth.api_keys k where k.id = own_api_key.key_id;
    if found_key.id is null or auth.environment() = 'test' and found_key.environment <> 'test'
       or not unrestricted and (found_key.kind <> 'secret' or auth.is_member(found_key.org_id) is not true
                                or auth_internal.acting_permissions(found_key.org_id) is null) then
        perform auth_internal.refuse_target('API key');
    end if;
    return found_key;
end
$$;
comment on function auth_internal.own_api_key is 'A key that the caller may know of; 42501 for any other and NULL, 28000 for nobody.';

-- As auth_internal.own_api_key(), with the organization and the key locked for a change.
create or replace function auth_internal.lock_api_key(key_id uuid) returns auth.api_keys
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    found_key auth.api_keys := auth_internal.own_api_key(key_id);
begin
    perform auth_internal.refuse_lesser_token();
    perform auth_internal.lock_organization(found_key.org_id);
    perform from auth.api_keys k where k.id = lock_api_key.key_id for update;
    found_key := auth_internal.own_api_key(key_id);
    perform auth_internal.demand_not_ended(key_id);
    return found_key;
end
$$;
comment on function auth_internal.lock_api_key is 'As auth_internal.own_api_key(), locked together with its organization; 22023 for a revoked one.';

create or replace function auth_internal.demand_not_ended(key_id uuid) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.is_api_key_revoked(key_id) then
        raise invalid_parameter_value using message = 'the API key is revoked';
    end if;
end
$$;
comment on function auth_internal.demand_not_ended is '22023 for a key that was revoked, also since this transaction began.';

create or replace function auth.rotate_api_key(key_id uuid, grace interval default '0')
    returns table (id uuid, name text, key text)
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    old record := auth_internal.lock_api_key(key_id);
    new record := old;
    now timestamptz := clock_timestamp();
begin
    if (grace between '0' and '90 days') is not true then
        perform auth_internal.refuse_key_argument('grace', 'It is from 0 to 90 days.');
    elsif old.replaced_by is not null or old.expires_at <= now then
        raise invalid_parameter_value using
            message = 'the API key has expired or was rotated before', hint = 'Create a new one.';
    end if;
    if not auth_internal.is_unrestricted() then
        perform auth_internal.demand_key_creation();
        if auth.api_key_id() <> key_id then
            perform auth_internal.refuse_api_key();
        end if;
    end if;
    new.id := gen_random_uuid();
    new.created_at := now;
    new.created_by := auth_internal.acting_user();
    new.created_by_key := auth.api_key_id();
    -- As long as the old one was to live, but an API key does not outlive itself.
    new.expires_at := auth_internal.api_key_end(least(auth_internal.latest_key_end(now),
        case when auth.api_key_id() = key_id then old.expires_at
             when old.expires_at is not null
             then least(now + (old.expires_at - old.created_at), '9999-12-31 23:59:59Z') end), now);
    perform auth_internal.demand_valid_key(new);
    perform auth_internal.demand_own_width(new, auth_internal.enter_api_keys(old.org_id, old.environment));
    return query select new.id, new.name, auth_internal.issue_key(new);
    -- Afterwards: a key that rotates itself ends with this.
    update auth.api_keys k
       set expires_at = least(k.expires_at, now + grace), replaced_by = new.id
     where k.id = old.id;
    perform auth_internal.demand_quota(old.org_id, case when grace = '0' then 'replaced' else 'rotated' end);
    perform auth_internal.audit('api_key.rotate', old.org_id, old.id::text, old.user_id, jsonb_build_object('new_id', new.id));
end
$$;
comment on function auth.rotate_api_key is
    'Whoever could create such a key: makes a new key like this one and returns its id, name and text, which is never shown again. Nobody rotates a key of another user, except services and administrators. The old key works until the grace ends (0 to 90 days), and not at all with 0. The new one lives as long as the old one was to. 22023 for a key that is revoked, has expired or was rotated before and for another grace, 42501 for one that is unknown or not the caller''s, 54000 beyond the quota, 0A000 for a key with a rate limit without shared_preload_libraries, 28000 without an identity.';

create or replace function auth.revoke_api_key(key_id uuid, reason text default null) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    old auth.api_keys := auth_internal.own_api_key(key_id);
    relation text;
    violated text;
begin
    perform auth_internal.refuse_lesser_token();
    -- Its user, and whoever holds it: a key that leaked is ended with itself.
    if not auth_internal.is_unrestricted() and auth.api_key_id() is distinct from key_id
       and (auth.api_key_id() is not null or old.user_id is distinct from auth.user_id())
       and auth_internal.permission_covers(auth_internal.acting_permissions(old.org_id), 'api_keys.write') is not true then
        perform auth_internal.refuse_action();
    elsif auth.api_key_id() <> key_id then
        perform auth_internal.refuse_api_key();
    end if;
    -- And the keys that it made, which may be its thief's; not those that a service made for others.
    perform auth_internal.end_api_key(f.id, revoke_api_key.reason)
       from (with recursive family (id, kind) as (
                 select old.id, old.kind
                 union
                 select k.id, k.kind from auth.api_keys k join family f on k.created_by_key = f.id and k.kind = f.kind)
             select * from family) f;
    perform auth_internal.commit_durably();
exception
    when check_violation then
        get stacked diagnostics relation = table_name, violated = constraint_name;
        perform auth_internal.refuse_value(relation, violated);
end
$$;
comment on function auth.revoke_api_key is
    'Whoever has api_keys.write, the key''s user, and the key itself: ends a key, and keys of its kind that it made itself: every auth.authenticate() that starts after the commit refuses them. Waits for nobody. Idempotent; the first reason stays. 42501 for anybody else and for a key that is unknown or NULL, 22023 for a reason of more than 1000 characters, 28000 without an identity.';

create or replace function auth.update_api_key(
    key_id uuid, name text default null, scopes text[] default null, expires_at timestamptz default null,
    allowed_cidrs cidr[] default null, allowed_origins text[] default null, allowed_endpoints text[] default null,
    allowed_tables regclass[] default null, metadata jsonb default null, rate_limit integer default null,
    rate_period interval default null, clear text[] default '{}'
) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    old record := auth_internal.lock_api_key(key_id);
    new record := old;
    changed jsonb;
    violated text;
begin
    perform auth_internal.refuse_api_key();
    if (clear <@ '{scopes,expires_at,allowed_cidrs,allowed_origins,allowed_endpoints,allowed_tables,rate_limit}') is not true then
        perform auth_internal.refuse_key_argument('clear', 'It names arguments: scopes, expires_at, allowed_cidrs, allowed_origins, allowed_endpoints, allowed_tables, rate_limit.');
    end if;
    new := jsonb_populate_record(old, (select coalesce(jsonb_object_agg(c, null), '{}') from unnest(clear) c));
    new.name := coalesce(name, old.name);
    new.scopes := coalesce(scopes, new.scopes);
    new.allowed_cidrs := coalesce(allowed_cidrs::text[], new.allowed_cidrs);
    new.allowed_origins := coalesce(allowed_origins, new.allowed_origins);
    new.allowed_endpoints := coalesce(allowed_endpoints, new.allowed_endpoints);
    new.allowed_tables := coalesce(auth_internal.table_names(allowed_tables), new.allowed_tables);
    new.metadata := coalesce(metadata, old.metadata);
    new.rate_limit := coalesce(rate_limit, new.rate_limit);
    new.rate_period := coalesce(rate_period, old.rate_period);
    if expires_at is not null or 'expires_at' = any (clear) then
        if old.replaced_by is not null then
            raise invalid_parameter_value using
                message = 'the API key was rotated', hint = 'It ends with its grace; there is a new one.';
        end if;
        new.expires_at := auth_internal.api_key_end(expires_at, old.created_at);
    end if;
    perform auth_internal.demand_valid_key(new);
    perform auth_internal.demand_changeable(old, new);
    update auth.api_keys k
       set name = new.name, scopes = new.scopes, expires_at = new.expires_at, allowed_cidrs = new.allowed_cidrs,
           allowed_origins = new.allowed_origins, allowed_endpoints = new.allowed_endpoints,
           allowed_tables = new.allowed_tables, metadata = new.metadata, rate_limit = new.rate_limit,
           rate_period = new.rate_period
     where k.id = update_api_key.key_id;
    if old.expires_at <= clock_timestamp() and new.expires_at is distinct from old.expires_at then
        perform auth_internal.demand_quota(old.org_id, 'new');
    end if;
    perform auth_internal.commit_durably();
    changed := auth_internal.changed_members(to_jsonb(old), to_jsonb(new));
    if changed is not null then
        perform auth_internal.audit(
            case when changed <@ '["name", "metadata"]' then 'api_key.describe' else 'api_key.update' end,
            old.org_id, key_id::text, old.user_id, jsonb_build_object('changed', changed));
    end if;
exception
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('api_keys', violated);
end
$$;
comment on function auth.update_api_key is
    'Whoever has api_keys.write, and the key''s user; to make it wider, only whoever could create it so: changes what is given; NULL leaves it, and clear names what becomes NULL. API keys, except service keys, change none. The columns of auth.api_keys explain the arguments. 22023 for a revoked key, for another end of one that was rotated and for a value that is not allowed, 42501 for one that is unknown or not the caller''s and for what goes beyond him, 54000 for a key that had expired, beyond the quota, 0A000 for a rate limit without shared_preload_libraries, 28000 without an identity.';
