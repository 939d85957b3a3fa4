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

create or replace function auth_internal.demand_organization_quota() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.acting_user() is null then
        return;
    end if;
    perform auth_internal.demand_rate('organizations');
    if (select count(*)
          from (select from auth_internal.live_organizations o
                 where o.created_by = auth_internal.acting_user() limit auth_internal.quota('organizations')) c) >= auth_internal.quota('organizations') then
        perform auth_internal.refuse_quota('organizations', 'you have created as many %s as you may');
    end if;
end
$$;
comment on function auth_internal.demand_organization_quota is '54000 when the user who acts has created as many organizations as they may.';

create or replace function auth_internal.demand_workspace_quota(org_id uuid) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.acting_user() is null then
        return;
    end if;
    perform auth_internal.demand_rate('workspaces');
    if (select count(*)
          from (select from auth_internal.live_workspaces w
                 where w.org_id = demand_workspace_quota.org_id
                 limit auth_internal.quota('workspaces')) c) >= auth_internal.quota('workspaces') then
        perform auth_internal.refuse_quota('workspaces', 'the organization has as many %s as it may');
    end if;
end
$$;
comment on function auth_internal.demand_workspace_quota is '54000 for a user when the organization has as many workspaces as it may.';

create or replace function auth_internal.demand_role_quota(org_id uuid) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if auth_internal.acting_user() is null then
        return;
    end if;
    perform auth_internal.demand_rate('roles');
    if (select count(*)
          from (select from auth.roles r
                 where r.org_id = demand_role_quota.org_id
                 limit auth_internal.quota('roles')) c) >= auth_internal.quota('roles') then
        perform auth_internal.refuse_quota('roles', 'the organization has as many %s as it may');
    end if;
end
$$;
comment on function auth_internal.demand_role_quota is '54000 for a user when the organization has as many roles of its own as it may.';

-- Those of an organization, and those of a user in all of theirs.
create or replace function auth_internal.demand_invitation_quota(org_id uuid) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    quota constant integer := auth_internal.quota('invitations');
begin
    if auth_internal.acting_user() is null then
        return;
    end if;
    perform auth_internal.demand_rate('invitations');
    if (select count(*)
          from (select from auth_internal.open_invitations i
                 where i.org_id = demand_invitation_quota.org_id limit quota) c) >= quota then
        perform auth_internal.refuse_quota('invitations', 'the organization has as many open %s as it may');
    elsif (select count(*)
             from (select from auth_internal.open_invitations i
                    where i.created_by = auth_internal.acting_user() limit quota) c) >= quota then
        perform auth_internal.refuse_quota('invitations', 'you have as many open %s as you may');
    end if;
end
$$;
comment on function auth_internal.demand_invitation_quota is '54000 for a user when the organization, or the user, has as many open invitations as they may.';
