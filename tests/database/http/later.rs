//! What goes wrong after a request was let in is answered as what went wrong at its beginning.

use super::world::World;
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::server;
use pg_bearer_tests::token::*;
use serde_json::json;

const MORE: &str = "
create table public.owned (org_id uuid not null); select auth.protect('public.owned'); alter table public.owned owner to {db}_anon;
grant select on public.owned to {db}_user;
create function api.owned() returns bigint language sql stable as $$ select count(*) from public.owned $$;
create function api.caught() returns text language plpgsql as $$
    begin perform auth.require_authenticated(); return 'nothing';
    exception when others then return sqlstate; end $$;
create function api.bad() returns void language sql as $$ select auth.require_aal('high') $$;
create function api.own(state text) returns void language plpgsql as $$
    begin raise using errcode = state, message = 'of the application'; end $$;
create function api.look_alike() returns void language plpgsql as $$
    begin raise sqlstate '28000' using message = 'nobody is signed in', hint = 'pg_bearer_require'; end $$;";

#[test]
fn errors_of_ours_have_their_status_and_others_that_of_postgrest() {
    let world = World::with(MORE);
    let nobody = |path: &str| world.postgrest.proxied("GET", path, &[], "");
    let owner = nobody("/rpc/owned");
    assert_eq!((owner.status, owner.header("www-authenticate")), (401, Some("Bearer")), "{owner:?}");
    assert_eq!(owner.json()["code"], "55000");
    assert_eq!(world.postgrest.get("/rpc/owned", token_a()).body, "0");
    let bad = world.postgrest.get("/rpc/bad", token_a());
    let body = json!({"code": "22023", "message": "the level must be aal1, aal2 or aal3", "details": null, "hint": null});
    assert_eq!((bad.status, bad.json()), (400, body));
    // What SQL catches has the code that is documented, and is no answer.
    let caught = nobody("/rpc/caught");
    assert_eq!((caught.status, caught.body.as_str()), (200, "\"28000\""));
    // The application's own, whatever they say.
    for (state, status) in [("28000", 403), ("55000", 500), ("PT418", 418), ("P0001", 400)] {
        assert_eq!(
            world.postgrest.get(&format!("/rpc/own?state={state}"), token_a()).status,
            status,
            "{state}"
        );
    }
    let answer = nobody("/rpc/look_alike");
    assert_eq!((answer.status, answer.header("www-authenticate")), (403, None));
}

#[test]
fn sessions_that_serve_no_request_get_the_plain_error() {
    let world = World::with(MORE);
    let mut session = world.db.connect(&format!("{}_login", world.db.name));
    session.run("begin; set local request.headers = '{}'; select auth.pre_request()");
    let answered = session.refused("select auth.require_authenticated()");
    assert!(answered.starts_with("PGRST {") && answered.contains("\"code\":\"28000\""), "{answered}");
    session.run("rollback");
    let refused = session.refused("select auth.require_authenticated()");
    assert!(refused.starts_with("28000 "), "{refused}");
    // A savepoint takes nothing back.
    session.run(
        "begin; savepoint s; set local request.headers = '{}'; select auth.pre_request(); rollback to s",
    );
    assert!(session.refused("select auth.require_authenticated()").starts_with("PGRST {"));
    session.run("rollback");
    assert_values(&mut session, &[("select auth.identity()", None)]);
    // The log has the code and the message, in the form of the answer.
    assert!(server().log().contains("{\"code\":\"28000\""));
}
