//! The panel's lists as tables, up to a bound: what is longer belongs to a report on the database.

use super::accounts::customer;
use super::answer::refused;
use super::gate::Number;
use super::{csv, query, view};
use crate::app::{StoryError, customers, payments as paid, read, trail};
use crate::domain::plan::decimal;
use crate::http::Service;
use crate::http::shapes::rfc_3339;
use axum::extract::State;
use axum::response::Response;
use http::Uri;
use igny8_contract::ids::AccountId;

/// The most rows of a table.
const MOST_ROWS: usize = 5_000;
/// Rows that are read at once.
const AT_ONCE: usize = 200;

fn failed(error: StoryError) -> Response {
    refused(&error.into())
}

/// The accounts that are looked for.
pub async fn accounts(State(service): State<Service>, uri: Uri) -> Result<Response, Response> {
    let (page, sought) = query::sought(&uri).map_err(|error| refused(&error))?;
    let (mut rows, mut before) = (Vec::new(), Some(page.before));
    while let Some(next) = before.filter(|_| rows.len() < MOST_ROWS) {
        let found = customers::search(&service.core, &sought, next, AT_ONCE).await;
        let found = found.map_err(failed)?;
        rows.extend(found.customers.iter().map(|customer| {
            let account = &customer.account.account;
            let plan = customer.account.plan.as_ref();
            vec![
                account.id.to_string(),
                account.name.clone(),
                account.status.as_str().into(),
                plan.map_or_else(String::new, |plan| plan.terms.slug.clone()),
                account.ledger.balance.0.to_string(),
                customer.owners.join(" "),
                rfc_3339(account.created_at),
            ]
        }));
        before = found.next_before;
    }
    let head = ["id", "name", "status", "plan", "credits", "owners", "created_at"];
    Ok(csv::answer("accounts.csv", &head, &rows))
}

/// An account's ledger, newest first.
pub async fn ledger(State(service): State<Service>, Number(id): Number) -> Result<Response, Response> {
    customer(&service, id).await?;
    let (mut rows, mut before) = (Vec::new(), Some(i64::MAX));
    while let Some(next) = before.filter(|_| rows.len() < MOST_ROWS) {
        let found = read::entries(&service.core, AccountId(id), next, AT_ONCE).await;
        let found = found.map_err(failed)?;
        rows.extend(found.entries.iter().map(|entry| {
            vec![
                entry.movement.sequence.to_string(),
                rfc_3339(entry.created_at),
                entry.reason.transaction_type.as_str().into(),
                entry.movement.amount.0.to_string(),
                entry.movement.balance_after.0.to_string(),
                entry.reason.description.clone(),
            ]
        }));
        before = found.next_before;
    }
    let head = [
        "sequence",
        "created_at",
        "type",
        "amount",
        "balance_after",
        "description",
    ];
    Ok(csv::answer(&format!("ledger-{id}.csv"), &head, &rows))
}

/// An account's audit, newest first.
pub async fn audit(State(service): State<Service>, Number(id): Number) -> Result<Response, Response> {
    customer(&service, id).await?;
    let (mut rows, mut before) = (Vec::new(), Some(i64::MAX));
    while let Some(next) = before.filter(|_| rows.len() < MOST_ROWS) {
        let found = trail::page(&service.core, AccountId(id), next, AT_ONCE).await;
        let found = found.map_err(failed)?;
        rows.extend(found.lines.iter().map(|line| {
            vec![
                line.id.to_string(),
                rfc_3339(line.created_at),
                view::who(line),
                line.action.clone(),
                line.detail.clone(),
                line.request_id.clone(),
            ]
        }));
        before = found.next_before;
    }
    let head = ["id", "created_at", "who", "action", "detail", "request_id"];
    Ok(csv::answer(&format!("audit-{id}.csv"), &head, &rows))
}

/// The payments that are waited for.
pub async fn payments(State(service): State<Service>) -> Result<Response, Response> {
    let (mut rows, mut before) = (Vec::new(), Some(i64::MAX));
    while let Some(next) = before.filter(|_| rows.len() < MOST_ROWS) {
        let found = paid::pending(&service.core, next, AT_ONCE).await.map_err(failed)?;
        rows.extend(found.items.iter().map(|pending| {
            vec![
                pending.id.to_string(),
                pending.account_id.to_string(),
                pending.account_name.clone(),
                pending.plan_slug.clone(),
                pending.reference.clone(),
                decimal(pending.amount_minor),
                pending.currency.clone(),
                rfc_3339(pending.created_at),
            ]
        }));
        before = found.next_before;
    }
    let head = [
        "id",
        "account_id",
        "account",
        "plan",
        "reference",
        "amount",
        "currency",
        "created_at",
    ];
    Ok(csv::answer("pending-payments.csv", &head, &rows))
}
