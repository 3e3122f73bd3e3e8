//! What staff do to customers' accounts.

use super::Service;
use super::answer::{Envelope, Refused, answered};
use super::ask::of_customer;
use super::bearer::Staff;
use super::idempotency::Keyed;
use super::numbered::Numbered;
use super::openapi::refusals;
use super::passage::RequestId;
use super::shapes::{self, billing};
use super::valid::{is_optional_line, trimmed, valid};
use crate::app::Fields;
use crate::app::suspend;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use garde::Validate;
use igny8_contract::standing::SuspendReason;
use serde::Deserialize;
use utoipa::ToSchema;

const NOTE: usize = 500;

/// Why an account is suspended.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SuspendBody {
    /// `abuse` or `staff`, which it is where it is left out.
    #[schema(required = false, example = "abuse")]
    #[serde(default = "by_staff")]
    #[garde(skip)]
    pub reason: String,
    /// For the audit.
    #[schema(max_length = 500)]
    #[serde(default)]
    #[garde(custom(is_optional_line::<NOTE>))]
    pub note: Option<String>,
}

fn by_staff() -> String {
    SuspendReason::Staff.as_str().to_owned()
}

impl SuspendBody {
    pub(super) fn reason(&self) -> Result<SuspendReason, Refused> {
        valid(self)?;
        let ours = |reason: &SuspendReason| matches!(reason, SuspendReason::Abuse | SuspendReason::Staff);
        let reason = SuspendReason::parse(&self.reason).filter(ours);
        reason.ok_or_else(|| Refused::invalid(Fields::from([("reason".into(), "It must be abuse or staff.".into())])))
    }
}

refusals!(SuspendRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked RoleRequired NotFound
    IdempotencyKeyReused MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed StorageUnavailable);

/// Suspend an account: nothing of it can be used until staff reinstate it, whatever is paid.
#[utoipa::path(
    post, path = "/api/v1/staff/accounts/{id}/suspend/", tag = "staff", security(("bearer" = [])),
    request_body = SuspendBody,
    params(
        ("id" = i64, Path, description = "The account's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again under its key, it takes effect once")
    ),
    responses((status = 200, description = "The account", body = Envelope<shapes::Account>), SuspendRefusals)
)]
pub async fn suspend_account(
    State(service): State<Service>,
    Staff(staff): Staff,
    Numbered(id): Numbered,
    Extension(request_id): Extension<RequestId>,
    keyed: Keyed<SuspendBody>,
) -> Result<Response, Refused> {
    let reason = keyed.body.reason()?;
    let ask = of_customer(&keyed, staff, id, request_id);
    let note = trimmed(keyed.body.note);
    let core = service.core.clone();
    let story = async move { suspend::suspend(&core, ask, reason, note, billing::account).await };
    Ok(answered(service.stories.run(story).await?))
}

/// A note on a reinstatement.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ReinstateBody {
    /// For the audit.
    #[schema(max_length = 500)]
    #[serde(default)]
    #[garde(custom(is_optional_line::<NOTE>))]
    pub note: Option<String>,
}

/// Take a suspension back: the account stands as its subscription says. One that is not suspended by staff stays as it is.
#[utoipa::path(
    post, path = "/api/v1/staff/accounts/{id}/reinstate/", tag = "staff", security(("bearer" = [])),
    request_body = ReinstateBody,
    params(
        ("id" = i64, Path, description = "The account's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again under its key, it takes effect once")
    ),
    responses((status = 200, description = "The account", body = Envelope<shapes::Account>), SuspendRefusals)
)]
pub async fn reinstate_account(
    State(service): State<Service>,
    Staff(staff): Staff,
    Numbered(id): Numbered,
    Extension(request_id): Extension<RequestId>,
    keyed: Keyed<ReinstateBody>,
) -> Result<Response, Refused> {
    valid(&keyed.body)?;
    let ask = of_customer(&keyed, staff, id, request_id);
    let note = trimmed(keyed.body.note);
    let core = service.core.clone();
    let story = async move { suspend::reinstate(&core, ask, note, billing::account).await };
    Ok(answered(service.stories.run(story).await?))
}
