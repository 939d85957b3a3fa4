//! Tokens and keys made by other libraries (tests/vectors/make_*).

use super::*;

#[test]
fn tokens_of_other_libraries_are_accepted() {
    let vectors = library_vectors();
    for algorithm in Algorithm::ALL {
        let made = vectors.iter().filter(|vector| vector["alg"] == algorithm.name()).count();
        assert_eq!(made, 2, "{algorithm:?} must be tested with both libraries");
    }
    for vector in &vectors {
        let key = [vector_key(vector)];
        for name in ["token", "token_without_kid"] {
            let claims = verify_under(text(vector, name), &key).unwrap();
            assert_eq!(claims.issuer(), "https://issuer.example");
            assert_eq!(claims.subject().map(str::len), Some(36));
            assert_eq!(claims.expires_at(), 4_102_444_800);
            assert_eq!(claims.valid_until(), 4_102_444_830);
            let again: Value = serde_json::from_slice(claims.payload()).unwrap();
            assert_eq!(Some(claims.claims()), again.as_object());
        }
    }
}

#[test]
fn keys_are_the_same_as_jwk_and_as_pem() {
    for vector in library_vectors().iter().filter(|vector| vector.get("pem").is_some()) {
        let algorithm = Algorithm::from_name(text(vector, "alg"));
        let from_jwk = jwk::parse_key(&vector["jwk"].to_string(), algorithm, Some("a")).unwrap();
        let from_pem = jwk::parse_key(text(vector, "pem"), algorithm, Some("a")).unwrap();
        assert_eq!(from_jwk, from_pem);
        let again = jwk::parse_key(&from_jwk.jwk, None, None).unwrap();
        assert_eq!(again, from_jwk, "the stored text must mean the same key");
    }
}

#[test]
fn keys_without_algorithm_get_the_obvious_one() {
    for vector in library_vectors().iter().filter(|vector| vector.get("pem").is_some()) {
        let named = Algorithm::from_name(text(vector, "alg")).unwrap();
        let expected = if named.is_rsa() { Algorithm::RS256 } else { named };
        assert_eq!(jwk::parse_key(&vector["jwk"].to_string(), None, None).unwrap().algorithm, expected);
        assert_eq!(jwk::parse_key(text(vector, "pem"), None, None).unwrap().algorithm, expected);
    }
}

#[test]
fn another_kid_or_algorithm_does_not_match() {
    for vector in library_vectors() {
        let mut key = vector_key(&vector);
        key.kid = Some("another".to_owned());
        assert_eq!(verify_under(text(&vector, "token"), &[key]).err(), Some(Refusal::UnknownKey));
        let mut key = vector_key(&vector);
        key.algorithm = if key.algorithm == Algorithm::HS384 { Algorithm::HS512 } else { Algorithm::HS384 };
        assert_eq!(verify_under(text(&vector, "token"), &[key]).err(), Some(Refusal::AlgorithmMismatch));
    }
}

#[test]
fn a_token_without_kid_is_tried_with_eight_keys() {
    let keys = |before: usize| -> Vec<Key> {
        let others = (0..before).map(|number| secret_key(Algorithm::HS256, &[number as u8; 32]));
        others.chain([secret_key(Algorithm::HS256, SECRET)]).collect()
    };
    let text = token(HEADER, PAYLOAD);
    assert!(verify_under(&text, &keys(7)).is_ok());
    assert_eq!(verify_under(&text, &keys(8)).err(), Some(Refusal::NotAllKeysTried));
    assert_eq!(verify_under(&text, &[]).err(), Some(Refusal::NoKeys));
}

#[test]
fn keys_without_material_are_unusable_but_do_not_hide_others() {
    let missing = || Key { material: KeyMaterial::Missing, ..secret_key(Algorithm::HS256, SECRET) };
    let text = token(HEADER, PAYLOAD);
    assert_eq!(verify_under(&text, &[missing()]).err(), Some(Refusal::KeyUnusable));
    assert!(verify_under(&text, &[missing(), secret_key(Algorithm::HS256, SECRET)]).is_ok());
    let other = secret_key(Algorithm::HS256, &[1; 32]);
    assert_eq!(verify_under(&text, &[other, missing()]).err(), Some(Refusal::BadSignature));
}
