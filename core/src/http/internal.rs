//! What proxies ask, see `contract::messages`. Open to the internal token alone, but for the key set.

use super::Service;
use super::answer::Refused;
use super::bearer::bearer;
use super::body::Object;
use super::feed::{get_changes, get_snapshot};
use super::passage::RequestId;
use crate::app::{resolve_key, sessions, standing};
use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use igny8_contract::feed::{CHANGES_PATH, SNAPSHOT_PATH};
use igny8_contract::messages::{
    HEALTH_PATH, JWKS_PATH, KEY_RESOLVE_PATH, KeyQuery, SESSION_LOOKUP_PATH, SESSION_REVOKE_PATH, STANDING_PATH,
    SessionQuery, StandingQuery,
};
use igny8_contract::refusal::Refusal;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

/// Where Prometheus scrapes.
pub const METRICS_PATH: &str = "/metrics";

/// Every route of the internal listener.
pub fn routes(service: &Service) -> Router<Service> {
    use axum::routing::{get, post};
    Router::new()
        .route(SESSION_LOOKUP_PATH, post(look_up_session))
        .route(SESSION_REVOKE_PATH, post(revoke_session))
        .route(STANDING_PATH, post(get_standing))
        .route(KEY_RESOLVE_PATH, post(resolve_key))
        .route(CHANGES_PATH, get(get_changes))
        .route(SNAPSHOT_PATH, get(get_snapshot))
        .route(HEALTH_PATH, get(health))
        .route(METRICS_PATH, get(metrics))
        .route_layer(axum::middleware::from_fn_with_state(service.clone(), only_with_token))
        .route(JWKS_PATH, get(key_set))
}

async fn only_with_token(State(service): State<Service>, request: Request, next: Next) -> Response {
    match bearer(request.headers()) {
        Ok(token) if is_internal_token(&service, token) => next.run(request).await,
        Ok(_) => Refused::from(Refusal::TokenInvalid).into_response(),
        Err(refusal) => Refused::from(refusal).into_response(),
    }
}

/// Compared by digest: neither the place of a difference nor the length shows in the time it takes.
fn is_internal_token(service: &Service, token: &str) -> bool {
    use aws_lc_rs::digest::{SHA256, digest};
    let expected = digest(&SHA256, service.internal_token.expose_secret().as_bytes());
    digest(&SHA256, token.as_bytes())
        .as_ref()
        .ct_eq(expected.as_ref())
        .into()
}

async fn key_set(State(service): State<Service>) -> Response {
    Json(service.core.keys.published(service.core.machine_now())).into_response()
}

async fn look_up_session(
    State(service): State<Service>,
    Object(query): Object<SessionQuery>,
) -> Result<Response, Refused> {
    Ok(Json(sessions::look_up(&service.core, &query).await?).into_response())
}

async fn revoke_session(
    State(service): State<Service>,
    Extension(request_id): Extension<RequestId>,
    Object(query): Object<SessionQuery>,
) -> Result<Response, Refused> {
    let core = service.core.clone();
    service
        .stories
        .run(async move { sessions::revoke(&core, &query, request_id.0).await })
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn get_standing(
    State(service): State<Service>,
    Object(query): Object<StandingQuery>,
) -> Result<Response, Refused> {
    Ok(Json(standing::standing_for_a_proxy(&service.core.store, &query).await?).into_response())
}

async fn resolve_key(State(service): State<Service>, Object(query): Object<KeyQuery>) -> Result<Response, Refused> {
    Ok(Json(resolve_key::resolve(&service.core, &query).await?).into_response())
}

async fn health(State(service): State<Service>) -> Result<Response, Refused> {
    service.core.store.ping().await.map_err(crate::app::StoryError::from)?;
    Ok(Json(serde_json::json!({"status": "ok"})).into_response())
}

async fn metrics(State(service): State<Service>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], service.metrics.render()).into_response()
}
