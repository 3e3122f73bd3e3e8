//! Changing an account's book: load it under its lock, bring it up to the present, decide, store, and keep the answer under
//! its Idempotency-Key, all in one transaction.

use super::profile::{self, AccountProfile};
use super::{BillingTerms, Core, StoryError};
use crate::domain::book::{Book, Rules};
use crate::storage::book::{By, Saved};
use crate::storage::idempotency::{NewAnswer, RequestKey};
use crate::storage::trail::Actor;
use crate::storage::{self, Connection, idempotency, plan};
use igny8_contract::ids::AccountId;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use serde_json::Value;

/// Whose book is changed, and who asks.
#[derive(Clone, Debug)]
pub struct Ask {
    pub account_id: AccountId,
    pub actor: Actor,
    pub request_id: String,
    pub key: Option<RequestKey>,
}

/// What is answered; the same again where the request comes again under its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `data` of the envelope.
    pub data: Value,
    /// Whether it was answered before.
    pub replayed: bool,
}

impl Answer {
    /// An answer to a request that has just taken effect.
    #[must_use]
    pub const fn new(status: u16, data: Value) -> Self {
        Self {
            status,
            data,
            replayed: false,
        }
    }
}

/// What has come of a decision.
#[derive(Debug)]
pub struct Done<T> {
    pub outcome: T,
    pub saved: Saved,
    /// As it is stored now.
    pub account: AccountProfile,
    pub book: Book,
    pub now: Timestamp,
}

struct Given<D, R> {
    ask: Ask,
    terms: BillingTerms,
    now: Timestamp,
    machine_now: Timestamp,
    decide: D,
    render: R,
}

/// Takes one decision on a book. `decide` runs again from the start where its transaction lost against another.
///
/// # Errors
/// What `decide` refuses, `account_missing`, `idempotency_key_reused`, `storage_unavailable`.
pub async fn change<T, D, R>(core: &Core, ask: Ask, decide: D, render: R) -> Result<Answer, StoryError>
where
    T: Send + 'static,
    D: Fn(&mut Book, &Rules<'_>, Timestamp) -> Result<T, StoryError> + Send + Sync,
    R: Fn(&Done<T>) -> Result<Value, StoryError> + Send + Sync,
{
    let given = Given {
        ask,
        terms: core.billing.clone(),
        now: core.now(),
        machine_now: core.machine_now(),
        decide,
        render,
    };
    core.store
        .write(&given, |connection, given| Box::pin(commit(connection, given)))
        .await
}

async fn commit<T, D, R>(connection: &mut Connection, given: &Given<D, R>) -> Result<Answer, StoryError>
where
    T: Send + 'static,
    D: Fn(&mut Book, &Rules<'_>, Timestamp) -> Result<T, StoryError> + Send + Sync,
    R: Fn(&Done<T>) -> Result<Value, StoryError> + Send + Sync,
{
    let (ask, now) = (&given.ask, given.now);
    let before = locked(connection, ask).await?;
    if let Some(answer) = answered(connection, ask.key).await? {
        return Ok(answer);
    }
    let plans = plan::all(connection).await?;
    let rules = given.terms.rules(&plans);
    let mut book = before.clone();
    book.pass_time(&rules, now)?;
    let outcome = (given.decide)(&mut book, &rules, now)?;
    let done = store(connection, ask, &before, book, outcome, &rules, now).await?;
    let answer = Answer::new(200, (given.render)(&done)?);
    keep(connection, ask, &answer, given.machine_now).await?;
    Ok(answer)
}

/// The book of the account that is asked about, locked.
pub(super) async fn locked(connection: &mut Connection, ask: &Ask) -> Result<Book, StoryError> {
    let book = storage::book::load(connection, ask.account_id).await?;
    Ok(book.ok_or(Refusal::AccountMissing)?)
}

/// Stores what has become of a book.
pub(super) async fn store<T>(
    connection: &mut Connection,
    ask: &Ask,
    before: &Book,
    book: Book,
    outcome: T,
    rules: &Rules<'_>,
    now: Timestamp,
) -> Result<Done<T>, StoryError> {
    let by = By {
        actor: ask.actor,
        request_id: &ask.request_id,
    };
    let saved = storage::book::save(connection, before, &book, by, rules, now).await?;
    Ok(Done {
        outcome,
        saved,
        account: profile::of_account(connection, ask.account_id).await?,
        book,
        now,
    })
}

/// What was answered to this request before.
///
/// # Errors
/// `idempotency_key_reused` where it had another body.
pub async fn answered(connection: &mut Connection, key: Option<RequestKey>) -> Result<Option<Answer>, StoryError> {
    let Some(key) = key else { return Ok(None) };
    let mut found = idempotency::find(connection, &[key.scope]).await?;
    let Some(stored) = found.remove(&key.scope) else {
        return Ok(None);
    };
    replay(key, &stored).map(Some)
}

/// A kept answer, to whoever sends the same request again.
///
/// # Errors
/// `idempotency_key_reused` where it had another body.
pub fn replay(key: RequestKey, stored: &idempotency::StoredAnswer) -> Result<Answer, StoryError> {
    if stored.body_digest != key.body_digest {
        return Err(Refusal::IdempotencyKeyReused.into());
    }
    let unreadable = |what: String| StoryError::Fault(format!("a kept answer: {what}"));
    Ok(Answer {
        status: u16::try_from(stored.status).map_err(|error| unreadable(error.to_string()))?,
        data: serde_json::from_str(&stored.answer).map_err(|error| unreadable(error.to_string()))?,
        replayed: true,
    })
}

/// Keeps an answer under the request's key, if it has one, from this moment of the machine's on: clients count the days by
/// theirs.
pub(super) async fn keep(
    connection: &mut Connection,
    ask: &Ask,
    answer: &Answer,
    machine_now: Timestamp,
) -> Result<(), StoryError> {
    let Some(key) = ask.key else { return Ok(()) };
    let new = NewAnswer {
        key,
        account_id: ask.account_id,
        status: i64::from(answer.status),
        answer: answer.data.to_string(),
    };
    Ok(idempotency::keep(connection, &[new], machine_now).await?)
}
