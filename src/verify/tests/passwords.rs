//! Hashes of passwords: those of other libraries, the bounds, and what counts as the same password.

use crate::verify::password::{MAX_PASSWORD_BYTES, Stored, Wanted, is_allowed, make};

const PASSWORD: &[u8] = b"password";
const SALT: &[u8; 16] = b"1234567890123456";

/// Made by argon2-cffi 25 and by the tests of the reference implementation, from `password` if not said otherwise.
const ARGON2: &[(&[u8], &str)] = &[
    (PASSWORD, "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$FqGkmHNGCd0BRW2kBt6fPZ2pPmyGwwChL8FGUhTOSSI"),
    (PASSWORD, "$argon2id$v=16$m=64,t=2,p=1$c29tZXNhbHQ$4nDCgqqi/MYvPUrUq8ZfVUrFto43iXYW7ryycatUzoI"),
    (PASSWORD, "$argon2i$v=19$m=64,t=2,p=1$c29tZXNhbHQ$mJ2mVFjovhRArlVdCzyKw6ZYTg0ikLncyRWminHkHB4"),
    (PASSWORD, "$argon2i$v=16$m=64,t=2,p=1$c29tZXNhbHQ$Bh21/eJH8YBDyij2rzNMFBJxlNjZOXgA8TmVH6qMZno"),
    (PASSWORD, "$argon2i$m=64,t=2,p=1$c29tZXNhbHQ$Bh21/eJH8YBDyij2rzNMFBJxlNjZOXgA8TmVH6qMZno"),
    (PASSWORD, "$argon2d$v=19$m=64,t=2,p=1$c29tZXNhbHQ$+SDZVThkhGWr7rpq4G6lMu0m3zFK/2AVAjfY/hFvYs0"),
    (PASSWORD, "$argon2d$v=16$m=64,t=2,p=1$c29tZXNhbHQ$gLEP1CxiC6xoJ0nskJYxenqnCaigKvgwoT+NlMTAncI"),
    (PASSWORD, "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA"),
    (PASSWORD, "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"),
    (
        PASSWORD,
        "$argon2id$v=19$m=128,t=1,p=16$eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eA$soFha2T3i5IWDXFoVGLx+OZEuxa280/uZnFei/zHrJIxhdUcy+ixFrNJkybGpeuJaWDFmaU987Db6HqeFOlKEw",
    ),
    (
        "p\u{e4}ssw\u{f6}rd".as_bytes(),
        "$argon2id$v=19$m=256,t=1,p=4$c29tZXNhbHQxMjM0NTY3OA$0HpMsA7YTk9BWMpEJjLYSQ",
    ),
    (&[b'x'; 1024], "$argon2id$v=19$m=8,t=3,p=1$c29tZXNhbHQ$xOcOIO4i2xwmCggcbHNvjwtvgWLybKcw9Xy55Tlo/XI"),
    (
        b"correct horse battery staple",
        "$argon2id$v=19$m=65536,t=3,p=4$pK0Z04XUWXjPRZmu0Fxfig$dIYlAtN0IGveG1VTg3sxx+YKTM8vKDq98XqOFOQt//c",
    ),
];

/// Made by jBCrypt, by bcrypt 5 of PyPI and by libxcrypt.
const BCRYPT: &[(&[u8], &str)] = &[
    (b"a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
    (b"abcdefghijklmnopqrstuvwxyz", "$2a$08$aTsUwsyowQuzRrDqFflhgekJ8d9/7Z3GV3UcgvzQW3J5zMyrTvlz."),
    (b"correct horse battery staple", "$2a$04$.tkZYjnCZN3oeC2jZI3X4.ivapGmJG9hw15.M4CXKJl9/BYdLVcYW"),
    (b"correct horse battery staple", "$2b$04$LDR6TPgUvBIcO2e4ltf9WuCg.JhaAcNDGAggie5uDavFF.eInGxua"),
    (b"correct horse battery staple", "$2y$04$LDR6TPgUvBIcO2e4ltf9WuCg.JhaAcNDGAggie5uDavFF.eInGxua"),
    ("p\u{e4}ssw\u{f6}rd".as_bytes(), "$2b$04$EwCIDZ6hrUlOpiV/mBMmF.Huwc4Upstje.w.BMNFBk3U883T6ZS4G"),
    (b"a", "$2b$04$aaaaaaaaaaaaaaaaaaaaaOyLr.p6cvcV4bMhFHajdXGjwEBsmL4r2"),
    // Its salt has something in the bits that no byte is made of.
    (b"a", "$2b$04$aaaaaaaaaaaaaaaaaaaaaayLr.p6cvcV4bMhFHajdXGjwEBsmL4r2"),
    (&[b'a'; 71], SEVENTY_ONE),
    (&[b'a'; 72], SEVENTY_TWO),
];
const SEVENTY_ONE: &str = "$2b$04$CXveOQggmEQFiNLKcQ1cyON23vac2Jy9OaMXH20xa.4A036qqgAXK";
const SEVENTY_TWO: &str = "$2b$04$6trZ8u/SF0FaBE599rOHB.jbpEZi.g0GGekQ5MUWCEGlecJc4fylq";

/// Cheap, for what is not about the work.
fn wanted() -> Wanted {
    Wanted::new(64, 2)
}

fn stored(hash: &str) -> Stored {
    Stored::parse(hash.as_bytes()).unwrap_or_else(|| panic!("{hash} is refused"))
}

fn matches(hash: &str, password: &[u8]) -> bool {
    stored(hash).matches(password).unwrap()
}

fn of(password: &[u8]) -> String {
    make(password, *SALT, wanted()).unwrap()
}

/// An Argon2 hash with these parameters, of nothing in particular.
fn with_parameters(parameters: &str) -> String {
    format!("$argon2id$v=19${parameters}$c29tZXNhbHQ$FqGkmHNGCd0BRW2kBt6fPZ2pPmyGwwChL8FGUhTOSSI")
}

/// A hash of bytes of these lengths.
fn with_lengths(salt: usize, output: usize) -> String {
    // Three bytes are four characters, one is two, two are three.
    let text = |bytes: usize| "A".repeat((bytes * 8).div_ceil(6));
    format!("$argon2id$v=19$m=64,t=2,p=1${}${}", text(salt), text(output))
}

#[test]
fn hashes_of_other_libraries_match_their_password_and_no_other() {
    for (password, hash) in ARGON2.iter().chain(BCRYPT) {
        assert!(matches(hash, password), "{hash}");
        let mut other = password.to_vec();
        other[0] ^= 1;
        assert!(!matches(hash, &other), "{hash}");
        assert!(!matches(hash, &password[..password.len() - 1]), "{hash}");
    }
}

#[test]
fn what_is_made_is_what_others_make() {
    assert_eq!(
        make(PASSWORD, *SALT, Wanted::new(19_456, 2)).unwrap(),
        "$argon2id$v=19$m=19456,t=2,p=1$MTIzNDU2Nzg5MDEyMzQ1Ng$8c+ctHHqmjrrbLOezgT46lqHAzBmmJ4KhjZscCmGyqI"
    );
    let long = [b'x'; MAX_PASSWORD_BYTES];
    assert!(matches(&of(&long), &long));
    assert!(!matches(&of(&long), &long[1..]));
}

#[test]
fn t135_parameters_are_taken_up_to_the_bounds() {
    for parameters in
        ["m=8,t=1,p=1", "m=128,t=1,p=16", "m=131072,t=6,p=1", "m=65536,t=12,p=4", "m=1024,t=768,p=1"]
    {
        assert!(Stored::parse(with_parameters(parameters).as_bytes()).is_some(), "{parameters}");
    }
    for (salt, output) in [(8, 16), (64, 64), (16, 32), (9, 17)] {
        assert!(Stored::parse(with_lengths(salt, output).as_bytes()).is_some(), "{salt} and {output}");
    }
    for cost in ["04", "09", "10", "13"] {
        assert!(
            Stored::parse(SEVENTY_TWO.replace("$04$", &format!("${cost}$")).as_bytes()).is_some(),
            "{cost}"
        );
    }
}

#[test]
fn t135_more_work_than_the_bounds_allow_is_refused() {
    for parameters in [
        "m=4194304,t=1,p=1",
        "m=131073,t=1,p=1",
        "m=131072,t=7,p=1",
        "m=8,t=131073,p=1",
        "m=4294967295,t=4294967295,p=4294967295",
        "m=64,t=4294967295,p=1",
        "m=65536,t=1,p=255",
        "m=65536,t=1,p=17",
        "m=65536,t=1,p=4294967295",
        "m=127,t=1,p=16",
        "m=7,t=1,p=1",
        "m=0,t=1,p=1",
        "m=64,t=0,p=1",
        "m=64,t=1,p=0",
    ] {
        assert_eq!(Stored::parse(with_parameters(parameters).as_bytes()), None, "{parameters}");
    }
    for (salt, output) in [(7, 32), (65, 32), (16, 15), (16, 65), (0, 32), (16, 0), (16, 1000)] {
        assert_eq!(Stored::parse(with_lengths(salt, output).as_bytes()), None, "{salt} and {output}");
    }
    for cost in ["00", "03", "14", "31", "32", "99", "4", "012", "+4", "4 ", "-4", "0x"] {
        let hash = SEVENTY_TWO.replace("$04$", &format!("${cost}$"));
        assert_eq!(Stored::parse(hash.as_bytes()), None, "{cost}");
    }
}

#[test]
fn t135_settings_ask_for_no_more_than_the_bounds_allow() {
    for (memory, passes) in
        [(131_072, 16), (8192, 16), (131_072, 6), (u32::MAX, u32::MAX), (0, 0), (8, u32::MAX)]
    {
        let wanted = Wanted::new(memory, passes);
        let text = format!("{wanted:?}");
        let numbers: Vec<u32> =
            text.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
        let parameters = format!("m={},t={},p=1", numbers[0], numbers[1]);
        assert!(Stored::parse(with_parameters(&parameters).as_bytes()).is_some(), "{parameters}");
    }
    assert_eq!(Wanted::new(131_072, 16), Wanted::new(131_072, 6));
    assert_ne!(Wanted::new(19_456, 2), Wanted::new(19_456, 3));
}

#[test]
fn t135_what_is_no_hash_or_one_of_another_kind_is_refused() {
    let good = ARGON2[0].1;
    let mut bad: Vec<String> = [
        "",
        "$",
        "$$$$$$",
        "password",
        "*",
        "!",
        "$argon2id$",
        "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$",
        "$argon2id$v=19$m=64,t=2,p=1$$FqGkmHNGCd0BRW2kBt6fPZ2pPmyGwwChL8FGUhTOSSI",
        "$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D",
        "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
        "$pbkdf2-sha256$29000$9t7be09prfXee2/NOUeotQ$Y.RDnnq8vsezSZSKy1QNy6xhKPdoBIwc.0XDdRm9sJ8",
        "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
        "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/",
        "$2x$04$LDR6TPgUvBIcO2e4ltf9WuCg.JhaAcNDGAggie5uDavFF.eInGxua",
        "$2$04$LDR6TPgUvBIcO2e4ltf9WuCg.JhaAcNDGAggie5uDavFF.eInGxua",
        "$2b$04$",
        "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy",
        "md5a6343a68d964ca596d9752250d54bb8a",
        "{BCRYPT}$2b$04$LDR6TPgUvBIcO2e4ltf9WuCg.JhaAcNDGAggie5uDavFF.eInGxua",
    ]
    .map(str::to_owned)
    .to_vec();
    for hash in [good, SEVENTY_TWO] {
        for rest in [" ", "\n", "\0", "=", "$", "$AAAA", "\u{e4}"] {
            bad.push(format!("{hash}{rest}"));
        }
        // One character stands for six bits, which are no byte.
        bad.push(format!("{hash}AA"));
        bad.push(format!(" {hash}"));
        bad.push(hash.to_uppercase());
        bad.push(hash[..hash.len() - 1].to_owned());
        bad.push(hash.replace("$", "\u{ff04}"));
        bad.push(format!("{}\u{e4}{}", &hash[..20], &hash[20..hash.len() - 2]));
    }
    for (from, to) in [
        ("v=19", "v=18"),
        ("v=19", "v=0x13"),
        ("v=19", "v=019"),
        ("v=19$", "v=19$v=19$"),
        ("argon2id", "argon2"),
        ("argon2id", "argon2ID"),
        ("argon2id", "argon2idx"),
        ("m=64,t=2,p=1", "m=64,p=1,t=2"),
        ("m=64,t=2,p=1", "m=64,t=2"),
        ("m=64,t=2,p=1", "m=64,t=2,p=1,"),
        ("m=64,t=2,p=1", "m=64,t=2,p=1,data=AAAA"),
        ("m=64,t=2,p=1", "m=64,t=2,p=1,keyid=AAAA"),
        ("m=64", "m=+64"),
        ("m=64", "m=064"),
        ("m=64", "m= 64"),
        ("m=64", "m="),
        ("m=64", "m=99999999999"),
        ("m=64", "m=-64"),
        ("c29tZXNhbHQ", "c29tZXNhbHR"),
        ("c29tZXNhbHQ", "c29tZXNhbHQ="),
        ("c29tZXNhbHQ", "c29t ZXNhbHQ"),
        ("c29tZXNhbHQ", "c29tZXNhb-_"),
    ] {
        bad.push(good.replace(from, to));
    }
    for hash in bad {
        assert_eq!(Stored::parse(hash.as_bytes()), None, "{hash:?}");
    }
    assert_eq!(Stored::parse(b"$argon2id$\xff"), None);
    assert_eq!(Stored::parse(&[b'$'; 100_000]), None);
}

#[test]
fn t137_no_hash_matches_what_nobody_can_have_as_a_password() {
    let bcrypt_of_nothing = "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.";
    let argon2_of_nothing = of(b"");
    let long = [b'x'; MAX_PASSWORD_BYTES + 1];
    for hash in [bcrypt_of_nothing, &argon2_of_nothing, SEVENTY_TWO, &of(&long)] {
        for password in [&b""[..], &long] {
            assert!(!is_allowed(password));
            assert!(!matches(hash, password), "{hash}");
            assert!(!stored(hash).needs_rehash(password, Wanted::new(128, 3)), "{hash}");
        }
    }
    assert!(is_allowed(b" ") && is_allowed(&long[1..]));
}

#[test]
fn t137_bcrypt_looks_at_72_bytes_and_a_password_that_reaches_them_is_not_hashed_anew() {
    let mut password = [b'a'; 100];
    assert!(matches(SEVENTY_TWO, &password));
    password[72] = b'b';
    assert!(matches(SEVENTY_TWO, &password));
    password[71] = b'b';
    assert!(!matches(SEVENTY_TWO, &password));
    // Who has set 100 bytes signs in with the first 72 of them, too: neither may become the password.
    for length in [72, 73, 100, 1024] {
        assert!(!stored(SEVENTY_TWO).needs_rehash(&vec![b'a'; length], wanted()), "{length}");
    }
    assert!(!matches(SEVENTY_ONE, &[b'a'; 72]) && !matches(SEVENTY_TWO, &[b'a'; 71]));
    assert!(stored(SEVENTY_ONE).needs_rehash(&[b'a'; 71], wanted()));
}

#[test]
fn t137_argon2_looks_at_all_of_a_password() {
    let mut password = [b'a'; 100];
    let hash = of(&password);
    password[99] = b'b';
    assert!(!matches(&hash, &password));
}

#[test]
fn t137_passwords_are_bytes_and_are_not_normalized() {
    let (composed, decomposed) = ("\u{e9}t\u{e9}".as_bytes(), "e\u{301}te\u{301}".as_bytes());
    assert!(matches(&of(composed), composed) && !matches(&of(composed), decomposed));
    assert!(matches(&of(decomposed), decomposed) && !matches(&of(decomposed), composed));
    for other in [&b" password"[..], b"password ", b"Password", b"password\n", b"password\0"] {
        assert!(!matches(&of(PASSWORD), other), "{other:?}");
    }
    let no_utf8 = b"\xff\xfe\x80";
    assert!(matches(&of(no_utf8), no_utf8));
}

#[test]
fn a_hash_is_made_anew_where_another_one_is_wanted() {
    let hash = of(PASSWORD);
    assert!(!stored(&hash).needs_rehash(PASSWORD, wanted()));
    for other in [Wanted::new(65, 2), Wanted::new(63, 2), Wanted::new(64, 3), Wanted::new(64, 1)] {
        assert!(stored(&hash).needs_rehash(PASSWORD, other), "{other:?}");
    }
    // Other kinds, versions, salts, lanes and lengths.
    for (password, hash) in ARGON2 {
        assert!(stored(hash).needs_rehash(password, wanted()), "{hash}");
    }
    for (password, hash) in BCRYPT.iter().filter(|(password, _)| password.len() < 72) {
        assert!(stored(hash).needs_rehash(password, wanted()), "{hash}");
    }
}

#[test]
fn a_salt_makes_another_hash() {
    let other = make(PASSWORD, [7; 16], wanted()).unwrap();
    assert_ne!(of(PASSWORD), other);
    assert!(matches(&other, PASSWORD));
}

#[test]
fn t135_what_the_bounds_allow_can_be_computed() {
    let bcrypt = SEVENTY_TWO.replace("$04$", "$13$");
    for hash in [&with_parameters("m=131072,t=6,p=16"), &with_parameters("m=128,t=1,p=16"), &bcrypt] {
        assert!(!matches(hash, PASSWORD), "{hash}");
    }
}
