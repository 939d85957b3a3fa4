//! Private keys, and every way in which one could be written somewhere.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use postgres::Client;
use std::collections::HashMap;

/// What must not turn up: pieces of private keys, in every spelling, by how they begin.
pub(super) struct Canaries(HashMap<[u8; BEGIN], Vec<Vec<u8>>>);
const BEGIN: usize = 8;

/// Any run of 35 private bytes has one of this length in it, whole.
const PIECE: usize = 18;

impl Canaries {
    /// Those of all signing keys that a superuser finds in the database.
    pub(super) fn of(superuser: &mut Client) -> Canaries {
        let sql = "select k.alg, k.public_jwk::jsonb ->> 'n', s.material
                     from auth.jwt_keys k join auth.jwt_secrets s on s.key_id = k.id where k.made_in is not null";
        let rows = superuser.query(sql, &[]).unwrap();
        assert!(!rows.is_empty());
        let pieces = rows.iter().flat_map(|row| {
            let (alg, modulus, material): (String, Option<String>, Vec<u8>) =
                (row.get(0), row.get(1), row.get(2));
            let private = private_part(&alg, modulus.as_deref(), &material);
            private.chunks_exact(PIECE).flat_map(spellings).collect::<Vec<_>>()
        });
        Canaries::from_spellings(pieces)
    }

    fn from_spellings(spellings: impl Iterator<Item = Vec<u8>>) -> Canaries {
        let mut by_begin: HashMap<_, Vec<_>> = HashMap::new();
        for spelling in spellings {
            by_begin.entry(*spelling.first_chunk().unwrap()).or_default().push(spelling);
        }
        Canaries(by_begin)
    }

    /// The first of them that is there, with what surrounds it.
    pub(super) fn find(&self, text: &[u8]) -> Option<String> {
        let at = (0..text.len().saturating_sub(BEGIN)).find(|at| {
            let canaries = self.0.get(&text[*at..*at + BEGIN]);
            canaries.is_some_and(|canaries| canaries.iter().any(|canary| text[*at..].starts_with(canary)))
        })?;
        Some(String::from_utf8_lossy(&text[at.saturating_sub(200)..text.len().min(at + 200)]).into_owned())
    }

    pub(super) fn assert_hidden(&self, text: impl AsRef<[u8]>, place: &str) {
        assert_eq!(self.find(text.as_ref()), None, "{place}");
    }
}

/// What of a private key nobody else knows: d, the seed, all that follows the public numbers of RSA, or the secret.
fn private_part<'a>(alg: &str, modulus: Option<&str>, material: &'a [u8]) -> &'a [u8] {
    let (before, private) = match alg {
        "ES256" => material[..68].split_at(36),
        "EdDSA" => material[..48].split_at(16),
        "RS256" => {
            let modulus = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(modulus.unwrap()).unwrap();
            // And the exponent, 65537.
            material.split_at(
                material.windows(modulus.len()).position(|window| window == modulus).unwrap()
                    + modulus.len()
                    + 5,
            )
        }
        "HS256" => return material,
        other => panic!("{other}"),
    };
    let ends_as_it_should = before.ends_with(&[4, 32]) || before.ends_with(&[2, 3, 1, 0, 1]);
    assert!(ends_as_it_should, "the private part of {alg} is elsewhere");
    private
}

/// Raw, as numbers (as plans of Postgres are printed), hexadecimal, as bytea_output = escape, and base64, wherever it begins.
fn spellings(piece: &[u8]) -> Vec<Vec<u8>> {
    let numbers = |join: &dyn Fn(u8) -> String, by: &str| {
        piece.iter().map(|byte| join(*byte)).collect::<Vec<_>>().join(by)
    };
    let escaped = |byte: u8| match byte {
        b'\\' => "\\\\".to_owned(),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\{byte:03o}"),
    };
    let mut found = vec![
        piece.to_vec(),
        hex::encode(piece).into_bytes(),
        hex::encode_upper(piece).into_bytes(),
        numbers(&|byte| byte.cast_signed().to_string(), " ").into_bytes(),
        numbers(&|byte| byte.to_string(), " ").into_bytes(),
        numbers(&|byte| byte.to_string(), ",").into_bytes(),
        numbers(&|byte| byte.to_string(), ", ").into_bytes(),
        numbers(&escaped, "").into_bytes(),
    ];
    for begin in 0..3 {
        let aligned = &piece[begin..begin + 15];
        found.extend([STANDARD.encode(aligned).into_bytes(), URL_SAFE.encode(aligned).into_bytes()]);
    }
    found
}

#[test]
fn a_private_key_is_found_in_every_spelling() {
    let secret: Vec<u8> = (0..60).map(|n: u8| n.wrapping_mul(37).wrapping_add(11)).collect();
    let canaries = Canaries::from_spellings(secret[10..46].chunks_exact(PIECE).flat_map(spellings));
    for begin in 0..4 {
        let all = &secret[begin..];
        for text in [
            all.to_vec(),
            hex::encode(all).into_bytes(),
            STANDARD.encode(all).into_bytes(),
            URL_SAFE.encode(all).into_bytes(),
            format!("{all:?}").into_bytes(),
        ] {
            assert!(canaries.find(&text).is_some());
        }
        assert_eq!(canaries.find(hex::encode(&secret[..20]).as_bytes()), None);
    }
}
