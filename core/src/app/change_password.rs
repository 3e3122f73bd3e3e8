//! Choosing another password, by somebody who knows the one in use.

use super::budgets::{self, Purse};
use super::profile::{self, Profile};
use super::sign_in::{Beginning, SignedIn, Visitor};
use super::{Core, StoryError};
use crate::domain::link::Purpose;
use crate::domain::user::User;
use crate::storage::trail::{Actor, Audit, audit};
use crate::storage::{Connection, mailed_token, session, sign_in, user};
use igny8_contract::ids::UserId;
use igny8_contract::refusal::Refusal;
use secrecy::SecretString;

/// Who wants another password.
#[derive(Debug)]
pub struct Change {
    pub user_id: UserId,
    pub current: SecretString,
    pub new: SecretString,
    pub visitor: Visitor,
    pub request_id: String,
}

struct Decided {
    user_id: UserId,
    before: String,
    after: String,
    beginning: Beginning,
    purses: Vec<Purse>,
    request_id: String,
}

/// The user and their password's PHC string, if this is their password. `field` is where it was written.
///
/// # Errors
/// `invalid_credentials`, `token_revoked` where the user is gone, `storage_unavailable`.
pub(super) async fn prove(
    core: &Core,
    user_id: UserId,
    password: SecretString,
    field: &str,
) -> Result<(User, String), StoryError> {
    let found = {
        let mut connection = core.store.read().await?;
        let email = user::by_id(&mut connection, user_id)
            .await?
            .ok_or(Refusal::TokenRevoked)?
            .email;
        user::by_email(&mut connection, &email)
            .await?
            .ok_or(Refusal::TokenRevoked)?
    };
    if core.passwords.verify(password, Some(found.1.clone())).await? {
        return Ok(found);
    }
    Err(StoryError::field(
        Refusal::InvalidCredentials,
        field,
        "It is not right.",
    ))
}

/// Judges and hashes a new password of a user.
///
/// # Errors
/// `weak_password`.
pub(super) async fn hash_for(core: &Core, user: &User, password: SecretString) -> Result<String, StoryError> {
    let name = user.email.split('@').next().unwrap_or_default().to_owned();
    let about = vec![
        user.email.clone(),
        user.first_name.clone(),
        user.last_name.clone(),
        name,
    ];
    core.passwords
        .judge_and_hash(password, about)
        .await?
        .map_err(|reason| StoryError::field(Refusal::WeakPassword, "new_password", reason))
}

/// Gives a user another password. Every token and session of theirs ends; who asked gets a new pair.
///
/// # Errors
/// `invalid_credentials`, `weak_password`, `throttled`, `token_revoked`, `storage_unavailable`.
pub async fn change_password(core: &Core, change: Change) -> Result<SignedIn, StoryError> {
    let purses = budgets::take(core, core.budgets.of_user(change.user_id)).await?;
    let (user, before) = prove(core, change.user_id, change.current, "current_password").await?;
    let decided = Decided {
        user_id: user.id,
        before,
        after: hash_for(core, &user, change.new).await?,
        beginning: core.begin_sign_in(&change.visitor),
        purses,
        request_id: change.request_id,
    };
    let profile = core
        .store
        .write(&decided, |connection, decided| Box::pin(commit(connection, decided)))
        .await?;
    core.signed_in(&decided.beginning, profile)
}

async fn commit(connection: &mut Connection, decided: &Decided) -> Result<Profile, StoryError> {
    let (id, now) = (decided.user_id, decided.beginning.now);
    // Of two changes at once the second one no longer knows the password in use.
    if !user::lock_with_password(connection, id, &decided.before).await? {
        return Err(Refusal::InvalidCredentials.into());
    }
    budgets::give_back(connection, &decided.purses).await?;
    mailed_token::void_all(connection, id, Purpose::ResetPassword, now).await?;
    session::end_all(connection, id, now).await?;
    user::set_password(connection, id, &decided.after, now).await?;
    let profile = profile::of_user(connection, id).await?;
    let line = Audit {
        account_id: Some(profile.user.account_id),
        actor: Actor::User(id),
        action: "user.password_changed",
        detail: "{}".into(),
        request_id: &decided.request_id,
    };
    audit(connection, &line, now).await?;
    sign_in::insert(connection, id, &decided.beginning.new, now).await?;
    sign_in::end_others(connection, id, &decided.beginning.new.sid, now).await?;
    Ok(profile)
}
