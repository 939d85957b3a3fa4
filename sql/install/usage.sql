-- When API keys were used, and how often. A server that has pg_bearer in shared_preload_libraries counts in
-- shared memory, and a background worker calls auth.record_api_key_uses(); elsewhere applications may call
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

-- Adds what was counted, in the order of the keys, so that two calls cannot wait for each other.
create function auth.record_api_key_uses(key_ids uuid[], uses bigint[], last_used_at timestamptz[]) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    insert into auth.api_key_uses as u (key_id, last_used_at)
    select n.key_id, max(n.last_used_at)
      from unnest(record_api_key_uses.key_ids, record_api_key_uses.last_used_at) n(key_id, last_used_at)
      join auth.api_keys k on k.id = n.key_id
     group by n.key_id order by n.key_id
    on conflict (key_id) do update set last_used_at = greatest(u.last_used_at, excluded.last_used_at);
    insert into auth.api_key_usage as u (key_id, day, uses)
    select n.key_id, (n.last_used_at at time zone 'UTC')::date, sum(n.uses)
      from unnest(record_api_key_uses.key_ids, record_api_key_uses.uses, record_api_key_uses.last_used_at)
           n(key_id, uses, last_used_at)
      join auth.api_keys k on k.id = n.key_id
     where n.uses > 0 and n.last_used_at is not null
     group by 1, 2 order by 1, 2
    on conflict (key_id, day) do update set uses = u.uses + excluded.uses;
end
$$;

-- Never in the way of the transaction that calls it: whatever could make it wait or fail gives false. In a
-- SERIALIZABLE one even to look at the row could make the transaction fail later.
create function auth.touch_api_key() returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    the_key constant uuid := nullif(auth.identity() ->> 'key_id', '')::uuid;
begin
    if the_key is null or auth.counts_api_key_uses() or pg_is_in_recovery()
       or current_setting('transaction_read_only')::boolean
       or current_setting('transaction_isolation') = 'serializable' then
        return false;
    end if;
    lock table auth.api_key_uses in row exclusive mode nowait;
    update auth.api_key_uses u set last_used_at = clock_timestamp()
     where u.key_id = (select t.key_id from auth.api_key_uses t
                        where t.key_id = the_key
                          and (t.last_used_at is null
                               or t.last_used_at not between clock_timestamp() - interval '1 minute'
                                                         and clock_timestamp())
                          for no key update skip locked);
    return found;
exception when serialization_failure or lock_not_available then
    return false;
end
$$;

-- What was counted on the days from `since` on. Who may ask is for the caller to say.
create function auth.usage_of(key_id uuid, since date) returns table (day date, uses bigint)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select u.day, u.uses from auth.api_key_usage u
     where u.key_id = usage_of.key_id and (since is null or u.day >= since) order by u.day
$$;

comment on function auth.record_api_key_uses(uuid[], bigint[], timestamptz[]) is
    'Internal: the background worker adds what was counted. Ids that are no keys are ignored.';
comment on function auth.touch_api_key() is
    'Notes that the API key of the identity was used, where the library does not count uses by itself. Writes at most once in a minute for each key, and never waits. True when it wrote; false also without a key, in read-only and SERIALIZABLE transactions, on a standby, and where uses are counted. Never raises.';
comment on function auth.usage_of(uuid, date) is
    'Internal: how often a key was used on each day from since on, NULL: from the beginning; whoever asks.';
