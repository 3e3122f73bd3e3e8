//! The plans that can be chosen from.

use super::Service;
use super::answer::{Envelope, Refused, data};
use super::openapi::refusals;
use super::shapes::{Page, Plan};
use crate::app::read;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

refusals!(PlansRefusals: StorageUnavailable);

/// The active plans, in the order of the catalogue.
#[utoipa::path(
    get, path = "/api/v1/plans/", tag = "plans",
    responses((status = 200, description = "The plans", body = Envelope<Page<Plan>>), PlansRefusals)
)]
pub async fn list_plans(State(service): State<Service>) -> Result<Response, Refused> {
    let items = read::open_plans(&service.core).await?.iter().map(Plan::from).collect();
    Ok(data(StatusCode::OK, Page { items, next: None }))
}
