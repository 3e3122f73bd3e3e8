//! Purses: the buckets and holds of accounts, and the ledger entries that move them. Many accounts at once, so that one
//! transaction can carry many debits.

use super::account::Locked;
use super::bulk;
use super::error::Error;
use super::hold;
use super::row::{number, optional_number, word};
use super::store::Connection;
use crate::domain::ledger::Movement;
use crate::domain::purse::{Bucket, BucketKind, GrantKey, Hold, Purse, Reason};
use igny8_contract::credits::Credits;
use igny8_contract::ids::AccountId;
use igny8_contract::time::Timestamp;
use sqlx::any::AnyRow;
use std::collections::HashMap;

/// The purses of locked accounts. Holds are read where they are asked for; nothing that ends or expires them may be done
/// with a purse that was read without them.
///
/// # Errors
/// What the database says.
pub async fn load(
    connection: &mut Connection,
    accounts: &[Locked],
    with_holds: bool,
) -> Result<HashMap<AccountId, Purse>, Error> {
    let mut purses: HashMap<AccountId, Purse> = accounts
        .iter()
        .map(|locked| {
            let purse = Purse {
                head: locked.account.ledger,
                bucket_count: locked.bucket_count,
                hold_count: locked.hold_count,
                ..Purse::default()
            };
            (locked.account.id, purse)
        })
        .collect();
    let text = "SELECT account_id, number, kind, priority, remaining, held, expires_at_us, subscription_number, \
                period_sequence, grant_number FROM credit_bucket WHERE remaining > 0 AND account_id IN {} \
                ORDER BY account_id, number";
    let ids: Vec<AccountId> = accounts.iter().map(|locked| locked.account.id).collect();
    for row in bulk::find(connection, text, &ids, |select, id| select.bind(id.0)).await? {
        if let Some(purse) = purses.get_mut(&AccountId(number(&row, "account_id")?)) {
            purse.buckets.push(bucket(&row)?);
        }
    }
    if with_holds {
        load_holds(connection, &ids, &mut purses).await?;
    }
    Ok(purses)
}

async fn load_holds(
    connection: &mut Connection,
    ids: &[AccountId],
    purses: &mut HashMap<AccountId, Purse>,
) -> Result<(), Error> {
    let text = "SELECT credit_hold.account_id, credit_hold.number, credit_hold.expires_at_us, \
                credit_hold_part.bucket_number, credit_hold_part.amount FROM credit_hold JOIN credit_hold_part \
                ON credit_hold_part.account_id = credit_hold.account_id \
                AND credit_hold_part.hold_number = credit_hold.number \
                WHERE credit_hold.status = 'open' AND credit_hold.account_id IN {} \
                ORDER BY credit_hold.account_id, credit_hold.number, credit_hold_part.position";
    for row in bulk::find(connection, text, ids, |select, id| select.bind(id.0)).await? {
        let Some(purse) = purses.get_mut(&AccountId(number(&row, "account_id")?)) else {
            continue;
        };
        let hold = number(&row, "number")?;
        let part = (number(&row, "bucket_number")?, Credits(number(&row, "amount")?));
        match purse.holds.last_mut().filter(|last| last.number == hold) {
            Some(last) => last.parts.push(part),
            None => purse.holds.push(Hold {
                number: hold,
                expires_at: Timestamp(number(&row, "expires_at_us")?),
                parts: vec![part],
            }),
        }
    }
    Ok(())
}

fn bucket(row: &AnyRow) -> Result<Bucket, Error> {
    let grant = optional_number(row, "subscription_number")?
        .zip(optional_number(row, "period_sequence")?)
        .zip(optional_number(row, "grant_number")?);
    Ok(Bucket {
        number: number(row, "number")?,
        kind: word(row, "kind", BucketKind::parse)?,
        priority: number(row, "priority")?,
        remaining: Credits(number(row, "remaining")?),
        held: Credits(number(row, "held")?),
        expires_at: optional_number(row, "expires_at_us")?.map(Timestamp),
        grant: grant.map(|((subscription, period), grant)| GrantKey {
            subscription,
            period,
            grant,
        }),
    })
}

/// The balance of an account and what is held of it, without its lock; nothing where the account is not there.
///
/// # Errors
/// What the database says.
pub async fn balance(connection: &mut Connection, id: AccountId) -> Result<Option<(Credits, Credits)>, Error> {
    let row = sqlx::query(
        "SELECT credits, (SELECT CAST(COALESCE(SUM(held), 0) AS BIGINT) FROM credit_bucket \
         WHERE credit_bucket.account_id = account.id AND remaining > 0) AS held FROM account WHERE id = $1",
    )
    .bind(id.0)
    .fetch_optional(connection)
    .await?;
    let balance = |row: AnyRow| Ok((Credits(number(&row, "credits")?), Credits(number(&row, "held")?)));
    row.map(balance).transpose()
}

/// A purse before and after what was decided on it.
#[derive(Clone, Copy, Debug)]
pub struct Changed<'a> {
    pub account_id: AccountId,
    pub before: &'a Purse,
    pub after: &'a Purse,
}

/// The identifiers of stored entries, by account and sequence.
pub type EntryIds = HashMap<(AccountId, i64), i64>;

/// Stores what has changed in these purses. The accounts' own rows are left to `account::save_counts`, but for the balance,
/// which the database moves with the entries.
///
/// # Errors
/// What the database says.
pub async fn save(connection: &mut Connection, changed: &[Changed<'_>], now: Timestamp) -> Result<EntryIds, Error> {
    let ids = insert_entries(connection, changed, now).await?;
    insert_buckets(connection, changed, now).await?;
    update_buckets(connection, changed).await?;
    hold::save(connection, changed, now).await?;
    Ok(ids)
}

async fn insert_entries(
    connection: &mut Connection,
    changed: &[Changed<'_>],
    now: Timestamp,
) -> Result<EntryIds, Error> {
    let entries: Vec<(AccountId, &Movement, &Reason)> = changed
        .iter()
        .flat_map(|purse| {
            let entries = purse.after.journal.entries.iter();
            entries.map(|(movement, reason)| (purse.account_id, movement, reason))
        })
        .collect();
    let text = "INSERT INTO ledger_entry (account_id, sequence, transaction_type, amount, balance_after, description, \
                metadata, created_at_us) VALUES {} RETURNING id, account_id, sequence";
    let rows = bulk::fetch(connection, text, &["?"; 8], &entries, |insert, entry| {
        let (account_id, movement, reason) = entry;
        insert
            .bind(account_id.0)
            .bind(movement.sequence)
            .bind(reason.transaction_type.as_str())
            .bind(movement.amount.0)
            .bind(movement.balance_after.0)
            .bind(&reason.description)
            .bind(&reason.metadata)
            .bind(now.0)
    })
    .await?;
    let stored = |row: &AnyRow| {
        let key = (AccountId(number(row, "account_id")?), number(row, "sequence")?);
        Ok((key, number(row, "id")?))
    };
    rows.iter().map(stored).collect()
}

/// A bucket that was emptied as soon as it was made is stored, too: it says that its grant was made.
async fn insert_buckets(connection: &mut Connection, changed: &[Changed<'_>], now: Timestamp) -> Result<(), Error> {
    let mut rows = Vec::new();
    for purse in changed {
        for made in &purse.after.journal.buckets {
            let left = purse.after.buckets.iter().find(|bucket| bucket.number == made.number);
            let (remaining, held, expires_at) = left
                .map_or((Credits::ZERO, Credits::ZERO, made.expires_at), |bucket| {
                    (bucket.remaining, bucket.held, bucket.expires_at)
                });
            let stored = Bucket {
                remaining,
                held,
                expires_at,
                ..*made
            };
            rows.push((purse.account_id, stored));
        }
    }
    let text = "INSERT INTO credit_bucket (account_id, number, kind, priority, remaining, held, expires_at_us, \
                subscription_number, period_sequence, grant_number, created_at_us) VALUES {}";
    bulk::execute(connection, text, &["?"; 11], &rows, |insert, (account_id, bucket)| {
        insert
            .bind(account_id.0)
            .bind(bucket.number)
            .bind(bucket.kind.as_str())
            .bind(bucket.priority)
            .bind(bucket.remaining.0)
            .bind(bucket.held.0)
            .bind(bucket.expires_at.map(|end| end.0))
            .bind(bucket.grant.map(|grant| grant.subscription))
            .bind(bucket.grant.map(|grant| grant.period))
            .bind(bucket.grant.map(|grant| grant.grant))
            .bind(now.0)
    })
    .await?;
    Ok(())
}

async fn update_buckets(connection: &mut Connection, changed: &[Changed<'_>]) -> Result<(), Error> {
    let mut rows = Vec::new();
    for purse in changed {
        for before in &purse.before.buckets {
            let after = purse.after.buckets.iter().find(|bucket| bucket.number == before.number);
            // One that is gone is empty.
            let after = after.copied().unwrap_or(Bucket {
                remaining: Credits::ZERO,
                held: Credits::ZERO,
                ..*before
            });
            if after != *before {
                rows.push((purse.account_id, after));
            }
        }
    }
    let text = "UPDATE credit_bucket SET remaining = now_has.column3, held = now_has.column4, \
                expires_at_us = now_has.column5 FROM (VALUES {}) AS now_has \
                WHERE credit_bucket.account_id = now_has.column1 AND credit_bucket.number = now_has.column2";
    let columns = ["CAST(? AS BIGINT)"; 5];
    bulk::execute(connection, text, &columns, &rows, |update, (account_id, bucket)| {
        update
            .bind(account_id.0)
            .bind(bucket.number)
            .bind(bucket.remaining.0)
            .bind(bucket.held.0)
            .bind(bucket.expires_at.map(|end| end.0))
    })
    .await?;
    Ok(())
}
