-- What an API key is now, for SQL. Views, because whoever reads one needs no grant on what it is made of.

-- The one rule for "this key is alive", for SQL: neither revoked, in its row or beside it, nor past its end,
-- and its organization was not deleted. For a credential
-- that is shown verify decides (src/verify/api_key.rs).
create or replace view auth_internal.live_api_keys as
    select k.* from auth.api_keys k
     where k.revoked_at is null and (k.expires_at is null or k.expires_at > clock_timestamp())
       and not exists (select from auth.api_key_revocations r where r.key_id = k.id)
       and not exists (select from auth.endings e where e.target_id = k.org_id and e.deleted);
comment on view auth_internal.live_api_keys is 'The API keys that are neither revoked nor past their end, of organizations that were not deleted.';

-- The one rule for when a key should be rotated. The call of the library loads it, and with it the setting: a session that only
-- reads a view has not.
create or replace view auth_internal.api_key_rotations as
    select k.id, k.created_at + s.age as due_at
      from auth_internal.live_api_keys k
     cross join (select case when cardinality(auth.org_ids()) >= 0
                             then nullif(current_setting('pg_bearer.api_key_rotation', true), '0')::interval
                        end) s (age)
     where k.kind <> 'publishable' and k.replaced_by is null and s.age is not null;
comment on view auth_internal.api_key_rotations is 'When live API keys that were not rotated yet should be (pg_bearer.api_key_rotation after they were created). Publishable keys need not.';

create or replace view auth.api_keys_due as
    select k.id, k.name, k.prefix, k.last4, k.kind, k.org_id, k.environment, k.user_id, k.created_at,
           d.due_at, u.last_used_at as last_used
      from auth_internal.api_key_rotations d
      join auth.api_keys k on k.id = d.id
      left join auth.api_key_uses u on u.key_id = k.id
     where d.due_at <= clock_timestamp();
comment on view auth.api_keys_due is 'Administrators: live keys that should be rotated, by pg_bearer.api_key_rotation.';
comment on column auth.api_keys_due.id is 'Identifies the key, for auth.rotate_api_key().';
comment on column auth.api_keys_due.name is 'Its name, for people.';
comment on column auth.api_keys_due.prefix is 'How it begins.';
comment on column auth.api_keys_due.last4 is 'How it ends.';
comment on column auth.api_keys_due.kind is 'secret or service.';
comment on column auth.api_keys_due.org_id is 'Its organization, or NULL.';
comment on column auth.api_keys_due.environment is 'live or test.';
comment on column auth.api_keys_due.user_id is 'Its user, or NULL.';
comment on column auth.api_keys_due.created_at is 'When it was created.';
comment on column auth.api_keys_due.due_at is 'When it was due.';
comment on column auth.api_keys_due.last_used is 'When it was used last, as far as that was noted.';
