//! PyJWT and jose, as installed by `xtask/src/orms.rs`, take our tokens by our key set.

use super::*;
use pg_bearer_tests::server;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::Orms;

/// Programs of others that verify tokens, in a project where they find their libraries.
struct Libraries {
    orms: Orms,
    dir: PathBuf,
}

impl Libraries {
    fn new(name: &str) -> Libraries {
        let orms = Orms::prepare().unwrap();
        let dir = orms.project(&format!("tokens_{name}")).unwrap();
        for file in ["verify.py", "verify.mjs"] {
            fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("orms/tokens").join(file), dir.join(file))
                .unwrap();
        }
        Libraries { orms, dir }
    }

    /// What each says of a token for this audience, by the key set as the database publishes it now.
    fn say(&self, db: &Database, token: &str, audience: &str) -> [String; 2] {
        let jwks = server().psql(&db.name, "set role tenant; select auth.jwks()").unwrap();
        fs::write(self.dir.join("jwks.json"), jwks).unwrap();
        let run = |mut program: Command, script: &str| {
            let output = program.args([script, token, audience]).current_dir(&self.dir).output().unwrap();
            assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        [run(self.orms.python(), "verify.py"), run(self.orms.node(), "verify.mjs")]
    }
}

const GOOD: [&str; 2] = ["good ada", "good ada"];

#[test]
fn t405_pyjwt_and_jose_take_our_tokens_by_our_key_set_and_no_others() {
    let (db, mut session) = world();
    let libraries = Libraries::new("keys");
    let mut tokens = Vec::new();
    for alg in ["ES256", "RS256", "EdDSA"] {
        let key = create(&mut session, alg);
        if !tokens.is_empty() {
            rotate(&mut session);
        }
        let token = issue(&mut session);
        assert_eq!(libraries.say(&db, &token, "authenticated"), GOOD, "{alg}");
        let aud = ["refused InvalidAudienceError", "refused ERR_JWT_CLAIM_VALIDATION_FAILED"];
        assert_eq!(libraries.say(&db, &token, "another"), aud, "{alg}");
        // Another payload, another signature.
        let other = session.value("select auth.issue_jwt('eve')").unwrap();
        let parts: Vec<_> = token.split('.').collect();
        let others: Vec<_> = other.split('.').collect();
        for forged in [[parts[0], others[1], parts[2]], [parts[0], parts[1], others[2]]] {
            let refused = ["refused InvalidSignatureError", "refused ERR_JWS_SIGNATURE_VERIFICATION_FAILED"];
            assert_eq!(libraries.say(&db, &forged.join("."), "authenticated"), refused, "{alg}");
        }
        tokens.push((key, token));
    }
    // After two rotations all of them, until their key is revoked.
    for (_, token) in &tokens {
        assert_eq!(libraries.say(&db, token, "authenticated"), GOOD);
    }
    let (key, token) = &tokens[0];
    session.run(&format!("select auth.revoke_jwt_key('{key}')"));
    assert_eq!(
        libraries.say(&db, token, "authenticated"),
        ["refused KeyError", "refused ERR_JWKS_NO_MATCHING_KEY"]
    );
}

#[test]
fn t405_pyjwt_and_jose_see_what_has_expired_whose_it_is_and_that_it_is_no_secret_of_ours() {
    let (db, mut session) = world();
    let libraries = Libraries::new("claims");
    create(&mut session, "ES256");
    let short = "select auth.issue_jwt('ada', expires_at => clock_timestamp() + interval '2 seconds')";
    let expired = session.value(short).unwrap();
    session
        .run("select auth.add_issuer('https://second.example', audiences => '{authenticated}', own => true)");
    session.run("select auth.create_signing_key(issuer => 'https://second.example')");
    let others = session.value("select auth.issue_jwt('ada', issuer => 'https://second.example')").unwrap();
    let iss = ["refused InvalidIssuerError", "refused ERR_JWT_CLAIM_VALIDATION_FAILED"];
    assert_eq!(libraries.say(&db, &others, "authenticated"), iss);
    std::thread::sleep(std::time::Duration::from_millis(2500));
    let exp = ["refused ExpiredSignatureError", "refused ERR_JWT_EXPIRED"];
    assert_eq!(libraries.say(&db, &expired, "authenticated"), exp);
    session.run(&format!(
        "select auth.create_signing_key('HS256', '{OWN}'); select auth.rotate_signing_key('{OWN}')"
    ));
    let secret = session.value(&format!("select auth.issue_jwt('ada', issuer => '{OWN}')")).unwrap();
    assert_eq!(
        libraries.say(&db, &secret, "authenticated"),
        ["refused KeyError", "refused ERR_JOSE_ALG_NOT_ALLOWED"]
    );
    assert!(is_good(&mut db.tenant(), &secret));
}
