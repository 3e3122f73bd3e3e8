//! The change feed. Triggers write it (migration `change_feed`); here it is read, and swept.

use super::error::Error;
use super::row::{instant, number, optional_number, text, word};
use super::store::Connection;
use igny8_contract::feed::FeedHead;
use igny8_contract::time::Timestamp;

/// What a row of the feed is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Account,
    User,
    SignIn,
    Session,
    ApiKey,
    KeySet,
}

impl What {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "account" => Self::Account,
            "user" => Self::User,
            "sign_in" => Self::SignIn,
            "session" => Self::Session,
            "api_key" => Self::ApiKey,
            "key_set" => Self::KeySet,
            _ => return None,
        })
    }
}

/// A row of the feed: something that stands otherwise since `seq`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    pub seq: i64,
    pub stamp: i64,
    pub what: What,
    /// An id in digits, a `sid`, or a digest in hexadecimal digits.
    pub subject: String,
    pub at: Timestamp,
}

/// The newest place of the feed.
///
/// # Errors
/// What the database says.
pub async fn head(connection: &mut Connection) -> Result<FeedHead, Error> {
    let row = sqlx::query("SELECT generation, seq, stamp FROM feed_head WHERE id = 1")
        .fetch_one(connection)
        .await?;
    Ok(FeedHead {
        generation: text(&row, "generation")?,
        seq: number(&row, "seq")?,
        stamp: number(&row, "stamp")?,
    })
}

/// The stamp of a number, where its rows have not been swept away.
///
/// # Errors
/// What the database says.
pub async fn stamp(connection: &mut Connection, seq: i64) -> Result<Option<i64>, Error> {
    // All rows of a number have one stamp.
    let row = sqlx::query("SELECT MAX(stamp) AS stamp FROM feed_change WHERE seq = $1")
        .bind(seq)
        .fetch_one(connection)
        .await?;
    optional_number(&row, "stamp")
}

/// The first `limit` rows after a number, in their order.
///
/// # Errors
/// What the database says.
pub async fn after(connection: &mut Connection, seq: i64, limit: i64) -> Result<Vec<Noted>, Error> {
    let rows = sqlx::query(
        "SELECT seq, stamp, what, subject, at_us FROM feed_change WHERE seq > $1 \
         ORDER BY seq, what, subject LIMIT $2",
    )
    .bind(seq)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Noted {
                seq: number(row, "seq")?,
                stamp: number(row, "stamp")?,
                what: word(row, "what", What::parse)?,
                subject: text(row, "subject")?,
                at: instant(row, "at_us")?,
            })
        })
        .collect()
}

/// Whether there is something to sweep: rows from before `before` that nobody follows from any more.
///
/// # Errors
/// What the database says.
pub async fn is_due(connection: &mut Connection, before: Timestamp) -> Result<bool, Error> {
    // The last of the old numbers stays: it is where everybody stands after a long silence.
    let row = sqlx::query(
        "SELECT at_us FROM feed_change WHERE seq > (SELECT MIN(seq) FROM feed_change) ORDER BY seq LIMIT 1",
    )
    .fetch_optional(connection)
    .await?;
    Ok(row
        .map(|row| instant(&row, "at_us"))
        .transpose()?
        .is_some_and(|at| at < before))
}

/// Sweeps old rows away, those of at most `limit` numbers, and says how many.
///
/// # Errors
/// What the database says.
pub async fn sweep(connection: &mut Connection, before: Timestamp, limit: i64) -> Result<u64, Error> {
    let done = sqlx::query(
        "DELETE FROM feed_change WHERE seq < (SELECT MAX(oldest.seq) FROM \
         (SELECT seq, MIN(at_us) AS at_us FROM feed_change GROUP BY seq ORDER BY seq LIMIT $2) AS oldest \
         WHERE oldest.at_us < $1)",
    )
    .bind(before.0)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

/// The digest of the published key set, as it was noted last; empty before the first.
///
/// # Errors
/// What the database says.
pub async fn key_set(connection: &mut Connection) -> Result<String, Error> {
    let row = sqlx::query("SELECT digest FROM key_set WHERE id = 1")
        .fetch_one(connection)
        .await?;
    text(&row, "digest")
}

/// Notes that the published key set has this digest. Where it is another one than before, the feed tells of it.
///
/// # Errors
/// What the database says.
pub async fn note_key_set(connection: &mut Connection, digest: &str) -> Result<(), Error> {
    sqlx::query("UPDATE key_set SET digest = $1 WHERE id = 1 AND digest <> $1")
        .bind(digest)
        .execute(connection)
        .await?;
    Ok(())
}
