//! Rotating, revoking and listing keys, and what happens to them with their organization.

use super::world::*;
use pg_bearer_tests::database::Session;

fn rotate(world: &mut World, who: &Who, key: &Key, grace: &str) -> Result<Key, String> {
    let made = world.act(who, &format!("id || ' ' || key from auth.rotate_api_key('{}'{grace})", key.id))?;
    let (id, text) = made.split_once(' ').unwrap();
    Ok(Key { id: id.to_owned(), text: text.to_owned() })
}

fn revoke(key: &Key, reason: &str) -> String {
    format!("auth.revoke_api_key('{}'{reason})", key.id)
}

#[test]
fn rotation_without_a_grace_changes_one_key_for_another_at_once() {
    let mut world = World::new();
    let old = world.key(
        &Who::User("cara"),
        "scopes => '{docs.read}', workspace_id => :desk, environment => 'test', expires_at => now() + interval '10 days',
         allowed_cidrs => '{10.0.0.0/8}', allowed_tables => '{docs}', metadata => '{\"a\": 1}'",
    );
    let kept = "concat_ws(' ', name, kind, org_id, user_id, role_id, environment, scopes, workspace_id, allowed_cidrs,
                allowed_tables, metadata, prefix, created_by)";
    let before = world.stored(&old, kept);
    let new = rotate(&mut world, &Who::User("cara"), &old, "").unwrap();
    assert_eq!(world.stored(&new, kept), before);
    assert_eq!(world.stored(&old, "concat_ws(' ', replaced_by, revoked_at)"), new.id);
    assert_eq!(world.reason(&old), "the API key has expired");
    assert_eq!(world.reason(&new), "");
    // It lives as long as the old one was to.
    let whole = "expires_at - created_at between '9.99 days' and '10.01 days'";
    assert_eq!(world.stored(&new, whole), "true");
    assert_ne!(old.text[13..], new.text[13..]);
    for (key, expected) in [(&old, "the API key has expired or was rotated before"), (&new, "")] {
        let told = rotate(&mut world, &Who::User("cara"), key, ", '1 day'").map(|_| String::new());
        assert_eq!(
            told.unwrap_or_else(|error| error),
            if expected.is_empty() { String::new() } else { format!("22023 {expected}") }
        );
    }
}

#[test]
fn during_the_grace_both_keys_work_and_after_it_the_new_one() {
    let mut world = World::new();
    let old = world.key(&Who::User("cara"), "");
    let new = rotate(&mut world, &Who::User("cara"), &old, ", '90 days'").unwrap();
    assert!(world.works(&old) && world.works(&new));
    assert_eq!(world.stored(&old, "expires_at between now() + '89.9 days' and now() + '90 days'"), "true");
    let again = rotate(&mut world, &Who::User("cara"), &old, ", '1 day'").unwrap_err();
    assert_eq!(again, "22023 the API key has expired or was rotated before");
    // The time comes.
    let end = format!("update auth.api_keys set expires_at = clock_timestamp() where id = '{}'", old.id);
    world.admin.run(&end);
    assert!(!world.works(&old) && world.works(&new));
    // A grace is no way to live longer.
    let short = world.key(&Who::User("cara"), "expires_at => now() + interval '1 hour'");
    rotate(&mut world, &Who::User("cara"), &short, ", '10 days'").unwrap();
    assert_eq!(world.stored(&short, "expires_at <= now() + '1 hour'"), "true");
    for grace in ["'-1 second'", "'90 days 1 second'", "null", "'1000 years'"] {
        let told = rotate(&mut world, &Who::Superuser, &new, &format!(", {grace}")).unwrap_err();
        assert_eq!(told, "22023 grace has a value that is not allowed", "{grace}");
    }
    for id in ["null", "gen_random_uuid()"] {
        assert_eq!(world.tell(&Who::User("cara"), &format!("auth.rotate_api_key({id})")), NO_KEY);
    }
    assert_eq!(world.tell(&Who::Nobody, &format!("auth.rotate_api_key('{}')", new.id)), NOBODY);
    world.root(&revoke(&new, ""));
    assert_eq!(rotate(&mut world, &Who::Superuser, &new, "").unwrap_err(), "22023 the API key is revoked");
}

#[test]
fn t097_a_revoked_key_is_refused_by_the_next_authenticate_of_every_session() {
    let mut world = World::new();
    let key = world.key(&Who::User("cara"), "");
    let mut sessions = [world.db.tenant(), world.db.tenant(), world.db.connect("other")];
    let open = sessions.each_mut().map(|session| {
        session.run("begin isolation level repeatable read");
        session.authenticate(&key.text).unwrap();
        session.visible()
    });
    assert_eq!(open, [500; 3]);
    world.act(&Who::User("cara"), &revoke(&key, ", 'leaked'")).unwrap();
    for session in &mut sessions {
        // An older snapshot plays no part, and what was verified before stays for its transaction.
        session.run("savepoint s");
        assert_eq!(told(&session.authenticate(&key.text).unwrap_err()), REFUSED);
        session.run("rollback to s");
        assert_eq!(session.visible(), 500);
        session.run("commit");
        assert_eq!(told(&session.authenticate(&key.text).unwrap_err()), REFUSED);
        assert_eq!(session.visible(), 0);
    }
}

#[test]
fn revoking_is_for_good_and_the_first_reason_stays() {
    let mut world = World::new();
    let key = world.key(&Who::User("cara"), "");
    world.act(&Who::User("cara"), &revoke(&key, ", 'leaked'")).unwrap();
    let facts = "concat_ws(' ', revoked_by, revoke_reason, revoked_at)";
    let first = world.stored(&key, facts);
    assert!(first.starts_with("cara leaked "), "{first}");
    for who in [Who::User("cara"), Who::User("ada"), Who::Superuser] {
        assert_eq!(world.act(&who, &revoke(&key, ", 'other'")).as_deref(), Ok(""));
        assert_eq!(world.stored(&key, facts), first);
    }
    let told = world.tell(&Who::User("cara"), &revoke(&world_key(&mut World::new()), ""));
    assert_eq!(told, NO_KEY);
    let other = world.key(&Who::User("cara"), "");
    let told = world.tell(&Who::User("cara"), &revoke(&other, ", repeat('x', 1001)"));
    assert_eq!(told, "22023 revoke_reason has a value that is not allowed");
    assert!(world.works(&other));
}

fn world_key(world: &mut World) -> Key {
    world.key(&Who::User("cara"), "")
}

#[test]
fn keys_are_revoked_by_their_users_by_themselves_and_by_those_who_write_keys() {
    let mut world = World::new();
    let own = world.key(&Who::User("cara"), "");
    let other = world.key(&Who::User("cara"), "scopes => '{}'");
    let of_dan = world.key(&Who::Superuser, "org_id => :north, user_id => 'dan'");
    let account = world.key(&Who::User("ada"), "role => 'viewer'");
    let service = world.key(&Who::Superuser, "kind => 'service', org_id => :north");
    for (key, who, expected) in [
        (&own, Who::User("cara"), ""),
        (&own, Who::User("ada"), ""),
        (&own, Who::User("ben"), ""),
        (&own, Who::User("dan"), TOO_LOW),
        (&own, Who::User("eve"), NO_KEY),
        (&own, Who::Superuser, ""),
        (&own, Who::Administrator, ""),
        (&own, Who::Service, ""),
        (&own, Who::Nobody, NOBODY),
        (&own, service.bearer(), ""),
        (&own, own.bearer(), ""),
        (&other, other.bearer(), ""),
        // Not another one, whatever it may otherwise.
        (&other, own.bearer(), NOT_FOR_KEYS),
        (&own, other.bearer(), TOO_LOW),
        (&of_dan, own.bearer(), NOT_FOR_KEYS),
        (&of_dan, Who::User("dan"), ""),
        (&of_dan, of_dan.bearer(), ""),
        (&account, account.bearer(), ""),
        (&account, Who::User("cara"), ""),
        (&account, Who::User("dan"), TOO_LOW),
        (&service, Who::User("ada"), NO_KEY),
        (&service, service.bearer(), ""),
        (&service, Who::Superuser, ""),
    ] {
        assert_eq!(world.tell(&who, &revoke(key, "")), expected, "{who:?}");
    }
    for id in ["null", "gen_random_uuid()", ":north"] {
        let call = format!("auth.revoke_api_key({id})");
        for who in [Who::User("cara"), Who::Superuser, own.bearer()] {
            assert_eq!(world.tell(&who, &call), NO_KEY, "{id}");
        }
    }
}

/// The names of the keys that somebody is shown.
fn listed(world: &mut World, who: &Who, arguments: &str) -> String {
    world.tell(
        who,
        &format!("coalesce(string_agg(name, ' ' order by name), '') from auth.list_api_keys({arguments})"),
    )
}

#[test]
fn everybody_sees_his_own_keys_and_those_he_may_read() {
    let mut world = World::new();
    let mut texts = Vec::new();
    for (name, who, arguments) in [
        ("ada1", Who::User("ada"), ""),
        ("cara1", Who::User("cara"), ""),
        ("cara2", Who::User("cara"), "scopes => '{docs.read}'"),
        ("reads", Who::User("cara"), "scopes => '{api_keys.read}'"),
        ("dan1", Who::Superuser, "org_id => :north, user_id => 'dan'"),
        ("dan2", Who::User("dan"), "org_id => :south"),
        ("robot", Who::User("ada"), "role => 'viewer'"),
        ("service", Who::Superuser, "kind => 'service', org_id => :north"),
        ("shop", Who::Superuser, "kind => 'publishable'"),
        ("gone", Who::User("cara"), ""),
    ] {
        let comma = if arguments.is_empty() { "" } else { ", " };
        let key =
            world.act(&who, &format!("key from auth.create_api_key('{name}'{comma}{arguments})")).unwrap();
        texts.push((name, key));
    }
    world.root("auth.revoke_api_key(id, 'r') from auth.list_api_keys() where name = 'gone'");
    let bearer = |name: &str| Who::Bearer(texts.iter().find(|(known, _)| *known == name).unwrap().1.clone());
    let north = "ada1 cara1 cara2 dan1 reads robot";
    for (who, org, seen) in [
        (Who::User("ada"), ":north", north),
        (Who::User("ada"), "", north),
        (Who::User("ben"), ":north", north),
        (Who::User("cara"), "", north),
        (Who::User("dan"), ":north", "dan1"),
        (Who::User("dan"), ":south", "dan2"),
        (Who::User("ben"), ":south", ""),
        (Who::User("ada"), ":south", FOREIGN),
        (Who::User("eve"), ":north", FOREIGN),
        (Who::User("eve"), "", FOREIGN),
        (Who::User("ada"), "gen_random_uuid()", FOREIGN),
        (Who::Nobody, ":north", NOBODY),
        (Who::Superuser, ":south", "dan2"),
        (Who::Superuser, "", "ada1 cara1 cara2 dan1 dan2 reads robot service shop"),
        (Who::Administrator, ":north", "ada1 cara1 cara2 dan1 reads robot service"),
        (Who::Service, ":north", "ada1 cara1 cara2 dan1 reads robot service"),
        (bearer("reads"), "", north),
        (bearer("cara1"), ":north", north),
        (bearer("cara2"), "", "cara2"),
        (bearer("robot"), "", "robot"),
        (bearer("dan1"), "", "dan1"),
        (bearer("dan1"), ":south", FOREIGN),
    ] {
        assert_eq!(listed(&mut world, &who, org), seen, "{who:?}: {org}");
    }
    let with_revoked = "ada1 cara1 cara2 dan1 gone reads robot";
    assert_eq!(listed(&mut world, &Who::User("cara"), "include_revoked => true"), with_revoked);
    let reason = "revoke_reason || (revoked_at is not null) || (rotation_due_at is null)
                  from auth.list_api_keys(include_revoked => true) where name = 'gone'";
    assert_eq!(world.tell(&Who::User("cara"), reason), "rtruetrue");
    let columns = "string_agg(x, ' ') from unnest(array['id', 'name', 'prefix', 'created_at', 'last_used']) x,
        to_jsonb((select l from auth.list_api_keys() l where name = 'cara1')) r where r ? x and not r::text like '%hash%'";
    assert_eq!(world.tell(&Who::User("cara"), columns), "id name prefix created_at last_used");
}

#[test]
fn administrators_see_which_keys_are_due() {
    let mut world = World::new();
    let old = world.key(&Who::User("cara"), "");
    let rotated = world.key(&Who::User("cara"), "");
    let revoked = world.key(&Who::User("cara"), "");
    let expired = world.key(&Who::User("cara"), "");
    world.key(&Who::Superuser, "kind => 'publishable'");
    rotate(&mut world, &Who::User("cara"), &rotated, ", '1 day'").unwrap();
    world.root(&revoke(&revoked, ""));
    world.admin.run(&format!(
        "update auth.api_keys set expires_at = now() where id = '{}';
         update auth.api_keys set created_at = created_at - interval '89 days 23 hours'",
        expired.id
    ));
    let due = "coalesce(string_agg(id::text, ' '), '') from auth.api_keys_due";
    assert_eq!(world.root(due), "");
    world.admin.run("update auth.api_keys set created_at = created_at - interval '1 hour' where replaced_by is not null or name = 'k'");
    // Also in a session that has not loaded the library for anything else.
    for user in ["postgres", "administrator"] {
        let mut session = world.db.connect(user);
        let all = session.query("select id::text from auth.api_keys_due", &[]).unwrap();
        let ids: Vec<String> = all.iter().map(|row| row.get(0)).collect();
        assert!(ids.contains(&old.id) && ids.len() == 2, "{user}: {ids:?}");
    }
    for who in [Who::User("ada"), Who::Service] {
        assert_eq!(world.tell(&who, due), "42501 permission denied for view api_keys_due");
    }
    world.set("api_key_rotation", "0");
    assert_eq!(world.root(due), "");
    world.set("api_key_rotation", "100d");
    assert_eq!(world.root(due), "");
}

#[test]
fn what_is_deleted_takes_its_keys_along() {
    let mut world = World::new();
    let keys = [
        world.key(&Who::User("ada"), ""),
        world.key(&Who::User("ada"), "role => 'admin'"),
        world.key(&Who::Superuser, "kind => 'publishable', org_id => :north"),
        world.key(&Who::Superuser, "kind => 'service', org_id => :north"),
    ];
    world.root("auth.set_api_key_settings(:north, 'ia')");
    let other = world.key(&Who::User("dan"), "org_id => :south");
    world.act(&Who::User("ada"), "auth.delete_organization(:north)").unwrap();
    let left =
        "concat_ws(' ', (select count(*) from auth.api_keys), (select count(*) from auth.api_key_uses),
                (select count(*) from auth.api_key_settings))";
    // What was counted of them is left to auth.purge_api_keys().
    assert_eq!(world.root(left), "1 5 0");
    assert_eq!(world.root("auth.purge_api_keys()"), "0");
    assert_eq!(world.root(left), "1 1 0");
    for key in keys {
        assert!(!world.works(&key));
        assert_eq!(world.reason(&key), "no such API key");
    }
    assert!(world.works(&other));
}

#[test]
fn keys_that_were_made_or_ended_survive_a_crash_also_where_other_commits_do_not() {
    let mut world = World::new();
    let key = world.key(&Who::User("ada"), "");
    for (level, expected) in
        [("off", "local"), ("local", "local"), ("on", "on"), ("remote_apply", "remote_apply")]
    {
        for call in [
            "auth.create_api_key('k')".to_owned(),
            revoke(&key, ""),
            format!("auth.rotate_api_key('{}')", key.id),
        ] {
            let session = world.begin(&Who::User("ada")).unwrap();
            session.run(&format!("set local synchronous_commit = '{level}'; select {call}"));
            assert_eq!(session.value("show synchronous_commit").as_deref(), Some(expected), "{call}");
            session.run("rollback");
        }
        let import = world.fill("auth.import_api_key('k', repeat('0', 64), :north)");
        world
            .admin
            .run(&format!("rollback; begin; set local synchronous_commit = '{level}'; select {import}"));
        assert_eq!(world.admin.value("show synchronous_commit").as_deref(), Some(expected));
        world.admin.run("rollback");
    }
}
