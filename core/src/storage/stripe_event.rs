//! The inbox of Stripe's webhooks, and which account a subscription of Stripe's pays for.

use super::error::Error;
use super::row::{instant, optional_number, optional_text, text, word};
use super::store::Connection;
use crate::domain::stripe::Fact;
use crate::domain::stripe::decision::{Link, Outcome};
use igny8_contract::ids::AccountId;
use igny8_contract::time::Timestamp;
use sqlx::any::AnyRow;

/// A subscription of Stripe's as it is known here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linked {
    /// Nothing until its checkout has come.
    pub account_id: Option<AccountId>,
    pub link: Link,
}

/// An event that has come.
#[derive(Clone, Debug)]
pub struct Stored<'a> {
    pub id: &'a str,
    pub kind: &'a str,
    pub fact: &'a Fact,
    pub occurred_at: Timestamp,
    pub outcome: Outcome,
}

/// An event that waits for the first payment of its subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingEvent {
    pub id: String,
    pub fact: Fact,
    pub occurred_at: Timestamp,
}

/// Notes a subscription of Stripe's where it is new, and locks it until the transaction ends. Before its account is
/// locked, always.
///
/// # Errors
/// What the database says.
pub async fn lock(connection: &mut Connection, subscription: &str, now: Timestamp) -> Result<Linked, Error> {
    let row = sqlx::query(
        "INSERT INTO stripe_subscription (id, created_at_us) VALUES ($1, $2) \
         ON CONFLICT (id) DO UPDATE SET created_at_us = stripe_subscription.created_at_us \
         RETURNING account_id, reference, mirrored_at_us",
    )
    .bind(subscription)
    .bind(now.0)
    .fetch_one(connection)
    .await?;
    Ok(Linked {
        account_id: optional_number(&row, "account_id")?.map(AccountId),
        link: Link {
            subscription: Some(subscription.to_owned()),
            reference: optional_text(&row, "reference")?,
            mirrored_at: optional_number(&row, "mirrored_at_us")?.map(Timestamp),
        },
    })
}

/// Keeps what is known of a subscription of Stripe's.
///
/// # Errors
/// What the database says.
pub async fn save(connection: &mut Connection, linked: &Linked) -> Result<(), Error> {
    sqlx::query("UPDATE stripe_subscription SET account_id = $2, reference = $3, mirrored_at_us = $4 WHERE id = $1")
        .bind(linked.link.subscription.as_deref())
        .bind(linked.account_id.map(|id| id.0))
        .bind(linked.link.reference.as_deref())
        .bind(linked.link.mirrored_at.map(|at| at.0))
        .execute(connection)
        .await?;
    Ok(())
}

/// What has become of an event; nothing where it has not come before.
///
/// # Errors
/// What the database says.
pub async fn outcome(connection: &mut Connection, id: &str) -> Result<Option<Outcome>, Error> {
    let row = sqlx::query("SELECT outcome FROM stripe_event WHERE event_id = $1")
        .bind(id)
        .fetch_optional(connection)
        .await?;
    row.map(|row| word(&row, "outcome", Outcome::parse)).transpose()
}

/// Adds an event together with what has become of it.
///
/// # Errors
/// [`Error::Raced`] where another transaction has taken it meanwhile; what the database says.
pub async fn add(connection: &mut Connection, event: &Stored<'_>, now: Timestamp) -> Result<(), Error> {
    let facts = serde_json::to_string(event.fact).map_err(|error| Error::Unexpected(error.to_string()))?;
    let added = sqlx::query(
        "INSERT INTO stripe_event (event_id, event_type, status, outcome, stripe_subscription_id, facts, \
         occurred_at_us, received_at_us, processed_at_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (event_id) DO NOTHING",
    )
    .bind(event.id)
    .bind(event.kind)
    .bind(status(event.outcome))
    .bind(event.outcome.as_str())
    .bind(event.fact.subscription())
    .bind(facts)
    .bind(event.occurred_at.0)
    .bind(now.0)
    .bind((event.outcome != Outcome::Waiting).then_some(now.0))
    .execute(connection)
    .await?;
    if added.rows_affected() == 0 {
        return Err(Error::Raced);
    }
    Ok(())
}

const fn status(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Waiting => "waiting",
        Outcome::Ignored => "ignored",
        Outcome::Applied
        | Outcome::Linked
        | Outcome::Unchanged
        | Outcome::Stale
        | Outcome::Noted
        | Outcome::AmountMismatch
        | Outcome::UnknownReference
        | Outcome::Unexpected => "done",
    }
}

/// What waits for the first payment of this subscription, in the order in which it happened at Stripe.
///
/// # Errors
/// What the database says.
pub async fn waiting(connection: &mut Connection, subscription: &str) -> Result<Vec<WaitingEvent>, Error> {
    let rows = sqlx::query(
        "SELECT event_id, facts, occurred_at_us FROM stripe_event \
         WHERE stripe_subscription_id = $1 AND status = 'waiting' ORDER BY occurred_at_us, received_at_us, event_id",
    )
    .bind(subscription)
    .fetch_all(connection)
    .await?;
    rows.iter().map(waiting_event).collect()
}

fn waiting_event(row: &AnyRow) -> Result<WaitingEvent, Error> {
    let facts = text(row, "facts")?;
    Ok(WaitingEvent {
        id: text(row, "event_id")?,
        fact: serde_json::from_str(&facts).map_err(|error| Error::Unexpected(format!("facts: {error}")))?,
        occurred_at: instant(row, "occurred_at_us")?,
    })
}

/// Says what has become of an event that has waited.
///
/// # Errors
/// What the database says.
pub async fn finish(connection: &mut Connection, id: &str, outcome: Outcome, now: Timestamp) -> Result<(), Error> {
    sqlx::query("UPDATE stripe_event SET status = $2, outcome = $3, processed_at_us = $4 WHERE event_id = $1")
        .bind(id)
        .bind(status(outcome))
        .bind(outcome.as_str())
        .bind(now.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// When the oldest event came; nothing where there is none.
///
/// # Errors
/// What the database says.
pub async fn oldest(connection: &mut Connection) -> Result<Option<Timestamp>, Error> {
    let row = sqlx::query("SELECT MIN(received_at_us) AS oldest_us FROM stripe_event")
        .fetch_one(connection)
        .await?;
    Ok(optional_number(&row, "oldest_us")?.map(Timestamp))
}

/// Forgets events that came before `before`, at most `limit` of them, and says how many. One that still waits is forgotten,
/// too: nobody is going to pay for its subscription any more.
///
/// # Errors
/// What the database says.
pub async fn sweep(connection: &mut Connection, before: Timestamp, limit: i64) -> Result<u64, Error> {
    let swept = sqlx::query(
        "DELETE FROM stripe_event WHERE event_id IN \
         (SELECT event_id FROM stripe_event WHERE received_at_us < $1 ORDER BY received_at_us LIMIT $2)",
    )
    .bind(before.0)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(swept.rows_affected())
}
