-- As auth_internal.rotation_due_at() has it; a view would need a grant on that function for each of its readers.
create or replace view auth.api_keys_due as
    select k.id, k.name, k.prefix, k.last4, k.kind, k.org_id, k.environment, k.user_id, k.created_at,
           k.created_at + s.age as due_at, u.last_used_at as last_used
      from auth.api_keys k
     -- The call loads the library, which knows the setting.
     cross join (select case when cardinality(auth.org_ids()) >= 0
                             then nullif(current_setting('pg_bearer.api_key_rotation', true), '0')::interval
                        end) s (age)
      left join auth.api_key_uses u on u.key_id = k.id
     where k.kind <> 'publishable' and k.created_at + s.age <= clock_timestamp()
       and k.replaced_by is null and k.revoked_at is null
       and k.id not in (select p.key_id from auth.api_key_revocations p)
       and (k.expires_at is null or k.expires_at > clock_timestamp());
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
