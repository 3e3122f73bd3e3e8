//! Argon2id, a bounded number at a time: each hash takes tens of milliseconds of a processor and megabytes of memory.

use crate::config::PasswordCost;
use crate::domain::password::judge;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use igny8_contract::random::Random;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use tokio::sync::Semaphore;

const SALT_BYTES: usize = 16;

/// Why a password could not be worked on. It says nothing about the password.
#[derive(Debug, thiserror::Error)]
#[error("password hashing failed: {0}")]
pub struct PasswordFault(String);

fn fault(error: impl std::fmt::Display) -> PasswordFault {
    PasswordFault(error.to_string())
}

/// Hashes and checks passwords.
#[derive(Clone)]
pub struct Passwords {
    hasher: Argon2<'static>,
    random: Arc<dyn Random>,
    room: Arc<Semaphore>,
    /// The hash of a password that nobody knows: what the address of nobody is checked against.
    nobody: Arc<str>,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}

impl Passwords {
    /// A pool of this cost.
    ///
    /// # Errors
    /// Where Argon2 does not take the parameters.
    pub fn new(cost: PasswordCost, random: Arc<dyn Random>) -> Result<Self, PasswordFault> {
        let params = Params::new(cost.memory_kib, cost.iterations, cost.parallelism, None).map_err(fault)?;
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut unknown = [0_u8; 32];
        random.fill(&mut unknown);
        let nobody = phc(&hasher, &unknown, random.as_ref())?.into();
        Ok(Self {
            hasher,
            random,
            room: Arc::new(Semaphore::new(cost.max_concurrent)),
            nobody,
        })
    }

    /// Judges a new password (see [`judge`]) and hashes it: the PHC string, or why it is refused.
    ///
    /// # Errors
    /// Where the pool is shutting down.
    pub async fn judge_and_hash(
        &self,
        password: SecretString,
        about: Vec<String>,
    ) -> Result<Result<String, String>, PasswordFault> {
        let (hasher, random) = (self.hasher.clone(), Arc::clone(&self.random));
        self.work(move || {
            let about: Vec<&str> = about.iter().map(String::as_str).collect();
            if let Err(reason) = judge(password.expose_secret(), &about) {
                return Ok(Err(reason));
            }
            phc(&hasher, password.expose_secret().as_bytes(), random.as_ref()).map(Ok)
        })
        .await
    }

    /// Whether the password is the one of this PHC string. Without one the answer is no, after the same work.
    ///
    /// # Errors
    /// Where the pool is shutting down or the PHC string is broken.
    pub async fn verify(&self, password: SecretString, phc: Option<String>) -> Result<bool, PasswordFault> {
        let (hasher, known) = (self.hasher.clone(), phc.is_some());
        let phc = phc.unwrap_or_else(|| self.nobody.as_ref().to_owned());
        self.work(move || {
            let hash = PasswordHash::new(&phc).map_err(fault)?;
            Ok(hasher
                .verify_password(password.expose_secret().as_bytes(), &hash)
                .is_ok()
                && known)
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordFault> + Send + 'static,
    ) -> Result<T, PasswordFault> {
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(fault)?;
        tokio::task::spawn_blocking(move || {
            let _room = room;
            work()
        })
        .await
        .map_err(fault)?
    }
}

fn phc(hasher: &Argon2<'_>, password: &[u8], random: &dyn Random) -> Result<String, PasswordFault> {
    let mut salt = [0_u8; SALT_BYTES];
    random.fill(&mut salt);
    Ok(hasher
        .hash_password_with_salt(password, &salt)
        .map_err(fault)?
        .to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::random::OsRandom;

    fn cheap() -> Passwords {
        let cost = PasswordCost {
            memory_kib: 8,
            iterations: 1,
            parallelism: 1,
            max_concurrent: 1,
        };
        Passwords::new(cost, Arc::new(OsRandom)).unwrap()
    }

    #[tokio::test]
    async fn a_password_opens_its_own_hash_and_no_other_does() {
        let passwords = cheap();
        let hash = passwords
            .judge_and_hash("plover-tannin-93".into(), vec![])
            .await
            .unwrap()
            .unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        assert!(
            passwords
                .verify("plover-tannin-93".into(), Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(!passwords.verify("plover-tannin-94".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("plover-tannin-93".into(), None).await.unwrap());
    }

    #[tokio::test]
    async fn two_hashes_of_one_password_differ() {
        let passwords = cheap();
        let one = passwords
            .judge_and_hash("plover-tannin-93".into(), vec![])
            .await
            .unwrap();
        let other = passwords
            .judge_and_hash("plover-tannin-93".into(), vec![])
            .await
            .unwrap();
        assert_ne!(one, other);
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_still_opens() {
        let cost = PasswordCost {
            memory_kib: 16,
            iterations: 2,
            parallelism: 1,
            max_concurrent: 1,
        };
        let older = Passwords::new(cost, Arc::new(OsRandom)).unwrap();
        let hash = older
            .judge_and_hash("plover-tannin-93".into(), vec![])
            .await
            .unwrap()
            .unwrap();
        assert!(cheap().verify("plover-tannin-93".into(), Some(hash)).await.unwrap());
    }
}
