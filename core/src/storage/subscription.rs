//! Subscriptions and their periods. A subscription is named by its account and its number within it.

use super::bulk;
use super::error::Error;
use super::row::{flag, instant, number, optional_number, optional_text, text, word};
use super::store::Connection;
use crate::domain::period::Period;
use crate::domain::subscription::{PaymentMethod, Subscription, SubscriptionStatus};
use igny8_contract::ids::{AccountId, PlanId};
use igny8_contract::time::Timestamp;
use sqlx::any::AnyRow;

/// The columns that are read, by name: a migration under a running core must not change what a statement answers.
macro_rules! columns {
    () => {
        "subscription.number, subscription.status, subscription.plan_id, subscription.payment_method, \
         subscription.external_payment_id, subscription.stripe_subscription_id, subscription.trial_days, \
         subscription.trial_grace_days, subscription.cancel_at_period_end, subscription.anchor_us, subscription.grants, \
         subscription.granting_sequence, subscription.grace_end_us, subscription.ended_at_us"
    };
}
pub(super) use columns;

/// Adds subscriptions as they stand now, and the period that each began with: it may have gone on since.
///
/// # Errors
/// What the database says.
pub async fn begin(
    connection: &mut Connection,
    begun: &[(AccountId, &Subscription, Period)],
    now: Timestamp,
) -> Result<(), Error> {
    let text = "INSERT INTO subscription (account_id, number, plan_id, status, payment_method, trial_days, \
                trial_grace_days, cancel_at_period_end, anchor_us, grants, stripe_subscription_id, \
                external_payment_id, granting_sequence, grace_end_us, ended_at_us, created_at_us, updated_at_us) VALUES {}";
    bulk::execute(connection, text, &["?"; 17], begun, |insert, (account_id, new, _)| {
        insert
            .bind(account_id.0)
            .bind(new.number)
            .bind(new.plan_id.0)
            .bind(new.status.as_str())
            .bind(new.payment_method.as_str())
            .bind(new.trial_days)
            .bind(new.trial_grace_days)
            .bind(i64::from(new.cancel_at_period_end))
            .bind(new.anchor.0)
            .bind(new.grants)
            .bind(new.stripe_subscription_id.as_deref())
            .bind(new.external_payment_id.as_deref())
            .bind(granting_sequence(new))
            .bind(new.grace_end.map(|end| end.0))
            .bind(new.ended_at.map(|end| end.0))
            .bind(now.0)
            .bind(now.0)
    })
    .await?;
    let periods: Vec<(AccountId, i64, Period)> = begun
        .iter()
        .map(|(account_id, new, first)| (*account_id, new.number, *first))
        .collect();
    begin_periods(connection, &periods, now).await
}

/// Adds periods: of which account and subscription. The database refuses one that leaves a gap, overlaps, or repeats a
/// sequence.
///
/// # Errors
/// What the database says.
pub async fn begin_periods(
    connection: &mut Connection,
    periods: &[(AccountId, i64, Period)],
    now: Timestamp,
) -> Result<(), Error> {
    let text = "INSERT INTO subscription_period (subscription_id, sequence, previous_sequence, start_us, end_us, \
                created_at_us) SELECT subscription.id, begun.column3, begun.column4, begun.column5, begun.column6, \
                begun.column7 FROM (VALUES {}) AS begun JOIN subscription \
                ON subscription.account_id = begun.column1 AND subscription.number = begun.column2";
    let columns = ["CAST(? AS BIGINT)"; 7];
    bulk::execute(connection, text, &columns, periods, |insert, begun| {
        let (account_id, subscription, period) = *begun;
        insert
            .bind(account_id.0)
            .bind(subscription)
            .bind(period.sequence)
            .bind((period.sequence > 1).then_some(period.sequence - 1))
            .bind(period.start.0)
            .bind(period.end.0)
            .bind(now.0)
    })
    .await?;
    Ok(())
}

/// The sequence of the earlier period whose grants come now, if it is an earlier one.
fn granting_sequence(subscription: &Subscription) -> Option<i64> {
    subscription.earlier.first().map(|earlier| earlier.sequence)
}

/// Moves the end of a period, the latest of its subscription.
///
/// # Errors
/// What the database says.
pub async fn close_period(
    connection: &mut Connection,
    account_id: AccountId,
    subscription: i64,
    period: Period,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE subscription_period SET end_us = $4 WHERE sequence = $3 AND subscription_id = \
         (SELECT id FROM subscription WHERE account_id = $1 AND number = $2)",
    )
    .bind(account_id.0)
    .bind(subscription)
    .bind(period.sequence)
    .bind(period.end.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Stores a subscription as it stands; its periods are stored by themselves.
///
/// # Errors
/// What the database says.
pub async fn update(
    connection: &mut Connection,
    account_id: AccountId,
    subscription: &Subscription,
    now: Timestamp,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE subscription SET plan_id = $3, status = $4, payment_method = $5, external_payment_id = $6, \
         stripe_subscription_id = $7, cancel_at_period_end = $8, anchor_us = $9, grants = $10, \
         granting_sequence = $11, grace_end_us = $12, ended_at_us = $13, updated_at_us = $14 WHERE account_id = $1 AND number = $2",
    )
    .bind(account_id.0)
    .bind(subscription.number)
    .bind(subscription.plan_id.0)
    .bind(subscription.status.as_str())
    .bind(subscription.payment_method.as_str())
    .bind(subscription.external_payment_id.as_deref())
    .bind(subscription.stripe_subscription_id.as_deref())
    .bind(i64::from(subscription.cancel_at_period_end))
    .bind(subscription.anchor.0)
    .bind(subscription.grants)
    .bind(granting_sequence(subscription))
    .bind(subscription.grace_end.map(|end| end.0))
    .bind(subscription.ended_at.map(|end| end.0))
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// The account's latest subscription, ended or not, with its latest period.
///
/// # Errors
/// What the database says.
pub async fn latest(connection: &mut Connection, account_id: AccountId) -> Result<Option<Subscription>, Error> {
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        ", subscription_period.sequence, subscription_period.start_us, subscription_period.end_us FROM subscription \
         JOIN subscription_period ON subscription_period.subscription_id = subscription.id \
         WHERE subscription.account_id = $1 \
         ORDER BY subscription.number DESC, subscription_period.sequence DESC LIMIT 1"
    ))
    .bind(account_id.0)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let mut periods = match optional_number(&row, "granting_sequence")? {
        Some(first) => earlier(connection, account_id, number(&row, "number")?, first).await?,
        None => Vec::new(),
    };
    let latest = period(&row)?;
    periods.retain(|earlier| earlier.sequence < latest.sequence);
    periods.push(latest);
    with_periods(&row, &periods).map(Some)
}

/// The periods of a subscription from this sequence on, oldest first.
async fn earlier(
    connection: &mut Connection,
    account_id: AccountId,
    subscription: i64,
    first: i64,
) -> Result<Vec<Period>, Error> {
    let rows = sqlx::query(
        "SELECT sequence, start_us, end_us FROM subscription_period WHERE sequence >= $3 AND subscription_id = \
         (SELECT id FROM subscription WHERE account_id = $1 AND number = $2) ORDER BY sequence",
    )
    .bind(account_id.0)
    .bind(subscription)
    .bind(first)
    .fetch_all(connection)
    .await?;
    rows.iter().map(period).collect()
}

/// The period of a row.
pub(super) fn period(row: &AnyRow) -> Result<Period, Error> {
    Ok(Period {
        sequence: number(row, "sequence")?,
        start: instant(row, "start_us")?,
        end: instant(row, "end_us")?,
    })
}

/// The subscription of a row, whose periods were read elsewhere: at least those from the one on whose grants come now, in the
/// order of their sequence. One without any gets an empty period.
pub(super) fn with_periods(row: &AnyRow, periods: &[Period]) -> Result<Subscription, Error> {
    let nowhere = Period {
        sequence: 0,
        start: Timestamp(0),
        end: Timestamp(0),
    };
    let (latest, before) = periods.split_last().unwrap_or((&nowhere, &[]));
    let granting = optional_number(row, "granting_sequence")?.unwrap_or(latest.sequence);
    Ok(Subscription {
        number: number(row, "number")?,
        status: word(row, "status", SubscriptionStatus::parse)?,
        plan_id: PlanId(number(row, "plan_id")?),
        payment_method: word(row, "payment_method", PaymentMethod::parse)?,
        external_payment_id: optional_text(row, "external_payment_id")?,
        stripe_subscription_id: optional_text(row, "stripe_subscription_id")?,
        trial_days: number(row, "trial_days")?,
        trial_grace_days: number(row, "trial_grace_days")?,
        cancel_at_period_end: flag(row, "cancel_at_period_end")?,
        anchor: instant(row, "anchor_us")?,
        grants: number(row, "grants")?,
        earlier: before
            .iter()
            .filter(|earlier| earlier.sequence >= granting)
            .copied()
            .collect(),
        grace_end: optional_number(row, "grace_end_us")?.map(Timestamp),
        ended_at: optional_number(row, "ended_at_us")?.map(Timestamp),
        period: *latest,
    })
}

/// A period as it is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Of the subscription, within its account.
    pub subscription: i64,
    /// Of the subscription as it is now.
    pub plan_name: String,
    pub payment_method: PaymentMethod,
    /// The plan and the way of the last payment up to this period; nothing where there was none.
    pub paid: Option<(String, PaymentMethod)>,
    pub status: SubscriptionStatus,
    pub period: Period,
}

/// The newest `limit` periods of an account, newest first.
///
/// # Errors
/// What the database says.
pub async fn periods(connection: &mut Connection, account_id: AccountId, limit: i64) -> Result<Vec<Told>, Error> {
    let rows = sqlx::query(
        "SELECT subscription.number, subscription.status, subscription.payment_method, plan.name AS plan_name, \
         subscription_period.sequence, subscription_period.start_us, subscription_period.end_us, \
         paid_plan.name AS paid_plan_name, payment.method AS paid_method FROM subscription \
         JOIN plan ON plan.id = subscription.plan_id \
         JOIN subscription_period ON subscription_period.subscription_id = subscription.id \
         LEFT JOIN payment ON payment.id = (SELECT paid.id FROM payment AS paid \
         WHERE paid.account_id = subscription.account_id AND paid.subscription_number = subscription.number \
         AND paid.period_sequence <= subscription_period.sequence ORDER BY paid.period_sequence DESC, paid.id DESC LIMIT 1) \
         LEFT JOIN plan AS paid_plan ON paid_plan.id = payment.plan_id \
         WHERE subscription.account_id = $1 \
         ORDER BY subscription.number DESC, subscription_period.sequence DESC LIMIT $2",
    )
    .bind(account_id.0)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let told = |row: &AnyRow| {
        let paid = match optional_text(row, "paid_plan_name")? {
            Some(plan) => Some((plan, word(row, "paid_method", PaymentMethod::parse)?)),
            None => None,
        };
        Ok(Told {
            paid,
            subscription: number(row, "number")?,
            plan_name: text(row, "plan_name")?,
            payment_method: word(row, "payment_method", PaymentMethod::parse)?,
            status: word(row, "status", SubscriptionStatus::parse)?,
            period: Period {
                sequence: number(row, "sequence")?,
                start: instant(row, "start_us")?,
                end: instant(row, "end_us")?,
            },
        })
    };
    rows.iter().map(told).collect()
}
