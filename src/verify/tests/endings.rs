//! Which endings count against what a row has become.

use crate::verify::ending::{Ending, EndingKind, Member, apply, leaves_owner};
use crate::verify::identity::Uuid;

const ROW: Uuid = [1; 16];
const ORG: Uuid = [2; 16];
const OWNER: Uuid = [3; 16];
const LEAD: Uuid = [4; 16];
const VIEWER: Uuid = [5; 16];

fn ending(kind: EndingKind, rank: i32, former: Uuid) -> Ending {
    Ending {
        id: [9; 16],
        kind,
        target: ROW,
        org: ORG,
        role: Some(VIEWER),
        rank: Some(rank),
        former: Some(former),
        at: 100,
    }
}

fn member(row: Uuid, created_at: i64) -> Member {
    Member { row: Some(row), org: ORG, created_at: Some(created_at) }
}

#[test]
fn t235_an_ending_yields_to_a_promotion_by_somebody_higher_and_to_nothing_else() {
    let by_admin = ending(EndingKind::Membership, 800, LEAD);
    for (role, rank, counts) in
        [(LEAD, 500, true), (OWNER, 1000, false), (VIEWER, 800, false), (VIEWER, 799, true)]
    {
        assert_eq!(by_admin.counts(Some(role), rank), counts, "{role:?} {rank}");
    }
    // The role that the row named may have risen since.
    assert!(by_admin.counts(Some(LEAD), 900));
    assert!(ending(EndingKind::Membership, 1000, LEAD).counts(Some(OWNER), 1000));
    let unknown = Ending { rank: None, former: None, ..ending(EndingKind::Membership, 1, LEAD) };
    assert!(unknown.counts(Some(OWNER), 1000) && unknown.counts(None, 0));
}

#[test]
fn t245_an_ending_is_about_its_row_and_about_older_ones_of_the_same_member() {
    for kind in [EndingKind::Membership, EndingKind::MembershipRole] {
        let ending = ending(kind, 1000, LEAD);
        assert!(ending.is_of(&member(ROW, 200)), "{kind:?}");
        assert!(ending.is_of(&member([7; 16], 100)) && !ending.is_of(&member([7; 16], 101)), "{kind:?}");
        assert!(!ending.is_of(&Member { org: [8; 16], ..member([7; 16], 1) }), "{kind:?}");
        assert!(!ending.is_of(&Member { created_at: None, ..member([7; 16], 1) }), "{kind:?}");
    }
    for kind in [EndingKind::WorkspaceMembership, EndingKind::WorkspaceMembershipRole, EndingKind::Other] {
        assert!(!ending(kind, 1000, LEAD).is_of(&member([7; 16], 1)), "{kind:?}");
    }
}

#[test]
fn the_latest_change_of_a_role_counts_and_no_change_brings_back_what_has_ended() {
    let lower = ending(EndingKind::MembershipRole, 1000, LEAD);
    let lead = Ending { role: Some(LEAD), ..ending(EndingKind::MembershipRole, 1000, LEAD) };
    let end = ending(EndingKind::Membership, 1000, LEAD);
    let mut role = Some(OWNER);
    assert!(apply(&mut role, [&lead, &lower].into_iter()) && role == Some(VIEWER));
    assert!(apply(&mut role, [&lower, &lead].into_iter()) && role == Some(LEAD));
    assert!(!apply(&mut role, [&end, &lead].into_iter()) && !apply(&mut role, [&lead, &end].into_iter()));
}

#[test]
fn t242_an_owner_is_one_until_somebody_who_may_ends_that() {
    let is_owner = |changes: &[Ending]| leaves_owner(changes, &member(ROW, 1), OWNER);
    assert!(is_owner(&[]));
    assert!(is_owner(&[ending(EndingKind::Membership, 999, LEAD)]));
    assert!(!is_owner(&[ending(EndingKind::Membership, 1000, LEAD)]));
    assert!(!is_owner(&[ending(EndingKind::MembershipRole, 1000, LEAD)]));
    assert!(!is_owner(&[ending(EndingKind::Membership, 999, OWNER)]));
}

#[test]
fn every_kind_that_says_something_of_a_member_has_a_name() {
    for (name, kind) in [
        ("membership", EndingKind::Membership),
        ("membership_role", EndingKind::MembershipRole),
        ("workspace_membership", EndingKind::WorkspaceMembership),
        ("workspace_membership_role", EndingKind::WorkspaceMembershipRole),
        ("organization", EndingKind::Other),
        ("Membership", EndingKind::Other),
    ] {
        assert_eq!(EndingKind::from_name(name), kind, "{name}");
    }
}
