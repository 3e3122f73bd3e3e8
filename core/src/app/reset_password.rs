//! Choosing another password, by somebody who has forgotten theirs and reads the mail of their address.

use super::budgets::{self, Purse};
use super::change_password::hash_for;
use super::sign_in::Visitor;
use super::{Core, StoryError};
use crate::adapters::digest::sha_256;
use crate::domain::link::Purpose;
use crate::storage::mailed_token::NewLink;
use crate::storage::trail::{Actor, Audit, audit};
use crate::storage::{Connection, mailed_token, session, sign_in, user};
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use secrecy::{ExposeSecret, SecretString};

struct Asked {
    email: String,
    link: NewLink,
    to: Purse,
    from: Purse,
    now: Timestamp,
}

/// Mails a link to the user of an address, if there is one. Nobody who asks learns whether there is: answer and work are
/// the same, and so they are where an address has got enough mail for now.
///
/// # Errors
/// `throttled` where too much was asked for from one network, `storage_unavailable`.
pub async fn request(core: &Core, email: String, visitor: &Visitor) -> Result<(), StoryError> {
    let now = core.machine_now();
    let asked = Asked {
        link: core.new_link(Purpose::ResetPassword, now),
        to: core.budgets.of_mail_to(&email),
        from: core.budgets.of_mail_from(&visitor.address),
        email,
        now,
    };
    core.store
        .write(&asked, |connection, asked| Box::pin(queue(connection, asked)))
        .await?;
    core.mail_waits.notify_one();
    Ok(())
}

async fn queue(connection: &mut Connection, asked: &Asked) -> Result<(), StoryError> {
    budgets::take_in(connection, asked.from, asked.now).await?;
    match budgets::take_in(connection, asked.to, asked.now).await {
        Ok(()) => Ok(mailed_token::insert(connection, &asked.email, &asked.link, asked.now).await?),
        Err(StoryError::Throttled(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What the link in a mail is good for.
#[derive(Debug)]
pub struct Confirmation {
    pub token: SecretString,
    pub new_password: SecretString,
    pub visitor: Visitor,
    pub request_id: String,
}

struct Decided {
    token_hash: [u8; 32],
    user_id: UserId,
    /// Whether the address was verified before: the mail has shown it now.
    was_verified: bool,
    account_id: AccountId,
    email: String,
    password_hash: String,
    /// Whoever has the mail has shown who they are: strangers' attempts no longer stand in their way.
    purses: Vec<Purse>,
    request_id: String,
    now: Timestamp,
}

/// Gives the owner of a link another password and ends every sign-in and session of theirs. Of several who use a link, or
/// several links of one user, one does.
///
/// # Errors
/// `link_invalid`, `weak_password` (the link can be used again then), `storage_unavailable`.
pub async fn confirm(core: &Core, confirmation: Confirmation) -> Result<(), StoryError> {
    let now = core.machine_now();
    let token_hash = sha_256(confirmation.token.expose_secret().as_bytes());
    let (user, email) = {
        let mut connection = core.store.read().await?;
        let owner = mailed_token::owner(&mut connection, Purpose::ResetPassword, &token_hash, now).await?;
        let (id, email) = owner.ok_or(Refusal::LinkInvalid)?;
        (
            user::by_id(&mut connection, id).await?.ok_or(Refusal::LinkInvalid)?,
            email,
        )
    };
    let address = &confirmation.visitor.address;
    let of = |is_known| core.budgets.of_sign_in(&email, address, is_known).into_iter().next();
    let decided = Decided {
        token_hash,
        password_hash: hash_for(core, &user, confirmation.new_password).await?,
        user_id: user.id,
        was_verified: user.email_verified_at.is_some(),
        account_id: user.account_id,
        purses: [of(true), of(false)].into_iter().flatten().collect(),
        email,
        request_id: confirmation.request_id,
        now,
    };
    core.store
        .write(&decided, |connection, decided| Box::pin(commit(connection, decided)))
        .await
}

async fn commit(connection: &mut Connection, decided: &Decided) -> Result<(), StoryError> {
    let (id, now) = (decided.user_id, decided.now);
    // The user's row first: whoever has another link waits here, and finds it used up.
    if !user::set_password(connection, id, &decided.password_hash, now).await?
        || !mailed_token::use_up(connection, &decided.token_hash, now).await?
    {
        return Err(Refusal::LinkInvalid.into());
    }
    mailed_token::void_all(connection, id, Purpose::ResetPassword, now).await?;
    user::verify_email(connection, id, &decided.email, now).await?;
    budgets::fill_up(connection, decided.purses.clone()).await?;
    session::end_all(connection, id, now).await?;
    let detail = if decided.was_verified {
        serde_json::json!({})
    } else {
        serde_json::json!({"email_verified": {"before": false, "after": true}})
    };
    let line = Audit {
        account_id: Some(decided.account_id),
        actor: Actor::User(id),
        action: "user.password_reset",
        detail: detail.to_string(),
        request_id: &decided.request_id,
    };
    audit(connection, &line, now).await?;
    Ok(sign_in::end_all(connection, id, now).await?)
}
