-- API keys as KeyHippo keeps and checks them: found by their prefix, SHA-512 of the whole compared, permissions
-- joined, and the last use written at most once a minute, in a PL/pgSQL function that is SECURITY DEFINER.
create schema keyhippo;
create table keyhippo.scopes (id uuid primary key default gen_random_uuid(), name text not null unique);
create table keyhippo.permissions (id uuid primary key default gen_random_uuid(), name text not null unique);
create table keyhippo.scope_permissions (
    scope_id uuid not null references keyhippo.scopes (id),
    permission_id uuid not null references keyhippo.permissions (id),
    primary key (scope_id, permission_id)
);
create table keyhippo.api_key_metadata (
    id uuid primary key default gen_random_uuid(),
    prefix text not null unique,
    user_id uuid not null,
    scope_id uuid references keyhippo.scopes (id),
    description text,
    created_at timestamptz not null default now(),
    last_used_at timestamptz,
    expires_at timestamptz not null default now() + interval '100 years',
    is_revoked boolean not null default false
);
create table keyhippo.api_key_secrets (
    key_metadata_id uuid primary key references keyhippo.api_key_metadata (id) on delete cascade,
    key_hash text not null
);

create function keyhippo.verify_api_key(api_key text)
    returns table (user_id uuid, scope_id uuid, permissions text[])
    language plpgsql security definer set search_path = pg_temp as $$
declare
    metadata_id uuid;
    stored_hash text;
    used_at timestamptz;
begin
    select m.id, m.user_id, m.scope_id, m.last_used_at, s.key_hash
      into metadata_id, verify_api_key.user_id, verify_api_key.scope_id, used_at, stored_hash
      from keyhippo.api_key_metadata m
      join keyhippo.api_key_secrets s on s.key_metadata_id = m.id
     where m.prefix = left(api_key, 25) and not m.is_revoked and m.expires_at > now();
    if stored_hash is distinct from encode(sha512(convert_to(api_key, 'UTF8')), 'hex') then
        return;
    end if;
    if used_at is null or used_at < now() - interval '1 minute' then
        update keyhippo.api_key_metadata m set last_used_at = now() where m.id = metadata_id;
    end if;
    select array_agg(distinct p.name) into permissions
      from keyhippo.scope_permissions sp
      join keyhippo.permissions p on p.id = sp.permission_id
     where sp.scope_id = verify_api_key.scope_id;
    return next;
end
$$;

insert into keyhippo.scopes (name) values ('bench');
insert into keyhippo.permissions (name) values ('docs.read'), ('docs.write');
insert into keyhippo.scope_permissions select s.id, p.id from keyhippo.scopes s, keyhippo.permissions p;
