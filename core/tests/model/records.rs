//! What a database has kept of an account, row by row, against what the reference remembers.

use super::checks::{Fault, ensure};
use super::history::History;
use igny8_core::domain::payment::ConfirmedPayment;
use igny8_core::storage::Store;
use sqlx::Row;

/// Queries that answer one text for each row, and what they must answer.
fn expectations(history: &History) -> [(&'static str, Vec<String>); 7] {
    let entries = history.entries.iter().map(|(movement, kind)| {
        let (sequence, amount, after) = (movement.sequence, movement.amount.0, movement.balance_after.0);
        format!("{sequence} {} {amount} {after}", kind.as_str())
    });
    let subscriptions = history.subscriptions.values().map(|told| {
        let (latest, ended_at) = (&told.latest, told.latest.ended_at.map_or(0, |end| end.0));
        format!("{} {} {ended_at}", latest.number, latest.status.as_str())
    });
    let periods = history.subscriptions.iter().flat_map(|(number, told)| {
        let period = move |(period, _): &(igny8_core::domain::period::Period, _)| {
            format!("{number} {} {} {}", period.sequence, period.start.0, period.end.0)
        };
        told.periods.iter().map(period).collect::<Vec<_>>()
    });
    let payments = history.payments.iter().map(|payment: &ConfirmedPayment| {
        let (paid, period) = (&payment.paid, payment.period);
        let bought = format!(
            "{} {} {} {}",
            payment.subscription, period.sequence, period.start.0, period.end.0
        );
        format!(
            "{} {} {} {bought}",
            paid.method.as_str(),
            paid.external_id,
            paid.amount_minor
        )
    });
    let holds = history.ended_holds.iter().map(|ended| {
        format!(
            "{} {} {} {}",
            ended.number,
            ended.end.as_str(),
            ended.confirmed.0,
            ended.at.0
        )
    });
    let grants = history
        .grants
        .iter()
        .map(|key| format!("{} {} {}", key.subscription, key.period, key.grant));
    let lines = history
        .audit
        .iter()
        .map(|(action, by_time)| format!("{action} {}", if *by_time { "system" } else { "user" }));
    let registered = std::iter::once("account.registered user".to_owned());
    let mut holds: Vec<String> = holds.collect();
    // A database lists them as they began, the reference as they ended.
    holds.sort();
    [
        (ENTRIES, entries.collect()),
        (SUBSCRIPTIONS, subscriptions.collect()),
        (PERIODS, periods.collect()),
        (PAYMENTS, payments.collect()),
        (ENDED_HOLDS, holds),
        (GRANTS, grants.collect()),
        (AUDIT, registered.chain(lines).collect()),
    ]
}

const ENTRIES: &str = "SELECT CAST(sequence AS TEXT) || ' ' || transaction_type || ' ' || CAST(amount AS TEXT) || ' ' || \
     CAST(balance_after AS TEXT) AS told FROM ledger_entry WHERE account_id = $1 ORDER BY sequence";
const SUBSCRIPTIONS: &str = "SELECT CAST(number AS TEXT) || ' ' || status || ' ' || \
     CAST(COALESCE(ended_at_us, 0) AS TEXT) AS told FROM subscription WHERE account_id = $1 ORDER BY number";
const PERIODS: &str = "SELECT CAST(number AS TEXT) || ' ' || CAST(sequence AS TEXT) || ' ' || CAST(start_us AS TEXT) || ' ' \
     || CAST(end_us AS TEXT) AS told FROM subscription_period JOIN subscription \
     ON subscription.id = subscription_period.subscription_id WHERE account_id = $1 ORDER BY number, sequence";
const PAYMENTS: &str = "SELECT method || ' ' || external_payment_id || ' ' || CAST(amount_minor AS TEXT) || ' ' || \
     CAST(subscription_number AS TEXT) || ' ' || CAST(period_sequence AS TEXT) || ' ' || CAST(period_start_us AS TEXT) \
     || ' ' || CAST(period_end_us AS TEXT) AS told FROM payment WHERE account_id = $1 AND status = 'confirmed' ORDER BY id";
const ENDED_HOLDS: &str = "SELECT CAST(number AS TEXT) || ' ' || status || ' ' || CAST(confirmed_amount AS TEXT) || ' ' || \
     CAST(ended_at_us AS TEXT) AS told FROM credit_hold WHERE account_id = $1 AND status <> 'open' ORDER BY number";
const GRANTS: &str = "SELECT CAST(subscription_number AS TEXT) || ' ' || CAST(period_sequence AS TEXT) || ' ' || \
     CAST(grant_number AS TEXT) AS told FROM credit_bucket WHERE account_id = $1 AND grant_number IS NOT NULL \
     ORDER BY subscription_number, period_sequence, grant_number";
const AUDIT: &str = "SELECT action || ' ' || actor_kind AS told FROM audit WHERE account_id = $1 ORDER BY id";
/// Receipts are numbered for the whole house.
const RECEIPTS: &str = "SELECT CAST(receipt.number AS TEXT) || ' ' || payment.external_payment_id AS told FROM receipt \
     JOIN payment ON payment.id = receipt.payment_id WHERE receipt.account_id > $1 ORDER BY receipt.number";

async fn rows(store: &Store, query: &'static str, account: i64) -> Result<Vec<String>, Fault> {
    let told = |error: sqlx::Error| format!("{query}: {error}");
    let mut connection = store.read().await.map_err(|error| error.to_string())?;
    let rows = sqlx::query(query)
        .bind(account)
        .fetch_all(&mut *connection)
        .await
        .map_err(told)?;
    rows.iter().map(|row| row.try_get("told").map_err(told)).collect()
}

/// Checks what is kept of an account.
pub async fn agree(store: &Store, account: i64, history: &History) -> Result<(), Fault> {
    for (query, expected) in expectations(history) {
        let mut kept = rows(store, query, account).await?;
        if query == ENDED_HOLDS {
            kept.sort();
        }
        ensure(kept == expected, || {
            format!("{query}\nkept {kept:?}\nexpected {expected:?}")
        })?;
    }
    Ok(())
}

/// Checks that every payment of the house has its receipt, in the order in which they came.
pub async fn receipts_agree(store: &Store, payments: &[String]) -> Result<(), Fault> {
    let kept = rows(store, RECEIPTS, 0).await?;
    let expected: Vec<String> = (1..)
        .zip(payments)
        .map(|(number, id): (i64, _)| format!("{number} {id}"))
        .collect();
    ensure(kept == expected, || format!("receipts {kept:?}, payments {expected:?}"))
}
