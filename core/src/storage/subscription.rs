//! Subscriptions and their periods.

use super::error::Error;
use super::row::{flag, instant, number, word};
use super::store::Connection;
use crate::domain::period::Period;
use crate::domain::subscription::{NewSubscription, PaymentMethod, Subscription, SubscriptionStatus};
use igny8_contract::ids::{AccountId, SubscriptionId};
use igny8_contract::time::Timestamp;

/// Adds a subscription and its first period.
///
/// # Errors
/// What the database says.
pub async fn insert(
    connection: &mut Connection,
    account_id: AccountId,
    new: &NewSubscription,
    now: Timestamp,
) -> Result<Subscription, Error> {
    let row = sqlx::query(
        "INSERT INTO subscription (account_id, plan_id, status, payment_method, trial_days, cancel_at_period_end, \
         created_at_us, updated_at_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $7) RETURNING id",
    )
    .bind(account_id.0)
    .bind(new.plan_id.0)
    .bind(new.status.as_str())
    .bind(new.payment_method.as_str())
    .bind(new.trial_days)
    .bind(i64::from(new.cancel_at_period_end))
    .bind(now.0)
    .fetch_one(&mut *connection)
    .await?;
    let id = SubscriptionId(number(&row, "id")?);
    insert_period(connection, id, new.period, now).await?;
    Ok(Subscription {
        id,
        status: new.status,
        payment_method: new.payment_method,
        cancel_at_period_end: new.cancel_at_period_end,
        period: new.period,
    })
}

/// Adds a period. The database refuses one that leaves a gap, overlaps, or repeats a sequence.
///
/// # Errors
/// What the database says.
pub async fn insert_period(
    connection: &mut Connection,
    id: SubscriptionId,
    period: Period,
    now: Timestamp,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO subscription_period (subscription_id, sequence, previous_sequence, start_us, end_us, created_at_us) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(id.0)
    .bind(period.sequence)
    .bind((period.sequence > 1).then_some(period.sequence - 1))
    .bind(period.start.0)
    .bind(period.end.0)
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// The account's subscription that has not ended, with its latest period.
///
/// # Errors
/// What the database says.
pub async fn running(connection: &mut Connection, account_id: AccountId) -> Result<Option<Subscription>, Error> {
    let row = sqlx::query(
        "SELECT subscription.id, subscription.status, subscription.payment_method, subscription.cancel_at_period_end, \
         subscription_period.sequence, subscription_period.start_us, subscription_period.end_us FROM subscription \
         JOIN subscription_period ON subscription_period.subscription_id = subscription.id \
         WHERE subscription.account_id = $1 AND subscription.ended_at_us IS NULL \
         ORDER BY subscription_period.sequence DESC LIMIT 1",
    )
    .bind(account_id.0)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Subscription {
        id: SubscriptionId(number(&row, "id")?),
        status: word(&row, "status", SubscriptionStatus::parse)?,
        payment_method: word(&row, "payment_method", PaymentMethod::parse)?,
        cancel_at_period_end: flag(&row, "cancel_at_period_end")?,
        period: Period {
            sequence: number(&row, "sequence")?,
            start: instant(&row, "start_us")?,
            end: instant(&row, "end_us")?,
        },
    }))
}
