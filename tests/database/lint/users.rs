//! What lint says about users who sign in here.

use super::{Case, assert_codes};

/// A hook that is set, in a database of its own.
macro_rules! hook {
    ($($rest:literal)*) => {
        concat!(
            "create schema hooks; create role hook_owner_of_lint; grant all on schema hooks to hook_owner_of_lint;
             create function hooks.note(event jsonb) returns void language sql return null;
             alter function hooks.note(jsonb) owner to hook_owner_of_lint;
             select auth.set_hook('after_user_created', 'hooks.note');",
            $($rest),*
        )
    };
}

pub(super) const USERS: &[Case] = &[
    (
        "trigger_on_users",
        "trigger \"on new\" on auth.users",
        "create function public.note_user() returns trigger language plpgsql as 'begin return null; end';
         create trigger \"on new\" after insert on auth.users for each row execute function public.note_user();",
    ),
    (
        "hook_changed",
        "hook 'after_user_created'",
        hook!("create or replace function hooks.note(event jsonb) returns void language sql as 'select 1';"),
    ),
    (
        "hook_changed",
        "hook 'after_user_created'",
        hook!("alter function hooks.note(jsonb) owner to postgres;"),
    ),
    ("hook_missing", "hook 'after_user_created'", hook!("drop function hooks.note(jsonb);")),
    (
        "tries_undone",
        "auth.sign_in_tries",
        "insert into auth.user_passwords (user_id, hash) values (gen_random_uuid(), 'x')",
    ),
];

#[test]
fn gaps_of_those_who_sign_in_here_are_found() {
    assert_codes(&["trigger_on_users", "hook_changed", "hook_missing", "tries_undone"]);
}
