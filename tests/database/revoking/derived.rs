//! What was made of a token ends with it, however far down.

use super::world::*;
use crate::tickets::world::counting_server;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::{Client, Config, NoTls};
use serde_json::json;

#[test]
fn t392_tokens_of_ours_end_with_the_foreign_token_that_they_came_from() {
    let db = minting();
    let mut administrator = db.superuser();
    let mut session = db.tenant();
    administrator.run(&format!("select auth.update_issuer('{STRICT_ISSUER}', user_id_prefix => 'p:')"));
    for (at, revocation) in [
        format!("revoke_token('j0', '{STRICT_ISSUER}')"),
        format!("revoke_session('{STRICT_ISSUER}', 's1')"),
        format!("revoke_user('a2', '{STRICT_ISSUER}')"),
        format!("revoke_user('p:a3', '{STRICT_ISSUER}')"),
        "revoke_user('p:a4')".to_owned(),
        "revoke_token(':token')".to_owned(),
        "remove_user('p:a6')".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let claims = json!({"jti": format!("j{at}"), "sid": format!("s{at}")});
        let token = foreign(&format!("a{at}"), if at == 5 { json!({}) } else { claims });
        let child = mint_from(&mut session, &token);
        let grandchild = mint_from(&mut session, &child);
        let other = mint(&mut administrator, &format!("a{at}"));
        assert_ended(&mut session, &[], &[&token, &child, &grandchild, &other], &revocation);
        administrator.run(&format!("select auth.{}", revocation.replace(":token", &token)));
        assert_ended(&mut session, &[&token, &child, &grandchild], &[&other], &revocation);
    }
}

#[test]
fn t392_a_token_of_ours_ends_what_came_from_it_and_not_what_it_came_from() {
    let db = minting();
    let mut administrator = db.superuser();
    let mut session = db.tenant();
    let mut chain = vec![mint(&mut administrator, "ada")];
    for _ in 0..6 {
        let next = mint_from(&mut session, chain.last().unwrap());
        chain.push(next);
    }
    let sibling = mint_from(&mut session, &chain[2]);
    let chain: Vec<&str> = chain.iter().map(String::as_str).collect();
    for at in [6, 3, 0] {
        let id = jti(&mut administrator, chain[at]);
        administrator.run(&format!("select auth.revoke_token('{id}')"));
        let (good, ended) = chain.split_at(at);
        assert_ended(&mut session, ended, good, &at.to_string());
        assert_eq!(verdict(&mut session, &sibling) == GOOD, at > 0, "{at}");
    }
}

#[test]
fn t392_the_row_of_a_token_is_what_makes_it_good() {
    let db = minting();
    let mut administrator = db.superuser();
    let mut session = db.tenant();
    let parent = mint(&mut administrator, "ada");
    let child = mint_from(&mut session, &parent);
    let id = jti(&mut administrator, &parent);
    administrator.run(&format!("delete from auth.minted_tokens where id = '{id}'"));
    assert_ended(&mut session, &[&parent, &child], &[], "without the row");
    for (token, why) in [
        (&parent, "this database has not made the token, or has forgotten it"),
        (&child, "the token that the token came from is gone or revoked"),
    ] {
        assert_eq!(reason(&mut administrator, token).as_deref(), Some(why));
    }
}

fn signed_in(session: &mut Client, ticket: &str) -> String {
    session.run("begin");
    let found = verdict(session, ticket);
    session.run("rollback");
    found
}

#[test]
fn t392_tickets_end_with_the_token_that_they_were_issued_for() {
    let server = counting_server("revoked_tickets", &[]);
    let connect = |user: &str| {
        let mut config = Config::new();
        config.host_path(server.socket_dir()).port(server.port()).dbname("postgres").user(user);
        config.connect(NoTls).unwrap()
    };
    let (mut administrator, mut session, mut other) =
        (connect("postgres"), connect("tenant"), connect("tenant"));
    set_up(&mut administrator);
    for at in 0..5 {
        let user = format!("u{at}");
        let token = if at == 4 {
            mint(&mut administrator, &user)
        } else {
            foreign(&user, json!({"jti": user, "sid": user}))
        };
        // One is committed before the revocation, one after it.
        let early = as_bearer(&mut session, &token, "select auth.issue_ticket(interval '60 seconds')");
        session.run("begin");
        session.authenticate(&token).unwrap();
        let late = session.value("select auth.issue_ticket(interval '60 seconds')").unwrap();
        administrator.run(&match at {
            0 => format!("select auth.revoke_token('{user}', '{STRICT_ISSUER}')"),
            1 => format!("select auth.revoke_session('{STRICT_ISSUER}', '{user}')"),
            2 => format!("select auth.revoke_user('{user}', '{STRICT_ISSUER}')"),
            3 => format!("select auth.remove_user('{user}')"),
            _ => format!("select auth.revoke_token('{token}')"),
        });
        session.run("commit");
        for ticket in [&early, &late] {
            assert_eq!(signed_in(&mut other, ticket), REFUSED, "{at}");
        }
        let token = foreign("somebody", json!({"n": at}));
        let ticket = as_bearer(&mut session, &token, "select auth.issue_ticket()");
        assert_eq!(signed_in(&mut other, &ticket), GOOD, "{at}");
    }
}
