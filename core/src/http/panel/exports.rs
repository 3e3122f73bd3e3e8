//! The panel's lists as tables.

use super::accounts::customer;
use super::answer::refused;
use super::csv::{self, Page};
use super::gate::Number;
use super::{query, view};
use crate::app::{StoryError, customers, payments as paid, read, trail};
use crate::domain::plan::decimal;
use crate::http::Service;
use crate::http::shapes::rfc_3339;
use axum::extract::State;
use axum::response::Response;
use http::Uri;
use igny8_contract::ids::AccountId;

/// Rows that are read at once.
const AT_ONCE: usize = 200;

fn failed(error: StoryError) -> Response {
    refused(&error.into())
}

/// The accounts that are looked for.
pub async fn accounts(State(service): State<Service>, uri: Uri) -> Result<Response, Response> {
    let (page, sought) = query::sought(&uri).map_err(|error| refused(&error))?;
    let head = ["id", "name", "status", "plan", "credits", "owners", "created_at"];
    let read = move |before| {
        let (core, sought) = (service.core.clone(), sought.clone());
        async move {
            let found = customers::search(&core, &sought, before, AT_ONCE).await?;
            let rows = found.customers.iter().map(|customer| {
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
            });
            Ok(Page {
                rows: rows.collect(),
                next_before: found.next_before,
            })
        }
    };
    csv::answer("accounts.csv", &head, page.before, read)
        .await
        .map_err(failed)
}

/// An account's ledger, newest first.
pub async fn ledger(State(service): State<Service>, Number(id): Number) -> Result<Response, Response> {
    customer(&service, id).await?;
    let head = [
        "sequence",
        "created_at",
        "type",
        "amount",
        "balance_after",
        "description",
    ];
    let read = move |before| {
        let core = service.core.clone();
        async move {
            let found = read::entries(&core, AccountId(id), before, AT_ONCE).await?;
            let rows = found.entries.iter().map(|entry| {
                vec![
                    entry.movement.sequence.to_string(),
                    rfc_3339(entry.created_at),
                    entry.reason.transaction_type.as_str().into(),
                    entry.movement.amount.0.to_string(),
                    entry.movement.balance_after.0.to_string(),
                    entry.reason.description.clone(),
                ]
            });
            Ok(Page {
                rows: rows.collect(),
                next_before: found.next_before,
            })
        }
    };
    let name = format!("ledger-{id}.csv");
    csv::answer(&name, &head, i64::MAX, read).await.map_err(failed)
}

/// An account's audit, newest first.
pub async fn audit(State(service): State<Service>, Number(id): Number) -> Result<Response, Response> {
    customer(&service, id).await?;
    let head = ["id", "created_at", "who", "action", "detail", "request_id"];
    let read = move |before| {
        let core = service.core.clone();
        async move {
            let found = trail::page(&core, AccountId(id), before, AT_ONCE).await?;
            let rows = found.lines.iter().map(|line| {
                vec![
                    line.id.to_string(),
                    rfc_3339(line.created_at),
                    view::who(line),
                    line.action.clone(),
                    line.detail.clone(),
                    line.request_id.clone(),
                ]
            });
            Ok(Page {
                rows: rows.collect(),
                next_before: found.next_before,
            })
        }
    };
    let name = format!("audit-{id}.csv");
    csv::answer(&name, &head, i64::MAX, read).await.map_err(failed)
}

/// The payments that are waited for.
pub async fn payments(State(service): State<Service>) -> Result<Response, Response> {
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
    let read = move |before| {
        let core = service.core.clone();
        async move {
            let found = paid::pending(&core, before, AT_ONCE).await?;
            let rows = found.items.iter().map(|pending| {
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
            });
            Ok(Page {
                rows: rows.collect(),
                next_before: found.next_before,
            })
        }
    };
    csv::answer("pending-payments.csv", &head, i64::MAX, read)
        .await
        .map_err(failed)
}
