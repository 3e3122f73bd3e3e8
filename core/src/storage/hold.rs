//! Holds: stored and ended with their purses, read for people.

use super::bulk;
use super::error::Error;
use super::purse::Changed;
use super::row::{instant, number, optional_number, text, word};
use super::store::Connection;
use crate::domain::purse::{EndedHold, HoldEnd, NewHold};
use igny8_contract::credits::Credits;
use igny8_contract::ids::AccountId;
use igny8_contract::time::Timestamp;
use sqlx::any::AnyRow;
use std::collections::HashMap;

/// The word for a hold that has not ended.
pub const OPEN: &str = "open";

/// A hold as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredHold {
    /// 1 for the first hold of an account, then one more each time.
    pub number: i64,
    /// What was set aside.
    pub amount: Credits,
    /// What was drawn; 0 unless it was confirmed.
    pub confirmed: Credits,
    /// Nothing while it is open.
    pub end: Option<HoldEnd>,
    pub description: String,
    /// A JSON object.
    pub metadata: String,
    pub expires_at: Timestamp,
    pub created_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

impl StoredHold {
    /// What is stored of a hold that is made now.
    #[must_use]
    pub fn new(new: &NewHold, now: Timestamp) -> Self {
        Self {
            number: new.hold.number,
            amount: new.hold.amount(),
            confirmed: Credits::ZERO,
            end: None,
            description: new.description.clone(),
            metadata: new.metadata.clone(),
            expires_at: new.hold.expires_at,
            created_at: now,
            ended_at: None,
        }
    }

    /// What becomes of it.
    #[must_use]
    pub fn ended(self, ended: &EndedHold) -> Self {
        Self {
            end: Some(ended.end),
            confirmed: ended.confirmed,
            ended_at: Some(ended.at),
            ..self
        }
    }

    /// The word on the wire and in the database.
    #[must_use]
    pub fn status(&self) -> &'static str {
        self.end.map_or(OPEN, HoldEnd::as_str)
    }
}

/// The end of a status word: nothing within for a hold that is open; nothing at all for any other word.
#[must_use]
pub fn parse_status(word: &str) -> Option<Option<HoldEnd>> {
    if word == OPEN {
        return Some(None);
    }
    HoldEnd::ALL.into_iter().find(|end| end.as_str() == word).map(Some)
}

/// The columns that are read, by name: a migration under a running core must not change what a statement answers.
macro_rules! columns {
    () => {
        "credit_hold.number, credit_hold.status, credit_hold.amount, credit_hold.confirmed_amount, \
         credit_hold.description, credit_hold.metadata, credit_hold.expires_at_us, credit_hold.created_at_us, \
         credit_hold.ended_at_us"
    };
}

fn hold(row: &AnyRow) -> Result<StoredHold, Error> {
    Ok(StoredHold {
        number: number(row, "number")?,
        amount: Credits(number(row, "amount")?),
        confirmed: Credits(number(row, "confirmed_amount")?),
        end: word(row, "status", parse_status)?,
        description: text(row, "description")?,
        metadata: text(row, "metadata")?,
        expires_at: instant(row, "expires_at_us")?,
        created_at: instant(row, "created_at_us")?,
        ended_at: optional_number(row, "ended_at_us")?.map(Timestamp),
    })
}

/// The holds with these numbers; those that are not there are left out.
///
/// # Errors
/// What the database says.
pub async fn find(
    connection: &mut Connection,
    asked: &[(AccountId, i64)],
) -> Result<HashMap<(AccountId, i64), StoredHold>, Error> {
    let text = concat!(
        "SELECT credit_hold.account_id, ",
        columns!(),
        " FROM (VALUES {}) AS asked JOIN credit_hold \
         ON credit_hold.account_id = asked.column1 AND credit_hold.number = asked.column2"
    );
    let columns = ["CAST(? AS BIGINT)"; 2];
    let rows = bulk::fetch(connection, text, &columns, asked, |select, (account_id, number)| {
        select.bind(account_id.0).bind(*number)
    })
    .await?;
    let found = |row: &AnyRow| {
        let hold = hold(row)?;
        Ok(((AccountId(number(row, "account_id")?), hold.number), hold))
    };
    rows.iter().map(found).collect()
}

/// The newest `limit` holds of an account whose number lies below `before`, newest first; of one status where one is given.
///
/// # Errors
/// What the database says.
pub async fn page(
    connection: &mut Connection,
    account_id: AccountId,
    status: Option<&str>,
    before: i64,
    limit: i64,
) -> Result<Vec<StoredHold>, Error> {
    let of_status = if status.is_some() { " AND status = $4" } else { "" };
    let mut select = bulk::query(format!(
        concat!(
            "SELECT ",
            columns!(),
            " FROM credit_hold WHERE account_id = $1 AND number < $2{} ORDER BY number DESC LIMIT $3"
        ),
        of_status
    ))
    .bind(account_id.0)
    .bind(before)
    .bind(limit);
    if let Some(status) = status {
        select = select.bind(status.to_owned());
    }
    select.fetch_all(connection).await?.iter().map(hold).collect()
}

/// Stores what has become of holds in these purses.
pub(super) async fn save(connection: &mut Connection, changed: &[Changed<'_>], now: Timestamp) -> Result<(), Error> {
    let (mut made, mut ended) = (Vec::new(), Vec::new());
    for purse in changed {
        let journal = &purse.after.journal;
        made.extend(journal.holds.iter().map(|new| (purse.account_id, new)));
        ended.extend(journal.ended_holds.iter().map(|end| (purse.account_id, end)));
    }
    insert(connection, &made, now).await?;
    insert_parts(connection, &made).await?;
    end(connection, &ended).await
}

async fn insert(connection: &mut Connection, made: &[(AccountId, &NewHold)], now: Timestamp) -> Result<(), Error> {
    let text = "INSERT INTO credit_hold (account_id, number, status, amount, confirmed_amount, description, metadata, \
                expires_at_us, created_at_us) VALUES {}";
    let columns = ["?", "?", "'open'", "?", "0", "?", "?", "?", "?"];
    bulk::execute(connection, text, &columns, made, |insert, (account_id, new)| {
        insert
            .bind(account_id.0)
            .bind(new.hold.number)
            .bind(new.hold.amount().0)
            .bind(&new.description)
            .bind(&new.metadata)
            .bind(new.hold.expires_at.0)
            .bind(now.0)
    })
    .await?;
    Ok(())
}

async fn insert_parts(connection: &mut Connection, made: &[(AccountId, &NewHold)]) -> Result<(), Error> {
    let parts: Vec<(AccountId, i64, i64, i64, Credits)> = made
        .iter()
        .flat_map(|(account_id, new)| {
            let parts = new.hold.parts.iter().zip(1..);
            parts.map(|((bucket, amount), position)| (*account_id, new.hold.number, position, *bucket, *amount))
        })
        .collect();
    let text = "INSERT INTO credit_hold_part (account_id, hold_number, position, bucket_number, amount) VALUES {}";
    bulk::execute(connection, text, &["?"; 5], &parts, |insert, part| {
        let (account_id, hold, position, bucket, amount) = *part;
        insert
            .bind(account_id.0)
            .bind(hold)
            .bind(position)
            .bind(bucket)
            .bind(amount.0)
    })
    .await?;
    Ok(())
}

async fn end(connection: &mut Connection, ended: &[(AccountId, &EndedHold)]) -> Result<(), Error> {
    let text = "UPDATE credit_hold SET status = now_has.column3, confirmed_amount = now_has.column4, \
                ended_at_us = now_has.column5 FROM (VALUES {}) AS now_has \
                WHERE credit_hold.account_id = now_has.column1 AND credit_hold.number = now_has.column2";
    let number = "CAST(? AS BIGINT)";
    let columns = [number, number, "CAST(? AS TEXT)", number, number];
    bulk::execute(connection, text, &columns, ended, |update, (account_id, ended)| {
        update
            .bind(account_id.0)
            .bind(ended.number)
            .bind(ended.end.as_str())
            .bind(ended.confirmed.0)
            .bind(ended.at.0)
    })
    .await?;
    Ok(())
}
