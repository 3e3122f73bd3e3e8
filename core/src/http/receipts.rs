//! The account's payments and receipts.

use super::Service;
use super::answer::{Envelope, Refused, data};
use super::bearer::Tenant;
use super::numbered::Numbered;
use super::openapi::refusals;
use super::query::{self, PageQuery};
use super::receipt_page;
use super::shapes::Page;
use super::shapes::billing::{Payment, Receipt};
use crate::app::payments;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

refusals!(ListRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled ValidationFailed StorageUnavailable);

/// The account's payments, newest first: pending, confirmed and withdrawn.
#[utoipa::path(
    get, path = "/api/v1/account/payments/", tag = "account", security(("bearer" = [])),
    params(
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<i64>, Query, description = "Payments of a page, 1 to 200; 50 where it is left out")
    ),
    responses((status = 200, description = "A page of payments", body = Envelope<Page<Payment>>), ListRefusals)
)]
pub async fn list_payments(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    page: PageQuery,
) -> Result<Response, Refused> {
    let listed = payments::payments(&service.core, identity.account_id, page.before, page.limit).await?;
    let items = listed.items.iter().map(Payment::from).collect();
    let next = listed.next_before.map(query::cursor);
    Ok(data(StatusCode::OK, Page { items, next }))
}

/// The account's receipts, newest first.
#[utoipa::path(
    get, path = "/api/v1/account/receipts/", tag = "account", security(("bearer" = [])),
    params(
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<i64>, Query, description = "Receipts of a page, 1 to 200; 50 where it is left out")
    ),
    responses((status = 200, description = "A page of receipts", body = Envelope<Page<Receipt>>), ListRefusals)
)]
pub async fn list_receipts(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    page: PageQuery,
) -> Result<Response, Refused> {
    let listed = payments::receipts(&service.core, identity.account_id, page.before, page.limit).await?;
    let items = listed.items.iter().map(Receipt::from).collect();
    let next = listed.next_before.map(query::cursor);
    Ok(data(StatusCode::OK, Page { items, next }))
}

refusals!(ReceiptRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled NotFound StorageUnavailable);

/// One receipt.
#[utoipa::path(
    get, path = "/api/v1/account/receipts/{number}/", tag = "account", security(("bearer" = [])),
    params(("number" = i64, Path, description = "The receipt's number")),
    responses((status = 200, description = "The receipt", body = Envelope<Receipt>), ReceiptRefusals)
)]
pub async fn get_receipt(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    Numbered(number): Numbered,
) -> Result<Response, Refused> {
    let receipt = payments::receipt(&service.core, identity.account_id, number).await?;
    Ok(data(StatusCode::OK, Receipt::from(&receipt)))
}

/// One receipt as a page to print.
#[utoipa::path(
    get, path = "/api/v1/account/receipts/{number}/print/", tag = "account", security(("bearer" = [])),
    params(("number" = i64, Path, description = "The receipt's number")),
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        ReceiptRefusals
    )
)]
pub async fn print_receipt(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    Numbered(number): Numbered,
) -> Result<Response, Refused> {
    let receipt = payments::receipt(&service.core, identity.account_id, number).await?;
    receipt_page::page(&receipt)
}
