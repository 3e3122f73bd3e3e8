//! One's sign-ins: listed and ended. They are numbered for this; the `sid` of tokens is told to nobody.

use super::Service;
use super::answer::{Envelope, Refused, data};
use super::bearer::WithSignIn;
use super::body::NoBody;
use super::cookies::expire_all;
use super::numbered::Numbered;
use super::openapi::refusals;
use super::passage::RequestId;
use super::query;
use super::shapes::{Page, rfc_3339};
use crate::app::Fields;
use crate::app::identify::Identity;
use crate::app::sign_in_list::{self, Which};
use crate::storage::sign_in::SignIn;
use axum::Extension;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

/// A running sign-in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    pub id: i64,
    /// Whether it is the one that asks.
    pub current: bool,
    /// Where it was last used from.
    #[schema(example = "203.0.113.7")]
    pub address: String,
    /// What the client called itself when it began.
    pub user_agent: String,
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub created_at: String,
    /// When it began or was last refreshed.
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub last_used_at: String,
    /// When it is over unless it is used again.
    #[schema(format = "date-time", example = "2026-01-15T00:00:00.000000Z")]
    pub expires_at: String,
}

impl Session {
    fn of(sign_in: SignIn, sid: &str) -> Self {
        Self {
            id: sign_in.id,
            current: sign_in.sid == sid,
            created_at: rfc_3339(sign_in.created_at),
            last_used_at: rfc_3339(sign_in.last_used_at),
            expires_at: rfc_3339(sign_in.expires_at),
            address: sign_in.address,
            user_agent: sign_in.user_agent,
        }
    }
}

refusals!(SessionRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked RoleRequired AccountMissing
    StorageUnavailable);

/// One's running sign-ins, the newest first.
#[utoipa::path(
    get, path = "/api/v1/auth/sessions/", tag = "auth", security(("bearer" = [])),
    responses((status = 200, description = "The sign-ins", body = Envelope<Page<Session>>), SessionRefusals)
)]
pub async fn list_sessions(
    State(service): State<Service>,
    WithSignIn(identity, sid): WithSignIn,
) -> Result<Response, Refused> {
    let sign_ins = sign_in_list::list(&service.core, identity.user_id).await?;
    let items = sign_ins.into_iter().map(|sign_in| Session::of(sign_in, &sid)).collect();
    Ok(data(StatusCode::OK, Page::<Session> { items, next: None }))
}

refusals!(EndRefusals: MalformedBody UnsupportedMediaType ValidationFailed NotFound CredentialsRequired TokenInvalid
    TokenExpired TokenRevoked RoleRequired AccountMissing StorageUnavailable);

/// End one of one's sign-ins; its tokens are worthless at once.
#[utoipa::path(
    delete, path = "/api/v1/auth/sessions/{id}/", tag = "auth", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The number of the sign-in")),
    responses((status = 204, description = "Ended"), EndRefusals)
)]
pub async fn end_session(
    State(service): State<Service>,
    Extension(request_id): Extension<RequestId>,
    WithSignIn(identity, _): WithSignIn,
    Numbered(id): Numbered,
    _: NoBody,
) -> Result<Response, Refused> {
    end(&service, identity, Which::One(id), request_id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Which sign-ins stay.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EndQuery {
    /// `current`: the one that asks goes on.
    pub keep: Option<String>,
}

/// Whether a query asks to keep the sign-in that asks.
fn keeps_current(uri: &Uri) -> Result<bool, Refused> {
    let unreadable = |_| Refused::invalid(Fields::from([("query".into(), "It cannot be read.".into())]));
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(unreadable)?;
    let mut keep = false;
    query::read(&pairs, |name, value| {
        (name == "keep").then(|| {
            keep = value == "current";
            keep.then_some(()).ok_or("It must be current.")
        })
    })?;
    Ok(keep)
}

/// End all of one's sign-ins, the one that asks included, or with `keep=current` all but that one.
#[utoipa::path(
    delete, path = "/api/v1/auth/sessions/", tag = "auth", security(("bearer" = [])), params(EndQuery),
    responses((status = 204, description = "Ended"), EndRefusals)
)]
pub async fn end_sessions(
    State(service): State<Service>,
    Extension(request_id): Extension<RequestId>,
    WithSignIn(identity, sid): WithSignIn,
    uri: Uri,
    _: NoBody,
) -> Result<Response, Refused> {
    let keep = keeps_current(&uri)?;
    let which = if keep { Which::Others(sid) } else { Which::All };
    end(&service, identity, which, request_id).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if !keep {
        expire_all(response.headers_mut());
    }
    Ok(response)
}

async fn end(service: &Service, identity: Identity, which: Which, request_id: RequestId) -> Result<(), Refused> {
    let (core, who) = (service.core.clone(), (identity.user_id, identity.account_id));
    service
        .stories
        .run(async move { sign_in_list::end(&core, who, which, request_id.0).await })
        .await
}
