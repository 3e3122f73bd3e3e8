//! What stories on an account's keys and people share: the account locked, whoever asks known as they are now, and answers
//! that hold a secret once and are kept without it.

use super::change::{Answer, Ask, answered, keep};
use super::{Core, StoryError};
use crate::domain::account::{Account, AccountKind};
use crate::domain::role::{Act, may};
use crate::domain::user::User;
use crate::storage::trail::{Actor, Audit, audit};
use crate::storage::{Connection, account, user};
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use std::collections::BTreeSet;

/// What is answered, and the secret that goes with it: to this request alone, and to none that is sent again.
#[derive(Debug)]
pub struct Issued {
    pub answer: Answer,
    pub secret: Option<SecretString>,
}

/// A customer's account, locked until the transaction ends, and the person who asks something of it, as they are now.
#[derive(Debug)]
pub(super) struct Entered {
    pub account: Account,
    pub actor: User,
}

/// Locks the account and looks again whether whoever asks may do this: their token may be a little older than their role.
///
/// # Errors
/// `account_missing`, `token_revoked`, `role_required`; the staff's own account has neither keys nor members.
pub(super) async fn enter(connection: &mut Connection, ask: &Ask, by: UserId, act: Act) -> Result<Entered, StoryError> {
    let account = lock(connection, ask.account_id).await?;
    let actor = user::by_id(connection, by)
        .await?
        .filter(|actor| actor.is_active && actor.account_id == account.id)
        .ok_or(Refusal::TokenRevoked)?;
    may(actor.role, false, act)?;
    if account.kind == AccountKind::Customer {
        Ok(Entered { account, actor })
    } else {
        Err(Refusal::RoleRequired.into())
    }
}

/// Locks an account.
///
/// # Errors
/// `account_missing`.
pub(super) async fn lock(connection: &mut Connection, id: AccountId) -> Result<Account, StoryError> {
    let locked = account::lock(connection, &BTreeSet::from([id])).await?;
    Ok(locked.into_iter().next().ok_or(Refusal::AccountMissing)?.account)
}

/// What was answered before to a request that is sent again under its key: everything but the secret.
pub(super) async fn issued_before(connection: &mut Connection, ask: &Ask) -> Result<Option<Issued>, StoryError> {
    let answer = answered(connection, ask.key).await?;
    Ok(answer.map(|answer| Issued { answer, secret: None }))
}

/// Keeps an answer, which holds no secret, and hands it out with the secret.
///
/// # Errors
/// What the database says. The time is the machine's, as that of every kept answer.
pub(super) async fn issue(
    connection: &mut Connection,
    ask: &Ask,
    data: Value,
    secret: &str,
    machine_now: Timestamp,
) -> Result<Issued, StoryError> {
    let answer = Answer::new(201, data);
    keep(connection, ask, &answer, machine_now).await?;
    Ok(Issued {
        answer,
        secret: Some(secret.to_owned().into()),
    })
}

/// Adds a line to the account's audit.
///
/// # Errors
/// What the database says.
pub(super) async fn note(
    connection: &mut Connection,
    (account_id, actor, request_id): (AccountId, Actor, &str),
    action: &'static str,
    detail: &Value,
    now: Timestamp,
) -> Result<(), StoryError> {
    let line = Audit {
        account_id: Some(account_id),
        actor,
        action,
        detail: detail.to_string(),
        request_id,
    };
    Ok(audit(connection, &line, now).await?)
}

/// 32 bytes that nobody can predict.
pub(super) fn secret_bytes(core: &Core) -> [u8; 32] {
    let mut bytes = [0; 32];
    core.random.fill(&mut bytes);
    bytes
}
