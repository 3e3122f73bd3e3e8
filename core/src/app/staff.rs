//! The platform's own people: made, listed and shut out by command.

use super::{Core, StoryError};
use crate::domain::account::NewAccount;
use crate::domain::user::{NewUser, User};
use crate::storage::Connection;
use crate::storage::trail::{Actor, Audit, audit};
use crate::storage::{account, session, sign_in, totp, user};
use igny8_contract::claims::{AccountRole, PlatformRole};
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use secrecy::SecretString;

/// Who is to be staff.
#[derive(Debug)]
pub struct NewStaff {
    /// In its normal form.
    pub email: String,
    pub password: SecretString,
    pub first_name: String,
    pub last_name: String,
    pub platform_role: PlatformRole,
    pub is_superuser: bool,
}

/// Makes a member of staff; their account is made with the first of them.
///
/// # Errors
/// `email_taken`, `weak_password`, `storage_unavailable`.
pub async fn create(core: &Core, new: NewStaff) -> Result<User, StoryError> {
    let about = vec![new.email.clone(), new.first_name.clone(), new.last_name.clone()];
    let password_hash = core
        .passwords
        .judge_and_hash(new.password, about)
        .await?
        .map_err(|reason| StoryError::field(Refusal::WeakPassword, "password", reason))?;
    let user = NewUser {
        email: new.email,
        password_hash,
        first_name: new.first_name,
        last_name: new.last_name,
        role: AccountRole::Owner,
        platform_role: Some(new.platform_role),
        is_superuser: new.is_superuser,
    };
    let given = (user, core.machine_now());
    core.store
        .write(&given, |connection, (user, now)| {
            Box::pin(commit(connection, user, *now))
        })
        .await
}

async fn commit(connection: &mut Connection, new: &NewUser, now: Timestamp) -> Result<User, StoryError> {
    let account = match account::staff(connection).await? {
        Some(account) => account,
        None => {
            let added = account::insert(connection, &[NewAccount::of_staff()], now).await?;
            added.into_iter().next().ok_or(Refusal::Internal)?
        }
    };
    let user = user::insert(connection, account.id, new, now)
        .await?
        .ok_or(Refusal::EmailTaken)?;
    let detail = serde_json::json!({
        "user_id": user.id, "platform_role": user.platform_role, "is_superuser": user.is_superuser,
    });
    record(connection, &user, "staff.created", detail, now).await?;
    Ok(user)
}

/// Every member of staff.
///
/// # Errors
/// `storage_unavailable`.
pub async fn list(core: &Core) -> Result<Vec<User>, StoryError> {
    Ok(user::staff(&mut *core.store.read().await?).await?)
}

/// Shuts a member of staff out, with every token and session of theirs.
///
/// # Errors
/// `not_found` where no member of staff has this address, `storage_unavailable`.
pub async fn disable(core: &Core, email: String) -> Result<User, StoryError> {
    let given = (email, core.machine_now());
    core.store
        .write(&given, |connection, (email, now)| {
            Box::pin(async move {
                let found = user::by_email(connection, email).await?.map(|(user, _)| user);
                let mut user = found
                    .filter(|user| user.platform_role.is_some())
                    .ok_or(Refusal::NotFound)?;
                let was_active = user.is_active;
                user::disable(connection, user.id, *now).await?;
                sign_in::end_all(connection, user.id, *now).await?;
                session::end_all(connection, user.id, *now).await?;
                user.is_active = false;
                record(
                    connection,
                    &user,
                    "staff.disabled",
                    serde_json::json!({"user_id": user.id, "is_active": {"before": was_active, "after": false}}),
                    *now,
                )
                .await?;
                Ok(user)
            })
        })
        .await
}

/// Takes the second factor of a member of staff away, begun or confirmed, and ends every token and session of theirs.
///
/// # Errors
/// `not_found`, with the field named, where no member of staff has this address or they have no second factor;
/// `storage_unavailable`.
pub async fn reset_totp(core: &Core, email: String) -> Result<User, StoryError> {
    let given = (email, core.machine_now());
    core.store
        .write(&given, |connection, (email, now)| {
            Box::pin(async move {
                let refused = |what: &str| StoryError::field(Refusal::NotFound, "email", what);
                let found = user::by_email(connection, email).await?.map(|(user, _)| user);
                let user = found
                    .filter(|user| user.platform_role.is_some())
                    .ok_or_else(|| refused("No member of staff has this address."))?;
                let factor = totp::of_user(connection, user.id).await?;
                let before = factor
                    .ok_or_else(|| refused("This member of staff has no second factor."))?
                    .state();
                totp::remove(connection, user.id).await?;
                user::raise_epoch(connection, user.id, *now).await?;
                sign_in::end_all(connection, user.id, *now).await?;
                session::end_all(connection, user.id, *now).await?;
                let factor = serde_json::json!({"before": before, "after": "off"});
                let detail = serde_json::json!({"user_id": user.id, "second_factor": factor});
                record(connection, &user, "staff.totp_reset", detail, *now).await?;
                Ok(user)
            })
        })
        .await
}

async fn record(
    connection: &mut Connection,
    user: &User,
    action: &'static str,
    detail: serde_json::Value,
    now: Timestamp,
) -> Result<(), StoryError> {
    let line = Audit {
        account_id: Some(user.account_id),
        actor: Actor::Command,
        action,
        detail: detail.to_string(),
        request_id: "",
    };
    Ok(audit(connection, &line, now).await?)
}
