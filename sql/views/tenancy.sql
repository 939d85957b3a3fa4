-- What counts of organizations, workspaces, memberships and invitations, for SQL: their rows, and what has ended beside them
-- (auth.endings). The library has the same rules for a credential in src/pg/store/endings.rs.

create or replace view auth_internal.live_organizations as
    select o.id, o.slug, o.name, o.external_id, o.metadata, o.created_at, o.created_by,
           coalesce(o.disabled_at, (select min(e.ended_at) from auth.endings e where e.target_id = o.id)) as disabled_at
      from auth.organizations o
     where not exists (select from auth.endings e where e.target_id = o.id and e.deleted);
comment on view auth_internal.live_organizations is 'The organizations that were not deleted.';

create or replace view auth_internal.live_workspaces as
    select w.id, w.org_id, w.slug, w.name, w.metadata, w.created_at,
           coalesce(w.disabled_at, (select min(e.ended_at) from auth.endings e where e.target_id = w.id)) as disabled_at
      from auth.workspaces w
     where not exists (select from auth.endings e where e.target_id in (w.id, w.org_id) and e.deleted);
comment on view auth_internal.live_workspaces is 'The workspaces that were not deleted.';

-- A role that somebody changed while the row was held goes before the one in the row, unless the row names a role by now that
-- whoever changed it may not change. Endings count also against a row that was made before them, in a transaction that was not
-- committed yet: of somebody who was removed and added again.
create or replace view auth_internal.live_memberships as
    select m.user_id, m.org_id, coalesce(c.role_id, m.role_id) as role_id,
           m.suspended or exists (select from auth.endings e where e.target_id = m.org_id) as suspended,
           m.created_at, m.created_by, m.id, m.accepted, m.invitation_id
      from auth.memberships m
      left join lateral (select e.role_id from auth.endings e
                          where e.user_id = m.user_id and e.org_id = m.org_id and e.kind = 'membership_role'
                            and (e.target_id = m.id or m.created_at <= e.ended_at)
                            and auth_internal.ending_counts(e.rank, e.former_role_id, m.role_id)
                          order by e.ended_at desc limit 1) c on true
     where not exists (select from auth.endings e
                        where e.target_id = m.invitation_id or e.target_id = m.org_id and e.deleted)
       and not exists (select from auth.endings e
                        where e.user_id = m.user_id and e.org_id = m.org_id and e.kind = 'membership'
                          and (e.target_id = m.id or m.created_at <= e.ended_at)
                          and auth_internal.ending_counts(e.rank, e.former_role_id, m.role_id));
comment on view auth_internal.live_memberships is 'The memberships of organizations that have not ended, with the role that counts.';

create or replace view auth_internal.live_workspace_memberships as
    select w.user_id, w.workspace_id, w.org_id, coalesce(c.role_id, w.role_id) as role_id,
           w.suspended or m.suspended or exists (select from auth.endings e where e.target_id = w.workspace_id) as suspended,
           w.created_at, w.created_by, w.id, w.accepted, w.membership_id
      from auth.workspace_memberships w
      join auth_internal.live_memberships m
        on m.user_id = w.user_id and m.org_id = w.org_id and m.id = coalesce(w.membership_id, m.id)
      left join lateral (select e.role_id from auth.endings e
                          where e.target_id = w.id and e.kind = 'workspace_membership_role'
                          order by e.ended_at desc limit 1) c on true
     where not exists (select from auth.endings e
                        where e.target_id = w.id and e.kind = 'workspace_membership'
                           or e.target_id = w.workspace_id and e.deleted);
comment on view auth_internal.live_workspace_memberships is 'The memberships of workspaces that have not ended, with the role that counts.';

-- The one rule for "this invitation is open". Whether everything else still holds is asked when it is accepted.
create or replace view auth_internal.open_invitations as
    select i.*
      from auth.invitations i
     where i.accepted_at is null and i.revoked_at is null and i.expires_at > clock_timestamp()
       and not exists (select from auth.endings e where e.target_id in (i.id, i.org_id, i.workspace_id))
       and (i.membership_id is null
            or exists (select from auth_internal.live_memberships m
                        where m.user_id = i.created_by and m.org_id = i.org_id and m.id = i.membership_id));
comment on view auth_internal.open_invitations is 'The invitations that were neither accepted nor revoked nor have expired, by somebody who is still the member that they were.';
