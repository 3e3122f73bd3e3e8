//! Customers' accounts, looked up by staff.

use super::Service;
use super::answer::{Envelope, Refused, data};
use super::bearer::Staff;
use super::numbered::Numbered;
use super::openapi::refusals;
use super::query::{cursor, page_and};
use super::shapes::Page;
use super::shapes::people::{CustomerShape, PortraitShape};
use crate::app::{Fields, customers};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use igny8_contract::ids::AccountId;

/// The longest text that is searched for.
const WORDS_MOST: usize = 254;

refusals!(SearchRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked RoleRequired ValidationFailed
    StorageUnavailable);

/// Customers' accounts, newest first: every one, or those that a text is found in.
#[utoipa::path(
    get, path = "/api/v1/staff/accounts/", tag = "staff", security(("bearer" = [])),
    params(
        ("q" = Option<String>, Query, description = "The account's number, or a part of its name or of an address of its people"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<i64>, Query, description = "Accounts of a page, 1 to 200; 50 where it is left out")
    ),
    responses((status = 200, description = "A page of accounts", body = Envelope<Page<CustomerShape>>), SearchRefusals)
)]
pub async fn search_accounts(
    State(service): State<Service>,
    Staff(_staff): Staff,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Refused> {
    let unreadable = |_| Refused::invalid(Fields::from([("query".into(), "It cannot be read.".into())]));
    let Query(pairs) = query.map_err(unreadable)?;
    let mut words = String::new();
    let page = page_and(&pairs, |name, value| {
        (name == "q").then(|| {
            value.trim().clone_into(&mut words);
            if words.chars().count() <= WORDS_MOST && !words.chars().any(char::is_control) {
                Ok(())
            } else {
                Err("It must be a line of at most 254 characters.")
            }
        })
    })?;
    let sought = customers::Sought {
        words,
        ..customers::Sought::default()
    };
    let listed = customers::search(&service.core, &sought, page.before, page.limit).await?;
    let items = listed.customers.iter().map(CustomerShape::from).collect();
    let next = listed.next_before.map(cursor);
    Ok(data(StatusCode::OK, Page { items, next }))
}

refusals!(AccountRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked RoleRequired NotFound
    StorageUnavailable);

/// One customer: account, plan, subscription, credits, people, and what the account may do now.
#[utoipa::path(
    get, path = "/api/v1/staff/accounts/{id}/", tag = "staff", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The account's number")),
    responses((status = 200, description = "The customer", body = Envelope<PortraitShape>), AccountRefusals)
)]
pub async fn get_customer(
    State(service): State<Service>,
    Staff(_staff): Staff,
    Numbered(id): Numbered,
) -> Result<Response, Refused> {
    let portrait = customers::portrait(&service.core, AccountId(id)).await?;
    Ok(data(StatusCode::OK, PortraitShape::from(&portrait)))
}
