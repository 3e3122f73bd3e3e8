//! Key sets: JSON Web Key Sets (RFC 7517) become public keys that are parsed once; a shared secret becomes a set of one.
//!
//! The algorithm is a property of the key. A key that cannot be meant for these tokens (another type, another use, no `kid`) is passed over, as RFC 7517, section 5
//! asks. A key that carries its private half is passed over too: whoever can read the set can sign with it. A set that says
//! two things at once (a `kid` twice, a member twice) is refused whole, and so is one without any usable key.

use super::jwk;
use super::strict::{self, Member};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::ParsedPublicKey;

/// The largest key set that is read, in bytes.
pub const KEY_SET_BYTES_MAX: usize = 256 * 1024;
/// The most keys that a set may have.
pub const KEYS_MAX: usize = 100;
/// The longest `kid`, in bytes.
pub const KID_MAX: usize = 256;

/// The shortest secret that signs tokens, in bytes: as long as its hash (RFC 7518, section 3.2).
pub const SECRET_BYTES_MIN: usize = 32;
/// The longest one.
pub const SECRET_BYTES_MAX: usize = 4 * 1024;

/// A signature algorithm that tokens may use. It is a property of the key; the token's header only has to agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037), what the core signs with.
    EdDsa,
    /// ECDSA on P-256 with SHA-256 (RFC 7518, section 3.4).
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 and at least 2048 bits (RFC 7518, section 3.3).
    Rs256,
    /// HMAC with SHA-256 and a secret of at least 32 bytes (RFC 7518, section 3.2).
    Hs256,
}

impl Algorithm {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::EdDsa, Self::Es256, Self::Rs256, Self::Hs256];

    /// Its name in a token's header and in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }

    /// The algorithm of a name; nothing for one that is not accepted, `none` among them.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

/// Why a key set is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    #[error("the key set is larger than 256 KiB or has more than 100 keys")]
    TooLarge,
    #[error("the key set is not a JSON object with an array `keys`, or has a member twice")]
    Malformed,
    #[error("the key set has a kid twice")]
    DuplicateKid,
    #[error("the key set has no key that tokens can be verified with")]
    NoUsableKey,
    #[error("the secret has not 32 to 4096 bytes")]
    Secret,
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Nothing for a secret: it is the only one of its issuer.
    kid: Option<Box<str>>,
    algorithm: Algorithm,
    material: Material,
}

enum Material {
    Public(ParsedPublicKey),
    Secret(Box<hmac::Key>),
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Public(_) => "Public",
            Self::Secret(_) => "Secret",
        })
    }
}

impl Key {
    /// A public key, parsed.
    pub(super) fn public(kid: &str, algorithm: Algorithm, public: ParsedPublicKey) -> Self {
        Self {
            kid: Some(kid.into()),
            algorithm,
            material: Material::Public(public),
        }
    }

    /// The one algorithm that this key verifies.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature` is this key's over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Public(public) => public.verify_sig(message, signature).is_ok(),
            // Compared in constant time, and in full: a shortened tag is none.
            Material::Secret(secret) => hmac::verify(secret, message, signature).is_ok(),
        }
    }
}

/// The keys of one issuer.
#[derive(Debug)]
pub struct KeySet(Vec<Key>);

impl KeySet {
    /// Reads a JSON Web Key Set. Keys of other algorithms than those `accepted` are passed over.
    ///
    /// # Errors
    /// A set that is too large, is not one, contradicts itself, or has no key to verify with.
    pub fn parse(json: &[u8], accepted: &[Algorithm]) -> Result<Self, KeySetError> {
        if json.len() > KEY_SET_BYTES_MAX {
            return Err(KeySetError::TooLarge);
        }
        let members = strict::json_object(json).ok_or(KeySetError::Malformed)?;
        let Some(Member::List(items)) = members.get("keys") else {
            return Err(KeySetError::Malformed);
        };
        if items.len() > KEYS_MAX {
            return Err(KeySetError::TooLarge);
        }
        let mut kids = Vec::new();
        let mut keys = Vec::new();
        for item in items {
            let Member::Object(members) = item else {
                return Err(KeySetError::Malformed);
            };
            if let Some(kid) = members.get("kid") {
                if kids.contains(&kid) {
                    return Err(KeySetError::DuplicateKid);
                }
                kids.push(kid);
            }
            match jwk::key(members, accepted) {
                Ok(key) => keys.push(key),
                Err(reason) => {
                    let kid = members.text("kid");
                    tracing::warn!(kid, reason, "key passed over");
                }
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey);
        }
        Ok(Self(keys))
    }

    /// The set of one shared secret: what a file holds, without the line end after it.
    ///
    /// # Errors
    /// A secret that is too short to be one, or absurdly long.
    pub fn secret(bytes: &[u8]) -> Result<Self, KeySetError> {
        let secret = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
        if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&secret.len()) {
            return Err(KeySetError::Secret);
        }
        Ok(Self(vec![Key {
            kid: None,
            algorithm: Algorithm::Hs256,
            material: Material::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret))),
        }]))
    }

    /// The key of a `kid`. A secret is the key of every `kid`, since there is no other.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&Key> {
        self.0
            .iter()
            .find(|key| key.kid.as_deref().is_none_or(|known| known == kid))
    }

    /// The key of a token without a `kid`: only a secret can be meant.
    #[must_use]
    pub fn unnamed(&self) -> Option<&Key> {
        self.0.iter().find(|key| key.kid.is_none())
    }

    /// How many keys there are; never 0.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "a set without a key is refused when it is read"
    )]
    pub const fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public key of RFC 8037, appendix A.2.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn set(keys: &[String]) -> Result<KeySet, KeySetError> {
        KeySet::parse(format!("{{\"keys\":[{}]}}", keys.join(",")).as_bytes(), &Algorithm::ALL)
    }

    fn jwk(kid: &str, more: &str) -> String {
        format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{X}"{more}}}"#)
    }

    #[test]
    fn a_plain_key_and_unknown_members_are_read() {
        let keys = set(&[
            jwk("a", ""),
            jwk("b", r#","use":"sig","alg":"EdDSA","key_ops":["verify"],"note":{"x":1}"#),
        ])
        .unwrap();
        assert_eq!(keys.len(), 2);
        assert!(keys.find("a").is_some() && keys.find("b").is_some() && keys.find("c").is_none());
        assert_eq!(keys.find("a").unwrap().algorithm(), Algorithm::EdDsa);
    }

    #[test]
    fn keys_that_are_not_for_these_tokens_are_passed_over() {
        let bad = [
            jwk("b", r#","use":"enc""#),
            jwk("b", r#","use":1"#),
            jwk("b", r#","alg":"ES256""#),
            jwk("b", r#","alg":"none""#),
            jwk("b", r#","key_ops":["sign"]"#),
            jwk("b", r#","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A""#),
            jwk("", ""),
            jwk(&"k".repeat(KID_MAX + 1), ""),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"X25519","kid":"b","x":"{X}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"b","x":"{X}="}}"#),
            r#"{"kty":"OKP","crv":"Ed25519","kid":"b","x":"AAAA"}"#.to_owned(),
            r#"{"kty":"OKP","crv":"Ed25519","kid":"b"}"#.to_owned(),
            r#"{"kty":"oct","kid":"b","k":"c2VjcmV0"}"#.to_owned(),
            r#"{"kty":"RSA","kid":"b","n":"AQAB","e":"AQAB"}"#.to_owned(),
        ];
        for jwk_text in bad {
            let keys = set(&[jwk("a", ""), jwk_text.clone()]).unwrap();
            assert_eq!(keys.len(), 1, "{jwk_text}");
            assert_eq!(
                set(std::slice::from_ref(&jwk_text)).unwrap_err(),
                KeySetError::NoUsableKey,
                "{jwk_text}"
            );
        }
    }

    #[test]
    fn a_set_that_contradicts_itself_is_refused_whole() {
        assert_eq!(
            set(&[jwk("a", ""), jwk("a", "")]).unwrap_err(),
            KeySetError::DuplicateKid
        );
        let other_type = r#"{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}"#.to_owned();
        assert_eq!(set(&[jwk("a", ""), other_type]).unwrap_err(), KeySetError::DuplicateKid);
        assert_eq!(set(&[jwk("a", r#","kid":"b""#)]).unwrap_err(), KeySetError::Malformed);
    }

    #[test]
    fn what_is_no_key_set_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"keys":{}}"#,
            r#"{"keys":[1]}"#,
            r#"{"keys":[]"#,
            "\u{feff}{\"keys\":[]}",
        ] {
            assert_eq!(
                KeySet::parse(text.as_bytes(), &Algorithm::ALL).unwrap_err(),
                KeySetError::Malformed,
                "{text}"
            );
        }
        assert_eq!(
            KeySet::parse(br#"{"keys":[]}"#, &Algorithm::ALL).unwrap_err(),
            KeySetError::NoUsableKey
        );
        assert_eq!(
            KeySet::parse(&vec![b' '; KEY_SET_BYTES_MAX + 1], &Algorithm::ALL).unwrap_err(),
            KeySetError::TooLarge
        );
        let many: Vec<String> = (0..=KEYS_MAX).map(|kid| jwk(&kid.to_string(), "")).collect();
        assert_eq!(set(&many).unwrap_err(), KeySetError::TooLarge);
    }

    #[test]
    fn only_algorithms_that_are_built_in_have_a_name() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(algorithm.as_str()), Some(algorithm));
        }
        for name in ["none", "None", "hs256", "RS1", "PS256", "ES512", "eddsa", "Ed25519", ""] {
            assert_eq!(Algorithm::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_key_of_an_algorithm_that_the_issuer_does_not_use_is_passed_over() {
        let text = format!("{{\"keys\":[{}]}}", jwk("a", ""));
        assert_eq!(
            KeySet::parse(text.as_bytes(), &[Algorithm::Rs256, Algorithm::Es256]).unwrap_err(),
            KeySetError::NoUsableKey
        );
    }

    #[test]
    fn a_secret_is_32_bytes_or_more_and_the_line_end_is_not_part_of_it() {
        for short in [&b""[..], b"\n", &[b'k'; 31], b"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\r\n"] {
            assert_eq!(KeySet::secret(short).unwrap_err(), KeySetError::Secret, "{short:?}");
        }
        assert_eq!(
            KeySet::secret(&[b'k'; SECRET_BYTES_MAX + 1]).unwrap_err(),
            KeySetError::Secret
        );
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[b'k'; 32]), b"message");
        let keys = KeySet::secret(b"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\n").unwrap();
        assert!(keys.unnamed().unwrap().verifies(b"message", tag.as_ref()));
        assert!(!keys.find("any").unwrap().verifies(b"message", &tag.as_ref()[..31]));
        assert!(!format!("{keys:?}").contains("kkk"), "a secret prints");
    }
}
