//! Refresh tokens: the secret that keeps a sign-in going. It is only ever stored as its SHA-256.
//!
//! A token names the family that it belongs to (its sign-in) and has a secret of 256 bits. The next token of a family is
//! made from the one before it and a random nonce: whoever has only the token before it cannot tell it, and the database
//! with its nonces and hashes alone does not tell it either.

use super::digest::sha_256;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use igny8_contract::random::Random;
use secrecy::SecretString;

/// How its text begins, so that people and scanners know what they have found.
const PREFIX: &str = "igr_";
const FAMILY_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;

/// A refresh token.
#[derive(Clone)]
pub struct RefreshToken {
    family: [u8; FAMILY_BYTES],
    secret: [u8; SECRET_BYTES],
}

impl std::fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefreshToken(secret)")
    }
}

impl RefreshToken {
    /// The first token of a new family.
    #[must_use]
    pub fn draw(random: &dyn Random) -> Self {
        let (mut family, mut secret) = ([0; FAMILY_BYTES], [0; SECRET_BYTES]);
        random.fill(&mut family);
        random.fill(&mut secret);
        Self { family, secret }
    }

    /// Reads a token's text; nothing where it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (family, secret) = bytes.split_at_checked(FAMILY_BYTES)?;
        Some(Self {
            family: family.try_into().ok()?,
            secret: secret.try_into().ok()?,
        })
    }

    /// The text that clients keep.
    #[must_use]
    pub fn text(&self) -> SecretString {
        let bytes = [&self.family[..], &self.secret[..]].concat();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)).into()
    }

    /// What its sign-in is found by.
    #[must_use]
    pub fn family_hash(&self) -> [u8; 32] {
        sha_256(&self.family)
    }

    /// What is stored of the token itself.
    #[must_use]
    pub fn token_hash(&self) -> [u8; 32] {
        sha_256(&[&self.family[..], &self.secret[..]].concat())
    }

    /// The token after this one.
    #[must_use]
    pub fn next(&self, nonce: &[u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let mut secret = [0; SECRET_BYTES];
        secret.copy_from_slice(hmac::sign(&key, nonce).as_ref());
        Self {
            family: self.family,
            secret,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::random::OsRandom;
    use secrecy::ExposeSecret;

    #[test]
    fn a_text_is_read_back_and_nothing_else_is() {
        let token = RefreshToken::draw(&OsRandom);
        let text = token.text().expose_secret().to_owned();
        assert_eq!(text.len(), 68);
        assert_eq!(RefreshToken::parse(&text).unwrap().token_hash(), token.token_hash());
        for other in [
            "",
            "igr_",
            &text[4..],
            &text[..67],
            &format!("{text}A"),
            &text.replace("igr_", "igk_"),
        ] {
            assert!(RefreshToken::parse(other).is_none(), "{other}");
        }
        assert!(!format!("{token:?}").contains(&text[4..10]));
    }

    #[test]
    fn the_next_token_is_of_the_same_family_and_follows_from_both_token_and_nonce() {
        let token = RefreshToken::draw(&OsRandom);
        let (one, again, other) = (token.next(&[1; 32]), token.next(&[1; 32]), token.next(&[2; 32]));
        assert_eq!(one.family_hash(), token.family_hash());
        assert_eq!(one.token_hash(), again.token_hash());
        assert_ne!(one.token_hash(), other.token_hash());
        assert_ne!(one.token_hash(), token.token_hash());
        assert_ne!(
            RefreshToken::draw(&OsRandom).next(&[1; 32]).token_hash(),
            one.token_hash()
        );
    }
}
