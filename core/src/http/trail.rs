//! The audit of the account, for its own people.

use super::Service;
use super::answer::{Envelope, Refused, data};
use super::bearer::{Tenant, only};
use super::openapi::refusals;
use super::query::{self, PageQuery};
use super::shapes::Page;
use super::shapes::people::AuditLine;
use crate::app::trail;
use crate::domain::role::Act;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

refusals!(AuditRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled RoleRequired ValidationFailed StorageUnavailable);

/// Who did what in the account, newest first. For its owner and its admins.
#[utoipa::path(
    get, path = "/api/v1/account/audit/", tag = "account", security(("bearer" = [])),
    params(
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<i64>, Query, description = "Lines of a page, 1 to 200; 50 where it is left out")
    ),
    responses((status = 200, description = "A page of the audit", body = Envelope<Page<AuditLine>>), AuditRefusals)
)]
pub async fn list_audit(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    page: PageQuery,
) -> Result<Response, Refused> {
    only(identity, Act::ReadAudit)?;
    let listed = trail::page(&service.core, identity.account_id, page.before, page.limit).await?;
    let items = listed.lines.iter().map(AuditLine::from).collect();
    let next = listed.next_before.map(query::cursor);
    Ok(data(StatusCode::OK, Page { items, next }))
}
