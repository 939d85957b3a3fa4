-- Who owns what, and who may do what: the last step of every install and every update, and the one list of grants.

-- Tables, views and security-definer functions belong to a role that can do nothing else. Only those of the extension:
-- what somebody else put into the schema must not run with that role's rights.
do $$
declare
    target record;
    extension constant pg_catalog.oid :=
        (select e.oid from pg_catalog.pg_extension e where e.extname operator(pg_catalog.=) 'pg_bearer');
begin
    for target in
        select o.kind, o.name, o.wanted
          from (select 'pg_catalog.pg_class'::pg_catalog.regclass as class, c.oid, 'table' as kind,
                       c.oid::pg_catalog.regclass::pg_catalog.text as name, c.relowner as owner,
                       -- The one exception: triggers on it are other people's code, and run as whoever writes it.
                       case when c.oid operator(pg_catalog.=) 'auth.users'::pg_catalog.regclass then 'bearer_users' else 'bearer_owner' end as wanted
                  from pg_catalog.pg_class c where c.relkind in ('r', 'v')
                union all
                select 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 'function',
                       p.oid::pg_catalog.regprocedure::pg_catalog.text, p.proowner,
                       case when p.pronamespace operator(pg_catalog.=) 'auth_internal'::pg_catalog.regnamespace
                                 and p.proname in ('find_user', 'page_of_users', 'insert_user', 'change_user') then 'bearer_users' else 'bearer_owner' end
                  from pg_catalog.pg_proc p where p.prosecdef) o
          join pg_catalog.pg_depend m on m.classid operator(pg_catalog.=) o.class and m.objid operator(pg_catalog.=) o.oid
         where m.refclassid operator(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
           and m.refobjid operator(pg_catalog.=) extension and m.deptype operator(pg_catalog.=) 'e'
           and o.owner operator(pg_catalog.<>) o.wanted::pg_catalog.regrole
    loop
        execute pg_catalog.format('alter %s %s owner to %I', target.kind, target.name, target.wanted);
    end loop;
end
$$;

-- A plan holds the values that it is made for, which may be rows and secrets of others: no caller has them printed.
do $$
declare
    target record;
    extension constant pg_catalog.oid :=
        (select e.oid from pg_catalog.pg_extension e where e.extname operator(pg_catalog.=) 'pg_bearer');
begin
    for target in
        select p.oid::pg_catalog.regprocedure::pg_catalog.text as name
          from pg_catalog.pg_proc p
          join pg_catalog.pg_depend m on m.classid operator(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
                                     and m.objid operator(pg_catalog.=) p.oid
          join pg_catalog.pg_language l on l.oid operator(pg_catalog.=) p.prolang
         where m.refclassid operator(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
           and m.refobjid operator(pg_catalog.=) extension and m.deptype operator(pg_catalog.=) 'e'
           and p.prosecdef and l.lanname in ('plpgsql', 'sql')
    loop
        execute pg_catalog.format('alter function %s set debug_print_plan = off', target.name);
    end loop;
end
$$;

-- Nobody but the owners keeps a right that default privileges or Postgres itself gave to what is new. What was there
-- before an update loses what PUBLIC and our own roles have: the lists below say it again. What administrators
-- granted to others stays, but in auth_internal, where nobody else has anything to do. What is not of the extension is left alone.
do $$
declare
    target record;
    extension constant pg_catalog.oid :=
        (select e.oid from pg_catalog.pg_extension e where e.extname operator(pg_catalog.=) 'pg_bearer');
begin
    for target in
        select o.kind, o.name, a.grantee
          from (select 'pg_catalog.pg_namespace'::pg_catalog.regclass as class, n.oid, 'schema' as kind,
                       pg_catalog.quote_ident(n.nspname) as name, n.oid as schema, n.nspowner as owner,
                       coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner)) as acl
                  from pg_catalog.pg_namespace n
                union all
                select 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, 'table', c.oid::pg_catalog.regclass::pg_catalog.text,
                       c.relnamespace, c.relowner,
                       -- With what was granted on columns, which a revoke from the table takes away too.
                       pg_catalog.array_cat(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner)),
                           array(select x from pg_catalog.pg_attribute a cross join lateral pg_catalog.unnest(a.attacl) x
                                  where a.attrelid operator(pg_catalog.=) c.oid))
                  from pg_catalog.pg_class c
                 where c.relkind in ('r', 'v', 'm', 'p', 'f')
                union all
                select 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 'function',
                       p.oid::pg_catalog.regprocedure::pg_catalog.text, p.pronamespace, p.proowner,
                       coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))
                  from pg_catalog.pg_proc p
                union all
                select 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, 'type', t.oid::pg_catalog.regtype::pg_catalog.text,
                       t.typnamespace, t.typowner, t.typacl
                  from pg_catalog.pg_type t
                 where t.typelem operator(pg_catalog.=) 0::pg_catalog.oid
                   -- Row types keep what PUBLIC has by default: pg_dump would warn about anything else.
                   and t.typacl is not null) o
          cross join lateral (
               select distinct x.grantee as role,
                      case x.grantee when 0::pg_catalog.oid then 'public'
                           else x.grantee::pg_catalog.regrole::pg_catalog.text end as grantee
                 from pg_catalog.aclexplode(o.acl) x
                where x.grantee operator(pg_catalog.<>) o.owner) a
         where o.schema in ('auth'::pg_catalog.regnamespace, 'auth_internal'::pg_catalog.regnamespace, 'auth_http'::pg_catalog.regnamespace)
           -- The types of tables' rows are members in newer versions only: their tables are in all.
           and exists (select from pg_catalog.pg_depend m
                         left join pg_catalog.pg_type t on o.kind operator(pg_catalog.=) 'type' and t.oid operator(pg_catalog.=) o.oid
                        where m.refclassid operator(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
                          and m.refobjid operator(pg_catalog.=) extension and m.deptype operator(pg_catalog.=) 'e'
                          and (m.classid operator(pg_catalog.=) o.class and m.objid operator(pg_catalog.=) o.oid
                               or m.classid operator(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
                                  and m.objid operator(pg_catalog.=) t.typrelid))
           and (o.schema operator(pg_catalog.=) 'auth_internal'::pg_catalog.regnamespace
                or a.role in (0, 'bearer_owner'::pg_catalog.regrole, 'bearer_users'::pg_catalog.regrole,
                              'bearer_admin'::pg_catalog.regrole, 'bearer_service'::pg_catalog.regrole)
                or not exists (select from auth_internal.before_update b
                                where b.class operator(pg_catalog.=) o.class and b.object operator(pg_catalog.=) o.oid))
    loop
        execute pg_catalog.format('revoke all on %s %s from %s cascade', target.kind, target.name, target.grantee);
    end loop;
end
$$;

-- Everybody. None of these does for somebody what his credential or his rights do not allow.
grant usage on schema auth, auth_http to public;
grant execute on function
    auth.authenticate, auth.issue_ticket, auth.sign_out, auth.verify_jwt, auth.uid, auth.user_id, auth.jwt, auth.role, auth.email,
    auth.claim, auth.identity, auth.current_org, auth.current_workspace, auth.org_role, auth.org_ids,
    auth.workspace_ids, auth.id_lists, auth.org_ids_with, auth.in_org, auth.is_member, auth.is_workspace_member,
    auth.has_permission, auth.has_permission_in, auth.has_scope, auth.environment, auth.is_authenticated,
    auth.is_service_role, auth.require_authenticated, auth.require_permission, auth.require_org, auth.require_member, auth.require_workspace, auth.pre_request,
    auth.email_verified,
    auth.aal, auth.amr, auth.session_id, auth.signed_in_within, auth.require_aal,
    auth.workspace_role, auth.set_org, auth.create_organization, auth.update_organization, auth.disable_organization,
    auth.enable_organization, auth.delete_organization, auth.transfer_ownership, auth.list_organizations,
    auth.add_member, auth.set_member_role, auth.remove_member, auth.leave_organization, auth.list_members,
    auth.confirm_membership,
    auth.create_workspace, auth.update_workspace, auth.disable_workspace, auth.enable_workspace,
    auth.delete_workspace, auth.add_workspace_member, auth.set_workspace_member_role, auth.remove_workspace_member,
    auth.leave_workspace, auth.list_workspaces, auth.list_workspace_members, auth.define_role, auth.drop_role,
    auth.list_roles, auth.create_invitation, auth.list_invitations, auth.revoke_invitation, auth.accept_invitation,
    auth.environment_column, auth.purge_sandbox, auth.check_api_key, auth.api_key_id, auth.allows_table,
    auth.create_api_key, auth.import_api_key, auth.rotate_api_key, auth.revoke_api_key, auth.update_api_key,
    auth.touch_api_key, auth.list_api_keys, auth.list_api_key_usage, auth.purge_api_keys, auth.purge_endings, auth.set_api_key_settings,
    auth.list_api_key_settings, auth.external_org_id, auth.external_org_number, auth.service_floor,
    auth.service_floor_text, auth.service_floor_number, auth.protect, auth.unprotect, auth.protected_tables,
    auth.lint, auth.organization_columns, auth.help, auth.begin_data_migration,
    auth.recheck_foreign_keys, auth.jwks, auth.issue_jwt, auth.exchange_api_key, auth.impersonate, auth.revoke_token,
    auth.revoke_session, auth.revoke_user, auth.remove_user, auth.purge_revocations, auth.list_tokens, auth.list_audit_log,
    auth.sign_up, auth.sign_in_anonymously, auth.sign_in_with_password, auth.refresh_session, auth.redeem_token, auth.issue_session,
    auth.sign_out_session, auth.list_sessions, auth.send_password_reset, auth.send_magic_link, auth.send_confirmation,
    auth.change_password, auth.update_password, auth.create_user, auth.update_user, auth.ban_user, auth.delete_user, auth.list_users,
    auth.current_user_record, auth.sign_in_settings, auth.list_own_invitations, auth.decline_invitation
to public;

-- Everybody, in auth_internal: only what runs as its caller, and why it has to. auth.protect() and auth.unprotect() change a
-- table with the rights of whoever calls them, so that Postgres itself asks whether the table is theirs. So their parts
-- run as the caller too: these make text of the settings and of what the table has, and change nothing.
grant usage on schema auth_internal to public;
grant execute on function
    auth_internal.protection_advice, auth_internal.protection_changes, auth_internal.protection_columns,
    auth_internal.protection_demand_columns, auth_internal.protection_demand_owner, auth_internal.protection_demand_table,
    auth_internal.protection_index,
    auth_internal.protection_is_small, auth_internal.protection_key_suggestions, auth_internal.protection_kinds, auth_internal.protection_memory,
    auth_internal.protection_name, auth_internal.protection_of, auth_internal.protection_organization, auth_internal.protection_plan,
    auth_internal.protection_policies, auth_internal.protection_policy_changes, auth_internal.protection_policy_names, auth_internal.protection_removal,
    auth_internal.protection_role_names, auth_internal.protection_settings, auth_internal.protection_suggestions,
    auth_internal.protection_table_test, auth_internal.protection_test, auth_internal.refuse, auth_internal.refuse_protection
to public;
-- The only ones in C, for the steps of auth.protect() and auth.unprotect(): they do what a call of those would do, with
-- the rights of their caller, believe no settings, and note it in the audit log when something was done.
grant execute on function auth_internal.run_protection, auth_internal.run_unprotection to public;
-- These tell what the catalogs say of tables; everybody may read those.
grant execute on function
    auth_internal.base_type, auth_internal.column_has_index, auth_internal.column_readers,
    auth_internal.foreign_keys_without_org, auth_internal.free_key_name, auth_internal.is_application_schema,
    auth_internal.our_schemas, auth_internal.demand_superuser,
    auth_internal.organization_names, auth_internal.printed_index,
    auth_internal.qualified, auth_internal.table_tree, auth_internal.unique_keys_without_org
to public;
-- These make text of text, for auth.protect().
grant execute on function
    auth_internal.as_block, auth_internal.as_data_migration, auth_internal.pinned, auth_internal.portable, auth_internal.portable_literals, auth_internal.read_by_settings,
    auth_internal.spelt_out
to public;

-- The policy of a data migration asks this as whoever owns the table.
grant execute on function auth_internal.is_migrating to public;
-- auth.recheck_foreign_keys() reads tables with the rights of whoever calls it: this makes text of what the catalogs say.
grant execute on function auth_internal.foreign_key_query to public;

-- auth.help() runs as its caller; these read the declarations, grants and comments of our functions.
grant execute on function
    auth_internal.topics, auth_internal.reference, auth_internal.signature_of, auth_internal.callers_of,
    auth_internal.help_heading, auth_internal.wrapped
to public;

-- What is served by HTTP runs as its caller, with these parts.
grant execute on function
    auth_http.health, auth_http.jwks, auth_http.token, auth_http.create_token, auth_http.create_ticket, auth_http.list_api_keys,
    auth_http.create_api_key, auth_http.rotate_api_key, auth_http.revoke_api_key, auth_http.api_key_usage,
    auth_http.list_organizations, auth_http.create_organization, auth_http.list_members, auth_http.set_member_role,
    auth_http.remove_member, auth_http.list_invitations, auth_http.create_invitation, auth_http.accept_invitation,
    auth_http.revoke_invitation,
    auth_http.signup, auth_http.token_password, auth_http.token_refresh_token, auth_http.verify, auth_http.recover, auth_http.otp,
    auth_http.resend, auth_http.logout, auth_http.get_user, auth_http.update_user, auth_http.settings,
    auth_internal.http_answer, auth_internal.oauth_error, auth_internal.token_answer,
    auth_internal.supabase_members, auth_internal.supabase_error, auth_internal.supabase_refusal, auth_internal.supabase_caught,
    auth_internal.supabase_text, auth_internal.supabase_password, auth_internal.supabase_user, auth_internal.supabase_answer,
    auth_internal.supabase_caller, auth_internal.supabase_no_user, auth_internal.supabase_update, auth_internal.supabase_call
to public;

-- Administrators. By its rights on the lists the library knows the role from another one of its name.
grant execute on function
    auth.check_jwt, auth.explain_credential, auth.list_issuers, auth.list_jwt_keys, auth.add_issuer,
    auth.update_issuer, auth.remove_issuer, auth.load_jwks, auth.add_jwt_key, auth.add_jwt_secret,
    auth.revoke_jwt_key, auth.register_membership_source, auth.unregister_membership_source,
    auth.list_membership_sources, auth.act_as, auth.explain_access, auth.rows_visible_to, auth.assert_isolated,
    auth.allow_changes, auth.guards, auth.guard, auth.unguard, auth.create_signing_key, auth.rotate_signing_key,
    auth.set_signing_key_state, auth.purge_audit_log, auth.set_hook, auth.remove_hook, auth.list_hooks,
    auth.install_postgrest, auth.uninstall_postgrest
to bearer_admin;
grant select on auth.api_keys_due to bearer_admin;

-- The bodies of security-definer functions run as bearer_owner, also where PUBLIC may not look into our schemas: guards run
-- after every command of everybody.
grant usage on schema auth, auth_internal to bearer_owner;
grant execute on all functions in schema auth_internal to bearer_owner;
-- What reads and writes users, and checks foreign keys to them, runs as bearer_users.
grant usage on schema auth to bearer_users;

-- Functions of an older version that something of a user's still refers to: they refuse, and say why.
do $$
declare
    target record;
begin
    for target in
        select p.oid::pg_catalog.regprocedure as name from pg_catalog.pg_proc p
         where p.pronamespace operator(pg_catalog.=) 'auth_internal'::pg_catalog.regnamespace
           and p.proname operator(pg_catalog.~~) 'retired\_%'::pg_catalog.text
    loop
        execute pg_catalog.format('grant execute on function %s to public', target.name);
    end loop;
end
$$;

-- What administrators had granted on a function that an update made anew.
do $$
declare
    target record;
begin
    for target in
        select p.oid::pg_catalog.regprocedure as name, a.grantee::pg_catalog.regrole as grantee,
               case when pg_catalog.bool_or(a.is_grantable) then ' with grant option' else '' end as option
          from auth_internal.before_update b
          join pg_catalog.pg_proc p on p.proname operator(pg_catalog.=) b.name
                                   and p.pronamespace operator(pg_catalog.=) 'auth'::pg_catalog.regnamespace
         cross join lateral pg_catalog.aclexplode(b.acl) a
          join pg_catalog.pg_roles r on r.oid operator(pg_catalog.=) a.grantee
          -- Not on what somebody else has put there.
          join pg_catalog.pg_depend m on m.classid operator(pg_catalog.=) b.class and m.objid operator(pg_catalog.=) p.oid
                                     and m.deptype operator(pg_catalog.=) 'e'
         where b.class operator(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
           and b.object operator(pg_catalog.<>) p.oid and a.grantee operator(pg_catalog.<>) p.proowner
           and r.rolname not in ('bearer_owner', 'bearer_users', 'bearer_admin', 'bearer_service')
         group by p.oid, a.grantee
    loop
        execute pg_catalog.format('grant execute on function %s to %s%s', target.name, target.grantee, target.option);
    end loop;
end
$$;

drop table auth_internal.before_update;
