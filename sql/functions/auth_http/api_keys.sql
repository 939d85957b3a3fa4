-- API keys.

create or replace function auth_http.list_api_keys(org_id uuid default null, include_revoked boolean default false)
    returns table (id uuid, name text, prefix text, created_at timestamptz, last_used timestamptz, kind text, environment text,
                   scopes text[], expires_at timestamptz, revoked_at timestamptz, rotation_due_at timestamptz, last4 text)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select k.id, k.name, k.prefix, k.created_at, k.last_used, k.kind, k.environment, k.scopes, k.expires_at, k.revoked_at,
           k.rotation_due_at, k.last4
      from auth.list_api_keys(list_api_keys.org_id, list_api_keys.include_revoked) k
$$;
comment on function auth_http.list_api_keys is 'Whoever sees keys in auth.list_api_keys(): these. Errors as there.';

create or replace function auth_http.create_api_key(
    name text, org_id uuid default null, environment text default null, scopes text[] default null,
    workspace_id uuid default null, expires_at timestamptz default null, allowed_cidrs cidr[] default null,
    allowed_origins text[] default null, allowed_endpoints text[] default null, metadata jsonb default null, role text default null
) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    made record;
begin
    select k.* into made
      from auth.create_api_key(
               create_api_key.name, org_id => create_api_key.org_id, environment => create_api_key.environment, scopes => create_api_key.scopes,
               workspace_id => create_api_key.workspace_id, expires_at => create_api_key.expires_at,
               allowed_cidrs => create_api_key.allowed_cidrs, allowed_origins => create_api_key.allowed_origins,
               allowed_endpoints => create_api_key.allowed_endpoints, metadata => create_api_key.metadata,
               role => create_api_key.role) k;
    perform auth_internal.http_answer(201, true);
    return jsonb_build_object('id', made.id, 'name', made.name, 'key', made.key);
end
$$;
comment on function auth_http.create_api_key is
    'Whoever may call auth.create_api_key(), with these arguments of it: a secret key: {id, name, key}, with 201. The key is never shown again. NULL and errors as there.';

create or replace function auth_http.rotate_api_key(id uuid, grace interval default '0') returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    made record;
begin
    select k.* into made from auth.rotate_api_key(rotate_api_key.id, rotate_api_key.grace) k;
    perform auth_internal.http_answer(201, true);
    return jsonb_build_object('id', made.id, 'name', made.name, 'key', made.key);
end
$$;
comment on function auth_http.rotate_api_key is
    'Whoever may call auth.rotate_api_key(): a key in the place of this one, which works until the grace ends: {id, name, key}, with 201. NULL and errors as there.';

create or replace function auth_http.revoke_api_key(id uuid, reason text default null) returns jsonb
    language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
    perform auth.revoke_api_key(revoke_api_key.id, revoke_api_key.reason);
    return jsonb_build_object('id', revoke_api_key.id, 'revoked', true);
end
$$;
comment on function auth_http.revoke_api_key is
    'Whoever may call auth.revoke_api_key(): ends a key: {id, revoked}. Idempotent. NULL and errors as there.';

create or replace function auth_http.api_key_usage(id uuid, since date default null) returns table (day date, uses bigint)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select u.day, u.uses from auth.list_api_key_usage(api_key_usage.id, api_key_usage.since) u
$$;
comment on function auth_http.api_key_usage is 'Whoever may call auth.list_api_key_usage(): how often a key was used on each day. NULL and errors as there.';
