//! The trail that a story leaves: audit rows for people, outbox rows for machines, both within its transaction.

use super::bulk;
use super::error::Error;
use super::store::Connection;
use igny8_contract::ids::{AccountId, ApiKeyId, UserId};
use igny8_contract::time::Timestamp;

/// Who acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A user, for themselves.
    User(UserId),
    /// A program, by an API key that acts for its maker.
    Key(UserId, ApiKeyId),
    /// A member of staff, for somebody else.
    Staff(UserId),
    /// Whoever runs commands on the machine.
    Command,
    /// The proxies and the core itself.
    System,
}

/// One line of the audit.
#[derive(Clone, Debug)]
pub struct Audit<'a> {
    pub account_id: Option<AccountId>,
    pub actor: Actor,
    /// What was done, as `thing.verb`.
    pub action: &'static str,
    /// A JSON object. Never a secret.
    pub detail: String,
    /// The request that asked for it; empty for a command.
    pub request_id: &'a str,
}

/// Adds a line to the audit.
///
/// # Errors
/// What the database says.
pub async fn audit(connection: &mut Connection, line: &Audit<'_>, now: Timestamp) -> Result<(), Error> {
    audit_all(connection, std::slice::from_ref(line), now).await
}

/// Adds lines to the audit.
///
/// # Errors
/// What the database says.
pub async fn audit_all(connection: &mut Connection, lines: &[Audit<'_>], now: Timestamp) -> Result<(), Error> {
    let text = "INSERT INTO audit (account_id, actor_kind, actor_user_id, action, detail, request_id, created_at_us, \
                actor_key_id) VALUES {}";
    bulk::execute(connection, text, &["?"; 8], lines, |insert, line| {
        let (kind, user, key) = match line.actor {
            Actor::User(user) => ("user", Some(user.0), None),
            Actor::Key(user, key) => ("user", Some(user.0), Some(key.0)),
            Actor::Staff(user) => ("staff", Some(user.0), None),
            Actor::Command => ("command", None, None),
            Actor::System => ("system", None, None),
        };
        insert
            .bind(line.account_id.map(|id| id.0))
            .bind(kind)
            .bind(user)
            .bind(line.action)
            .bind(&line.detail)
            .bind(line.request_id)
            .bind(now.0)
            .bind(key)
    })
    .await?;
    Ok(())
}

/// Puts a message for the rest of the world into the outbox. `payload` is a JSON object.
///
/// # Errors
/// What the database says.
pub async fn announce(
    connection: &mut Connection,
    topic: &str,
    account_id: AccountId,
    payload: &str,
    now: Timestamp,
) -> Result<(), Error> {
    announce_all(connection, topic, &[(account_id, payload)], now).await
}

/// Puts messages of one topic into the outbox: of which accounts, and their payloads.
///
/// # Errors
/// What the database says.
pub async fn announce_all(
    connection: &mut Connection,
    topic: &str,
    messages: &[(AccountId, &str)],
    now: Timestamp,
) -> Result<(), Error> {
    let text = "INSERT INTO outbox (topic, account_id, payload, created_at_us) VALUES {}";
    bulk::execute(connection, text, &["?"; 4], messages, |insert, message| {
        let (account_id, payload) = *message;
        insert.bind(topic).bind(account_id.0).bind(payload).bind(now.0)
    })
    .await?;
    Ok(())
}
