//! Reading everything back for the doctor: many accounts at once, and never a whole ledger.

use super::account::{self, Locked};
use super::error::Error;
use super::oddity;
use super::purse;
use super::row::{flag, instant, number, optional_number, text, word};
use super::store::Connection;
use super::subscription;
use crate::domain::account::AccountKind;
use crate::domain::book::Book;
use crate::domain::payment::PendingPayment;
use crate::domain::period::Period;
use crate::domain::subscription::{PaymentMethod, Subscription};
use igny8_contract::ids::{AccountId, PlanId};
use igny8_contract::time::Timestamp;
use std::collections::HashMap;

/// The most accounts of a batch.
const BATCH_ACCOUNTS: i64 = 500;
/// The most rows of ledgers, holds and buckets that a batch goes through, unless it is one account alone.
const BATCH_ROWS: i64 = 500_000;
/// How many entries of a long ledger are gone through at once.
const LEDGER_PAGE: i64 = 50_000;

/// Accounts that are looked at together: those whose identifier is more than `after` and at most `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    pub after: i64,
    pub last: i64,
    /// How many they are.
    pub size: usize,
}

/// What the doctor looks at in one account.
#[derive(Clone, Debug)]
pub struct AccountSurvey {
    pub kind: AccountKind,
    pub book: Book,
    /// When time next changes something, as it is kept for the worker.
    pub due: Option<Timestamp>,
    pub entries: LedgerSurvey,
    pub users: i64,
    pub owners: i64,
    pub has_audit: bool,
    /// In the order of their numbers.
    pub subscriptions: Vec<SubscriptionSurvey>,
    /// What the database itself has found, in sentences.
    pub oddities: Vec<String>,
}

/// What the entries of a ledger come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerSurvey {
    pub total: i64,
    /// The sequence of the last entry; 0 where there is none.
    pub last_sequence: i64,
    /// The sequence of the first entry that does not continue the one before it.
    pub first_break: Option<i64>,
}

/// What the doctor looks at in one subscription.
#[derive(Clone, Debug)]
pub struct SubscriptionSurvey {
    /// With an empty period where it has none.
    pub subscription: Subscription,
    /// In the order of their sequence.
    pub periods: Vec<Period>,
    /// When the latest period was stored.
    pub period_stored_at: Timestamp,
    /// When its plan was last changed.
    pub plan_changed_at: Timestamp,
    /// Whether there is the bucket of the latest grant.
    pub has_bucket: bool,
}

/// How many accounts there are.
///
/// # Errors
/// What the database says.
pub async fn count(connection: &mut Connection) -> Result<i64, Error> {
    let row = sqlx::query("SELECT COUNT(*) AS accounts FROM account")
        .fetch_one(connection)
        .await?;
    number(&row, "accounts")
}

/// The batch of accounts after the identifier `after`; nothing where there are no more.
///
/// # Errors
/// What the database says.
pub async fn next_batch(connection: &mut Connection, after: i64) -> Result<Option<Batch>, Error> {
    let rows = sqlx::query(
        "SELECT id, ledger_sequence + hold_count + bucket_count AS weight FROM account WHERE id > $1 ORDER BY id LIMIT $2",
    )
    .bind(after)
    .bind(BATCH_ACCOUNTS)
    .fetch_all(connection)
    .await?;
    let (mut batch, mut weight) = (None, 0_i64);
    for (row, size) in rows.iter().zip(1..) {
        weight = weight.saturating_add(number(row, "weight")?);
        if batch.is_some() && weight > BATCH_ROWS {
            break;
        }
        let last = number(row, "id")?;
        batch = Some(Batch { after, last, size });
    }
    Ok(batch)
}

/// Everything of a batch of accounts that the doctor looks at, in the order of their identifiers.
///
/// # Errors
/// What the database says.
pub async fn accounts(connection: &mut Connection, batch: Batch) -> Result<Vec<AccountSurvey>, Error> {
    let heads = heads(connection, batch).await?;
    let rows: Vec<Locked> = account::unlocked(connection, heads.iter().map(|head| head.id)).await?;
    let mut purses = purse::load(connection, &rows, true).await?;
    let mut ledgers = ledgers(connection, batch).await?;
    let mut subscriptions = subscriptions(connection, batch).await?;
    let mut pending = pending(connection, batch).await?;
    let mut oddities = oddity::of_accounts(connection, batch).await?;
    Ok(rows
        .into_iter()
        .zip(heads)
        .map(|(row, head)| {
            let id = row.account.id;
            let subscriptions = subscriptions.remove(&id).unwrap_or_default();
            AccountSurvey {
                kind: row.account.kind,
                book: Book {
                    account_id: id,
                    status: row.account.status,
                    suspend_reason: row.account.suspend_reason,
                    plan_id: row.account.plan_id,
                    payment_method: row.account.payment_method,
                    purse: purses.remove(&id).unwrap_or_default(),
                    subscription: subscriptions.last().map(|latest| latest.subscription.clone()),
                    pending: pending.remove(&id),
                    changes: Vec::new(),
                },
                due: row.due,
                entries: ledgers.remove(&id).unwrap_or_default(),
                users: head.users,
                owners: head.owners,
                has_audit: head.has_audit,
                subscriptions,
                oddities: oddities.remove(&id).unwrap_or_default(),
            }
        })
        .collect())
}

struct Head {
    id: AccountId,
    users: i64,
    owners: i64,
    has_audit: bool,
}

async fn heads(connection: &mut Connection, batch: Batch) -> Result<Vec<Head>, Error> {
    let rows = sqlx::query(
        "SELECT account.id, (SELECT COUNT(*) FROM users WHERE users.account_id = account.id AND users.removed_at_us IS NULL) AS users, \
         (SELECT COUNT(*) FROM users WHERE users.account_id = account.id AND users.role = 'owner' \
         AND users.removed_at_us IS NULL) AS owners, \
         CASE WHEN EXISTS (SELECT 1 FROM audit WHERE audit.account_id = account.id) THEN 1 ELSE 0 END AS has_audit \
         FROM account WHERE account.id > $1 AND account.id <= $2 ORDER BY account.id",
    )
    .bind(batch.after)
    .bind(batch.last)
    .fetch_all(connection)
    .await?;
    let head = |row| {
        Ok(Head {
            id: AccountId(number(row, "id")?),
            users: number(row, "users")?,
            owners: number(row, "owners")?,
            has_audit: number(row, "has_audit")? != 0,
        })
    };
    rows.iter().map(head).collect()
}

/// Where in its ledger an account's entries are read on.
#[derive(Clone, Copy)]
struct Mark {
    /// Entries of a higher sequence are read.
    beyond: i64,
    sequence: i64,
    balance: i64,
}

async fn ledgers(connection: &mut Connection, batch: Batch) -> Result<HashMap<AccountId, LedgerSurvey>, Error> {
    let start = Mark {
        beyond: i64::MIN,
        sequence: 0,
        balance: 0,
    };
    if batch.size > 1 {
        let found = entries(connection, batch, start, i64::MAX).await?;
        return Ok(found.into_iter().map(|(id, survey, _)| (id, survey)).collect());
    }
    let (mut whole, mut mark, id) = (LedgerSurvey::default(), start, AccountId(batch.last));
    loop {
        let mut found = entries(connection, batch, mark, LEDGER_PAGE).await?;
        let Some((_, page, count)) = found.pop() else { break };
        whole = LedgerSurvey {
            total: whole.total.saturating_add(page.total),
            last_sequence: page.last_sequence,
            first_break: whole.first_break.or(page.first_break),
        };
        if count < LEDGER_PAGE {
            break;
        }
        let row = sqlx::query("SELECT balance_after FROM ledger_entry WHERE account_id = $1 AND sequence = $2")
            .bind(id.0)
            .bind(page.last_sequence)
            .fetch_one(&mut *connection)
            .await?;
        mark = Mark {
            beyond: page.last_sequence,
            sequence: page.last_sequence,
            balance: number(&row, "balance_after")?,
        };
    }
    Ok(HashMap::from([(id, whole)]))
}

/// What entries come to, account by account, and how many they are.
async fn entries(
    connection: &mut Connection,
    batch: Batch,
    mark: Mark,
    limit: i64,
) -> Result<Vec<(AccountId, LedgerSurvey, i64)>, Error> {
    let rows = sqlx::query(
        "SELECT account_id, COUNT(*) AS entries, CAST(SUM(amount) AS BIGINT) AS total, MAX(sequence) AS last_sequence, \
         MIN(CASE WHEN sequence <> sequence_before + 1 OR balance_after <> balance_before + amount OR balance_after < 0 \
         THEN sequence END) AS first_break \
         FROM (SELECT account_id, sequence, amount, balance_after, \
         LAG(sequence, 1, CAST($4 AS BIGINT)) OVER in_order AS sequence_before, \
         LAG(balance_after, 1, CAST($5 AS BIGINT)) OVER in_order AS balance_before \
         FROM (SELECT account_id, sequence, amount, balance_after FROM ledger_entry \
         WHERE account_id > $1 AND account_id <= $2 AND sequence > $3 ORDER BY account_id, sequence LIMIT $6) AS page \
         WINDOW in_order AS (PARTITION BY account_id ORDER BY sequence)) AS chain GROUP BY account_id",
    )
    .bind(batch.after)
    .bind(batch.last)
    .bind(mark.beyond)
    .bind(mark.sequence)
    .bind(mark.balance)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let survey = |row| {
        let survey = LedgerSurvey {
            total: number(row, "total")?,
            last_sequence: number(row, "last_sequence")?,
            first_break: optional_number(row, "first_break")?,
        };
        Ok((AccountId(number(row, "account_id")?), survey, number(row, "entries")?))
    };
    rows.iter().map(survey).collect()
}

async fn subscriptions(
    connection: &mut Connection,
    batch: Batch,
) -> Result<HashMap<AccountId, Vec<SubscriptionSurvey>>, Error> {
    let mut periods = periods(connection, batch).await?;
    let rows = sqlx::query(concat!(
        "SELECT subscription.id, subscription.account_id, ",
        subscription::columns!(),
        ", CASE WHEN EXISTS (SELECT 1 FROM credit_bucket WHERE credit_bucket.account_id = subscription.account_id \
         AND credit_bucket.subscription_number = subscription.number \
         AND credit_bucket.grant_number = subscription.grants AND credit_bucket.period_sequence = \
         COALESCE(subscription.granting_sequence, \
         (SELECT MAX(sequence) FROM subscription_period WHERE subscription_id = subscription.id))) \
         THEN 1 ELSE 0 END AS has_bucket, plan.updated_at_us AS plan_updated_at_us \
         FROM subscription JOIN plan ON plan.id = subscription.plan_id \
         WHERE subscription.account_id > $1 AND subscription.account_id <= $2 \
         ORDER BY subscription.account_id, subscription.number"
    ))
    .bind(batch.after)
    .bind(batch.last)
    .fetch_all(connection)
    .await?;
    let mut found: HashMap<AccountId, Vec<SubscriptionSurvey>> = HashMap::new();
    for row in &rows {
        let periods = periods.remove(&number(row, "id")?).unwrap_or_default();
        let period_stored_at = periods.last().map_or(Timestamp(0), |(_, stored_at)| *stored_at);
        let periods: Vec<Period> = periods.into_iter().map(|(period, _)| period).collect();
        let survey = SubscriptionSurvey {
            subscription: subscription::with_periods(row, &periods)?,
            periods,
            period_stored_at,
            plan_changed_at: instant(row, "plan_updated_at_us")?,
            has_bucket: flag(row, "has_bucket")?,
        };
        let id = AccountId(number(row, "account_id")?);
        found.entry(id).or_default().push(survey);
    }
    Ok(found)
}

/// Periods and when they were stored, by subscription, in the order of their sequence.
async fn periods(connection: &mut Connection, batch: Batch) -> Result<HashMap<i64, Vec<(Period, Timestamp)>>, Error> {
    let rows = sqlx::query(
        "SELECT subscription_period.subscription_id, subscription_period.sequence, subscription_period.start_us, \
         subscription_period.end_us, subscription_period.created_at_us FROM subscription_period \
         JOIN subscription ON subscription.id = subscription_period.subscription_id \
         WHERE subscription.account_id > $1 AND subscription.account_id <= $2 \
         ORDER BY subscription_period.subscription_id, subscription_period.sequence",
    )
    .bind(batch.after)
    .bind(batch.last)
    .fetch_all(connection)
    .await?;
    let mut found: HashMap<i64, Vec<(Period, Timestamp)>> = HashMap::new();
    for row in &rows {
        let period = subscription::period(row)?;
        let of = found.entry(number(row, "subscription_id")?).or_default();
        of.push((period, instant(row, "created_at_us")?));
    }
    Ok(found)
}

async fn pending(connection: &mut Connection, batch: Batch) -> Result<HashMap<AccountId, PendingPayment>, Error> {
    let rows = sqlx::query(
        "SELECT account_id, reference, plan_id, method, amount_minor, currency FROM payment \
         WHERE status = 'pending' AND account_id > $1 AND account_id <= $2",
    )
    .bind(batch.after)
    .bind(batch.last)
    .fetch_all(connection)
    .await?;
    let pending = |row| {
        let payment = PendingPayment {
            reference: text(row, "reference")?,
            plan_id: PlanId(number(row, "plan_id")?),
            method: word(row, "method", PaymentMethod::parse)?,
            amount_minor: number(row, "amount_minor")?,
            currency: text(row, "currency")?,
        };
        Ok((AccountId(number(row, "account_id")?), payment))
    };
    rows.iter().map(pending).collect()
}
