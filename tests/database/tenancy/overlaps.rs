//! t240 to t251: endings that meet. What somebody changed beside a row in a transaction that is still open comes before what is
//! acknowledged meanwhile, and undoes none of it when it is committed.

use super::holders::Place;
use super::races::stage::LEVELS;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::refusal;
use pg_bearer_tests::token::token_of;

const READ_COMMITTED: &str = LEVELS[0];

/// What a statement of an administrator says.
fn value(place: &mut Place, sql: &str) -> Option<String> {
    let sql = place.fill(sql);
    place.admin.value(&sql)
}

#[test]
fn t240_a_change_beside_a_row_that_commits_late_undoes_no_later_one() {
    let mut place = Place::new();
    let (mut holder, mut late, mut other) = (place.db.tenant(), place.db.tenant(), place.db.tenant());
    let mut victim = place.db.tenant();
    for (early, ending, user, truth) in [
        (
            "define_role('lead', '{a,b,c}', {org}, 500)",
            "define_role('lead', '{a}', {org}, 450)",
            "lee",
            "not auth.has_permission('b')",
        ),
        (
            "set_member_role({org}, 'bob', 'member')",
            "set_member_role({org}, 'bob', 'viewer')",
            "bob",
            "auth.org_role() is not distinct from 'viewer'",
        ),
        (
            "set_workspace_member_role({desk}, 'bob', 'member')",
            "set_workspace_member_role({desk}, 'bob', 'viewer')",
            "bob",
            "auth.workspace_role() is not distinct from 'viewer'",
        ),
    ] {
        for purges in [false, true] {
            place.build();
            // Dave makes a change in the row, so that another one of his goes beside it, and lets the row go.
            assert_eq!(place.call(&mut holder, READ_COMMITTED, &format!("dave {early}")), "ok");
            assert_eq!(place.call(&mut late, READ_COMMITTED, &format!("dave {early}")), "ok");
            holder.run("rollback");
            assert_eq!(place.call(&mut other, READ_COMMITTED, &format!("alice {ending}")), "ok");
            other.run("commit");
            place.assert_for(&mut victim, user, truth, ending);
            if purges {
                place.admin.run("select auth.purge_endings()");
                place.assert_for(&mut victim, user, truth, &format!("{ending}, purged"));
            }
            late.run("commit");
            place.assert_for(&mut victim, user, truth, &format!("{ending}, purged: {purges}, late"));
            place.admin.run("select auth.purge_endings()");
            assert_eq!(value(&mut place, "select count(*) from auth.endings").as_deref(), Some("0"));
            place.assert_for(&mut victim, user, truth, &format!("{ending}, purged at last"));
            place.clear();
        }
    }
}

#[test]
fn t241_a_held_role_is_narrowed_whatever_names_it_may_grant() {
    let mut place = Place::new();
    let (mut holder, mut other) = (place.db.tenant(), place.db.tenant());
    place.build();
    assert_eq!(
        place.call(&mut holder, READ_COMMITTED, "dave define_role('lead', '{a,b}', {org}, 500)"),
        "ok"
    );
    let narrow = "alice define_role('lead', '{a}', {org}, 450, '{spare:own}')";
    assert_eq!(place.call(&mut other, READ_COMMITTED, narrow), "ok");
    other.run("commit");
    holder.run("commit");
    let grantable = "select grantable from auth.list_roles({org}) where role = 'lead'";
    assert_eq!(value(&mut place, grantable).as_deref(), Some("{spare:own}"));
    place.admin.run("select auth.purge_endings()");
    assert_eq!(value(&mut place, grantable).as_deref(), Some("{spare:own}"));
}

#[test]
fn t242_who_became_an_owner_by_an_invitation_that_was_revoked_meanwhile_is_no_other_owner() {
    let mut place = Place::new();
    let (mut holder, mut other) = (place.db.tenant(), place.db.tenant());
    place.build();
    {
        let sql = place.fill("select auth.remove_member({org}, 'erin')");
        place.admin.run(&sql);
    }
    let made =
        value(&mut place, "select invitation_id || ' ' || token from auth.create_invitation({org}, 'owner')");
    let made = made.unwrap();
    let (invitation, token) = made.split_once(' ').unwrap();
    let accept = format!("guest accept_invitation('{token}')");
    assert_eq!(place.call(&mut holder, READ_COMMITTED, &accept), "ok");
    let revoke = format!("alice revoke_invitation('{invitation}')");
    assert_eq!(place.call(&mut other, READ_COMMITTED, &revoke), "ok");
    other.run("commit");
    holder.run("commit");
    place.assert_for(&mut other, "guest", "not auth.is_member({org})", "revoked");
    for call in ["alice leave_organization({org})", "service remove_member({org}, 'alice')"] {
        let told = place.call(&mut other, READ_COMMITTED, call);
        assert_eq!(told, "42501 the last owner must stay", "{call}");
        other.run("rollback");
    }
}

#[test]
fn t243_an_ending_counts_also_when_the_role_rises_afterwards() {
    let mut place = Place::new();
    let (mut holder, mut other, mut victim) = (place.db.tenant(), place.db.tenant(), place.db.tenant());
    for (ending, truth) in [
        ("dave remove_member({org}, 'lee')", "not auth.is_member({org})"),
        ("dave set_member_role({org}, 'lee', 'viewer')", "auth.org_role() is not distinct from 'viewer'"),
    ] {
        place.build();
        assert_eq!(place.call(&mut holder, READ_COMMITTED, "lee leave_organization({org})"), "ok");
        assert_eq!(place.call(&mut other, READ_COMMITTED, ending), "ok");
        other.run("commit");
        holder.run("rollback");
        place.assert_for(&mut victim, "lee", truth, ending);
        {
            let sql = place.fill("select auth.define_role('lead', '{a,b,c}', {org}, 900)");
            place.admin.run(&sql);
        }
        place.assert_for(&mut victim, "lee", truth, &format!("{ending}, raised"));
        let counts =
            "select coalesce((select role from auth.list_members({org}) where user_id = 'lee'), 'none')";
        let expected = if ending.contains("remove") { "none" } else { "viewer" };
        assert_eq!(value(&mut place, counts).as_deref(), Some(expected));
        place.admin.run("select auth.purge_endings()");
        place.assert_for(&mut victim, "lee", truth, &format!("{ending}, purged"));
        place.clear();
    }
}

#[test]
fn t244_a_changed_role_that_came_with_us_goes_back_whoever_has_given_it() {
    let mut place = Place::new();
    let mut holder = place.db.tenant();
    place.build();
    place.admin.run("select auth.define_role('member', '{x}', null, 400, '{}')");
    assert_eq!(place.call(&mut holder, LEVELS[1], "alice add_member({org}, 'new')"), "ok");
    place.admin.run("set statement_timeout = '3 s'; select auth.drop_role('member')");
    holder.run("commit");
}

#[test]
fn t245_a_removal_counts_also_against_who_was_removed_and_added_again_meanwhile() {
    let mut place = Place::new();
    let (mut holder, mut other, mut victim) = (place.db.tenant(), place.db.tenant(), place.db.tenant());
    for (ending, truth) in [
        ("alice remove_member({org}, 'bob')", "not auth.is_member({org})"),
        ("alice set_member_role({org}, 'bob', 'viewer')", "auth.org_role() is not distinct from 'viewer'"),
    ] {
        place.build();
        assert_eq!(place.call(&mut holder, READ_COMMITTED, "dave remove_member({org}, 'bob')"), "ok");
        holder.run(&place.fill("select auth.add_member({org}, 'bob', 'member')"));
        assert_eq!(place.call(&mut other, READ_COMMITTED, ending), "ok");
        other.run("commit");
        holder.run("commit");
        place.assert_for(&mut victim, "bob", truth, ending);
        place.admin.run("select auth.purge_endings()");
        place.assert_for(&mut victim, "bob", truth, &format!("{ending}, purged"));
        assert_eq!(value(&mut place, "select count(*) from auth.endings").as_deref(), Some("0"));
        if ending.contains("remove") {
            let add = place.fill("select auth.add_member({org}, 'bob')");
            place.admin.run(&add);
            place.assert_for(&mut victim, "bob", "auth.is_member({org})", "added afterwards");
        }
        place.clear();
    }
}

#[test]
fn t246_who_is_changed_again_and_again_while_the_row_is_held_leaves_one_ending() {
    let mut place = Place::new();
    let (mut holder, mut other) = (place.db.tenant(), place.db.tenant());
    place.build();
    for call in [
        "define_role('lead', '{a}', {org}, 450)",
        "set_member_role({org}, 'bob', 'viewer')",
        "set_workspace_member_role({desk}, 'bob', 'viewer')",
    ] {
        assert_eq!(place.call(&mut holder, READ_COMMITTED, &format!("erin {call}")), "ok");
        for _ in 0..3 {
            assert_eq!(place.call(&mut other, READ_COMMITTED, &format!("alice {call}")), "ok");
            other.run(&place.fill(&format!("select auth.{call}")));
            other.run("commit");
        }
        holder.run("rollback");
        assert_eq!(
            value(&mut place, "select count(*) - count(distinct (kind, target_id)) from auth.endings")
                .as_deref(),
            Some("0"),
            "{call}"
        );
        place.admin.run("select auth.purge_endings()");
    }
}

#[test]
fn t247_an_ending_that_its_removed_author_commits_late_takes_no_owner() {
    let mut place = Place::new();
    let (mut holder, mut late, mut other) = (place.db.tenant(), place.db.tenant(), place.db.tenant());
    place.build();
    // Erin removes dave beside his row, and waits; she holds nothing else that alice needs.
    assert_eq!(place.call(&mut holder, READ_COMMITTED, "dave update_organization({org}, 'x')"), "ok");
    let leave = place.fill("select auth.leave_organization({org})");
    holder.run(&leave);
    assert_eq!(place.call(&mut late, READ_COMMITTED, "erin remove_member({org}, 'dave')"), "ok");
    holder.run("rollback");
    assert_eq!(place.call(&mut other, READ_COMMITTED, "alice remove_member({org}, 'erin')"), "ok");
    other.run("commit");
    other.run("set statement_timeout = '10 s'");
    let told = place.call(&mut other, READ_COMMITTED, "alice transfer_ownership({org}, 'dave')");
    other.run("commit");
    late.run("commit");
    let owners =
        "select count(*) from auth_internal.live_memberships where role_id = auth_internal.owner_role()";
    assert_eq!(value(&mut place, owners).as_deref(), Some("1"), "{told}");
    assert_eq!(told, "55P03 somebody is changing this membership now");
}

#[test]
fn t248_an_owner_who_is_being_made_is_not_ended_meanwhile() {
    let mut place = Place::new();
    let (mut holder, mut other) = (place.db.tenant(), place.db.tenant());
    for ending in [
        "alice remove_member({org}, 'dave')",
        "service remove_member({org}, 'dave')",
        "service set_member_role({org}, 'dave', 'viewer')",
    ] {
        place.build();
        let remove = place.fill("select auth.remove_member({org}, 'erin')");
        place.admin.run(&remove);
        assert_eq!(place.call(&mut holder, READ_COMMITTED, "alice transfer_ownership({org}, 'dave')"), "ok");
        assert_eq!(place.call(&mut other, READ_COMMITTED, ending), "ok");
        other.run("commit");
        holder.run("commit");
        let owners = "select string_agg(user_id, ' ') from auth_internal.live_memberships where role_id = auth_internal.owner_role()";
        assert_eq!(value(&mut place, owners).as_deref(), Some("dave"), "{ending}");
        place.clear();
    }
}

#[test]
fn t249_what_others_end_hardly_slows_a_sign_in_and_hides_no_ending() {
    let db = Database::new();
    let (mut admin, mut session) = (db.superuser(), db.tenant());
    admin.run(
        "insert into auth.organizations (name) select 'o' from generate_series(1, 5000);
         insert into auth.memberships (user_id, org_id, role_id, created_by, accepted)
         select 'carol', id, '00000000-0000-4000-8000-000000000003', 'carol', true from auth.organizations",
    );
    admin.run("vacuum analyze auth.memberships");
    let org = admin.value("select id from auth.organizations limit 1").unwrap();
    let token = token_of("carol");
    // What an authenticate looks up of endings: all of them at once, as long as they are few beside what it asks about, and never
    // more than one look for each membership.
    for (others, most) in [(0, 5), (100, 5), (5000, 5010)] {
        admin.run(&format!(
            "delete from auth.endings;
             insert into auth.endings (kind, target_id, org_id) select 'invitation', gen_random_uuid(), gen_random_uuid()
               from generate_series(1, {others});
             insert into auth.endings (kind, target_id, org_id) values ('organization', '{org}', '{org}')"
        ));
        admin.run("vacuum auth.endings");
        session.run("begin");
        session.authenticate(&token).unwrap();
        let looks = "select idx_scan from pg_stat_xact_all_tables where relid = 'auth.endings'::regclass";
        let looks: i64 = session.value(looks).unwrap().parse().unwrap();
        assert!((1..=most).contains(&looks), "{others}: {looks}");
        let ids = format!("select cardinality(auth.org_ids()) || ' ' || auth.is_member('{org}')");
        assert_eq!(session.value(&ids).as_deref(), Some("4999 false"), "{others}");
        session.run("rollback");
    }
}

#[test]
fn t250_no_ending_waits_for_who_changes_something_beside_a_row_again() {
    let mut place = Place::new();
    let (mut holder, mut again, mut other) = (place.db.tenant(), place.db.tenant(), place.db.tenant());
    other.run("set statement_timeout = '1500ms'");
    for (change, ending) in [
        ("set_member_role({org}, 'bob', 'viewer')", "delete_organization({org})"),
        ("remove_member({org}, 'bob')", "delete_organization({org})"),
        ("disable_workspace({desk})", "delete_workspace({desk})"),
        ("disable_workspace({desk})", "delete_organization({org})"),
        ("define_role('lead', '{a}', {org}, 500)", "delete_organization({org})"),
    ] {
        place.build();
        let change = format!("dave {change}");
        // The first change holds the rows, the second goes beside them, and the third takes the second's place.
        assert_eq!(place.call(&mut holder, READ_COMMITTED, &change), "ok");
        assert_eq!(place.call(&mut again, READ_COMMITTED, &change), "ok");
        again.run("commit");
        let is_beside = "select count(*) > 0 from auth.endings";
        assert_eq!(value(&mut place, is_beside).as_deref(), Some("t"), "{change}");
        if !change.contains("remove_member") {
            assert_eq!(place.call(&mut again, READ_COMMITTED, &change), "ok", "{change}");
        }
        holder.run("rollback");
        let told = place.call(&mut other, READ_COMMITTED, &format!("alice {ending}"));
        assert_eq!(told, "ok", "{change}; {ending}");
        other.run("commit");
        again.run("rollback");
        place.assert_for(&mut other, "bob", "not auth.is_workspace_member({desk})", &change);
        place.admin.run("select auth.purge_endings()");
        assert_eq!(value(&mut place, "select count(*) from auth.endings").as_deref(), Some("0"), "{change}");
        place.clear();
    }
}

#[test]
fn t251_endings_that_cannot_be_read_let_nobody_in() {
    // What has ended of somebody's is found by the one index, and what of a role by the other.
    for (damage, user) in [
        ("drop index auth.endings_user", "bob"),
        ("drop index auth.endings_target", "alice"),
        ("alter table auth.endings owner to administrator", "bob"),
    ] {
        let mut place = Place::new();
        let (mut holder, mut other) = (place.db.tenant(), place.db.tenant());
        place.build();
        assert_eq!(place.call(&mut holder, READ_COMMITTED, "bob leave_organization({org})"), "ok");
        assert_eq!(place.call(&mut other, READ_COMMITTED, "alice remove_member({org}, 'bob')"), "ok");
        other.run("commit");
        holder.run("rollback");
        place.assert_for(&mut other, "bob", "not auth.is_member({org})", damage);
        place.admin.run(damage);
        let told = refusal(other.authenticate(&token_of(user)));
        assert_eq!(told, "55000 a table of pg_bearer is missing or was changed", "{damage}");
    }
}
