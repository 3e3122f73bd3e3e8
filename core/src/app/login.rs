//! Signing in.

use super::budgets::{self, Purse};
use super::profile::{self, Profile};
use super::second_factor::{self, Factor};
use super::sign_in::{Beginning, SignedIn, Visitor};
use super::tick::catch_up;
use super::{Core, StoryError};
use crate::domain::user::User;
use crate::storage::Connection;
use crate::storage::trail::{Actor, Audit, audit};
use crate::storage::{sign_in, user};
use igny8_contract::ids::UserId;
use igny8_contract::refusal::Refusal;
use secrecy::SecretString;

/// Who wants to sign in.
#[derive(Debug)]
pub struct Login {
    /// In its normal form; nothing for a text that is no address, which nobody has.
    pub email: Option<String>,
    pub password: SecretString,
    /// The code of an authenticator app, or a recovery code.
    pub totp: Option<SecretString>,
    pub visitor: Visitor,
    pub request_id: String,
}

struct Proven<'a> {
    core: &'a Core,
    user_id: UserId,
    password_hash: String,
    totp: Option<SecretString>,
    beginning: Beginning,
    /// What was taken for this attempt.
    purses: Vec<Purse>,
    request_id: String,
}

/// Somebody who has shown a password that was right when it was looked at.
#[derive(Debug)]
pub(super) struct Shown {
    pub user: User,
    pub password_hash: String,
    /// What was taken for this attempt.
    pub purses: Vec<Purse>,
}

/// What an attempt for this name from this address is paid from.
pub(super) async fn pay(core: &Core, name: &str, address: &str) -> Result<Vec<Purse>, StoryError> {
    let is_known = sign_in::is_known_address(&mut *core.store.read().await?, name, address).await?;
    budgets::take(core, core.budgets.of_sign_in(name, address, is_known)).await
}

/// Looks at a password. An unknown address, a wrong password and a user who is shut out get one answer, after one work.
///
/// # Errors
/// `invalid_credentials`, `throttled`, `storage_unavailable`.
pub(super) async fn show_password(
    core: &Core,
    email: Option<&str>,
    password: SecretString,
    address: &str,
) -> Result<Shown, StoryError> {
    let name = email.unwrap_or_default();
    let known = user::by_email(&mut *core.store.read().await?, name).await?;
    let purses = pay(core, name, address).await?;
    let (user, hash) = known.map_or((None, None), |(user, hash)| (Some(user), Some(hash)));
    let right = core.passwords.verify(password, hash.clone()).await?;
    let user = user
        .filter(|user| right && user.is_active)
        .ok_or(Refusal::InvalidCredentials)?;
    Ok(Shown {
        user,
        password_hash: hash.unwrap_or_default(),
        purses,
    })
}

/// Signs somebody in.
///
/// # Errors
/// `invalid_credentials`, `totp_required`, `totp_invalid`, `throttled`, `storage_unavailable`.
pub async fn login(core: &Core, login: Login) -> Result<SignedIn, StoryError> {
    let shown = show_password(core, login.email.as_deref(), login.password, &login.visitor.address).await?;
    catch_up(core, shown.user.account_id).await?;
    let proven = Proven {
        core,
        user_id: shown.user.id,
        password_hash: shown.password_hash,
        totp: login.totp,
        beginning: core.begin_sign_in(&login.visitor),
        purses: shown.purses,
        request_id: login.request_id,
    };
    let outcome = core
        .store
        .write(&proven, |connection, proven| Box::pin(commit(connection, proven)))
        .await?;
    core.signed_in(&proven.beginning, outcome.ok_or(Refusal::TotpRequired)?)
}

/// Nothing where a code is missing: whoever has the password has not guessed, and gets their attempt back.
async fn commit(connection: &mut Connection, proven: &Proven<'_>) -> Result<Option<Profile>, StoryError> {
    let now = proven.beginning.now;
    // The password that was shown is the one that holds now: it may have been changed since it was looked at.
    if !user::lock_with_password(connection, proven.user_id, &proven.password_hash).await? {
        return Err(Refusal::InvalidCredentials.into());
    }
    let profile = profile::of_user(connection, proven.user_id).await?;
    let factor = second_factor::check(proven.core, connection, proven.user_id, proven.totp.as_ref(), now).await?;
    match factor {
        Factor::Wrong => return Err(Refusal::TotpInvalid.into()),
        Factor::Missing => {
            budgets::give_back(connection, &proven.purses).await?;
            return Ok(None);
        }
        Factor::NotNeeded | Factor::Right => {}
    }
    sign_in::insert(connection, proven.user_id, &proven.beginning.new, now).await?;
    let line = Audit {
        account_id: Some(profile.user.account_id),
        actor: Actor::User(proven.user_id),
        action: "user.signed_in",
        detail: "{}".into(),
        request_id: &proven.request_id,
    };
    audit(connection, &line, now).await?;
    budgets::give_back(connection, &proven.purses).await?;
    Ok(Some(profile))
}
