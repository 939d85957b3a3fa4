-- Who calls, and what permissions cover. The functions are in src/pg/functions/tenancy.rs and keys.rs.

comment on function auth_internal.require_administrator is
    '42501 unless the outer user has the rights of a superuser or of bearer_admin; 55000 where that role is missing.';
comment on function auth_internal.is_administrator is
    'Has the outer user the rights of a superuser or of bearer_admin, in a transaction that acts for nobody?';
comment on function auth_internal.refuse_restricted_operation is '42501 where code of one user runs for another: in ANALYZE, REINDEX, REFRESH and index expressions.';
comment on function auth_internal.owns_table is
    'Is the outer user a superuser, or a member of the role that owns this table? NULL for NULL.';
comment on function auth_internal.demand_handing_on is '28000 unless the credential of the identity would be accepted now, for the same user, also in this organization; 42501 where it gives nothing that lasts, or nothing that counts in this environment, NULL: in all. Nothing for an administrator without an identity.';
comment on function auth_internal.demand_environment is '42501 where whoever is signed in changes nothing that counts in this environment, NULL: in all.';
comment on function auth_internal.issuer_reaches is 'May users of the identity''s issuer, as it is now, act in this organization, or for NULL in any? False without an issuer.';
comment on function auth_internal.permission_covers is
    'Does one of these permissions cover the one that is asked for? NULL for NULL.';
comment on function auth_internal.common_permissions is
    'The permissions that both lists cover. NULL for NULL.';
comment on function auth_internal.random_token is '256 random bits as 43 characters of base64url.';
comment on function auth_internal.has_rights_of is 'Is the outer user an administrator, or does he have the rights of this role? NULL for NULL.';
comment on function auth_internal.is_as_seen is 'Does the statement see an organization, what has ended in it and the place of a user there as they are now?';
comment on function auth_internal.other_owners is 'The memberships of the owners that the organization has besides this user now, whatever the snapshot. NULL for NULL.';
comment on function auth_internal.refuse is 'Raises an error with this SQLSTATE, 22023 for one that it does not know, of whose CONTEXT the functions of ours are left out.';
comment on function auth_internal.take_lock is 'Locks something of ours until the transaction ends. False where somebody is in the way and nobody is to wait. NULL for NULL.';
comment on function auth_internal.is_lock_free is 'Does nobody else hold such a lock now? NULL for NULL.';
comment on function auth_internal.counted_organizations is 'The organizations in which the user''s memberships in our tables count now. NULL for NULL.';
comment on function auth_internal.counted_workspaces is 'The workspaces in which they do, if those in their organizations do. NULL for NULL.';
comment on function auth_internal.grant_obstacle is 'The setting that keeps the giver from making the user a member of one more organization, or workspace; NULL when none does, and for NULL.';

-- Everybody may execute it: administrators who are no superusers cannot run our other parts, and are to be told why.
create or replace function auth_internal.demand_superuser(what text, hint text) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if (select r.rolsuper from pg_roles r where r.rolname = current_user) is not true then
        perform auth_internal.refuse('42501', format('only superusers %s', what), demand_superuser.hint);
    end if;
end
$$;
comment on function auth_internal.demand_superuser is '42501 unless the caller is a superuser, with what only superusers do.';
