-- Adds what was counted, in the order of the keys, so that two calls cannot wait for each other.
create or replace function auth_internal.record_api_key_uses(key_ids uuid[], uses bigint[], last_used_at timestamptz[]) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
comment on function auth_internal.record_api_key_uses is
    'The background worker adds what was counted. Ids that are no keys are ignored.';

-- Never in the way of the transaction that calls it: whatever could make it wait or fail gives false. In a
-- SERIALIZABLE one even to look at the row could make the transaction fail later.
create or replace function auth.touch_api_key() returns boolean
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    the_key constant uuid := nullif(auth.identity() ->> 'key_id', '')::uuid;
begin
    if the_key is null or auth_internal.counts_api_key_uses() or pg_is_in_recovery()
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
comment on function auth.touch_api_key is
    'Notes that the API key of the identity was used, where the library does not count uses by itself. Writes at most once in a minute for each key, and never waits. True when it wrote; false also without a key, in read-only and SERIALIZABLE transactions, on a standby, and where uses are counted. Never raises.';

-- What was counted on the days from `since` on. Who may ask is for the caller to say.
create or replace function auth_internal.usage_of(key_id uuid, since date) returns table (day date, uses bigint)
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select u.day, u.uses from auth.api_key_usage u
     where u.key_id = usage_of.key_id and (since is null or u.day >= since) order by u.day
$$;
comment on function auth_internal.usage_of is
    'How often a key was used on each day from since on, NULL: from the beginning; whoever asks.';
