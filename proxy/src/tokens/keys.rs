//! Key sets: JSON Web Key Sets (RFC 7517) become public keys that are parsed once.
//!
//! A key that cannot be meant for these tokens (another type, another use, no `kid`) is passed over, as RFC 7517, section 5
//! asks. A key that carries its private half is passed over too: whoever can read the set can sign with it. A set that says
//! two things at once (a `kid` twice, a member twice) is refused whole, and so is one without any usable key.

use super::strict;
use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use serde_json::{Map, Value};

/// The largest key set that is read, in bytes.
pub const KEY_SET_BYTES_MAX: usize = 256 * 1024;
/// The most keys that a set may have.
pub const KEYS_MAX: usize = 100;
/// The longest `kid`, in bytes.
pub const KID_MAX: usize = 256;

/// A signature algorithm that tokens may use. It is a property of the key; the token's header only has to agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037), what the core signs with.
    EdDsa,
}

impl Algorithm {
    /// Its name in a token's header and in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of a name; nothing for one that is not accepted, `none` among them.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::EdDsa].into_iter().find(|algorithm| algorithm.as_str() == name)
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
}

/// One public key.
#[derive(Debug)]
pub struct Key {
    kid: Box<str>,
    algorithm: Algorithm,
    public: ParsedPublicKey,
}

impl Key {
    /// The one algorithm that this key verifies.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature` is this key's over `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.public.verify_sig(message, signature).is_ok()
    }
}

/// The keys of one issuer.
#[derive(Debug)]
pub struct KeySet(Vec<Key>);

impl KeySet {
    /// Reads a key set.
    ///
    /// # Errors
    /// A set that is too large, is not one, contradicts itself, or has no key to verify with.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        if json.len() > KEY_SET_BYTES_MAX {
            return Err(KeySetError::TooLarge);
        }
        let members = strict::json_object(json).ok_or(KeySetError::Malformed)?;
        let Some(Value::Array(items)) = members.get("keys") else {
            return Err(KeySetError::Malformed);
        };
        if items.len() > KEYS_MAX {
            return Err(KeySetError::TooLarge);
        }
        let mut kids = Vec::new();
        let mut keys = Vec::new();
        for item in items {
            let Value::Object(jwk) = item else {
                return Err(KeySetError::Malformed);
            };
            if let Some(kid) = jwk.get("kid") {
                if kids.contains(&kid) {
                    return Err(KeySetError::DuplicateKid);
                }
                kids.push(kid);
            }
            match key(jwk) {
                Ok(key) => keys.push(key),
                Err(reason) => {
                    let kid = jwk.get("kid").and_then(Value::as_str);
                    tracing::warn!(kid, reason, "key passed over");
                }
            }
        }
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey);
        }
        Ok(Self(keys))
    }

    /// The key of a `kid`.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&Key> {
        self.0.iter().find(|key| *key.kid == *kid)
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

/// One usable key, or why it is passed over.
fn key(jwk: &Map<String, Value>) -> Result<Key, &'static str> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    if jwk.contains_key("d") || jwk.contains_key("k") {
        return Err("it carries its private half");
    }
    let kid = text("kid")
        .filter(|kid| (1..=KID_MAX).contains(&kid.len()))
        .ok_or("it has no kid of 1 to 256 bytes")?;
    if text("kty") != Some("OKP") || text("crv") != Some("Ed25519") {
        return Err("it is not an Ed25519 key");
    }
    if jwk.contains_key("use") && text("use") != Some("sig") {
        return Err("its use is not sig");
    }
    if jwk.contains_key("alg") && text("alg") != Some(Algorithm::EdDsa.as_str()) {
        return Err("its alg is not EdDSA");
    }
    if let Some(operations) = jwk.get("key_ops")
        && !operations
            .as_array()
            .is_some_and(|operations| operations.iter().any(|operation| operation == "verify"))
    {
        return Err("its key_ops lack verify");
    }
    let x = text("x")
        .and_then(|x| strict::base64url(x.as_bytes()))
        .filter(|x| x.len() == 32);
    let x = x.ok_or("its x is not 32 bytes in base64url")?;
    let public = ParsedPublicKey::new(&ED25519, &x).map_err(|_| "its x is no Ed25519 key")?;
    Ok(Key {
        kid: kid.into(),
        algorithm: Algorithm::EdDsa,
        public,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public key of RFC 8037, appendix A.2.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn set(keys: &[String]) -> Result<KeySet, KeySetError> {
        KeySet::parse(format!("{{\"keys\":[{}]}}", keys.join(",")).as_bytes())
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
                KeySet::parse(text.as_bytes()).unwrap_err(),
                KeySetError::Malformed,
                "{text}"
            );
        }
        assert_eq!(KeySet::parse(br#"{"keys":[]}"#).unwrap_err(), KeySetError::NoUsableKey);
        assert_eq!(
            KeySet::parse(&vec![b' '; KEY_SET_BYTES_MAX + 1]).unwrap_err(),
            KeySetError::TooLarge
        );
        let many: Vec<String> = (0..=KEYS_MAX).map(|kid| jwk(&kid.to_string(), "")).collect();
        assert_eq!(set(&many).unwrap_err(), KeySetError::TooLarge);
    }

    #[test]
    fn only_algorithms_that_are_built_in_have_a_name() {
        assert_eq!(Algorithm::parse("EdDSA"), Some(Algorithm::EdDsa));
        for name in ["none", "None", "HS256", "RS256", "ES256", "eddsa", "Ed25519", ""] {
            assert_eq!(Algorithm::parse(name), None, "{name}");
        }
    }
}
