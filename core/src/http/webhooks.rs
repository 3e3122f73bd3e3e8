//! What payment providers tell.

use super::Service;
use super::answer::{Envelope, Refused, data};
use super::body::Bytes;
use super::openapi::refusals;
use super::passage::RequestId;
use crate::app::stripe;
use crate::domain::stripe::read;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use igny8_contract::refusal::Refusal;
use serde::Serialize;
use utoipa::ToSchema;

/// Where Stripe sends its events.
pub const STRIPE_PATH: &str = "/api/v1/billing/webhooks/stripe/";
/// The header field with its signature.
const SIGNATURE: &str = "stripe-signature";

/// What has become of an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventOutcome {
    /// `applied`, `linked`, `waiting`, `unchanged`, `stale`, `noted`, `amount_mismatch`, `unknown_reference`, `unexpected`
    /// or `ignored`.
    #[schema(example = "applied")]
    pub outcome: &'static str,
}

refusals!(StripeRefusals: WebhookSignatureInvalid MalformedBody NotFound BodyTooLarge StorageUnavailable);

/// Takes an event of Stripe's, proven by its signature over the raw body. The same event again changes nothing.
#[utoipa::path(
    post, path = "/api/v1/billing/webhooks/stripe/", tag = "billing",
    params(("Stripe-Signature" = String, Header, description = "`t=<seconds>,v1=<hex>`, as Stripe documents it")),
    request_body(content = Object, description = "An event as Stripe documents it", content_type = "application/json"),
    responses(
        (status = 200, description = "It has been taken", body = Envelope<EventOutcome>),
        StripeRefusals
    )
)]
pub async fn receive_stripe_event(
    State(service): State<Service>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    Bytes(body): Bytes,
) -> Result<Response, Refused> {
    let webhooks = service.stripe.as_ref().ok_or(Refusal::NotFound)?;
    let signature = signature(&headers).ok_or(Refusal::WebhookSignatureInvalid)?;
    if !webhooks.are_from_stripe(signature, &body) {
        return Err(Refusal::WebhookSignatureInvalid.into());
    }
    let event = read(&body).map_err(|_| Refusal::MalformedBody)?;
    let core = service.core.clone();
    let story = async move { stripe::receive(&core, event, request_id).await };
    let outcome = service.stories.run(story).await?.as_str();
    Ok(data(StatusCode::OK, EventOutcome { outcome }))
}

/// The one signature of a request.
fn signature(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all(SIGNATURE).iter();
    let field = fields.next().filter(|_| fields.next().is_none())?;
    field.to_str().ok()
}
