//! Keys that another system issued.

use super::world::*;

#[test]
fn a_key_that_was_issued_elsewhere_is_imported_by_its_hash() {
    let mut world = World::new();
    let hash = |text: &str, form: &str| match form {
        "hex" => format!("encode(sha256('{text}'), 'hex')"),
        "HEX" => format!("upper(encode(sha256('{text}'), 'hex'))"),
        "base64" => format!("encode(sha256('{text}'), 'base64')"),
        "bare" => format!("rtrim(encode(sha256('{text}'), 'base64'), '=')"),
        "url" => format!("translate(encode(sha256('{text}'), 'base64'), '+/', '-_')"),
        _ => format!("rtrim(translate(encode(sha256('{text}'), 'base64'), '+/', '-_'), '=')"),
    };
    for (number, form) in ["hex", "HEX", "base64", "bare", "url", "bare url"].into_iter().enumerate() {
        let text = format!("ak_{number}.old-key-of-another-system~!");
        let id = world.root(&format!(
            "auth.import_api_key('old', {}, :north, scopes => '{{docs.read}}', prefix => 'ak_', last4 => 'em~!')",
            hash(&text, form)
        ));
        let identity = "concat_ws(' ', auth.api_key_id(), auth.org_role(), auth.has_permission('docs.read'), auth.has_permission('docs.write'))";
        assert_eq!(world.tell(&Who::Bearer(text.clone()), identity), format!("{id} admin t f"), "{form}");
        for again in ["hex", "bare url"] {
            let told = world
                .tell(&Who::Superuser, &format!("auth.import_api_key('x', {}, :south)", hash(&text, again)));
            assert_eq!(told, "23505 this key is known already");
        }
        let other = Who::Bearer(format!("{text}x"));
        assert_eq!(world.tell(&other, "1"), REFUSED);
    }
    let personal = format!(
        "auth.import_api_key('p', {}, :north, user_id => 'cara', environment => 'test')",
        hash("p", "hex")
    );
    world.root(&personal);
    let who = "concat_ws(' ', auth.user_id(), auth.environment(), auth.org_role())";
    assert_eq!(world.tell(&Who::Bearer("p".to_owned()), who), "cara test keeper");
    for bad in [
        "null",
        "''",
        "'abc'",
        "repeat('a', 63)",
        "repeat('a', 65)",
        "repeat('g', 64)",
        "repeat('A', 42)",
        "repeat('A', 43) || '=='",
        "repeat('*', 43)",
    ] {
        let told = world.tell(&Who::Superuser, &format!("auth.import_api_key('x', {bad}, :north)"));
        assert_eq!(told, "22023 hash has a value that is not allowed", "{bad}");
    }
    for (arguments, expected) in [
        (":north, prefix => repeat('x', 41)", "22023 prefix has a value that is not allowed"),
        (":north, last4 => 'abcde'", "22023 last4 has a value that is not allowed"),
        (":north, environment => 'prod'", "22023 environment has a value that is not allowed"),
        ("null", "22023 org_id has a value that is not allowed"),
        ("gen_random_uuid()", FOREIGN),
    ] {
        let told =
            world.tell(&Who::Superuser, &format!("auth.import_api_key('x', repeat('0', 64), {arguments})"));
        assert_eq!(told, expected, "{arguments}");
    }
    let import = "auth.import_api_key('x', repeat('0', 64), :north)";
    let user = "42501 this needs a service credential or an administrator";
    let key = world.key(&Who::User("ada"), "").bearer();
    for (who, expected) in [(Who::User("ada"), user), (key, user), (Who::Nobody, NOBODY)] {
        assert_eq!(world.tell(&who, import), expected, "{who:?}");
    }
    for who in [Who::Service, Who::Administrator] {
        assert!(!world.tell(&who, import).contains(' '), "{who:?}");
    }
}
