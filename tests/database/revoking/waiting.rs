//! Whoever ends something waits for nobody.

use super::world::*;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use serde_json::json;

/// What a thief, or anybody, may hold while somebody revokes.
const HELD: [&str; 8] = [
    "select from auth.revocations for update",
    "select from auth.minted_tokens for update",
    "select from auth.issuers for update",
    "update auth.issuers set leeway = leeway",
    "update auth.minted_tokens set created_at = created_at",
    "delete from auth.revocations",
    "delete from auth.minted_tokens where expires_at < now()",
    "select auth.revoke_user('ada'), auth.revoke_user('ben'), auth.revoke_session('https://strict.example', 's')",
];

#[test]
fn t395_no_open_transaction_holds_up_a_revocation() {
    let db = minting();
    let mut administrator = db.superuser();
    let mut session = db.tenant();
    for (at, held) in HELD.into_iter().enumerate() {
        for is_prepared in [false, true] {
            administrator.run("truncate auth.revocations");
            administrator.run("set statement_timeout = 0; select auth.revoke_user('ben')");
            let n = format!("{at}{is_prepared}");
            let token = foreign("ada", json!({"jti": n}));
            let (own, named) =
                (mint(&mut administrator, "ada"), foreign("cara", json!({"sid": "s", "n": n})));
            let removed = foreign(&format!("dan{n}"), json!({}));
            let mut holder = db.superuser();
            holder.run(&format!("begin; {held}"));
            if is_prepared {
                holder.run(&format!("prepare transaction '{}'", db.name));
            }
            administrator.run("set statement_timeout = '1.5 s'");
            for call in [
                format!("revoke_token('{own}')"),
                format!("revoke_token('{token}')"),
                format!("revoke_session('{STRICT_ISSUER}', 's')"),
                "revoke_user('ada')".to_owned(),
                format!("revoke_user('ada', '{STRICT_ISSUER}')"),
                format!("remove_user('dan{n}')"),
                "purge_revocations()".to_owned(),
            ] {
                administrator.run(&format!("select auth.{call}"));
            }
            let context = format!("{held} {is_prepared}");
            assert_ended(&mut session, &[&own, &token, &named, &removed], &[], &context);
            // Nor does anybody who signs in.
            session.run("set statement_timeout = '1.5 s'");
            assert_eq!(verdict(&mut session, &foreign("eve", json!({}))), GOOD, "{context}");
            holder.run(&if is_prepared {
                format!("rollback prepared '{}'", db.name)
            } else {
                "rollback".to_owned()
            });
            assert_ended(&mut session, &[&own, &token, &named, &removed], &[], &context);
        }
    }
}

#[test]
fn t395_those_who_end_the_same_do_not_wait_for_one_another() {
    let db = minting();
    let mut administrator = db.superuser();
    let mut session = db.tenant();
    let token = mint(&mut administrator, "ada");
    let calls = [
        format!("revoke_token('{token}')"),
        "revoke_user('ada')".to_owned(),
        "remove_user('ada')".to_owned(),
        format!("revoke_session('{STRICT_ISSUER}', 's')"),
    ];
    let mut open = Vec::new();
    for level in ["read committed", "repeatable read", "serializable", "read committed"] {
        for call in &calls {
            let mut revoker = db.superuser();
            revoker.run("set statement_timeout = '1.5 s'");
            revoker.run(&format!("begin isolation level {level}; select auth.{call}"));
            open.push((level, revoker));
        }
    }
    for (level, revoker) in &mut open {
        match *level {
            // As any two that see one another's rows half.
            "serializable" => drop(revoker.batch_execute("commit")),
            _ => revoker.run("commit"),
        }
    }
    assert_ended(&mut session, &[&token], &[], "all");
    let next = mint(&mut administrator, "ada");
    assert_ended(&mut session, &[&token], &[&next], "and the next");
}
