//! The sign-ins of a user, for the user: looked at and ended.

use super::change::Ask;
use super::{Core, StoryError};
use crate::storage::Connection;
use crate::storage::sign_in::{self, SignIn};
use crate::storage::trail::{Actor, Audit, audit};
use crate::storage::user;
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;

/// The running sign-ins of a user, the newest first.
///
/// # Errors
/// `storage_unavailable`.
pub async fn list(core: &Core, user_id: UserId) -> Result<Vec<SignIn>, StoryError> {
    Ok(sign_in::running(&mut *core.store.read().await?, user_id, core.machine_now()).await?)
}

/// Which sign-ins are to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one of this number.
    One(i64),
    All,
    /// All but the one of this `sid`.
    Others(String),
}

struct Ending {
    actor: Actor,
    user_id: UserId,
    account_id: AccountId,
    which: Which,
    request_id: String,
    now: Timestamp,
}

/// Ends sign-ins of a user.
///
/// # Errors
/// `not_found` where the one is not running or not theirs, `storage_unavailable`.
pub async fn end(
    core: &Core,
    (user_id, account_id): (UserId, AccountId),
    which: Which,
    request_id: String,
) -> Result<(), StoryError> {
    let ending = Ending {
        actor: Actor::User(user_id),
        user_id,
        account_id,
        which,
        request_id,
        now: core.machine_now(),
    };
    core.store
        .write(&ending, |connection, ending| Box::pin(commit(connection, ending)))
        .await
}

/// Ends every sign-in of one of a customer's people, by staff.
///
/// # Errors
/// `not_found` where the account has no such person, `storage_unavailable`.
pub async fn end_by_staff(core: &Core, ask: Ask, user_id: UserId) -> Result<(), StoryError> {
    let found = user::by_id(&mut *core.store.read().await?, user_id).await?;
    found
        .filter(|user| user.account_id == ask.account_id && user.platform_role.is_none())
        .ok_or(Refusal::NotFound)?;
    let ending = Ending {
        actor: ask.actor,
        user_id,
        account_id: ask.account_id,
        which: Which::All,
        request_id: ask.request_id,
        now: core.machine_now(),
    };
    core.store
        .write(&ending, |connection, ending| Box::pin(commit(connection, ending)))
        .await
}

async fn commit(connection: &mut Connection, ending: &Ending) -> Result<(), StoryError> {
    let (user_id, now) = (ending.user_id, ending.now);
    let before = sign_in::running(connection, user_id, now).await?.len();
    let (action, mut detail) = match &ending.which {
        Which::One(id) => ("sign_in.ended", serde_json::json!({"sign_in_id": id})),
        Which::All => ("sign_in.all_ended", serde_json::json!({"user_id": user_id})),
        Which::Others(_) => ("sign_in.others_ended", serde_json::json!({})),
    };
    match &ending.which {
        Which::One(id) => {
            if !sign_in::end_by_id(connection, *id, user_id, now).await? {
                return Err(Refusal::NotFound.into());
            }
        }
        Which::All => sign_in::end_all(connection, user_id, now).await?,
        Which::Others(sid) => sign_in::end_others(connection, user_id, sid, now).await?,
    }
    let after = sign_in::running(connection, user_id, now).await?.len();
    detail["sign_ins"] = serde_json::json!({"before": before, "after": after});
    let line = Audit {
        account_id: Some(ending.account_id),
        actor: ending.actor,
        action,
        detail: detail.to_string(),
        request_id: &ending.request_id,
    };
    Ok(audit(connection, &line, now).await?)
}
