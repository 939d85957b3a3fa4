-- When API keys were used, and how often. A server that has pg_bearer in shared_preload_libraries counts in
-- shared memory, and a background worker calls auth_internal.record_api_key_uses(); elsewhere applications may call
-- auth.touch_api_key().

-- Apart from the keys, so that noting a use never touches what authenticate reads.
create table auth.api_key_uses (
    key_id uuid primary key,
    last_used_at timestamptz
) with (fillfactor = 50);

create table auth.api_key_usage (
    key_id uuid not null,
    day date not null,
    uses bigint not null,
    primary key (key_id, day)
);

comment on table auth.api_key_uses is 'When each API key was used last. Written often: nothing that a use of a key depends on is in it.';
comment on column auth.api_key_uses.key_id is 'The key, in auth.api_keys.';
comment on column auth.api_key_uses.last_used_at is 'The last use that was recorded; NULL before the first. Some seconds behind, or a minute with auth.touch_api_key().';
comment on table auth.api_key_usage is 'How often each API key was used on each day, where uses are counted.';
comment on column auth.api_key_usage.key_id is 'The key, in auth.api_keys.';
comment on column auth.api_key_usage.day is 'The day in UTC on which the uses were counted; around midnight, some seconds'' uses may be the next day''s.';
comment on column auth.api_key_usage.uses is 'How often. Refused requests do not count.';
alter table auth.api_key_uses enable row level security;
alter table auth.api_key_usage enable row level security;
select pg_catalog.pg_extension_config_dump('auth.api_key_uses'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.api_key_usage'::pg_catalog.regclass, '');
