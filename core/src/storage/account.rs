//! Accounts.

use super::bulk;
use super::error::Error;
use super::row::{instant, number, optional_number, optional_text, optional_word, text, word};
use super::store::Connection;
use crate::domain::account::{Account, AccountKind, NewAccount};
use crate::domain::book::Book;
use crate::domain::ledger::LedgerHead;
use crate::domain::purse::Purse;
use crate::domain::standing::account_facts;
use crate::domain::subscription::PaymentMethod;
use igny8_contract::credits::Credits;
use igny8_contract::ids::{AccountId, PlanId};
use igny8_contract::standing::{AccountFacts, AccountStatus, SuspendReason};
use igny8_contract::time::Timestamp;
use sqlx::any::AnyRow;
use std::collections::{BTreeMap, BTreeSet};

/// The columns that are read, by name: a migration under a running core must not change what a statement answers.
macro_rules! columns {
    () => {
        "account.id, account.kind, account.name, account.status, account.suspend_reason, \
         account.plan_id, account.payment_method, account.credits, account.ledger_sequence, account.epoch, \
         account.created_at_us"
    };
}

fn account(row: &AnyRow) -> Result<Account, Error> {
    Ok(Account {
        id: AccountId(number(row, "id")?),
        kind: word(row, "kind", AccountKind::parse)?,
        name: text(row, "name")?,
        status: word(row, "status", AccountStatus::parse)?,
        suspend_reason: optional_word(row, "suspend_reason", SuspendReason::parse)?,
        plan_id: optional_number(row, "plan_id")?.map(PlanId),
        payment_method: optional_word(row, "payment_method", PaymentMethod::parse)?,
        ledger: LedgerHead {
            balance: Credits(number(row, "credits")?),
            sequence: number(row, "ledger_sequence")?,
        },
        epoch: number(row, "epoch")?,
        created_at: instant(row, "created_at_us")?,
    })
}

/// An account's row while its transaction holds it: nobody else changes anything of the account meanwhile.
#[derive(Clone, Debug)]
pub struct Locked {
    pub account: Account,
    /// The number of its last bucket.
    pub bucket_count: i64,
    /// The number of its last hold.
    pub hold_count: i64,
    /// When time itself next changes something.
    pub due: Option<Timestamp>,
}

/// Locks accounts until the transaction ends, in the order of their identifiers, so that two transactions never wait for
/// each other. Those that are not there are left out. Everything else of an account is read after this.
///
/// # Errors
/// What the database says.
pub async fn lock(connection: &mut Connection, ids: &BTreeSet<AccountId>) -> Result<Vec<Locked>, Error> {
    // SQLite has one writer, who has locked everything by beginning.
    let suffix = if connection.backend_name() == "PostgreSQL" {
        " FOR UPDATE"
    } else {
        ""
    };
    rows(connection, ids.iter().copied(), suffix).await
}

/// The same rows without a lock, for those who only look.
pub(super) async fn unlocked(
    connection: &mut Connection,
    ids: impl Iterator<Item = AccountId>,
) -> Result<Vec<Locked>, Error> {
    rows(connection, ids, "").await
}

async fn rows(
    connection: &mut Connection,
    ids: impl Iterator<Item = AccountId>,
    suffix: &str,
) -> Result<Vec<Locked>, Error> {
    let ids: Vec<AccountId> = ids.collect();
    let text = concat!(
        "SELECT ",
        columns!(),
        ", account.bucket_count, account.hold_count, account.due_us FROM account WHERE id IN {} ORDER BY id"
    );
    let text = format!("{text}{suffix}");
    let rows = bulk::find(connection, &text, &ids, |select, id| select.bind(id.0)).await?;
    let locked = |row: &AnyRow| {
        Ok(Locked {
            account: account(row)?,
            bucket_count: number(row, "bucket_count")?,
            hold_count: number(row, "hold_count")?,
            due: optional_number(row, "due_us")?.map(Timestamp),
        })
    };
    rows.iter().map(locked).collect()
}

/// What a purse's operations change in its account's own row, beside the balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub account_id: AccountId,
    pub bucket_count: i64,
    pub hold_count: i64,
    /// When time itself next changes something.
    pub due: Option<Timestamp>,
}

impl Counts {
    /// Those of a purse that time next changes when its account is due.
    #[must_use]
    pub const fn of(account_id: AccountId, purse: &Purse, due: Option<Timestamp>) -> Self {
        Self {
            account_id,
            bucket_count: purse.bucket_count,
            hold_count: purse.hold_count,
            due,
        }
    }
}

/// Stores counts.
///
/// # Errors
/// What the database says.
pub async fn save_counts(connection: &mut Connection, counts: &[Counts]) -> Result<(), Error> {
    let text = "UPDATE account SET bucket_count = now_has.column2, hold_count = now_has.column3, \
                due_us = now_has.column4 FROM (VALUES {}) AS now_has WHERE account.id = now_has.column1";
    bulk::execute(connection, text, &["CAST(? AS BIGINT)"; 4], counts, |update, counts| {
        update
            .bind(counts.account_id.0)
            .bind(counts.bucket_count)
            .bind(counts.hold_count)
            .bind(counts.due.map(|due| due.0))
    })
    .await?;
    Ok(())
}

/// What a book says of its account: its standing, its counts, and when time next changes something.
///
/// # Errors
/// What the database says.
pub async fn save(
    connection: &mut Connection,
    book: &Book,
    due: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE account SET status = $2, suspend_reason = $3, plan_id = $4, payment_method = $5, bucket_count = $6, \
         hold_count = $7, due_us = $8, updated_at_us = $9 WHERE id = $1",
    )
    .bind(book.account_id.0)
    .bind(book.status.as_str())
    .bind(book.suspend_reason.map(SuspendReason::as_str))
    .bind(book.plan_id.map(|id| id.0))
    .bind(book.payment_method.map(PaymentMethod::as_str))
    .bind(book.purse.bucket_count)
    .bind(book.purse.hold_count)
    .bind(due.map(|due| due.0))
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// When time next changes something in an account; nothing where it never does, or there is no such account.
///
/// # Errors
/// What the database says.
pub async fn due_of(connection: &mut Connection, id: AccountId) -> Result<Option<Timestamp>, Error> {
    let row = sqlx::query("SELECT due_us FROM account WHERE id = $1")
        .bind(id.0)
        .fetch_optional(connection)
        .await?;
    let due = row.map(|row| optional_number(&row, "due_us")).transpose()?;
    Ok(due.flatten().map(Timestamp))
}

/// Accounts in which time has something to change by `now`, the longest overdue first: the `limit` that come after `after`.
///
/// # Errors
/// What the database says.
pub async fn due(
    connection: &mut Connection,
    now: Timestamp,
    after: Option<(AccountId, Timestamp)>,
    limit: i64,
) -> Result<Vec<(AccountId, Timestamp)>, Error> {
    let (after_id, after_due) = after.map_or((i64::MIN, i64::MIN), |(id, due)| (id.0, due.0));
    let rows = sqlx::query(
        "SELECT id, due_us FROM account WHERE due_us <= $1 AND (due_us, id) > ($2, $3) ORDER BY due_us, id LIMIT $4",
    )
    .bind(now.0)
    .bind(after_due)
    .bind(after_id)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| Ok((AccountId(number(row, "id")?), instant(row, "due_us")?)))
        .collect()
}

/// Adds accounts, without credits, and gives them back in the order of `new`. Two that begin alike may have changed places.
///
/// # Errors
/// What the database says.
pub async fn insert(connection: &mut Connection, new: &[NewAccount], now: Timestamp) -> Result<Vec<Account>, Error> {
    let text = concat!(
        "INSERT INTO account (kind, name, status, plan_id, bucket_count, due_us, created_at_us, updated_at_us) \
         VALUES {} RETURNING ",
        columns!()
    );
    let rows = bulk::fetch(connection, text, &["?"; 8], new, |insert, new| {
        insert
            .bind(new.kind.as_str())
            .bind(&new.name)
            .bind(new.status.as_str())
            .bind(new.plan_id.map(|id| id.0))
            .bind(new.bucket_count)
            .bind(new.due.map(|due| due.0))
            .bind(now.0)
            .bind(now.0)
    })
    .await?;
    // Engines do not say in which order they give rows back.
    let mut rows: Vec<Account> = rows.iter().map(account).collect::<Result<_, _>>()?;
    let mut added = Vec::with_capacity(new.len());
    for new in new {
        let of_new = |row: &Account| {
            (row.kind, &row.name, row.status, row.plan_id) == (new.kind, &new.name, new.status, new.plan_id)
        };
        let place = rows.iter().position(of_new);
        let place = place.ok_or_else(|| Error::Unexpected("another account than was added".into()))?;
        added.push(rows.swap_remove(place));
    }
    Ok(added)
}

/// Gives an account another name.
///
/// # Errors
/// What the database says.
pub async fn rename(connection: &mut Connection, id: AccountId, name: &str, now: Timestamp) -> Result<(), Error> {
    sqlx::query("UPDATE account SET name = $2, updated_at_us = $3 WHERE id = $1")
        .bind(id.0)
        .bind(name)
        .bind(now.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// One account.
///
/// # Errors
/// What the database says.
pub async fn by_id(connection: &mut Connection, id: AccountId) -> Result<Option<Account>, Error> {
    let row = sqlx::query(concat!("SELECT ", columns!(), " FROM account WHERE id = $1"))
        .bind(id.0)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(account).transpose()
}

/// Which accounts are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Sought<'a> {
    pub words: &'a str,
    pub status: Option<AccountStatus>,
    pub plan_id: Option<PlanId>,
}

/// The newest `limit` accounts of customers whose number lies below `before`, newest first, that match `words`: their number,
/// or a part of their name or of an address of theirs, whatever the case; of this status and on this plan, where one is given.
/// No words match every account.
///
/// # Errors
/// What the database says.
pub async fn search(
    connection: &mut Connection,
    sought: &Sought<'_>,
    before: i64,
    limit: i64,
) -> Result<Vec<Account>, Error> {
    let words = sought.words;
    let mut part = String::from("%");
    for character in words.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '!') {
            part.push('!');
        }
        part.push(character);
    }
    part.push('%');
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM account WHERE account.kind = 'customer' AND account.id < $1 AND (account.id = $2 \
         OR lower(account.name) LIKE $3 ESCAPE '!' OR EXISTS (SELECT 1 FROM users WHERE users.account_id = account.id \
         AND users.removed_at_us IS NULL AND users.email LIKE $3 ESCAPE '!')) AND (CAST($5 AS TEXT) = '' OR account.status = $5) \
         AND (CAST($6 AS BIGINT) = 0 OR account.plan_id = $6) ORDER BY account.id DESC LIMIT $4"
    ))
    .bind(before)
    .bind(words.parse::<i64>().unwrap_or(0))
    .bind(part)
    .bind(limit)
    .bind(sought.status.map_or("", AccountStatus::as_str))
    .bind(sought.plan_id.map_or(0, |id| id.0))
    .fetch_all(connection)
    .await?;
    rows.iter().map(account).collect()
}

/// The first account of staff.
///
/// # Errors
/// What the database says.
pub async fn staff(connection: &mut Connection) -> Result<Option<Account>, Error> {
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM account WHERE kind = 'staff' ORDER BY id LIMIT 1"
    ))
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(account).transpose()
}

/// What the decision on standing needs to know, beside the account's own columns.
macro_rules! facts {
    () => {
        concat!(
            "SELECT ",
            columns!(),
            ", plan.slug AS plan_slug, (SELECT MAX(subscription_period.end_us) FROM subscription \
             JOIN subscription_period ON subscription_period.subscription_id = subscription.id \
             WHERE subscription.account_id = account.id AND subscription.ended_at_us IS NULL) AS period_end_us, \
             (SELECT subscription.grace_end_us FROM subscription \
             WHERE subscription.account_id = account.id AND subscription.ended_at_us IS NULL) AS grace_end_us \
             FROM account LEFT JOIN plan ON plan.id = account.plan_id "
        )
    };
}

fn of_facts(row: &AnyRow) -> Result<(AccountId, AccountFacts), Error> {
    let plan_slug = optional_text(row, "plan_slug")?;
    let period_end = optional_number(row, "period_end_us")?.map(Timestamp);
    let grace_end = optional_number(row, "grace_end_us")?.map(Timestamp);
    let account = account(row)?;
    let facts = account_facts(&account, plan_slug.as_deref(), period_end, grace_end);
    Ok((account.id, facts))
}

/// What the decision on its standing needs to know of an account.
///
/// # Errors
/// What the database says.
pub async fn facts(connection: &mut Connection, id: AccountId) -> Result<Option<AccountFacts>, Error> {
    let row = sqlx::query(concat!(facts!(), "WHERE account.id = $1"))
        .bind(id.0)
        .fetch_optional(connection)
        .await?;
    Ok(row.as_ref().map(of_facts).transpose()?.map(|(_, facts)| facts))
}

/// The same of several accounts; those that are not there are left out.
///
/// # Errors
/// What the database says.
pub async fn facts_of(
    connection: &mut Connection,
    ids: &[AccountId],
) -> Result<BTreeMap<AccountId, AccountFacts>, Error> {
    let text = concat!(facts!(), "WHERE account.id IN {}");
    let rows = bulk::find(connection, text, ids, |select, id| select.bind(id.0)).await?;
    rows.iter().map(of_facts).collect()
}

/// The same of the first `limit` accounts after one, in the order of their ids.
///
/// # Errors
/// What the database says.
pub async fn facts_after(
    connection: &mut Connection,
    id: AccountId,
    limit: i64,
) -> Result<Vec<(AccountId, AccountFacts)>, Error> {
    let rows = sqlx::query(concat!(facts!(), "WHERE account.id > $1 ORDER BY account.id LIMIT $2"))
        .bind(id.0)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(of_facts).collect()
}
