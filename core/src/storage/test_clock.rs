//! How far the service's time is put forward.

use super::error::Error;
use super::row::number;
use super::store::Connection;

/// Microseconds that it is ahead of the machine's.
///
/// # Errors
/// What the database says.
pub async fn ahead(connection: &mut Connection) -> Result<i64, Error> {
    let row = sqlx::query("SELECT ahead_us FROM test_clock WHERE id = 1")
        .fetch_one(connection)
        .await?;
    number(&row, "ahead_us")
}

/// Puts it `by_us` microseconds (more than 0) further forward and says how far it is ahead then.
///
/// # Errors
/// What the database says.
pub async fn advance(connection: &mut Connection, by_us: i64) -> Result<i64, Error> {
    let row = sqlx::query("UPDATE test_clock SET ahead_us = ahead_us + $1 WHERE id = 1 RETURNING ahead_us")
        .bind(by_us)
        .fetch_one(connection)
        .await?;
    number(&row, "ahead_us")
}
