-- Reading the audit log, and taking old rows away.

-- PL/pgSQL has no argument and column of one name, so auth.list_audit_log() only passes on what this finds.
create or replace function auth_internal.audit_rows(
    its_org uuid, its_action text, its_user text, beginning timestamptz, ending timestamptz, most integer
) returns setof auth.audit_log
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    unrestricted constant boolean := auth_internal.is_unrestricted();
begin
    if (most between 1 and 10000) is not true then
        perform auth_internal.refuse('22023', 'max_rows has a value that is not allowed', 'It is from 1 to 10000.');
    end if;
    if unrestricted then
        perform auth_internal.demand_scopes('{audit.read}');
    else
        its_org := coalesce(its_org, auth.current_org());
        perform auth_internal.acting_role(its_org, 'audit.read');
    end if;
    -- How the operators' servers are called and where they stand is not for tenants.
    return query
        select a.id, a.occurred_at, a.action, a.org_id, a.target, a.target_user_id, a.user_id, a.credential, a.api_key_id,
               a.session_id, a.issuer, a.actor, case when unrestricted then a.database_role end, a.environment,
               case when unrestricted then a.client_addr end, a.stated_addr, a.details, a.request_id
          from auth.audit_log a
         where (its_org is null or a.org_id = its_org)
           and (its_action is null or a.action = its_action)
           and (its_user is null or its_user in (a.user_id, a.target_user_id))
           and (beginning is null or a.occurred_at >= beginning)
           and (ending is null or a.occurred_at < ending)
           and (auth.environment() is distinct from 'test' or a.environment = 'test')
         order by a.occurred_at desc, a.id
         limit most;
end
$$;
comment on function auth_internal.audit_rows is 'What auth.list_audit_log() shows.';

create or replace function auth.list_audit_log(
    org_id uuid default null, action text default null, user_id text default null, since timestamptz default null,
    until timestamptz default null, max_rows integer default 100
) returns table (id uuid, occurred_at timestamptz, action text, org_id uuid, target text, target_user_id text, user_id text,
                 credential text, api_key_id uuid, session_id text, issuer text, actor text, database_role text,
                 environment text, client_addr inet, stated_addr text, details jsonb, request_id text)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select * from auth_internal.audit_rows(list_audit_log.org_id, list_audit_log.action, list_audit_log.user_id,
                                           list_audit_log.since, list_audit_log.until, list_audit_log.max_rows)
$$;
comment on function auth.list_audit_log is
    'With audit.read: what was changed in an organization, for NULL in the current one, the newest first; services and administrators see everything, for NULL also what belongs to no organization. user_id finds what a user did and what was done to them; since is the first moment, until the first one no longer, max_rows is 1 to 10000. The comments on the columns of auth.audit_log explain the result. database_role and client_addr are NULL for members; a credential of environment test sees what such credentials did. 22023 for another max_rows, 42501 when the caller may not, the organization is unknown or not theirs, or the scopes of their token do not cover audit.read, 28000 without an identity.';

create or replace function auth.purge_audit_log(older_than interval) returns bigint
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    purged bigint;
begin
    perform auth_internal.require_administrator();
    if (older_than between '0' and '100 years') is not true then
        perform auth_internal.refuse('22023', 'older_than has a value that is not allowed', 'It is from 0 to 100 years.');
    end if;
    purged := auth_internal.forget_audit_rows(clock_timestamp() - older_than, null);
    if purged > 0 then
        perform auth_internal.audit('audit_log.purge', null, null, null,
                                    jsonb_build_object('older_than', older_than::text, 'rows', purged));
    end if;
    return purged;
end
$$;
comment on function auth.purge_audit_log is
    'Administrators: deletes the rows of the audit log that are older than this, and returns how many; one row says so. Waits for nobody. pg_bearer.audit_retention does the same little by little. 22023 for another interval than 0 to 100 years, 42501 for anybody else.';
