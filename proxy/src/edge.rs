//! The edge signature: proof for the app that a request came through here, and on which decision.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use igny8_contract::edge::{EdgeFields, INTROSPECTION_KEY_LABEL, VERSION};

/// A key that signs for one upstream.
#[derive(Clone)]
pub struct EdgeKey {
    key: hmac::Key,
    secret: [u8; 32],
}

impl std::fmt::Debug for EdgeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EdgeKey(secret)")
    }
}

impl EdgeKey {
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            secret,
        }
    }

    /// The key of a secret file's text: 64 hex digits; nothing for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_end();
        let mut secret = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, digits) in secret.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).ok()?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Self::new(secret))
    }

    /// The key for session introspection.
    #[must_use]
    pub fn for_introspection(&self) -> Self {
        let mut derived = [0; 32];
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        derived.copy_from_slice(hmac::sign(&key, INTROSPECTION_KEY_LABEL).as_ref());
        Self::new(derived)
    }

    /// Writes the value of the signature's field into `out`, which is cleared first.
    pub fn sign(&self, fields: &EdgeFields<'_>, out: &mut Vec<u8>) {
        out.clear();
        fields.write_to(out);
        let tag = hmac::sign(&self.key, out);
        out.clear();
        for part in [VERSION, ";t=", fields.t, ";rule=", fields.rule, ";sig="] {
            out.extend_from_slice(part.as_bytes());
        }
        let mut encoded = [0; 43];
        // 32 bytes are 43 characters of base64 without padding; the buffer is that long.
        let length = URL_SAFE_NO_PAD.encode_slice(tag.as_ref(), &mut encoded).unwrap_or(0);
        out.extend_from_slice(&encoded[..length]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: EdgeFields<'_> = EdgeFields {
        method: "GET",
        host: b"localhost:8080",
        path: b"/api/v1/x/",
        query: b"a=1",
        rule: "/api",
        account: b"7",
        user: b"9",
        role: b"owner",
        request_id: b"r",
        t: "1767225600",
    };

    #[test]
    fn the_value_names_time_and_rule_and_its_signature_depends_on_every_field() {
        let key = EdgeKey::parse(&"ab".repeat(32)).unwrap();
        let signed = |key: &EdgeKey, fields: &EdgeFields<'_>| {
            let mut out = b"what was there before".to_vec();
            key.sign(fields, &mut out);
            String::from_utf8(out).unwrap()
        };
        let value = |fields: &EdgeFields<'_>| signed(&key, fields);
        let plain = value(&FIELDS);
        assert!(plain.starts_with("v1;t=1767225600;rule=/api;sig="), "{plain}");
        assert_ne!(plain, value(&EdgeFields { user: b"8", ..FIELDS }));
        assert_ne!(plain, signed(&key.for_introspection(), &FIELDS));
        assert_eq!(plain, value(&FIELDS));
    }

    #[test]
    fn a_secret_is_sixty_four_hex_digits() {
        assert!(EdgeKey::parse(&format!("{}\n", "0f".repeat(32))).is_some());
        for wrong in ["", "zz", &"0f".repeat(31), &"xy".repeat(32)] {
            assert!(EdgeKey::parse(wrong).is_none());
        }
    }
}
