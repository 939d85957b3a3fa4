-- How much users may create. Services and administrators are not limited, but what they create counts. Asked before something
-- is created, with the place that it comes to locked, as far as that is locked at all.

create or replace function auth_internal.quota(kind text) returns integer
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce(current_setting('pg_bearer.max_' || quota.kind, true)::integer, 0)
$$;
comment on function auth_internal.quota is 'How many of this kind there may be: organizations, workspaces, roles, invitations.';

create or replace function auth_internal.refuse_quota(kind text, reason text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    raise program_limit_exceeded using
        message = format(reason, kind),
        hint = format('pg_bearer.max_%s is %s. Delete what is no longer needed, wait, or ask an administrator.',
                      kind, auth_internal.quota(kind));
end
$$;
comment on function auth_internal.refuse_quota is 'The error for more than a quota allows (54000).';

-- What a user creates in an hour is limited for who creates and deletes without end: by one row, which only their own calls
-- change, so that these follow one another, and under REPEATABLE READ the later one fails (40001).
create or replace function auth_internal.demand_rate(kind text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    share constant interval := interval '1 hour' / (auth_internal.quota(kind) + 10);
    is_over boolean;
begin
    insert into auth.creation_rates as r (user_id, kind, busy_until)
    values (auth_internal.acting_user(), demand_rate.kind, clock_timestamp() + share)
    on conflict on constraint creation_rates_pkey do update
       set busy_until = greatest(r.busy_until, clock_timestamp()) + share
    returning r.busy_until > clock_timestamp() + interval '1 hour' into is_over;
    if is_over then
        perform auth_internal.refuse_quota(kind, 'you have created as many %s as you may in an hour');
    end if;
end
$$;
comment on function auth_internal.demand_rate is '54000 when the user who acts has created too many of this kind in the last hour; counts one more.';

-- Counted as far as the quota goes. Organizations by who created them, all else by the organization.
create or replace function auth_internal.quota_used(kind text, org_id uuid) returns bigint
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    quota constant integer := auth_internal.quota(kind);
begin
    return case kind
        when 'organizations' then
            (select count(*) from (select from auth_internal.live_organizations o
                                    where o.created_by = auth_internal.acting_user() limit quota) c)
        when 'workspaces' then
            (select count(*) from (select from auth_internal.live_workspaces w
                                    where w.org_id = quota_used.org_id limit quota) c)
        when 'roles' then
            (select count(*) from (select from auth.roles r where r.org_id = quota_used.org_id limit quota) c)
        when 'invitations' then
            (select count(*) from (select from auth_internal.open_invitations i
                                    where i.org_id = quota_used.org_id limit quota) c)
    end;
end
$$;
comment on function auth_internal.quota_used is 'How many of this kind the user who acts has created, for organizations, or there are in the organization; at most the quota.';

create or replace function auth_internal.demand_creatable(kind text, org_id uuid default null) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    quota constant integer := auth_internal.quota(kind);
    things constant text := case kind when 'invitations' then 'open %s' else '%s' end;
begin
    if auth_internal.acting_user() is null then
        return;
    end if;
    perform auth_internal.demand_rate(kind);
    if auth_internal.quota_used(kind, org_id) >= quota then
        perform auth_internal.refuse_quota(kind, case kind when 'organizations' then 'you have created as many %s as you may'
                                                      else format('the organization has as many %s as it may', things) end);
    elsif kind = 'invitations'
          and (select count(*) from (select from auth_internal.open_invitations i
                                      where i.created_by = auth_internal.acting_user() limit quota) c) >= quota then
        perform auth_internal.refuse_quota(kind, 'you have as many open %s as you may');
    end if;
end
$$;
comment on function auth_internal.demand_creatable is '54000 for a user who creates more of this kind than the quota allows: for themselves, or in the organization.';
