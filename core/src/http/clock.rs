//! The test clock, for staff of a service that has one.

use super::Service;
use super::answer::{Envelope, Refused, data};
use super::bearer::Staff;
use super::body::Object;
use super::openapi::refusals;
use super::passage::RequestId;
use super::shapes::rfc_3339;
use crate::app::test_clock::{self, Advance, Reading};
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the test clock shows.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClockReading {
    /// The service's time: trials, periods, holds and the ledger go by it.
    #[schema(format = "date-time", example = "2026-02-01T00:00:00.000000Z")]
    pub now: String,
    /// The machine's time: tokens, keys and sessions go by it.
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub machine_now: String,
    /// How far the first is ahead of the second.
    #[schema(example = 2_678_400)]
    pub ahead_seconds: i64,
}

impl From<Reading> for ClockReading {
    fn from(reading: Reading) -> Self {
        Self {
            now: rfc_3339(reading.now),
            machine_now: rfc_3339(reading.machine_now),
            ahead_seconds: reading.ahead_seconds,
        }
    }
}

/// How far the clock is put forward.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdvanceBody {
    /// At most ten years.
    #[schema(required = true, minimum = 1, maximum = 315_619_200, example = 86_400)]
    #[serde(default)]
    pub advance_seconds: i64,
}

refusals!(ReadRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled RoleRequired NotFound StorageUnavailable);

/// What the test clock shows. There is none where `[test_clock]` is not enabled.
#[utoipa::path(
    get, path = "/api/v1/staff/clock/", tag = "staff", security(("bearer" = [])),
    responses((status = 200, description = "The clock", body = Envelope<ClockReading>), ReadRefusals)
)]
pub async fn get_clock(State(service): State<Service>, Staff(_identity): Staff) -> Result<Response, Refused> {
    let reading = test_clock::read(&service.core).await?;
    Ok(data(StatusCode::OK, ClockReading::from(reading)))
}

refusals!(AdvanceRefusals: MalformedBody UnsupportedMediaType ValidationFailed CredentialsRequired TokenInvalid
    TokenExpired TokenRevoked AccountMissing AccountSuspended AccountCancelled RoleRequired NotFound StorageUnavailable);

/// Puts the service's time forward, never back, and answers once everything that falls due by that has been done.
#[utoipa::path(
    post, path = "/api/v1/staff/clock/", tag = "staff", security(("bearer" = [])), request_body = AdvanceBody,
    responses((status = 200, description = "The clock as it is now", body = Envelope<ClockReading>), AdvanceRefusals)
)]
pub async fn advance_clock(
    State(service): State<Service>,
    Staff(identity): Staff,
    Extension(request_id): Extension<RequestId>,
    Object(body): Object<AdvanceBody>,
) -> Result<Response, Refused> {
    let advance = Advance {
        account_id: identity.account_id,
        user_id: identity.user_id,
        seconds: body.advance_seconds,
        request_id: request_id.0,
    };
    let core = service.core.clone();
    let story = async move { test_clock::advance(&core, advance).await };
    let reading = service.stories.run(story).await?;
    Ok(data(StatusCode::OK, ClockReading::from(reading)))
}
