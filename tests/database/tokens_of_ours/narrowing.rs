//! A token never does more than what it came from may do at that moment: every way to make one, from every kind of
//! credential, whatever happens to that one afterwards.

use super::probe::{Reach, all, reach, set_up};
use super::world::*;
use pg_bearer_tests::database::Session;
use serde_json::json;

/// How tokens are made.
const WAYS: &[&str] = &[
    "issue_jwt()",
    "issue_jwt(permissions => '{invoices.read,tokens.write}')",
    "issue_jwt(scopes => '{}')",
    "issue_jwt(scopes => '{tokens.write}')",
    "issue_jwt(org_id => :north)",
    "issue_jwt(org_id => :north, scopes => '{}')",
    "issue_jwt(org_id => :north, workspace_id => :desk)",
    "issue_jwt(environment => 'test')",
    "issue_jwt('cara', org_id => :north)",
    "issue_jwt('a name', org_id => :north)",
    "exchange_api_key()",
    "issue_jwt('ben')",
    "issue_jwt('ben', org_id => :north)",
    "impersonate('ben', 'to help')",
];

/// What may happen to where a token came from.
const HAPPENS: &[&str] = &[
    "",
    "select auth.revoke_api_key(id) from auth.api_keys where id <> :spare",
    "update auth.api_keys set expires_at = clock_timestamp() - interval '1 second'",
    "update auth.api_keys set scopes = '{invoices.read}' where kind = 'secret'",
    "update auth.api_keys set allowed_cidrs = '{192.0.2.0/24}'",
    "update auth.api_keys set allowed_origins = '{https://app.example}'",
    "update auth.api_keys set allowed_endpoints = '{GET /rpc/x}'",
    "update auth.api_keys set allowed_tables = '{public.docs}' where kind = 'secret'",
    "delete from auth.api_keys",
    "select auth.disable_organization(:north)",
    "select auth.delete_organization(:north)",
    "delete from auth.memberships where user_id in ('ada', 'ben', 'p:ada')",
    "create table kept as select * from auth.memberships; delete from auth.memberships;
     insert into auth.memberships (user_id, org_id, role_id) select user_id, org_id, role_id from kept",
    "update auth.memberships set role_id = (select id from auth.roles where name = 'clerk')",
    "delete from auth.workspace_memberships",
    "select auth.disable_workspace(:desk)",
    "select auth.revoke_token(':id', :its_issuer) where ':id' <> ''",
    "select auth.revoke_session(':strict', 's-1'), auth.revoke_session(':limited', 's-1')",
    "select auth.revoke_user(u) from unnest('{ada,ben,p:ada,robot}'::text[]) u",
    "select auth.update_issuer(':ours', allow_service_role => false)",
    "select auth.revoke_jwt_key(k.id) from auth.jwt_keys k join auth.issuers i on i.id = k.issuer_id where i.own and k.state = 'active'",
];

struct Source {
    name: &'static str,
    credential: String,
    id: String,
    issuer: &'static str,
}

fn source(name: &'static str, credential: String) -> Source {
    let claims = if credential.contains('.') { payload(&credential) } else { json!({}) };
    let text = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
    let issuer = if text("iss") == OURS { "null" } else { "':strict'" };
    Source { name, id: text("jti"), issuer, credential }
}

fn sources(world: &mut World) -> Vec<Source> {
    let ada = user("ada");
    let claims = world.fill(r#"{"org_id": :north, "workspace_id": :attic}"#).replace('\'', "\"");
    let in_attic = user_with("ada", serde_json::from_str(&claims).unwrap());
    let mut found = vec![
        source("user", ada.clone()),
        source(
            "user with scopes",
            user_with("ada", json!({"scope": "invoices.read tokens.write members.write"})),
        ),
        source("user whom scopes leave nothing", user_with("kim", json!({"scope": "tokens.write"}))),
        source("user with a workspace", in_attic),
        source(
            "somebody else",
            user_with("eve", json!({"email": "eve@users.example", "email_verified": true})),
        ),
        source("service", service()),
    ];
    let mut limited = source("user of an organization", limited_user("ada"));
    limited.issuer = "':limited'";
    found.push(limited);
    for (name, arguments) in [
        ("own", ""),
        ("own with permissions", "permissions => '{tokens.write,invoices.read}'"),
        ("own of north", "org_id => :north"),
        ("own of desk", "org_id => :north, workspace_id => :desk"),
        ("own for tests", "environment => 'test'"),
    ] {
        let token = world.mint(&ada, &format!("issue_jwt({arguments})"));
        found.push(source(name, token));
    }
    for (name, arguments) in [
        ("key", "'k', :north"),
        ("key with scopes", "'k', :north, scopes => '{invoices.read,tokens.write}'"),
        ("key of desk", "'k', :north, workspace_id => :desk"),
        ("key of a table", "'k', :north, allowed_tables => '{docs}'"),
        ("key for tests", "'k', :north, environment => 'test'"),
        ("key of nobody", "'k', :north, role => 'clerk'"),
        ("key that ends", "'k', :north, expires_at => now() + interval '1 hour'"),
    ] {
        found.push(source(name, world.key(&ada, arguments)));
    }
    let key = world.key(&service(), "'k', kind => 'service'");
    let exchanged = world.mint(&key, "exchange_api_key()");
    found.push(source("service key, exchanged", exchanged));
    found.push(source("service key", key));
    let token = world.made("role => 'service_role'");
    found.push(source("own service", token));
    found.push(source("service for ada", world.mint(&service(), "issue_jwt('ada', org_id => :north)")));
    found
}

fn world() -> World {
    let mut world = World::new();
    set_up(&mut world);
    let spare = world.ask(
        &user("ada"),
        "select id from auth.create_api_key('spare', :north, scopes => '{invoices.read}')",
    );
    world.name(":spare", &format!("'{}'", spare.unwrap()));
    world
}

/// What the first may do that the second may not.
fn beyond(token: &Result<Reach, String>, origin: &Result<Reach, String>) -> Vec<String> {
    match (token, origin) {
        (Ok(token), Ok(origin)) => token.difference(origin).cloned().collect(),
        (Ok(_), Err(told)) => vec![format!("everything: {told}")],
        (Err(_), _) => Vec::new(),
    }
}

/// What is made from a credential, each with how.
fn made_from(world: &mut World, origin: &Source) -> Vec<(&'static str, String)> {
    let mut make = |way: &'static str| {
        let made = world.try_ask(&origin.credential, &format!("select auth.{way}"));
        made.ok().map(|made| (way, made.unwrap()))
    };
    WAYS.iter().filter_map(|way| make(way)).collect()
}

/// Looks at all that is made from a credential, whatever happens.
fn look(world: &mut World, origin: &Source, faults: &mut Vec<String>) -> Vec<(&'static str, String)> {
    let made = made_from(world, origin);
    for happens in HAPPENS {
        world.admin.run("begin");
        let sql =
            world.fill(happens).replace(":its_issuer", &world.fill(origin.issuer)).replace(":id", &origin.id);
        world.admin.run(&sql);
        let creates = happens.is_empty() || happens.contains("set role_id") || happens.contains("set scopes");
        let before = reach(world, &origin.credential, creates);
        // A service makes tokens of others, who do what is theirs.
        let is_service = origin.name.contains("service") && !origin.name.contains("for ada");
        for (way, token) in &made {
            let for_ben = is_service && way.contains("'ben'");
            let before = match &before {
                Ok(_) if for_ben => reach(world, &user_with("ben", json!({"sid": "another"})), creates),
                before => before.clone(),
            };
            // A service hands them out: where its key may be used is not where they may be, and they outlast its issuer's
            // having services.
            if is_service
                && (happens.contains("set allowed_") || for_ben && happens.contains("allow_service_role"))
            {
                continue;
            }
            // Who was revoked has no token to compare with.
            if for_ben && before.is_err() && happens.contains("revoke_user")
                || is_service && way.contains("'cara'")
            {
                continue;
            }
            for more in beyond(&reach(world, token, creates), &before) {
                // A member for whom a key of nobody makes a token is in their workspaces, where the key is in none.
                if origin.name == "key of nobody"
                    && way.contains("'ben'")
                    && more.contains("is_workspace_member")
                {
                    continue;
                }
                faults.push(format!("{}: {way}: {happens}: {more}", origin.name));
            }
        }
        world.admin.run("rollback");
    }
    made
}

#[test]
fn t156_a_token_never_does_more_than_what_it_came_from() {
    let mut world = world();
    let mut faults = Vec::new();
    for origin in sources(&mut world) {
        let made = look(&mut world, &origin, &mut faults);
        assert!(!made.is_empty() || origin.name.contains("exchanged"), "{}", origin.name);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn t156_whatever_is_looked_for_somebody_may_do() {
    let mut world = world();
    let mut found = Reach::new();
    for origin in sources(&mut world) {
        world.admin.run("begin");
        let reached = reach(&mut world, &origin.credential, true);
        world.admin.run("rollback");
        found.extend(reached.unwrap());
    }
    let never: Vec<_> = all(&world).difference(&found).cloned().collect();
    assert_eq!(never, [] as [String; 0]);
}
