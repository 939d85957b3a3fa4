-- Writing the audit log. Whoever changes something writes one row for it, when it is done: both commit or neither.

-- Only bearer_owner's functions call it, and superusers: the rows say what was done, not what somebody says.
create or replace function auth_internal.audit(
    action text, org_id uuid, target text, target_user_id text default null, details jsonb default '{}'
) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    -- First of all: it loads the library, and a setting that was none of a superuser's is gone.
    identity constant jsonb := auth.identity();
    -- What an administrator states counts as what administrators do.
    is_test constant boolean := coalesce(identity ->> 'environment' = 'test' and identity ->> 'kind' <> 'act_as', false);
    wanted constant text := current_setting(case when is_test then 'pg_bearer.audit_test' else 'pg_bearer.audit_live' end, true);
    retention constant text := current_setting('pg_bearer.audit_retention', true);
begin
    if wanted = 'off' or wanted = 'access' and auth_internal.audit_level(action) = 'all' then
        return;
    end if;
    insert into auth.audit_log (action, org_id, target, target_user_id, user_id, credential, api_key_id, session_id, issuer,
                                actor, database_role, environment, client_addr, stated_addr, details, request_id)
    values (action, org_id, left(target, 1000), target_user_id, identity ->> 'user_id', identity ->> 'kind',
            (identity ->> 'key_id')::uuid, left(identity ->> 'session_id', 1000), identity ->> 'issuer',
            left(identity ->> 'actor', 1000), auth_internal.outer_user_name(), identity ->> 'environment',
            inet_client_addr(), auth_internal.stated_address(), jsonb_strip_nulls(coalesce(details, '{}')),
            auth_internal.stated_request_id());
    -- Under an older snapshot a row that somebody else has just deleted would make the change fail.
    if retention <> '0' and not auth_internal.keeps_snapshot() then
        perform auth_internal.forget_audit_rows(clock_timestamp() - retention::interval, 10);
    end if;
end
$$;
comment on function auth_internal.audit is 'Adds a row to the audit log, if the settings want it. What it was done to is an id or a name; details are few, small and nothing of a credential.';

create or replace function auth_internal.audit_level(action text) returns text
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select a.level from auth_internal.audit_actions() a where a.action = audit_level.action
$$;
comment on function auth_internal.audit_level is 'From which level on an action is written; NULL for one that there is not.';

-- For the library, whose functions run as their caller: src/pg/ffi/auditing.rs calls it past grants.
create or replace function auth_internal.audit_command(action text, target text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    -- Nothing else that the library does by itself has to do with an organization.
    perform auth_internal.audit(action, case when action = 'act_as' then auth.current_org() end, nullif(target, ''),
                                case when action = 'act_as' then auth.user_id() end);
end
$$;
comment on function auth_internal.audit_command is 'Adds a row about what the library itself did, as bearer_owner. Nobody else may call it.';

-- The names that go into details.
create or replace function auth_internal.changed_members(old jsonb, new jsonb) returns jsonb
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    select jsonb_agg(n.key order by n.key) from jsonb_each(changed_members.new) n
     where n.value is distinct from changed_members.old -> n.key
$$;
comment on function auth_internal.changed_members is 'The names of the members whose values differ; NULL where none does.';

-- Waits for nobody.
create or replace function auth_internal.forget_audit_rows(before timestamptz, most integer) returns bigint
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    forgotten bigint;
begin
    delete from auth.audit_log a
     where a.id = any (array(select f.id from auth.audit_log f where f.occurred_at < forget_audit_rows.before
                              order by f.occurred_at limit forget_audit_rows.most for update skip locked));
    get diagnostics forgotten = row_count;
    return forgotten;
end
$$;
comment on function auth_internal.forget_audit_rows is 'Deletes the oldest rows of the audit log from before this time, at most so many, NULL: all, whose rows nobody holds; returns how many.';

-- The functions are in src/pg/functions/audit.rs.
comment on function auth_internal.outer_user_name is 'The role that called, as SET ROLE left it: not the owner of a security-definer function.';
comment on function auth_internal.stated_address is 'The end of X-Forwarded-For in the setting request.headers, without anything but printable ASCII, at most 200 characters; NULL without one. Never raises.';
comment on function auth_internal.stated_request_id is 'The id of the HTTP request: X-Request-Id in the setting request.headers, where it is 1 to 128 ASCII letters, digits and characters of ._:=- that look like no credential; otherwise NULL. Never raises.';
