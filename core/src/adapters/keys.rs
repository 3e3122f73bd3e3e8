//! The Ed25519 keys that sign access tokens: one PKCS #8 file each, read again while the core runs.
//!
//! A file is called `<made, UTC µs>-<kid>.pk8`; `kid` is the key's thumbprint (RFC 7638). `domain::token::key_uses`
//! decides which key signs and which are published.

use super::secret_file::write_new;
use crate::domain::token::{KeyUse, key_uses};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use igny8_contract::claims::{ACCESS_TOKEN_TYPE, AccessClaims};
use igny8_contract::random::Random;
use igny8_contract::time::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// What is wrong with the folder of keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    #[error("{path}: {error}")]
    File { path: String, error: String },
    #[error("there is no signing key")]
    NoKey,
    #[error("signing failed: {0}")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

/// One key.
pub struct Key {
    pub kid: String,
    pub made: Timestamp,
    /// The public key, base64url.
    pub public: String,
    signing: EncodingKey,
    verifying: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// One published key (RFC 8037, section 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublishedKey {
    pub kty: &'static str,
    pub crv: &'static str,
    pub x: String,
    pub kid: String,
    #[serde(rename = "use")]
    pub usage: &'static str,
    pub alg: &'static str,
}

/// A JSON Web Key Set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeySet {
    pub keys: Vec<PublishedKey>,
}

/// The keys of a folder.
#[derive(Debug)]
pub struct Keyring {
    folder: PathBuf,
    ttl_seconds: i64,
    keys: RwLock<Arc<Vec<Key>>>,
}

impl Keyring {
    /// Reads the folder; makes the first key where there is none.
    ///
    /// # Errors
    /// A folder or file that cannot be read or is not a key.
    pub fn open(folder: &Path, ttl_seconds: i64, random: &dyn Random, now: Timestamp) -> Result<Self, KeyFault> {
        let ring = Self::read(folder, ttl_seconds)?;
        if ring.all().is_empty() {
            make(folder, random, now)?;
            ring.reload()?;
        }
        Ok(ring)
    }

    /// Reads the folder as it is.
    ///
    /// # Errors
    /// As for [`Keyring::open`].
    pub fn read(folder: &Path, ttl_seconds: i64) -> Result<Self, KeyFault> {
        let keys = RwLock::new(Arc::new(load(folder)?));
        Ok(Self {
            folder: folder.to_owned(),
            ttl_seconds,
            keys,
        })
    }

    /// Reads the folder again. The keys in use stay where that fails.
    ///
    /// # Errors
    /// As for [`Keyring::open`].
    pub fn reload(&self) -> Result<(), KeyFault> {
        let names = names(&self.folder)?;
        let known: HashSet<String> = self.all().iter().map(file_name).collect();
        if names.iter().cloned().collect::<HashSet<_>>() != known {
            let keys = Arc::new(load(&self.folder)?);
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        }
        Ok(())
    }

    /// Every key, oldest first.
    #[must_use]
    pub fn all(&self) -> Arc<Vec<Key>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What each of [`Keyring::all`] is good for now.
    #[must_use]
    pub fn uses(&self, now: Timestamp) -> Vec<KeyUse> {
        uses(&self.all(), self.ttl_seconds, now)
    }

    /// Signs an access token.
    ///
    /// # Errors
    /// Where there is no key.
    pub fn sign(&self, claims: &AccessClaims, now: Timestamp) -> Result<String, KeyFault> {
        let keys = self.all();
        let signing = uses(&keys, self.ttl_seconds, now)
            .iter()
            .position(|use_| *use_ == KeyUse::Signing);
        let key = signing.and_then(|index| keys.get(index)).ok_or(KeyFault::NoKey)?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(ACCESS_TOKEN_TYPE.to_owned());
        header.kid = Some(key.kid.clone());
        Ok(jsonwebtoken::encode(&header, claims, &key.signing)?)
    }

    /// The claims of an access token that one of our published keys signed. Whether they are good now is not decided
    /// here, see `domain::token::check`.
    #[must_use]
    pub fn verify(&self, token: &str, now: Timestamp) -> Option<AccessClaims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.alg != Algorithm::EdDSA || header.typ.as_deref() != Some(ACCESS_TOKEN_TYPE) {
            return None;
        }
        let keys = self.all();
        let index = keys.iter().position(|key| Some(&key.kid) == header.kid.as_ref())?;
        if uses(&keys, self.ttl_seconds, now)[index] == KeyUse::Retired {
            return None;
        }
        // Dates, issuer and audience are the domain's: it has the clock.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        Some(
            jsonwebtoken::decode::<AccessClaims>(token, &keys[index].verifying, &validation)
                .ok()?
                .claims,
        )
    }

    /// The key set that verifiers fetch.
    #[must_use]
    pub fn published(&self, now: Timestamp) -> KeySet {
        let keys = self.all();
        let published = |(key, use_): (&Key, KeyUse)| match use_ {
            KeyUse::Retired => None,
            KeyUse::Coming | KeyUse::Signing | KeyUse::Retiring => Some(PublishedKey {
                kty: "OKP",
                crv: "Ed25519",
                x: key.public.clone(),
                kid: key.kid.clone(),
                usage: "sig",
                alg: "EdDSA",
            }),
        };
        let uses = uses(&keys, self.ttl_seconds, now);
        KeySet {
            keys: keys.iter().zip(uses).filter_map(published).collect(),
        }
    }
}

fn uses(keys: &[Key], ttl_seconds: i64, now: Timestamp) -> Vec<KeyUse> {
    let made: Vec<Timestamp> = keys.iter().map(|key| key.made).collect();
    key_uses(&made, ttl_seconds, now)
}

fn file_name(key: &Key) -> String {
    format!("{}-{}.pk8", key.made.0, key.kid)
}

fn told(path: &Path) -> impl Fn(String) -> KeyFault {
    let path = path.display().to_string();
    move |error| KeyFault::File {
        path: path.clone(),
        error,
    }
}

/// Makes a key in the folder and says its `kid`.
///
/// # Errors
/// What the file system says.
pub fn make(folder: &Path, random: &dyn Random, now: Timestamp) -> Result<String, KeyFault> {
    let told = told(folder);
    let mut seed = [0_u8; 32];
    random.fill(&mut seed);
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|error| told(error.to_string()))?;
    let document = pair.to_pkcs8().map_err(|error| told(error.to_string()))?;
    let key = parse(document.as_ref(), now).ok_or_else(|| told("the new key cannot be read back".into()))?;
    write_new(&folder.join(file_name(&key)), document.as_ref(), random).map_err(|error| told(error.to_string()))?;
    Ok(key.kid)
}

fn parse(pkcs8: &[u8], made: Timestamp) -> Option<Key> {
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8).ok()?;
    let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let thumbprint = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}"#);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, thumbprint.as_bytes());
    Some(Key {
        kid: URL_SAFE_NO_PAD.encode(digest.as_ref()),
        made,
        verifying: DecodingKey::from_ed_components(&public).ok()?,
        signing: EncodingKey::from_ed_der(pkcs8),
        public,
    })
}

fn names(folder: &Path) -> Result<Vec<String>, KeyFault> {
    let told = told(folder);
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| told(error.to_string()))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| told(error.to_string()))?.file_name();
        names.extend(name.into_string().ok().filter(|name| name.ends_with(".pk8")));
    }
    Ok(names)
}

fn load(folder: &Path) -> Result<Vec<Key>, KeyFault> {
    let mut keys = Vec::new();
    for name in names(folder)? {
        let path = folder.join(&name);
        let told = told(&path);
        let made = name
            .split_once('-')
            .and_then(|(made, _)| made.parse().ok())
            .map(Timestamp);
        let made = made.ok_or_else(|| told("a key file is called <made>-<kid>.pk8".into()))?;
        let bytes = std::fs::read(&path).map_err(|error| told(error.to_string()))?;
        let key = parse(&bytes, made).ok_or_else(|| told("not an Ed25519 key in PKCS #8".into()))?;
        if file_name(&key) != name {
            return Err(told(format!("the key in it is {}", key.kid)));
        }
        keys.push(key);
    }
    keys.sort_by(|one, other| (one.made, &one.kid).cmp(&(other.made, &other.kid)));
    Ok(keys)
}
