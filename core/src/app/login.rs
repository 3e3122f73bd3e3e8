//! Signing in.

use super::profile::{self, Profile};
use super::register::SignedIn;
use super::{Core, StoryError};
use crate::domain::token;
use crate::storage::Connection;
use crate::storage::trail::{Actor, Audit, audit};
use crate::storage::{sign_in, user};
use igny8_contract::ids::UserId;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use secrecy::SecretString;

/// Who wants to sign in.
#[derive(Debug)]
pub struct Login {
    /// In its normal form; nothing for a text that is no address, which nobody has.
    pub email: Option<String>,
    pub password: SecretString,
    pub request_id: String,
}

struct Proven {
    user_id: UserId,
    sid: String,
    request_id: String,
    now: Timestamp,
}

/// Signs somebody in. An unknown address, a wrong password and a user who is shut out get one answer, after one work.
///
/// # Errors
/// `invalid_credentials`, `storage_unavailable`.
pub async fn login(core: &Core, login: Login) -> Result<SignedIn, StoryError> {
    let known = {
        let mut connection = core.store.read().await?;
        user::by_email(&mut connection, login.email.as_deref().unwrap_or_default()).await?
    };
    let (user, hash) = known.map_or((None, None), |(user, hash)| (Some(user), Some(hash)));
    let right = core.passwords.verify(login.password, hash).await?;
    let user = user
        .filter(|user| right && user.is_active)
        .ok_or(Refusal::InvalidCredentials)?;
    let proven = Proven {
        user_id: user.id,
        sid: core.unguessable(),
        request_id: login.request_id,
        now: core.machine_now(),
    };
    let profile = core
        .store
        .write(&proven, |connection, proven| Box::pin(commit(connection, proven)))
        .await?;
    let epoch = profile.account.account.epoch;
    let claims = token::claims(
        &core.tokens,
        &profile.user,
        epoch,
        &proven.sid,
        &core.unguessable(),
        proven.now,
    );
    Ok(SignedIn {
        access: core.keys.sign(&claims, proven.now)?,
        profile,
    })
}

async fn commit(connection: &mut Connection, proven: &Proven) -> Result<Profile, StoryError> {
    let profile = profile::of_user(connection, proven.user_id).await?;
    if !profile.user.is_active {
        return Err(Refusal::InvalidCredentials.into());
    }
    sign_in::insert(connection, &proven.sid, proven.user_id, proven.now).await?;
    let line = Audit {
        account_id: Some(profile.user.account_id),
        actor: Actor::User(proven.user_id),
        action: "user.signed_in",
        detail: "{}".into(),
        request_id: &proven.request_id,
    };
    audit(connection, &line, proven.now).await?;
    Ok(profile)
}
