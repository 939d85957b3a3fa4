//! The text of API keys, and whether one may be used.

use crate::verify::api_key::{
    Environment, KeyKind, KeyRow, NewKey, Presented, generate, is_prefix, judge, looks_like_jwt, same_hash,
};
use crate::verify::error::Refusal;
use crate::verify::restriction::{Restrictions, Surroundings};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const ALPHABET: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SHAPE: &str = "[a-z][a-z0-9]{0,8}(_[a-z0-9]{1,4}){0,2}";
const NOW: i64 = 850_000_000_000_000;

/// SplitMix64: fast, even, and the same in every run.
fn numbers(mut state: u64) -> impl FnMut(&mut [u8]) -> Option<()> {
    move |bytes| {
        for chunk in bytes.chunks_mut(8) {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let mixed = (mixed ^ (mixed >> 31)).to_le_bytes();
            chunk.copy_from_slice(&mixed[..chunk.len()]);
        }
        Some(())
    }
}

fn new_key(prefix: &str, environment: Environment, seed: u64) -> NewKey {
    generate(prefix, environment, numbers(seed)).unwrap()
}

fn refusal(text: &[u8]) -> Option<Refusal> {
    Presented::parse(text).err()
}

/// What the documents say of the text: `[a-z][a-z0-9]*(_[a-z0-9]+)*_(live|test)_[0-9A-Za-z]{66}`.
fn is_documented(text: &str) -> bool {
    let (head, tail) = text.split_at(text.len() - 66);
    let prefix = head.strip_suffix("_live_").or_else(|| head.strip_suffix("_test_")).unwrap();
    let mut parts = prefix.split('_');
    prefix.starts_with(|c: char| c.is_ascii_lowercase())
        && parts.all(|p| !p.is_empty() && p.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()))
        && tail.chars().all(|c| ALPHABET.contains(c))
}

#[test]
fn keys_are_made_of_their_parts() {
    let key = new_key("sk", Environment::Live, 1);
    let random = &key.text[8..68];
    assert_eq!((key.text.len(), &key.text[..8]), (74, "sk_live_"));
    assert_eq!((key.public_id.as_str(), key.last4.as_str()), (&random[..17], &key.text[70..]));
    assert_eq!(key.hash, <[u8; 32]>::from(Sha256::digest(key.text.as_bytes())));
    let presented = Presented::parse(key.text.as_bytes()).unwrap();
    assert_eq!((presented.hash(), presented.environment()), (&key.hash, Some(Environment::Live)));
    assert_eq!(&new_key("my_app2", Environment::Test, 1).text[..13], "my_app2_test_");
}

#[test]
fn checksums_are_those_of_other_programs() {
    // Python: zlib.crc32 of "sk_live_" and 60 zeros, in base62.
    let text = format!("sk_live_{}", "0".repeat(60));
    assert_eq!(refusal(format!("{text}0z3uWa").as_bytes()), None);
    assert_eq!(refusal(format!("{text}000000").as_bytes()), Some(Refusal::KeyChecksum));
    // One with leading zeros.
    assert_eq!(refusal(format!("sk_live_{:060}00h1Lb", 24).as_bytes()), None);
}

#[test]
fn t091_bytes_that_would_favour_characters_are_skipped() {
    // Counts down from 255: the eight bytes that 62 does not divide evenly come first.
    let mut next = 0u8;
    let key = generate("sk", Environment::Live, |bytes| {
        for byte in bytes {
            next = next.wrapping_sub(1);
            *byte = next;
        }
        Some(())
    });
    let expected: String = ALPHABET.chars().rev().take(60).collect();
    assert_eq!(key.unwrap().text[8..68], expected);
}

#[test]
fn t091_no_randomness_no_key() {
    assert!(generate("sk", Environment::Live, |_| None).is_none());
    let mut fills = 0;
    let broken = generate("sk", Environment::Live, |bytes| {
        fills += 1;
        bytes.fill(255);
        Some(())
    });
    assert!(broken.is_none() && fills < 100);
    for prefix in ["", "Sk", "1sk", "_sk", "sk_", "s__k", "sk-", "sk live", "ské", "abcdefghijklmnopqrstu"] {
        assert!(generate(prefix, Environment::Live, numbers(1)).is_none(), "{prefix}");
    }
    assert!(is_prefix("abcdefghijklmnopqrst"));
}

#[test]
fn t091_every_character_is_as_likely_at_every_place() {
    const KEYS: u32 = 20_000;
    let mut random = numbers(91);
    let mut counts = vec![[0u32; 62]; 60];
    for _ in 0..KEYS {
        let key = generate("sk", Environment::Live, &mut random).unwrap();
        for (count, character) in counts.iter_mut().zip(key.text[8..68].chars()) {
            count[ALPHABET.find(character).unwrap()] += 1;
        }
    }
    let chi_square = |counts: &[u32; 62]| {
        let expected = f64::from(counts.iter().sum::<u32>()) / 62.0;
        counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum::<f64>()
    };
    // 61 degrees of freedom: above 130 one time in a million, above 100 one time in a thousand.
    for (place, count) in counts.iter().enumerate() {
        assert!(chi_square(count) < 130.0, "place {place}: {}", chi_square(count));
    }
    let mut all = [0u32; 62];
    counts.iter().for_each(|one| all.iter_mut().zip(one).for_each(|(sum, count)| *sum += count));
    assert!(chi_square(&all) < 100.0, "{}", chi_square(&all));
}

#[test]
fn t093_hashes_are_compared_whole() {
    let hash = [7u8; 32];
    assert!(same_hash(&hash, &hash));
    for place in 0..32 {
        let mut other = hash;
        other[place] ^= 0x80;
        assert!(!same_hash(&other, &hash), "{place}");
    }
    for other in [&hash[..31], &[], &[7; 33]] {
        assert!(!same_hash(other, &hash));
    }
}

#[test]
fn t094_a_million_public_ids_differ() {
    let system = SystemRandom::new();
    let mut random = |bytes: &mut [u8]| system.fill(bytes).ok();
    let mut ids: Vec<String> =
        (0..1_000_000).map(|_| generate("sk", Environment::Live, &mut random).unwrap().public_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1_000_000);
}

#[test]
fn t095_every_changed_character_is_detected() {
    for (prefix, seed) in [("sk", 1), ("my_app", 2), ("a", 3)] {
        let key = new_key(prefix, Environment::Live, seed);
        for place in 0..key.text.len() {
            for other in ALPHABET.bytes().chain([b'_']).filter(|other| *other != key.text.as_bytes()[place]) {
                let mut changed = key.text.as_bytes().to_vec();
                changed[place] = other;
                match Presented::parse(&changed) {
                    Err(refusal) => assert_eq!(refusal, Refusal::KeyChecksum),
                    // No longer of our shape: a key that nobody has.
                    Ok(presented) => {
                        assert!(place < prefix.len() + 6 || other == b'_', "{place} {other}");
                        assert_eq!(presented.environment(), None);
                        assert_ne!(presented.hash(), &key.hash);
                    }
                }
            }
        }
    }
}

#[test]
fn t095_a_fitting_checksum_proves_nothing() {
    let stored = new_key("sk", Environment::Live, 1);
    let forged = new_key("sk", Environment::Live, 2);
    assert_eq!(verdict(&forged.text, &row(stored.hash), NOW), Err(Refusal::KeyUnknown));
}

#[test]
fn texts_that_are_no_keys_are_refused() {
    for text in
        [&b""[..], b" ", b"sk_live 1", b"abc\n", b"\tabc", b"abc\0", b"a\x7f", "clé".as_bytes(), b"\xff\xfe"]
    {
        assert_eq!(refusal(text), Some(Refusal::NotAKey), "{text:?}");
    }
    assert_eq!(refusal(&[b'a'; 513]), Some(Refusal::NotAKey));
    assert_eq!(refusal(&[b'a'; 512]), None);
    assert_eq!(refusal(b"!"), None);
}

#[test]
fn keys_of_other_shapes_are_taken_as_imported() {
    let tail = "0".repeat(66);
    let ours = [format!("sk_live_{tail}"), format!("a_b_test_{tail}")];
    for text in ours {
        assert_eq!(refusal(text.as_bytes()), Some(Refusal::KeyChecksum), "{text}");
    }
    let others = [
        format!("sk_live_live_{tail}"),
        format!("a_test_live_{tail}"),
        format!("_live_{tail}"),
        format!("live_{tail}"),
        format!("SK_live_{tail}"),
        format!("sk_prod_{tail}"),
        format!("sk_live_0{tail}"),
        format!("sk_live_{}", &tail[1..]),
        format!("sk__live_{tail}"),
        format!("abcdefghijklmnopqrstu_live_{tail}"),
        format!("sk_live_-{}", &tail[1..]),
        tail,
    ];
    for text in others {
        let presented = Presented::parse(text.as_bytes()).unwrap();
        assert_eq!(presented.environment(), None, "{text}");
        assert_eq!(presented.hash()[..], Sha256::digest(&text)[..]);
    }
}

#[test]
fn tokens_and_keys_are_told_apart() {
    for token in [&b"eyJ"[..], b"eyJhbGciOiJub25lIn0.e30.", b"a.b.c", b"..", b"eyJ....."] {
        assert!(looks_like_jwt(token), "{token:?}");
    }
    for key in [&b""[..], b"ey", b"EyJ.", b"a.b", b"a.b.c.d", b"sk_live_abc"] {
        assert!(!looks_like_jwt(key), "{key:?}");
    }
}

fn row(hash: [u8; 32]) -> KeyRow {
    KeyRow {
        id: [1; 16],
        hash,
        kind: KeyKind::Secret,
        org: Some([2; 16]),
        workspace: None,
        user: Some("someone".into()),
        role: None,
        environment: Environment::Live,
        scopes: None,
        expires_at: None,
        revoked_at: None,
        restrictions: Restrictions::default(),
        tables: None,
        created_at: Some(0),
    }
}

fn verdict(text: &str, row: &KeyRow, now: i64) -> Result<(), Refusal> {
    let presented = Presented::parse(text.as_bytes())?;
    judge(&presented, Some(row), now, &[Environment::Live], &Surroundings::default())
}

#[test]
fn reasons_come_in_their_order() {
    let key = new_key("sk", Environment::Live, 1);
    let nothing = || Some(Vec::new());
    // Everything is wrong with this one; each step mends what the last reason named.
    let mut row = KeyRow {
        hash: [0; 32],
        environment: Environment::Test,
        expires_at: Some(NOW),
        revoked_at: Some(NOW + 1),
        restrictions: Restrictions { networks: nothing(), origins: nothing(), endpoints: nothing() },
        ..row(key.hash)
    };
    let mut environments = vec![];
    type Mend = fn(&mut KeyRow, &mut Vec<Environment>, [u8; 32]);
    let steps: [(Refusal, Mend); 8] = [
        (Refusal::KeyUnknown, |row, _, hash| row.hash = hash),
        (Refusal::KeyRevoked, |row, _, _| row.revoked_at = None),
        (Refusal::KeyExpired, |row, _, _| row.expires_at = Some(NOW + 1)),
        (Refusal::KeyEnvironment, |row, _, _| row.environment = Environment::Live),
        (Refusal::EnvironmentNotAllowed, |_, environments, _| environments.push(Environment::Live)),
        (Refusal::KeyNetwork, |row, _, _| row.restrictions.networks = None),
        (Refusal::KeyOrigin, |row, _, _| row.restrictions.origins = None),
        (Refusal::KeyEndpoint, |row, _, _| row.restrictions.endpoints = None),
    ];
    let presented = Presented::parse(key.text.as_bytes()).unwrap();
    for (reason, mend) in steps {
        let verdict = judge(&presented, Some(&row), NOW, &environments, &Surroundings::default());
        assert_eq!(verdict, Err(reason));
        mend(&mut row, &mut environments, key.hash);
    }
    assert_eq!(judge(&presented, Some(&row), NOW, &environments, &Surroundings::default()), Ok(()));
}

#[test]
fn a_key_without_a_row_is_unknown() {
    let key = new_key("sk", Environment::Live, 1);
    let presented = Presented::parse(key.text.as_bytes()).unwrap();
    let verdict = judge(&presented, None, NOW, &[Environment::Live], &Surroundings::default());
    assert_eq!(verdict, Err(Refusal::KeyUnknown));
}

#[test]
fn t096_the_environment_must_be_that_of_the_text_the_row_and_the_database() {
    use Environment::{Live, Test};
    let imported = NewKey {
        text: "imported".to_owned().into(),
        public_id: String::new(),
        last4: String::new(),
        hash: Sha256::digest("imported").into(),
    };
    let keys = [(Some(Live), new_key("sk", Live, 1)), (Some(Test), new_key("sk", Test, 2)), (None, imported)];
    for (said, key) in &keys {
        let presented = Presented::parse(key.text.as_bytes()).unwrap();
        assert_eq!(presented.environment(), *said);
        for stored in [Live, Test] {
            for allowed in [&[][..], &[Live], &[Test], &[Live, Test]] {
                let row = KeyRow { environment: stored, ..row(key.hash) };
                let expected = match said {
                    Some(said) if *said != stored => Err(Refusal::KeyEnvironment),
                    _ if !allowed.contains(&stored) => Err(Refusal::EnvironmentNotAllowed),
                    _ => Ok(()),
                };
                let verdict = judge(&presented, Some(&row), NOW, allowed, &Surroundings::default());
                assert_eq!(verdict, expected, "{said:?} {stored:?} {allowed:?}");
            }
        }
    }
    assert_eq!(Environment::from_name("live"), Some(Live));
    assert_eq!(Environment::from_name("test"), Some(Test));
    assert_eq!(Environment::from_name("Live"), None);
}

#[test]
fn t097_expiry_and_revocation_count_at_once() {
    let key = new_key("sk", Environment::Live, 1);
    for (expires_at, expected) in [
        (NOW + 1, Ok(())),
        (i64::MAX, Ok(())),
        (NOW, Err(Refusal::KeyExpired)),
        (NOW - 1, Err(Refusal::KeyExpired)),
        (i64::MIN, Err(Refusal::KeyExpired)),
    ] {
        let row = KeyRow { expires_at: Some(expires_at), ..row(key.hash) };
        assert_eq!(verdict(&key.text, &row, NOW), expected, "{expires_at}");
    }
    for revoked_at in [i64::MIN, NOW - 1, NOW, NOW + 1, i64::MAX] {
        let row = KeyRow { revoked_at: Some(revoked_at), ..row(key.hash) };
        assert_eq!(verdict(&key.text, &row, NOW), Err(Refusal::KeyRevoked), "{revoked_at}");
    }
}

#[test]
fn kinds_have_names() {
    for kind in [KeyKind::Secret, KeyKind::Publishable, KeyKind::Service] {
        assert_eq!(KeyKind::from_name(kind.name()), Some(kind));
    }
    assert_eq!(KeyKind::from_name("Service"), None);
}

proptest! {
    #[test]
    fn what_is_made_can_be_read(prefix in SHAPE, live in any::<bool>(), seed in any::<u64>()) {
        prop_assume!(prefix.len() <= 20);
        let environment = if live { Environment::Live } else { Environment::Test };
        let key = new_key(&prefix, environment, seed);
        prop_assert!(is_documented(&key.text));
        prop_assert!(!looks_like_jwt(key.text.as_bytes()));
        let presented = Presented::parse(key.text.as_bytes()).ok().unwrap();
        prop_assert_eq!(presented.hash(), &key.hash);
        prop_assert_eq!(presented.environment(), Some(environment));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), text in "[a-z_]{0,9}(_live_|_test_)[!-~]{60,70}") {
        let _ = (Presented::parse(&bytes).is_ok(), looks_like_jwt(&bytes));
        prop_assert!(matches!(refusal(text.as_bytes()), None | Some(Refusal::KeyChecksum)));
    }
}
