//! Argon2id, a bounded number at a time: each hash takes tens of milliseconds of a processor and megabytes of memory.

use crate::config::PasswordCost;
use crate::domain::password::judge;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use igny8_contract::random::Random;
use secrecy::{ExposeSecret, SecretString};
use std::sync::{Arc, Mutex, PoisonError};
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
    desk: Arc<Desk>,
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
        let mut unknown = [0_u8; 32];
        random.fill(&mut unknown);
        let desk = Desk {
            params: Params::new(cost.memory_kib, cost.iterations, cost.parallelism, None).map_err(fault)?,
            random,
            idle: Mutex::default(),
        };
        let nobody = desk.hash(&unknown)?.into();
        Ok(Self {
            desk: Arc::new(desk),
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
        self.work(move |desk| {
            let about: Vec<&str> = about.iter().map(String::as_str).collect();
            if let Err(reason) = judge(password.expose_secret(), &about) {
                return Ok(Err(reason));
            }
            desk.hash(password.expose_secret().as_bytes()).map(Ok)
        })
        .await
    }

    /// Whether the password is the one of this PHC string. Without one the answer is no, after the same work.
    ///
    /// # Errors
    /// Where the pool is shutting down or the PHC string is broken.
    pub async fn verify(&self, password: SecretString, phc: Option<String>) -> Result<bool, PasswordFault> {
        let known = phc.is_some();
        let phc = phc.unwrap_or_else(|| self.nobody.as_ref().to_owned());
        self.work(move |desk| Ok(desk.verify(password.expose_secret().as_bytes(), &phc)? && known))
            .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Desk) -> Result<T, PasswordFault> + Send + 'static,
    ) -> Result<T, PasswordFault> {
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(fault)?;
        let desk = Arc::clone(&self.desk);
        tokio::task::spawn_blocking(move || {
            let _room = room;
            work(&desk)
        })
        .await
        .map_err(fault)?
    }
}

/// Where hashes are worked out. Their memory is kept for the next one: to get it and to clear it anew takes a tenth of a
/// hash. There is never more of it than passwords that are worked on at once, and Argon2 writes each block before it reads it.
struct Desk {
    params: Params,
    random: Arc<dyn Random>,
    idle: Mutex<Vec<Vec<Block>>>,
}

impl Desk {
    /// The PHC string of a password, with a salt of its own.
    fn hash(&self, password: &[u8]) -> Result<String, PasswordFault> {
        let mut salt = [0_u8; SALT_BYTES];
        self.random.fill(&mut salt);
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let phc = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&self.params).map_err(fault)?,
            salt: Some(Salt::new(&salt).map_err(fault)?),
            hash: Some(self.digest(&hasher, password, &salt, Params::DEFAULT_OUTPUT_LEN)?),
        };
        Ok(phc.to_string())
    }

    /// Whether a PHC string, of whatever cost, is the password's.
    fn verify(&self, password: &[u8], phc: &str) -> Result<bool, PasswordFault> {
        let hash = PasswordHash::new(phc).map_err(fault)?;
        let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
            return Err(PasswordFault("a PHC string without salt or hash".into()));
        };
        let algorithm = Algorithm::try_from(hash.algorithm.as_str()).map_err(fault)?;
        let version = hash
            .version
            .map_or(Ok(Version::V0x13), Version::try_from)
            .map_err(fault)?;
        let hasher = Argon2::new(algorithm, version, Params::try_from(&hash).map_err(fault)?);
        // Outputs are compared in constant time.
        Ok(self.digest(&hasher, password, salt, expected.len())? == *expected)
    }

    fn digest(
        &self,
        hasher: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        length: usize,
    ) -> Result<Output, PasswordFault> {
        let mut memory = self.idle().pop().unwrap_or_default();
        let blocks = hasher.params().block_count();
        if memory.len() < blocks {
            memory.resize(blocks, Block::default());
        }
        let mut buffer = [0_u8; Output::MAX_LENGTH];
        let out = buffer
            .get_mut(..length)
            .ok_or_else(|| fault("a hash that is too long"))?;
        let done = hasher.hash_password_into_with_memory(password, salt, out, &mut memory);
        // What an older, dearer hash took is not kept for good.
        if memory.len() == self.params.block_count() {
            self.idle().push(memory);
        }
        done.map_err(fault)?;
        Output::new(out).map_err(fault)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    #[tokio::test]
    async fn hashes_in_memory_that_was_used_before_are_those_of_argon2_itself() {
        use argon2::password_hash::{PasswordHasher, PasswordVerifier};
        let (passwords, plain) = (cheap(), Argon2::default());
        let dearer = Params::new(64, 3, 2, Some(24)).unwrap();
        for text in ["plover-tannin-93", "gazette-umber-41", ""] {
            let ours = passwords.desk.hash(text.as_bytes()).unwrap();
            plain.verify_password(text.as_bytes(), ours.as_str()).unwrap();
            for params in [&passwords.desk.params, &dearer] {
                let theirs = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
                let theirs = theirs.hash_password(text.as_bytes()).unwrap().to_string();
                assert!(passwords.desk.verify(text.as_bytes(), &theirs).unwrap(), "{theirs}");
                assert!(!passwords.desk.verify(b"another", &theirs).unwrap(), "{theirs}");
            }
        }
        passwords.desk.hash(b"once more").unwrap();
        let kept: Vec<usize> = passwords.desk.idle().iter().map(Vec::len).collect();
        assert_eq!(kept, [8], "what the dearer hashes took is given back");
    }

    #[test]
    fn a_broken_hash_is_a_fault() {
        let passwords = cheap();
        for broken in [
            "",
            "plain",
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ",
            "$argon2id$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        ] {
            passwords.desk.verify(b"plover-tannin-93", broken).unwrap_err();
        }
    }
}
