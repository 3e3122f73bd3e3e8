//! What needs a key that is in no database: sealed secrets, and the tokens of mailed links.
//!
//! The key is a file. Whoever has a copy of the database alone can open nothing with it and knows no link.

use super::secret_file::read_or_make_token;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use igny8_contract::random::Random;
use secrecy::{ExposeSecret, SecretString};
use std::io;
use std::path::Path;

/// Seals and opens.
pub struct Seal {
    sealing: LessSafeKey,
    links: hmac::Key,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(secret)")
    }
}

/// Something sealed could not be opened: another key, or other bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed secret cannot be opened with the key in use (secrets.key_file)")]
pub struct NotOpened;

impl Seal {
    /// With the key of the file at `path`. Where there is none, one is made: on disk where `make` says so, else for this
    /// process alone.
    ///
    /// # Errors
    /// What the file system says; `InvalidData` for a file that holds no key.
    pub fn open(path: &Path, make: bool, random: &dyn Random) -> io::Result<Self> {
        if make || path.exists() {
            let key = read_or_make_token(path, random)?;
            return Self::with_key(key.expose_secret().as_bytes());
        }
        let mut key = [0; 32];
        random.fill(&mut key);
        Self::with_key(&key)
    }

    fn with_key(key: &[u8]) -> io::Result<Self> {
        // Each purpose has a key of its own.
        let main = hmac::Key::new(hmac::HMAC_SHA256, key);
        let (sealing, links) = (
            hmac::sign(&main, b"igny8 sealed secrets"),
            hmac::sign(&main, b"igny8 mailed links"),
        );
        let sealing = UnboundKey::new(&AES_256_GCM, sealing.as_ref()).map_err(io::Error::other)?;
        Ok(Self {
            sealing: LessSafeKey::new(sealing),
            links: hmac::Key::new(hmac::HMAC_SHA256, links.as_ref()),
        })
    }

    /// Seals `secret` for `place`, the one place where it can be opened again: nonce, ciphertext and tag.
    ///
    /// # Errors
    /// Where the library refuses.
    pub fn seal(&self, place: &str, secret: &[u8], random: &dyn Random) -> Result<Vec<u8>, NotOpened> {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce);
        let mut sealed = secret.to_vec();
        self.sealing
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut sealed)
            .map_err(|_| NotOpened)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// Where key, place or bytes are others.
    pub fn unseal(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, NotOpened> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(NotOpened)?;
        let mut bytes = rest.to_vec();
        let opened = self
            .sealing
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place), &mut bytes)
            .map_err(|_| NotOpened)?;
        Ok(opened.to_vec())
    }

    /// The token of a mailed link.
    #[must_use]
    pub fn link_token(&self, purpose: &str, nonce: &[u8; 32]) -> SecretString {
        let signed = hmac::sign(&self.links, &[purpose.as_bytes(), b"\0", nonce].concat());
        URL_SAFE_NO_PAD.encode(signed.as_ref()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::random::OsRandom;

    #[test]
    fn what_is_sealed_is_opened_in_its_place_with_its_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets/key");
        let seal = Seal::open(&path, true, &OsRandom).unwrap();
        let sealed = seal.seal("user 1", b"secret", &OsRandom).unwrap();
        assert_eq!(sealed.len(), 12 + 6 + 16);
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        let again = Seal::open(&path, true, &OsRandom).unwrap();
        assert_eq!(again.unseal("user 1", &sealed).unwrap(), b"secret");
        assert_eq!(again.unseal("user 2", &sealed), Err(NotOpened));
        let mut broken = sealed.clone();
        broken[13] ^= 1;
        assert_eq!(again.unseal("user 1", &broken), Err(NotOpened));
        assert_eq!(again.unseal("user 1", &sealed[..5]), Err(NotOpened));
        let other = Seal::open(&folder.path().join("other"), true, &OsRandom).unwrap();
        assert_eq!(other.unseal("user 1", &sealed), Err(NotOpened));
    }

    #[test]
    fn a_key_that_is_not_to_be_made_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        Seal::open(&path, false, &OsRandom).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_link_token_follows_from_key_purpose_and_nonce() {
        let (one, other) = (Seal::with_key(b"one").unwrap(), Seal::with_key(b"other").unwrap());
        let token = |seal: &Seal, purpose, nonce| seal.link_token(purpose, &[nonce; 32]).expose_secret().to_owned();
        assert_eq!(token(&one, "a", 1), token(&one, "a", 1));
        assert_eq!(token(&one, "a", 1).len(), 43);
        for different in [token(&one, "b", 1), token(&one, "a", 2), token(&other, "a", 1)] {
            assert_ne!(token(&one, "a", 1), different);
        }
    }
}
