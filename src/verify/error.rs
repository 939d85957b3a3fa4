//! Why a credential is refused, and why a key is.

use std::fmt;

use super::algorithm::Algorithm;
use super::json::JsonFault;

/// Why a credential was refused. Callers never learn more than "missing" or "expired"; the reason is for the
/// server log and for administrators, and contains nothing of the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refusal {
    NoCredential,
    NotAToken,
    TooLong,
    Unsigned,
    Encrypted,
    BadBase64,
    HeaderNotJson,
    PayloadNotJson,
    DuplicateMember,
    TooDeep,
    NulCharacter,
    NumberOutOfRange,
    AlgorithmUnknown,
    AlgorithmNotAllowed,
    AlgorithmMismatch,
    CriticalHeader,
    UnencodedPayload,
    EmbeddedKey,
    NestedToken,
    TokenType,
    KidMalformed,
    UnknownIssuer,
    UnknownKey,
    /// The issuer has keys without a kid, of which the header names none.
    KidNotNamed,
    NoKeys,
    KeyUnusable,
    BadSignature,
    /// The header names none of more keys than are tried.
    NotAllKeysTried,
    IssuerMissing,
    IssuerMalformed,
    IssuerMismatch,
    SubjectMalformed,
    ExpiryMissing,
    ExpiryMalformed,
    Expired,
    NotBeforeMalformed,
    NotYetValid,
    IssuedAtMissing,
    IssuedAtMalformed,
    IssuedInFuture,
    LifetimeTooLong,
    AudienceMissing,
    AudienceMalformed,
    AudienceMismatch,
    TokenIdMalformed,
    ServiceRoleNotAllowed,
    IssuerChanged,
    TokenRevoked,
    /// Or deleted.
    UserBanned,
    TokenSession,
    TokenNotMinted,
    TokenParent,
    TokenEnvironment,
    TokenPlace,
    NotAKey,
    KeyChecksum,
    KeyUnknown,
    KeyRevoked,
    KeyExpired,
    KeyEnvironment,
    EnvironmentNotAllowed,
    KeyNetwork,
    KeyOrigin,
    KeyEndpoint,
    KeyPublishable,
    KeyOrganization,
    KeyWorkspace,
    KeyUser,
    KeyRole,
    KeyMalformed,
    IsATicket,
    TicketUnknown,
    TicketNotOpen,
    TicketEarly,
    TicketExpired,
}

impl Refusal {
    /// One clear sentence fragment for the server log and for administrators.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::NoCredential => "no credential was given",
            Self::NotAToken => "not a token of three parts",
            Self::TooLong => "the token is longer than 16384 bytes",
            Self::Unsigned => "the token has no signature",
            Self::Encrypted => "encrypted or compressed tokens are not supported",
            Self::BadBase64 => "a part of the token is not strict base64url",
            Self::HeaderNotJson => "the header is not a JSON object",
            Self::PayloadNotJson => "the payload is not a JSON object",
            Self::DuplicateMember => "a JSON object has two members of the same name",
            Self::TooDeep => "the JSON is nested deeper than 32 levels",
            Self::NulCharacter => "a JSON string contains the character U+0000",
            Self::NumberOutOfRange => "a JSON number is too long or too large",
            Self::AlgorithmUnknown => "alg is missing, \"none\" or not a supported algorithm",
            Self::AlgorithmNotAllowed => "the issuer does not allow this algorithm",
            Self::AlgorithmMismatch => {
                "the key is for another algorithm than the header names; an RSA key that was added without alg is for RS256, or for \
                 the only RSA algorithm of its issuer"
            }
            Self::CriticalHeader => "the header has crit, and no extension is supported",
            Self::UnencodedPayload => "the header has b64, and unencoded payloads are not supported",
            Self::EmbeddedKey => "the header brings its own key (jwk, jku, x5c or x5u)",
            Self::NestedToken => "the payload is said to be another token (cty)",
            Self::TokenType => "this type of token (typ) is not accepted",
            Self::KidMalformed => "kid is not a string of 1 to 128 bytes without control characters",
            Self::UnknownIssuer => "no such issuer is configured",
            Self::UnknownKey => "the issuer has no usable key with this kid",
            Self::KidNotNamed => {
                "the issuer has no usable key with this kid, but one without a kid: give that key the kid"
            }
            Self::NoKeys => "the issuer has no usable key",
            Self::KeyUnusable => "the stored key cannot be used",
            Self::BadSignature => "the signature does not match",
            Self::NotAllKeysTried => {
                "the signature matches none of the 8 newest keys that it may be of, and the issuer has more: name one (kid)"
            }
            Self::IssuerMissing => "iss is missing",
            Self::IssuerMalformed => "iss is not a string of 1 to 1024 bytes",
            Self::IssuerMismatch => "the token is from another issuer than the caller asks for",
            Self::SubjectMalformed => "sub is not a string of 1 to 1024 bytes",
            Self::ExpiryMissing => "exp is missing",
            Self::ExpiryMalformed => "exp is not a number",
            Self::Expired => "the token has expired",
            Self::NotBeforeMalformed => "nbf is not a number",
            Self::NotYetValid => "the token is not valid yet (nbf)",
            Self::IssuedAtMissing => "iat is missing, and the issuer limits lifetimes",
            Self::IssuedAtMalformed => "iat is not a number",
            Self::IssuedInFuture => "the token was issued in the future (iat)",
            Self::LifetimeTooLong => {
                "the token lives longer than the issuer allows, or ends before it begins"
            }
            Self::AudienceMissing => "aud is missing",
            Self::AudienceMalformed => "aud is not a string or an array of strings",
            Self::AudienceMismatch => "the token is for another audience",
            Self::TokenIdMalformed => "jti is not a string of 1 to 256 bytes",
            Self::ServiceRoleNotAllowed => "the issuer may not make tokens for service_role",
            Self::IssuerChanged => "the issuer's settings no longer allow what the token is used for",
            Self::TokenRevoked => "the token has been revoked, or its session or user",
            Self::TokenSession => "the session of the token has ended, or was never committed",
            Self::UserBanned => "the user is banned or deleted",
            Self::TokenNotMinted => "this database has not made the token, or has forgotten it",
            Self::TokenParent => "the token that the token came from is gone or revoked",
            Self::TokenEnvironment => "the environment of the token is not allowed in this database",
            Self::TokenPlace => {
                "the organization or workspace of the token is gone or disabled, or its user is no member"
            }
            Self::NotAKey => "not an API key of 1 to 512 printable characters",
            Self::KeyChecksum => "the checksum of the API key does not fit: it was mistyped or cut short",
            Self::KeyUnknown => "no such API key",
            Self::KeyRevoked => "the API key has been revoked",
            Self::KeyExpired => "the API key has expired",
            Self::KeyEnvironment => "the API key names another environment than its row",
            Self::EnvironmentNotAllowed => "the environment of the API key is not allowed in this database",
            Self::KeyNetwork => "the API key may not be used from this address, or the address is unknown",
            Self::KeyOrigin => "the API key may not be used from this origin, or the origin is unknown",
            Self::KeyEndpoint => "the API key may not be used for this method and path, or they are unknown",
            Self::KeyPublishable => "a publishable key is no identity",
            Self::KeyOrganization => "the organization of the API key is gone or disabled",
            Self::KeyWorkspace => {
                "the workspace of the API key is gone or disabled, or its user is no member"
            }
            Self::KeyUser => "the user of the API key is banned, or no member of its organization",
            Self::KeyRole => "the role of the API key is gone",
            Self::KeyMalformed => "the stored API key cannot be read",
            Self::IsATicket => "this is a ticket, which only auth.authenticate() takes",
            Self::TicketUnknown => "not a ticket of this database, or it was changed",
            Self::TicketNotOpen => {
                "the ticket was used, or issued by another server or before this one was started"
            }
            Self::TicketEarly => "the ticket was issued in the future",
            Self::TicketExpired => "the ticket has expired",
        }
    }

    /// The refusal for a header that is no strict JSON object.
    pub(crate) fn in_header(fault: JsonFault) -> Self {
        Self::from_json(fault, Self::HeaderNotJson)
    }

    /// The refusal for a payload that is no strict JSON object.
    pub(crate) fn in_payload(fault: JsonFault) -> Self {
        Self::from_json(fault, Self::PayloadNotJson)
    }

    fn from_json(fault: JsonFault, otherwise: Self) -> Self {
        match fault {
            JsonFault::Syntax | JsonFault::NotAnObject => otherwise,
            JsonFault::DuplicateMember => Self::DuplicateMember,
            JsonFault::TooDeep => Self::TooDeep,
            JsonFault::NulCharacter => Self::NulCharacter,
            JsonFault::NumberOutOfRange => Self::NumberOutOfRange,
        }
    }
}

/// How many entries of a key set an error tells of.
const SHOWN_FAULTS: usize = 5;

/// Why a key, key set or secret cannot be taken. Says what to do; contains no key material.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyError {
    TooLong,
    NotJson(JsonFault),
    NotAKeySet,
    TooManyKeys,
    /// Each entry, and what is wrong with it.
    NoUsableKey(Vec<(usize, KeyFault)>),
    IsAKey,
    IsAKeySet,
    DefaultIsNotRsa,
    InSet {
        index: usize,
        fault: KeyFault,
    },
    Key(KeyFault),
    SecretTooShort {
        bytes: usize,
        minimum: usize,
    },
    SecretTooLong,
    SecretIsAKey,
    NotASecretAlgorithm(Algorithm),
}

impl fmt::Display for KeyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => formatter.write_str("keys are longer than 262144 bytes"),
            Self::NotJson(fault) => fault.fmt(formatter),
            Self::NotAKeySet => {
                formatter.write_str("not a JWK set: an object with an array \"keys\" is required")
            }
            Self::TooManyKeys => formatter.write_str("a JWK set may have at most 100 keys"),
            Self::NoUsableKey(faults) => {
                formatter.write_str("the JWK set has no key that can verify signatures")?;
                for (place, (index, fault)) in faults.iter().take(SHOWN_FAULTS).enumerate() {
                    write!(formatter, "{} keys[{index}]: {fault}", if place == 0 { ":" } else { ";" })?;
                }
                match faults.len().saturating_sub(SHOWN_FAULTS) {
                    0 => Ok(()),
                    more => write!(formatter, "; and {more} more"),
                }
            }
            Self::IsAKey => {
                formatter.write_str("this is one key, not a JWK set: auth.add_jwt_key() takes it")
            }
            Self::IsAKeySet => {
                formatter.write_str("this is a JWK set, not one key: auth.load_jwks() takes it")
            }
            Self::DefaultIsNotRsa => formatter.write_str("the default for RSA keys must be an RSA algorithm"),
            Self::InSet { index, fault } => write!(formatter, "keys[{index}]: {fault}"),
            Self::Key(fault) => fault.fmt(formatter),
            Self::SecretTooShort { bytes, minimum } => write!(
                formatter,
                "the secret has {bytes} bytes, at least {minimum} are required for this algorithm"
            ),
            Self::SecretTooLong => formatter.write_str("the secret is longer than 1024 bytes"),
            Self::SecretIsAKey => formatter.write_str(
                "this is a PEM or JSON text, not a secret: add public keys as keys, \
                     and of an oct JWK only the decoded k",
            ),
            Self::NotASecretAlgorithm(algorithm) => {
                write!(formatter, "{} has no secret: HS256, HS384 or HS512 is required", algorithm.name())
            }
        }
    }
}

impl std::error::Error for KeyError {}

/// What is wrong with one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyFault {
    NotAnObject,
    MemberMissing(&'static str),
    MemberMalformed(&'static str),
    Private,
    Symmetric,
    /// It is meant for something else, as its issuer says.
    OtherPurpose,
    Unsupported,
    /// Another entry of its set is equal.
    Repeated {
        index: usize,
    },
    /// Another key of its set has the same kid and algorithm.
    Ambiguous,
    KidMalformed,
    KidContradicts,
    AlgorithmContradicts,
    ModulusBits(usize),
    ModulusEven,
    Exponent,
    CoordinateLength {
        bytes: usize,
        expected: usize,
    },
    NotOnCurve,
    WeakPoint,
    Certificate,
    CertificateDiffers,
    Pem,
    PemSurrounded,
    PemEscaped,
    PemSeveral,
    PemKind,
}

impl KeyFault {
    /// Whether an issuer that does all right publishes such an entry.
    pub(crate) fn is_usual(self) -> bool {
        matches!(self, Self::OtherPurpose | Self::Repeated { .. })
    }
}

impl fmt::Display for KeyFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match *self {
            Self::MemberMissing(name) => return write!(formatter, "\"{name}\" is missing"),
            Self::MemberMalformed(name) => return write!(formatter, "\"{name}\" is malformed"),
            Self::ModulusBits(bits) if bits < 2048 => {
                return write!(formatter, "RSA modulus has {bits} bits, at least 2048 are required");
            }
            Self::ModulusBits(bits) => {
                return write!(formatter, "RSA modulus has {bits} bits, at most 8192 are supported");
            }
            Self::CoordinateLength { bytes, expected } => {
                return write!(formatter, "a coordinate has {bytes} bytes instead of {expected}");
            }
            Self::NotAnObject => "a key must be a JSON object",
            Self::Private => {
                "this is a private key: give only the public key \
                              (openssl pkey -in private.pem -pubout)"
            }
            Self::Symmetric => "this is a shared secret (kty oct): add it as a secret",
            Self::OtherPurpose => "the key is not for verifying signatures (use, key_ops)",
            Self::Unsupported => "this kind of key, curve or algorithm is not supported",
            Self::Ambiguous => "another key of the set has the same kid and algorithm, so neither is used",
            Self::Repeated { index } => return write!(formatter, "it repeats keys[{index}]"),
            Self::KidMalformed => "kid must be a string of 1 to 128 bytes without control characters",
            Self::KidContradicts => "the key has another kid than the one given",
            Self::AlgorithmContradicts => "the algorithm does not fit the key",
            Self::ModulusEven => "RSA modulus is even",
            Self::Exponent => "RSA exponent must be odd and from 65537 to 2^32",
            Self::NotOnCurve => "the point is not on the curve",
            Self::WeakPoint => "the point is of small order or not in its only encoding",
            Self::Certificate => "this is no X.509 certificate that can be read",
            Self::CertificateDiffers => "the certificate in x5c is of another key",
            Self::Pem => "the PEM text is malformed",
            Self::PemSurrounded => "there is text before or after the PEM block: give the block alone",
            Self::PemEscaped => "the PEM text has \\n where line breaks belong: replace each by a line break",
            Self::PemSeveral => "there are several PEM blocks: give one",
            Self::PemKind => {
                "expected a JWK, \"BEGIN PUBLIC KEY\", \"BEGIN RSA PUBLIC KEY\" or \"BEGIN CERTIFICATE\" \
                              with a key for RSA, P-256, P-384, P-521 or Ed25519"
            }
        };
        formatter.write_str(text)
    }
}
