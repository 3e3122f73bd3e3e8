//! The balance and the ledger.

use super::Service;
use super::answer::{Envelope, Refused, data};
use super::bearer::Tenant;
use super::openapi::refusals;
use super::query;
use super::shapes::{Credits, LedgerEntry, Page};
use crate::app::{Fields, credits, read};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;

refusals!(CreditsRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled StorageUnavailable);

/// The balance, what is held of it, and what can be used.
#[utoipa::path(
    get, path = "/api/v1/credits/", tag = "credits", security(("bearer" = [])),
    responses((status = 200, description = "The credits", body = Envelope<Credits>), CreditsRefusals)
)]
pub async fn get_credits(State(service): State<Service>, Tenant(identity): Tenant) -> Result<Response, Refused> {
    let found = credits::balance(&service.core, identity.account_id).await?;
    let (balance, held) = (found.balance.0, found.held.0);
    Ok(data(
        StatusCode::OK,
        Credits {
            balance,
            held,
            available: balance - held,
        },
    ))
}

refusals!(TransactionsRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing
    AccountSuspended AccountCancelled ValidationFailed StorageUnavailable);

/// The ledger, newest entry first.
#[utoipa::path(
    get, path = "/api/v1/credits/transactions/", tag = "credits", security(("bearer" = [])),
    params(
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<i64>, Query, description = "Entries of a page, 1 to 200; 50 where it is left out")
    ),
    responses(
        (status = 200, description = "A page of entries", body = Envelope<Page<LedgerEntry>>),
        TransactionsRefusals
    )
)]
pub async fn list_transactions(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    pairs: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Refused> {
    let unreadable = |_| Refused::invalid(Fields::from([("query".into(), "It cannot be read.".into())]));
    let Query(pairs) = pairs.map_err(unreadable)?;
    let page = query::page(&pairs)?;
    let entries = read::entries(&service.core, identity.account_id, page.before, page.limit).await?;
    let items = entries.entries.iter().map(LedgerEntry::from).collect();
    Ok(data(
        StatusCode::OK,
        Page {
            items,
            next: entries.next_before.map(query::cursor),
        },
    ))
}
