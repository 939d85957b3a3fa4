//! What the pages of three services say of sign-in, done in SQL as their servers would.

use super::world::{PASSWORD, World, member};
use pg_bearer_tests::database::Session;
use serde_json::{Value, json};

/// InfraAudit: `POST /api/login` answers `{user: {id, email, role}, token}`.
#[test]
fn a_server_with_an_answer_of_its_own_wraps_ours_in_three_lines() {
    let mut world = World::new();
    world.sign_up("user@example.com");
    world.admin.run(
        "create function public.login(body json) returns jsonb language sql as $$
             select case when a ? 'error' then a else jsonb_build_object('user',
                        jsonb_build_object('id', a #> '{user,id}', 'email', a #> '{user,email}', 'role', 'user'), 'token', a -> 'access_token') end
               from auth.sign_in_with_password(body ->> 'email', body ->> 'password') a $$",
    );
    let mut login = |password: &str| -> Value {
        let body = json!({"email": "user@example.com", "password": password});
        let answer = world.session.query_one("select public.login($1)", &[&body]).unwrap();
        answer.get(0)
    };
    let answer = login(PASSWORD);
    assert_eq!(answer["user"]["email"], "user@example.com");
    assert_eq!(answer["user"]["role"], "user");
    assert_eq!(login("wrong")["error"], "invalid_grant");
    let token = member(&answer, "token").to_owned();
    world.session.run("begin");
    world.session.authenticate(&token).unwrap();
    let id = world.session.value("select auth.user_id()").unwrap();
    assert_eq!(answer["user"]["id"], id);
    world.session.run("commit");
}

/// Founder Sherpa: an access token for an hour, a refresh token in its place, and workspaces without an id in a header.
#[test]
fn an_access_token_shows_the_workspaces_of_its_user() {
    let mut world = World::new();
    let signed_up = world.sign_up("user@example.com");
    let id = member(&signed_up["user"], "id").to_owned();
    world.admin.run(&format!(
        "create table notes (workspace_id uuid not null, label text);
         select auth.create_workspace(auth.create_organization('ours', owner_id => '{id}'), 'desk');
         select auth.create_workspace(auth.create_organization('theirs', owner_id => 'eve'), 'their desk');
         insert into notes select w.id, w.name from auth.workspaces w;
         select auth.add_workspace_member(w.id, '{id}') from auth.workspaces w where w.name = 'desk';
         alter table notes enable row level security;
         create policy members on notes using (auth.is_workspace_member(workspace_id));
         grant select on notes to tenant"
    ));
    let answer = world.sign_in("user@example.com", PASSWORD);
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("bearer"), &json!(3600)));
    assert_eq!(
        world.as_user(&answer, "select string_agg(label, ',') from notes").unwrap().as_deref(),
        Some("desk")
    );
    let refreshed = world.refresh(member(&answer, "refresh_token"));
    assert_eq!(
        world.as_user(&refreshed, "select string_agg(label, ',') from notes").unwrap().as_deref(),
        Some("desk")
    );
    assert_eq!(
        world.sign_in("user@example.com", "wrong"),
        json!({"error": "invalid_grant", "error_description": "Invalid login credentials"})
    );
}

/// Drivly: users sign in at its own page, and come back with a token for ten minutes and a refresh token that lasts for ever.
#[test]
fn a_server_that_signs_users_in_gets_sessions_of_ten_minutes_that_last() {
    let mut world = World::new();
    world.admin.run(&format!("alter database {} set pg_bearer.access_token_lifetime = 600", world.db.name));
    (world.admin, world.session) = (world.db.superuser(), world.db.tenant());
    world.admin.run("select auth.create_organization('drivers', owner_id => 'driver|1')");
    let text = world.admin.value(
        "select auth.issue_session('driver|1', permissions => '{orders.read,orders.write}', method => 'oauth')",
    );
    let answer: Value = serde_json::from_str(&text.unwrap()).unwrap();
    assert_eq!(answer["expires_in"], 600);
    assert_eq!(answer["user"], json!({"id": "driver|1"}));
    let refreshed = world.refresh(member(&answer, "refresh_token"));
    for answer in [&answer, &refreshed] {
        let identity = world.authenticate(answer).unwrap();
        assert_eq!(identity["user_id"], "driver|1");
        assert_eq!(identity["permissions"], json!(["orders.read", "orders.write"]));
        assert_eq!(identity["claims"]["amr"][0]["method"], "oauth");
    }
    let ends = world.admin.value("select expires_at from auth.sessions");
    assert_eq!(ends, None);
}
