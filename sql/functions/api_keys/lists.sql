-- What there is of API keys to see, and the limits of organizations. No function or view shows a hash.

create or replace function auth_internal.keys_in(its_org uuid)
    returns setof auth.api_keys
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    held text[];
begin
    if auth_internal.is_unrestricted() then
        return query
            select k.* from auth.api_keys k
             where (its_org is null or k.org_id = its_org)
               and (auth.environment() is distinct from 'test' or k.environment = 'test');
        return;
    end if;
    its_org := coalesce(its_org, auth.current_org());
    held := auth_internal.acting_permissions(its_org);
    if held is null then
        perform auth_internal.refuse_target('organization');
    end if;
    return query
        select k.* from auth.api_keys k
         where k.org_id = its_org and k.kind = 'secret'
           and (auth.environment() is distinct from 'test' or k.environment = 'test')
           and (auth_internal.permission_covers(held, 'api_keys.read')
                or auth_internal.permission_covers(held, 'api_keys.write')
                or k.id = auth.api_key_id()
                or auth.api_key_id() is null and k.user_id = auth.user_id());
end
$$;
comment on function auth_internal.keys_in is 'The keys that the caller may see, of the organization or for NULL of the current one; all for services and administrators.';

create or replace function auth.list_api_keys(org_id uuid default null, include_revoked boolean default false)
    returns table (id uuid, name text, prefix text, created_at timestamptz, last_used timestamptz, kind text,
                   org_id uuid, environment text, workspace_id uuid, user_id text, role text, scopes text[],
                   expires_at timestamptz, revoked_at timestamptz, revoke_reason text, rotation_due_at timestamptz,
                   public_id text, last4 text, allowed_cidrs text[], allowed_origins text[],
                   allowed_endpoints text[], allowed_tables text[], rate_limit integer, rate_period interval,
                   metadata jsonb, created_by text, created_by_key uuid, replaced_by uuid, revoked_by text)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select k.id, k.name, k.prefix, k.created_at, u.last_used_at, k.kind, k.org_id, k.environment, k.workspace_id,
           k.user_id, auth_internal.role_name(r), k.scopes, k.expires_at, e.revoked_at, e.revoke_reason,
           d.due_at,
           k.public_id, k.last4, k.allowed_cidrs, k.allowed_origins, k.allowed_endpoints, k.allowed_tables,
           k.rate_limit, k.rate_period, k.metadata, k.created_by, k.created_by_key, k.replaced_by, e.revoked_by
      from auth_internal.keys_in(list_api_keys.org_id) k
      left join auth.api_key_uses u on u.key_id = k.id
      left join auth_internal.api_key_rotations d on d.id = k.id
      left join lateral auth_internal.live_role(k.role_id) r on true
     cross join lateral (
           select * from (values (k.revoked_at, k.revoked_by, k.revoke_reason)) v (revoked_at, revoked_by, revoke_reason)
            where v.revoked_at is not null
           union all
           select p.revoked_at, p.revoked_by, p.revoke_reason from auth.api_key_revocations p where p.key_id = k.id
           union all
           select null, null, null
           limit 1) e
     where list_api_keys.include_revoked or e.revoked_at is null
     order by k.created_at, k.id
$$;
comment on function auth.list_api_keys is
    'The API keys of the organization (NULL: the current one; for services and administrators all), without those revoked unless asked for: all with api_keys.read, else the caller''s own. last_used is some seconds behind with pg_bearer in shared_preload_libraries; without, it is what auth.touch_api_key() noted. Shows no hash. 42501 for an organization that is unknown or not the caller''s, 28000 without an identity.';

create or replace function auth.list_api_key_usage(key_id uuid, since date default null)
    returns table (day date, uses bigint)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    shown auth.api_keys := auth_internal.own_api_key(list_api_key_usage.key_id);
begin
    perform from auth_internal.keys_in(shown.org_id) k where k.id = shown.id;
    if not found then
        perform auth_internal.refuse_target('API key');
    end if;
    return query select * from auth_internal.usage_of(shown.id, since);
end
$$;
comment on function auth.list_api_key_usage is
    'Whoever sees the key in auth.list_api_keys(): how often a key authenticated on each day (UTC) from the date since on, or for NULL ever, as far as it was counted: that needs pg_bearer in shared_preload_libraries. 42501 for any other key or NULL, 28000 without an identity.';

create or replace function auth.purge_api_keys(keep interval default '90 days') returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    purged bigint;
begin
    perform auth_internal.demand_unrestricted();
    if (keep between '0' and '100 years') is not true then
        perform auth_internal.refuse_key_argument('keep', 'It is how long keys are kept after their end: 0 to 100 years.');
    end if;
    delete from auth.api_keys k
     where k.id in (select e.id from auth.api_keys e
                     where least(e.expires_at, e.revoked_at,
                                 (select min(r.revoked_at) from auth.api_key_revocations r where r.key_id = e.id))
                           < clock_timestamp() - purge_api_keys.keep
                       and (auth.environment() is distinct from 'test' or e.environment = 'test')
                       -- What a key made ends with it, as long as it is there.
                       and e.id not in (select c.created_by_key from auth.api_keys c
                                         where c.created_by_key is not null and c.kind = e.kind)
                       for update skip locked);
    get diagnostics purged = row_count;
    perform auth_internal.commit_durably();
    delete from auth.api_key_revocations r where r.key_id not in (select k.id from auth.api_keys k);
    delete from auth.api_key_uses u where u.key_id not in (select k.id from auth.api_keys k);
    delete from auth.api_key_usage u where u.key_id not in (select k.id from auth.api_keys k);
    if purged > 0 then
        perform auth_internal.audit('api_key.purge', null, null, null, jsonb_build_object('keys', purged));
    end if;
    return purged;
end
$$;
comment on function auth.purge_api_keys is
    'Services and administrators: deletes keys that ended this long ago, and what was counted of keys that are gone; returns how many keys. 22023 for another interval than 0 to 100 years, 42501 for anybody else, 28000 without an identity.';

create or replace function auth.set_api_key_settings(
    org_id uuid, key_prefix text default null, max_keys integer default null, rate_limit integer default null,
    rate_period interval default '1 minute'
) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    old auth.api_key_settings;
    new auth.api_key_settings;
    changed jsonb;
    violated text;
begin
    perform auth_internal.demand_unrestricted();
    perform auth_internal.enter_organization(org_id, null);
    select s.* into old from auth.api_key_settings s where s.org_id = set_api_key_settings.org_id;
    if rate_limit is not null and not auth_internal.counts_api_key_uses() then
        perform auth_internal.refuse_rate_limit();
    end if;
    insert into auth.api_key_settings as s values (org_id, key_prefix, max_keys, rate_limit, rate_period)
    on conflict on constraint api_key_settings_pkey do update
       set key_prefix = excluded.key_prefix, max_keys = excluded.max_keys,
           rate_limit = excluded.rate_limit, rate_period = excluded.rate_period
    returning s.* into new;
    perform auth_internal.demand_handing_on(org_id, null);
    changed := auth_internal.changed_members(to_jsonb(old), to_jsonb(new));
    if changed is not null then
        perform auth_internal.audit('api_key.set_settings', org_id, org_id::text, null, jsonb_build_object('changed', changed));
    end if;
exception
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('api_key_settings', violated);
    when not_null_violation then
        get stacked diagnostics violated = column_name;
        perform auth_internal.refuse_value('api_key_settings', violated);
end
$$;
comment on function auth.set_api_key_settings is
    'Services and administrators: what the API keys of an organization are held to from now on; NULL is what the server''s settings say. The columns of auth.api_key_settings explain the arguments. 22023 for a value that is not allowed, 0A000 for a rate limit without shared_preload_libraries, 42501 for anybody else, for a credential of environment test, and for an organization that is unknown or NULL, 28000 without an identity.';

create or replace function auth.list_api_key_settings()
    returns table (org_id uuid, key_prefix text, max_keys integer, rate_limit integer, rate_period interval)
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.demand_unrestricted();
    return query select s.* from auth.api_key_settings s order by s.org_id;
end
$$;
comment on function auth.list_api_key_settings is
    'Services and administrators: the organizations whose API keys are held to something of their own. 42501 for anybody else, 28000 without an identity.';
