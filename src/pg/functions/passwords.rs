//! What the functions that take a password ask. What is right is decided in `src/verify/password.rs`.

use crate::pg::ffi::input::CredentialText;
use crate::pg::passwords;
use crate::verify::password::Stored;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

fn bytes(text: &Option<CredentialText>) -> Option<&[u8]> {
    text.as_ref().and_then(CredentialText::bytes)
}

/// The hash of a new password, under the settings. 22023 for one that is missing, empty or longer than 1024 bytes; 53400
/// while too many are hashed.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn hash_password(password: Option<CredentialText>) -> Result<String, ErrorReport> {
    passwords::hash(bytes(&password))
}

/// Is this the password of this hash? Where there is none, or one that cannot be used, it takes as long as a new hash to say
/// no. 53400 while too many are hashed.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn verify_password(
    password: Option<CredentialText>,
    hash: Option<CredentialText>,
) -> Result<bool, ErrorReport> {
    passwords::verify(bytes(&password), bytes(&hash))
}

/// Is this password, which is the one of the hash, to be hashed anew under the settings?
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn password_needs_rehash(password: Option<CredentialText>, hash: Option<CredentialText>) -> bool {
    passwords::needs_rehash(bytes(&password), bytes(&hash))
}

/// Is this a hash that passwords can be compared with?
#[pg_extern(schema = "auth_internal", immutable, parallel_safe)]
fn is_password_hash(hash: CredentialText) -> bool {
    hash.bytes().and_then(Stored::parse).is_some()
}

/// Waits until a multiple of `pg_bearer.password_time` has passed since then, or that time from now where `started` is missing,
/// in the future or more than a minute ago.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn wait_for_answer(started: Option<TimestampWithTimeZone>) {
    passwords::wait_for_answer(started.map(i64::from));
}
