//! Showing that one reads the mail of one's address.

use super::{Core, StoryError};
use crate::adapters::digest::sha_256;
use crate::app::budgets::{self, Purse};
use crate::domain::link::Purpose;
use crate::storage::mailed_token::NewLink;
use crate::storage::trail::{Actor, Audit, audit};
use crate::storage::{Connection, mailed_token, user};
use igny8_contract::ids::UserId;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use secrecy::{ExposeSecret, SecretString};

/// Uses the link of a mail.
///
/// # Errors
/// `link_invalid`, also where the user has another address by now; `storage_unavailable`.
pub async fn verify(core: &Core, token: &SecretString, request_id: String) -> Result<(), StoryError> {
    let given = (
        sha_256(token.expose_secret().as_bytes()),
        request_id,
        core.machine_now(),
    );
    core.store
        .write(&given, |connection, (token_hash, request_id, now)| {
            Box::pin(commit(connection, token_hash, request_id, *now))
        })
        .await
}

async fn commit(
    connection: &mut Connection,
    token_hash: &[u8; 32],
    request_id: &str,
    now: Timestamp,
) -> Result<(), StoryError> {
    let owner = mailed_token::owner(connection, Purpose::VerifyEmail, token_hash, now).await?;
    let (id, email) = owner.ok_or(Refusal::LinkInvalid)?;
    let user = user::by_id(connection, id).await?.ok_or(Refusal::LinkInvalid)?;
    if !user::verify_email(connection, id, &email, now).await?
        || !mailed_token::use_up(connection, token_hash, now).await?
    {
        return Err(Refusal::LinkInvalid.into());
    }
    mailed_token::void_all(connection, id, Purpose::VerifyEmail, now).await?;
    let line = Audit {
        account_id: Some(user.account_id),
        actor: Actor::User(id),
        action: "user.email_verified",
        detail: serde_json::json!({
            "email": email, "email_verified": {"before": user.email_verified_at.is_some(), "after": true},
        })
        .to_string(),
        request_id,
    };
    Ok(audit(connection, &line, now).await?)
}

struct Again {
    email: String,
    link: NewLink,
    purse: Purse,
    now: Timestamp,
}

/// Mails another link to a user whose address is not verified; for one whose address is, nothing is to be done.
///
/// # Errors
/// `throttled`, `token_revoked` where the user is gone, `storage_unavailable`.
pub async fn resend(core: &Core, id: UserId) -> Result<(), StoryError> {
    let found = user::by_id(&mut *core.store.read().await?, id).await?;
    let user = found.ok_or(Refusal::TokenRevoked)?;
    if user.email_verified_at.is_some() {
        return Ok(());
    }
    let now = core.machine_now();
    let again = Again {
        link: core.new_link(Purpose::VerifyEmail, now),
        purse: core.budgets.of_mail_to(&user.email),
        email: user.email,
        now,
    };
    core.store
        .write(&again, |connection, again| {
            Box::pin(async move {
                budgets::take_in(connection, again.purse, again.now).await?;
                mailed_token::insert(connection, &again.email, &again.link, again.now).await?;
                Ok::<(), StoryError>(())
            })
        })
        .await?;
    core.mail_waits.notify_one();
    Ok(())
}
