//! The signature algorithms this extension verifies (RFC 7518 section 3.1, RFC 8037 section 3.1).

/// A JWS signature algorithm. There is no variant for `none`, so an unsigned token has no algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
}

impl Algorithm {
    /// Every algorithm, in the order of the enum.
    pub(crate) const ALL: [Algorithm; 13] = [
        Self::HS256,
        Self::HS384,
        Self::HS512,
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
    ];

    /// The name in the JOSE registry (RFC 7518 section 3.1).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
        }
    }

    /// The algorithm of exactly this name: case counts (RFC 7515 section 4.1.1).
    /// `Ed25519` (RFC 9864 section 2.2) is the same thing as EdDSA here, where Ed448 is unknown.
    pub(crate) fn from_name(name: &str) -> Option<Algorithm> {
        if name == "Ed25519" {
            return Some(Self::EdDSA);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Whether signer and verifier share one secret (HMAC).
    pub(crate) fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }

    /// Whether this is RSA with PKCS#1 v1.5 or PSS padding.
    pub(crate) fn is_rsa(self) -> bool {
        matches!(self, Self::RS256 | Self::RS384 | Self::RS512 | Self::PS256 | Self::PS384 | Self::PS512)
    }

    /// The shortest secret this algorithm may have: the size of its hash (RFC 7518 section 3.2).
    /// Zero for algorithms that have no secret.
    pub(crate) fn minimum_secret_bytes(self) -> usize {
        match self {
            Self::HS256 => 32,
            Self::HS384 => 48,
            Self::HS512 => 64,
            Self::RS256 | Self::RS384 | Self::RS512 => 0,
            Self::PS256 | Self::PS384 | Self::PS512 => 0,
            Self::ES256 | Self::ES384 | Self::ES512 | Self::EdDSA => 0,
        }
    }
}
