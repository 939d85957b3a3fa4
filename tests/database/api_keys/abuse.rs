//! What people with a key, or a way to the database, would try.

use super::world::*;
use pg_bearer_tests::database::Session;

/// Everything that changes who belongs where, and a good call of it by an owner of north.
const CHANGES: [&str; 24] = [
    "create_organization('new')",
    "update_organization(:north, 'new')",
    "disable_organization(:north)",
    "enable_organization(:north)",
    "delete_organization(:north)",
    "transfer_ownership(:north, 'ben')",
    "add_member(:north, 'eve')",
    "set_member_role(:north, 'dan', 'member')",
    "remove_member(:north, 'dan')",
    "leave_organization(:north)",
    "create_workspace(:north, 'new')",
    "update_workspace(:desk, 'new')",
    "disable_workspace(:desk)",
    "enable_workspace(:desk)",
    "delete_workspace(:desk)",
    "add_workspace_member(:desk, 'ben')",
    "set_workspace_member_role(:desk, 'cara', 'viewer')",
    "remove_workspace_member(:desk, 'cara')",
    "leave_workspace(:desk)",
    "confirm_membership(:north)",
    "purge_endings()",
    "define_role('new', '{docs.read}', :north)",
    "drop_role('spare', :north)",
    "create_invitation(:north)",
];

/// What users do in person, and services for them.
const OF_USERS: [&str; 9] = [
    "ban_user('ben')",
    "change_password('her password', 'another password')",
    "create_user('new@users.example')",
    "decline_invitation('00000000-0000-4000-8000-000000000000')",
    "delete_user('ben')",
    "issue_session('ben')",
    "sign_out_session()",
    "update_password('another password')",
    "update_user(data => '{}')",
];

#[test]
fn a_key_changes_nothing_of_an_organization_or_a_user_whoever_it_is() {
    let mut world = World::new();
    world.set("api_key_creation", "any");
    world.root("auth.define_role('spare', '{docs.read}', :north, 100)");
    let invitation = world.root("invitation_id from auth.create_invitation(:north)");
    let token = world.root("token from auth.create_invitation(:south)");
    world.root("auth.add_member(:north, 'fay', 'owner')");
    let owner = world.key(&Who::User("ada"), "").bearer();
    let account = world.key(&Who::Superuser, "org_id => :north, role => 'owner'").bearer();
    let mut calls: Vec<String> = CHANGES.iter().map(|call| (*call).to_owned()).collect();
    calls.push(format!("revoke_invitation('{invitation}')"));
    calls.push(format!("accept_invitation('{token}')"));
    calls.push("create_organization('new', owner_id => 'ada')".into());
    calls.push("update_api_key((select id from auth.list_api_keys() limit 1), 'new')".into());
    calls.push("set_api_key_settings(:north)".into());
    calls.push("import_api_key('k', repeat('0', 64), :north)".into());
    calls.push("remove_user('ben')".into());
    calls.push("revoke_user('ben')".into());
    calls.push("impersonate('ben', 'to help')".into());
    calls.push("purge_revocations()".into());
    for call in &calls {
        for who in [&owner, &account] {
            let told = world.tell(who, &format!("auth.{call}"));
            assert!(told.starts_with("42501 "), "{call}: {told}");
        }
        // It is the key that is in the way, not the call.
        let only_administrators = [
            "disable_organization",
            "enable_organization",
            "purge_endings",
            "set_api_key_settings",
            "import_api_key",
            "create_organization('new', owner",
            "remove_user",
            "revoke_user",
            "impersonate",
            "purge_revocations",
        ];
        if !only_administrators.iter().any(|name| call.starts_with(name)) {
            let told = world.tell(&Who::User("ada"), &format!("auth.{call}"));
            assert!(!told.starts_with("42501 "), "{call}: {told}");
        }
    }
    for call in OF_USERS {
        for who in [&owner, &account] {
            let told = world.tell(who, &format!("auth.{call}"));
            assert!(told.starts_with("42501 "), "{call}: {told}");
        }
    }
    calls.extend(OF_USERS.iter().map(|call| (*call).to_owned()));
    // Nothing that writes is missing here, except for keys themselves, tokens (`tokens_of_ours`, `revoking`), and what
    // somebody signs in with, whom no identity helps.
    let writing =
        "string_agg(proname, ' ') from pg_proc where pronamespace = 'auth'::regnamespace and prosecdef
        and provolatile = 'v' and has_function_privilege('tenant', oid, 'execute')
        and proname not in ('create_api_key', 'rotate_api_key', 'revoke_api_key', 'touch_api_key', 'purge_api_keys', 'issue_jwt',
                            'exchange_api_key', 'revoke_token', 'revoke_session', 'sign_up', 'sign_in_anonymously', 'sign_in_with_password',
                            'refresh_session', 'redeem_token', 'send_confirmation', 'send_magic_link', 'send_password_reset')";
    for name in world.root(writing).split(' ') {
        assert!(calls.iter().any(|call| call.starts_with(&format!("{name}("))), "{name}");
    }
}

#[test]
fn a_key_reads_of_an_organization_what_its_scopes_say() {
    let mut world = World::new();
    for (scopes, answers) in [
        ("null", "4 5 0 2 1"),
        ("'{*}'", "4 5 0 2 1"),
        ("'{members.read}'", "4 - - 1 -"),
        ("'{roles.read}'", "- 5 - 1 -"),
        ("'{workspaces.write,invitations.*}'", "- - 0 2 1"),
        ("'{docs.*}'", "- - - 1 -"),
        ("'{}'", "- - - 1 -"),
    ] {
        let key = world.key(&Who::User("ada"), &format!("scopes => {scopes}")).bearer();
        let lists = [
            "list_members()",
            "list_roles(:north)",
            "list_invitations()",
            "list_workspaces()",
            "list_workspace_members(:attic)",
        ];
        let told = lists.map(|list| match world.tell(&key, &format!("count(*) from auth.{list}")).as_str() {
            TOO_LOW => "-".to_owned(),
            count => count.to_owned(),
        });
        assert_eq!(told.join(" "), answers, "{scopes}");
        assert_eq!(world.tell(&key, "string_agg(name, ' ') from auth.list_organizations()"), "north");
        for list in
            ["list_members(:south)", "list_roles(:south)", "list_api_keys(:south)", "list_workspaces(:south)"]
        {
            let told = world.tell(&key, &format!("count(*) from auth.{list}"));
            assert_eq!(told, FOREIGN, "{scopes}: {list}");
        }
    }
}

#[test]
fn t100_nobody_writes_keys_past_the_functions() {
    let mut world = World::new();
    let key = world.key(&Who::User("ada"), "");
    let own = "insert into auth.api_keys (key_hash, kind, name) values (sha256('mine'), 'service', 'x')";
    for (user, who) in
        [("tenant", Who::User("ada")), ("tenant", key.bearer()), ("administrator", Who::Administrator)]
    {
        for table in ["api_keys", "api_key_settings", "api_key_uses", "api_key_usage"] {
            let session = world.begin(&who).unwrap();
            session.run("savepoint s");
            for sql in [
                format!("select from auth.{table}"),
                format!("insert into auth.{table} default values"),
                format!("delete from auth.{table}"),
                format!("truncate auth.{table}"),
                format!("copy auth.{table} to stdout"),
                format!("merge into auth.{table} t using (select 1) s on true when matched then delete"),
                format!("lock table auth.{table}"),
                own.to_owned(),
                "update auth.api_keys set key_hash = sha256('mine')".to_owned(),
            ] {
                let told = session.refused(&sql);
                assert!(
                    told.starts_with("42501 permission denied for table api_key"),
                    "{user}: {sql}: {told}"
                );
                session.run("rollback to s");
            }
        }
    }
    for internal in [
        "issue_key(null)",
        "insert_api_key(null)",
        "generate_api_key('sk', 'live')",
        "lock_api_key(null)",
        "enter_api_keys(null, null)",
        "make_api_key('service', 'x', null, null, null, null, null, null, null, null, null, null, null, null, null, null)",
    ] {
        for who in [Who::User("ada"), Who::Administrator, key.bearer()] {
            let told = world.tell(&who, &format!("auth_internal.{internal}"));
            assert!(told.starts_with("42501 permission denied for function "), "{who:?}: {internal}: {told}");
        }
    }
    assert_eq!(world.tell(&Who::Bearer("mine".into()), "1"), REFUSED);
}

#[test]
fn t031_code_that_maintenance_runs_for_its_owner_makes_and_ends_no_keys() {
    let mut world = World::new();
    let key = world.key(&Who::User("ada"), "");
    world.admin.run("grant create on schema public to tenant");
    for call in [
        world.fill("auth.create_api_key('k', :north)"),
        world.fill("auth.import_api_key('k', encode(sha256('mine'), 'hex'), :north)"),
        format!("auth.revoke_api_key('{}')", key.id),
        format!("auth.rotate_api_key('{}')", key.id),
        format!("auth.update_api_key('{}', 'new')", key.id),
        world.fill("auth.set_api_key_settings(:north, max_keys => 0)"),
        "auth.list_api_keys()".to_owned(),
        "auth.list_api_key_settings()".to_owned(),
    ] {
        let mut tenant = world.db.tenant();
        tenant.run(&format!(
            "drop table if exists bait; create table bait (n int);
             create or replace function lure(n int) returns int immutable language plpgsql as $$ begin return n; end $$;
             create index on bait (lure(n)); insert into bait select generate_series(1, 50);
             create or replace function lure(n int) returns int immutable language plpgsql as $$ begin perform {call}; return n; end $$"
        ));
        drop(tenant);
        for maintenance in ["analyze bait", "reindex table bait"] {
            for who in [Who::Superuser, Who::Superuser] {
                let session = world.begin(&who).unwrap();
                let told = session.refused(maintenance);
                assert!(
                    told.starts_with("42501 ") && told.contains("security-restricted operation"),
                    "{call}: {told}"
                );
            }
        }
        // Nor in the transaction of somebody who may.
        let mut session = world.db.superuser();
        session.run("begin");
        session.authenticate(&pg_bearer_tests::token::token_of("ada")).unwrap();
        let told = session.refused("analyze bait");
        assert!(
            told.starts_with("42501 ") && told.contains("security-restricted operation"),
            "{call}: {told}"
        );
    }
    assert_eq!(world.root("count(*) from auth.api_keys"), "1");
    assert!(world.works(&key));
}

#[test]
fn t031_what_security_definers_and_views_of_others_do_is_the_caller_s() {
    let mut world = World::new();
    world.admin.run("grant create on schema public to other");
    world.db.connect("other").run(
        "create function trap() returns text language sql security definer as $$ select key from auth.create_api_key('k') $$;
         grant execute on function trap() to public",
    );
    // It is whoever is signed in: there is no way to be somebody else by defining a function.
    assert_eq!(world.tell(&Who::Nobody, "trap()"), NOBODY);
    assert_eq!(world.tell(&Who::User("dan"), "trap()"), FOREIGN);
    let made = world.tell(&Who::User("cara"), "trap()");
    assert!(made.starts_with("sk_live_"), "{made}");
}

#[test]
fn t091_guessing_opens_nothing() {
    let mut world = World::new();
    world.key(&Who::User("cara"), "");
    let guesses = pg_bearer_tests::database::rounds(20_000);
    let count = format!(
        "count(*) filter (where c.valid) || ' ' || count(*) from generate_series(1, {guesses}) n,
           auth.check_api_key('sk_live_' || substr(encode(sha256(n::text::bytea), 'hex'), 1, 60) || lpad(n::text, 6, '0')) c"
    );
    assert_eq!(world.tell(&Who::Nobody, &count), format!("0 {guesses}"));
}
