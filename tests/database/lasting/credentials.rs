//! How a credential becomes weak after it was accepted.

use super::world::{Call, World};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use serde_json::{Value, json};

/// An issuer of tokens for tests.
pub(crate) const TEST_ISSUER: &str = "https://test.example";

pub(super) struct Weak {
    pub(super) name: &'static str,
    pub(super) weaken: &'static str,
    pub(super) undo: &'static str,
    /// When the token began and when it ends, in seconds from now.
    life: (i64, i64),
    /// Concerns services alone.
    of_services: bool,
    /// Where no organization is named, it is refused for a reason of its own, if at all.
    of_organizations: bool,
}

const ENDS: Weak =
    Weak { name: "", weaken: "", undo: "", life: (0, 600), of_services: false, of_organizations: false };

pub(super) const WEAK: &[Weak] = &[
    Weak {
        name: "its key was revoked",
        weaken: "select auth.revoke_jwt_key(k.id) from auth.jwt_keys k where k.state = 'active'",
        undo: "update auth.jwt_keys set state = 'active', revoked_at = null",
        ..ENDS
    },
    Weak {
        name: "its key retired, and the grace has ended",
        weaken: "update auth.jwt_keys set state = 'retired', retired_until = now() - interval '1 second'",
        undo: "update auth.jwt_keys set state = 'active', retired_until = null",
        ..ENDS
    },
    Weak {
        name: "its key is not to be used after",
        weaken: "update auth.jwt_keys set not_after = now() - interval '1 second'",
        undo: "update auth.jwt_keys set not_after = null",
        ..ENDS
    },
    Weak {
        name: "its issuer was removed",
        weaken: "select auth.remove_issuer('https://strict.example')",
        undo: "select auth.add_issuer('https://strict.example', allow_service_role => true, email_verified_claim => '{}'),
                      auth.add_jwt_secret('https://strict.example', 'a secret of the tests, 32 bytes or more')",
        ..ENDS
    },
    Weak {
        name: "its issuer was removed and added again",
        weaken: "select auth.remove_issuer('https://strict.example');
                 select auth.add_issuer('https://strict.example', allow_service_role => true, email_verified_claim => '{}'),
                        auth.add_jwt_secret('https://strict.example', 'a secret of the tests, 32 bytes or more')",
        ..ENDS
    },
    Weak {
        name: "it is for another audience",
        weaken: "select auth.update_issuer('https://strict.example', audiences => '{other}')",
        undo: "select auth.update_issuer('https://strict.example', audiences => '{}')",
        ..ENDS
    },
    Weak {
        name: "the algorithm is not allowed",
        weaken: "select auth.update_issuer('https://strict.example', algorithms => '{ES256}')",
        undo: "select auth.update_issuer('https://strict.example', algorithms => '{}')",
        ..ENDS
    },
    Weak {
        name: "it lives too long",
        weaken: "select auth.update_issuer('https://strict.example', max_lifetime => '1 minute')",
        undo: "select auth.update_issuer('https://strict.example', max_lifetime => '0')",
        ..ENDS
    },
    Weak {
        name: "it has expired",
        weaken: "select auth.update_issuer('https://strict.example', leeway => '0')",
        undo: "select auth.update_issuer('https://strict.example', leeway => '30 seconds')",
        life: (-60, -10),
        ..ENDS
    },
    Weak {
        name: "its user was revoked",
        weaken: "select auth.revoke_user(u) from unnest('{ada,ben,cara,guest,service,0d000000-0000-4000-8000-00000000000d}'::text[]) u",
        undo: "delete from auth.revocations",
        ..ENDS
    },
    Weak {
        name: "its issuer names users otherwise",
        weaken: "select auth.update_issuer('https://strict.example', user_id_prefix => 'x:')",
        undo: "select auth.update_issuer('https://strict.example', user_id_prefix => '')",
        ..ENDS
    },
    Weak {
        name: "its issuer is for tests",
        weaken: "select auth.update_issuer('https://strict.example', environment => 'test')",
        undo: "select auth.update_issuer('https://strict.example', environment => 'live')",
        ..ENDS
    },
    Weak {
        name: "its issuer says otherwise what a service is",
        weaken: "select auth.update_issuer('https://strict.example', role_claim => '{app,role}')",
        undo: "select auth.update_issuer('https://strict.example', role_claim => '{role}')",
        of_services: true,
        ..ENDS
    },
    Weak {
        name: "its issuer vouches for addresses otherwise",
        weaken: "select auth.update_issuer('https://strict.example', email_verified_claim => '{email_verified}')",
        undo: "select auth.update_issuer('https://strict.example', email_verified_claim => '{}')",
        ..ENDS
    },
    Weak {
        name: "its issuer names addresses otherwise",
        weaken: "select auth.update_issuer('https://strict.example', email_claim => '{mail}')",
        undo: "select auth.update_issuer('https://strict.example', email_claim => '{email}')",
        ..ENDS
    },
    Weak {
        name: "its issuer gives scopes otherwise",
        weaken: "select auth.update_issuer('https://strict.example', scopes_claim => '{scp}')",
        undo: "select auth.update_issuer('https://strict.example', scopes_claim => '{scope}')",
        ..ENDS
    },
    Weak {
        name: "it is of a type that its issuer does not use",
        weaken: "select auth.update_issuer('https://strict.example', token_types => '{at+jwt}')",
        undo: "select auth.update_issuer('https://strict.example', token_types => '{}')",
        ..ENDS
    },
    Weak {
        name: "its issuer has no services",
        weaken: "select auth.update_issuer('https://strict.example', allow_service_role => false)",
        undo: "select auth.update_issuer('https://strict.example', allow_service_role => true)",
        of_services: true,
        ..ENDS
    },
    Weak {
        name: "its issuer is for other organizations",
        weaken: "update auth.issuers set org_ids = '{0b000000-0000-4000-8000-00000000000b}', allow_service_role = false
                  where issuer = 'https://strict.example'",
        undo: "update auth.issuers set org_ids = '{}', allow_service_role = true where issuer = 'https://strict.example'",
        of_organizations: true,
        ..ENDS
    },
];

impl Weak {
    pub(super) const NONE: Weak = ENDS;

    pub(super) fn concerns(&self, call: &Call) -> bool {
        !self.of_services || call.who == "service"
    }

    pub(super) fn claims(&self, claims: Value) -> Value {
        let (begin, end) = self.life;
        with(claims, json!({"iat": now() + begin, "exp": now() + end}))
    }

    /// Is this what somebody is told whose credential would be refused?
    pub(super) fn is_refusal(&self, call: &Call, told: &str) -> bool {
        let names_none = !call.sql.contains(":north") && !call.sql.contains(":desk");
        match told {
            "28000 the credential was refused" => true,
            "28000 the credential has expired" => self.life.1 < 0,
            _ => self.of_organizations && (names_none || call.who == "cara") && told.starts_with("42501"),
        }
    }
}

/// The claims with those of this JSON besides.
pub(super) fn weakened(claims: Value, changes: &str) -> Value {
    with(claims, serde_json::from_str(changes).unwrap())
}

#[test]
fn t252_an_api_key_that_has_ended_gives_nothing() {
    let mut world = World::new();
    for sql in ["create_api_key('made', :north)", "rotate_api_key(auth.api_key_id())", "exchange_api_key()"] {
        for end in [
            "",
            "select auth.revoke_api_key(:it)",
            "update auth.api_keys set expires_at = now() - interval '1 second' where id = :it",
            "delete from auth.api_keys where id = :it",
            "update auth.organizations set disabled_at = now() where id = :north",
            "delete from auth.memberships where user_id = 'ben'",
        ] {
            let repaired = world.fill(
                "update auth.organizations set disabled_at = null where id = :north;
                 insert into auth.memberships (user_id, org_id, role_id)
                 select 'ben', :north, r.id from auth.roles r where r.name = 'admin' on conflict do nothing",
            );
            world.admin.run(&repaired);
            let (id, text) = world.key_of_ben();
            let told = world.answer_of_key(&text, sql, &end.replace(":it", &format!("'{id}'")));
            let is_right = match end {
                "" => told == "ok",
                _ if told == "28000 the credential was refused" => true,
                // It is itself what it would act on.
                _ if sql.starts_with("rotate") => told.starts_with("22023 ") || told.starts_with("42501 "),
                // There is nothing of its user's any more, which is looked at before.
                _ => end.contains("memberships") && told.starts_with("42501 "),
            };
            assert!(is_right, "{sql}: {end}: {told}");
        }
    }
}
