//! The second factor of staff: enrolling, confirming, switching off, and asking for it at sign-in.

use super::budgets::{self, Purse};
use super::{Core, StoryError};
use crate::adapters::digest::sha_256;
use crate::adapters::totp as codes;
use crate::domain::totp;
use crate::storage::trail::{Actor, Audit, audit};
use crate::storage::{self, Connection, user};
use igny8_contract::ids::UserId;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use secrecy::{ExposeSecret, SecretString};

/// What came of asking for the second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// The user has none.
    NotNeeded,
    Right,
    /// The user has one and gave no code.
    Missing,
    /// Not the code, or one that was used already.
    Wrong,
}

/// What an authenticator app needs to know.
#[derive(Debug)]
pub struct Enrolment {
    /// In base 32.
    pub secret: SecretString,
    pub uri: SecretString,
}

/// Where a second factor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Since when it is asked for; nothing where it is not.
    pub on_since: Option<Timestamp>,
    pub recovery_codes_left: i64,
}

/// Asks for the second factor within a sign-in's transaction. A code that is right is used up with it.
///
/// # Errors
/// What the database says; a secret that the key in use does not open.
pub async fn check(
    core: &Core,
    connection: &mut Connection,
    user_id: UserId,
    given: Option<&SecretString>,
    now: Timestamp,
) -> Result<Factor, StoryError> {
    let found = storage::totp::of_user(connection, user_id).await?;
    let Some(found) = found.filter(|found| found.confirmed_at.is_some()) else {
        return Ok(Factor::NotNeeded);
    };
    let Some(given) = given else {
        return Ok(Factor::Missing);
    };
    if let Some(code) = codes::normal_recovery_code(given.expose_secret()) {
        let hash = sha_256(code.as_bytes());
        let right = storage::totp::use_recovery_code(connection, user_id, &hash, now).await?;
        return Ok(if right { Factor::Right } else { Factor::Wrong });
    }
    let right = use_code(core, connection, user_id, &found, given, now).await?;
    Ok(if right { Factor::Right } else { Factor::Wrong })
}

/// Whether this is a code that may be used now; it is used up with that.
async fn use_code(
    core: &Core,
    connection: &mut Connection,
    user_id: UserId,
    found: &storage::totp::Totp,
    given: &SecretString,
    now: Timestamp,
) -> Result<bool, StoryError> {
    if !totp::is_code(given.expose_secret()) {
        return Ok(false);
    }
    let secret = core.seal.unseal(&place(user_id), &found.sealed_secret)?;
    let step = totp::accepted(now, found.last_step, |step| {
        codes::is_code_of(&secret, step, given.expose_secret())
    });
    match step {
        None => Ok(false),
        Some(step) => Ok(storage::totp::use_step(connection, user_id, step).await?),
    }
}

/// What a secret is sealed for.
fn place(user_id: UserId) -> String {
    format!("totp of user {user_id}")
}

/// Where a user's second factor stands.
///
/// # Errors
/// `storage_unavailable`.
pub async fn standing(core: &Core, user_id: UserId) -> Result<Standing, StoryError> {
    let mut snapshot = core.store.snapshot().await?;
    Ok(Standing {
        on_since: storage::totp::of_user(&mut snapshot, user_id)
            .await?
            .and_then(|found| found.confirmed_at),
        recovery_codes_left: storage::totp::recovery_codes_left(&mut snapshot, user_id).await?,
    })
}

struct Given<'a> {
    core: &'a Core,
    user_id: UserId,
    purses: Vec<Purse>,
    request_id: String,
    now: Timestamp,
}

impl<'a> Given<'a> {
    /// Takes an attempt: what follows is something that could be guessed.
    async fn take(core: &'a Core, user_id: UserId, request_id: String) -> Result<Self, StoryError> {
        Ok(Self {
            core,
            user_id,
            purses: budgets::take(core, core.budgets.of_user(user_id)).await?,
            request_id,
            now: core.machine_now(),
        })
    }

    /// Leaves a line that says where the second factor stood and where it stands now.
    async fn record(
        &self,
        connection: &mut Connection,
        action: &'static str,
        (before, after): (&str, &str),
    ) -> Result<(), StoryError> {
        let user = user::by_id(connection, self.user_id)
            .await?
            .ok_or(Refusal::TokenRevoked)?;
        let line = Audit {
            account_id: Some(user.account_id),
            actor: Actor::User(self.user_id),
            action,
            detail: serde_json::json!({"second_factor": {"before": before, "after": after}}).to_string(),
            request_id: &self.request_id,
        };
        audit(connection, &line, self.now).await?;
        budgets::give_back(connection, &self.purses).await
    }
}

/// Begins to enrol a user who shows their password. Nothing is asked for at sign-in before [`confirm`].
///
/// # Errors
/// `invalid_credentials`, `totp_already_on`, `throttled`, `storage_unavailable`.
pub async fn enrol(
    core: &Core,
    user_id: UserId,
    password: SecretString,
    request_id: String,
) -> Result<Enrolment, StoryError> {
    let given = Given::take(core, user_id, request_id).await?;
    let email = super::change_password::prove(core, user_id, password, "password")
        .await?
        .0
        .email;
    let secret = codes::draw_secret(core.random.as_ref());
    let sealed = core.seal.seal(&place(user_id), &secret, core.random.as_ref())?;
    let asked = (given, sealed);
    core.store
        .write(&asked, |connection, (given, sealed)| {
            Box::pin(async move {
                let found = storage::totp::of_user(connection, given.user_id).await?;
                let before = found.map_or("off", |found| found.state());
                if !storage::totp::begin(connection, given.user_id, sealed, given.now).await? {
                    return Err(StoryError::from(Refusal::TotpAlreadyOn));
                }
                given.record(connection, "totp.begun", (before, "begun")).await
            })
        })
        .await?;
    let text = codes::base_32(&secret);
    Ok(Enrolment {
        uri: codes::uri(&core.totp_issuer, &email, &text).into(),
        secret: text.into(),
    })
}

/// Switches the second factor on for a user who shows a code, and gives them their recovery codes, this once.
///
/// # Errors
/// `totp_invalid`, `totp_already_on`, `not_found` where nobody has begun, `throttled`, `storage_unavailable`.
pub async fn confirm(
    core: &Core,
    user_id: UserId,
    code: SecretString,
    request_id: String,
) -> Result<Vec<String>, StoryError> {
    let recovery_codes: Vec<String> = (0..codes::RECOVERY_CODES)
        .map(|_| codes::draw_recovery_code(core.random.as_ref()))
        .collect();
    let normal = recovery_codes
        .iter()
        .filter_map(|code| codes::normal_recovery_code(code));
    let hashes: Vec<[u8; 32]> = normal.map(|code| sha_256(code.as_bytes())).collect();
    let asked = (Given::take(core, user_id, request_id).await?, code, hashes);
    core.store
        .write(&asked, |connection, (given, code, hashes)| {
            Box::pin(async move {
                let found = storage::totp::of_user(connection, given.user_id)
                    .await?
                    .ok_or(Refusal::NotFound)?;
                if found.confirmed_at.is_some() {
                    return Err(StoryError::from(Refusal::TotpAlreadyOn));
                }
                if !use_code(given.core, connection, given.user_id, &found, code, given.now).await? {
                    return Err(Refusal::TotpInvalid.into());
                }
                storage::totp::confirm(connection, given.user_id, hashes, given.now).await?;
                given.record(connection, "totp.on", ("begun", "on")).await
            })
        })
        .await?;
    Ok(recovery_codes)
}

/// Switches the second factor off for a user who shows a code or a recovery code.
///
/// # Errors
/// `totp_invalid`, `not_found` where there is none, `throttled`, `storage_unavailable`.
pub async fn switch_off(
    core: &Core,
    user_id: UserId,
    code: SecretString,
    request_id: String,
) -> Result<(), StoryError> {
    let asked = (Given::take(core, user_id, request_id).await?, code);
    core.store
        .write(&asked, |connection, (given, code)| {
            Box::pin(async move {
                match check(given.core, connection, given.user_id, Some(code), given.now).await? {
                    Factor::NotNeeded => return Err(StoryError::from(Refusal::NotFound)),
                    Factor::Missing | Factor::Wrong => return Err(Refusal::TotpInvalid.into()),
                    Factor::Right => {}
                }
                storage::totp::remove(connection, given.user_id).await?;
                given.record(connection, "totp.off", ("on", "off")).await
            })
        })
        .await
}
