//! Every public route on one screen, but for the panel's, which stand in `panel`. Anything that is not here is 404.

use super::answer::Refused;
use super::passage::{Passage, note_route, pass};
use super::{
    Service, account, api_keys, auth, billing, clock, credits, customers, internal, members, openapi, panel, plans,
    receipts, recovery, second_factor, sign_ins, staff, trail, webhooks,
};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use igny8_contract::refusal::Refusal;
use std::any::Any;
use std::convert::Infallible;
use std::sync::Arc;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The public API.
#[must_use]
pub fn public() -> OpenApiRouter<Service> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(auth::register))
        .routes(routes!(auth::login))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::logout))
        .routes(routes!(auth::me))
        .routes(routes!(recovery::change_password))
        .routes(routes!(recovery::reset_password))
        .routes(routes!(recovery::confirm_reset))
        .routes(routes!(recovery::verify_email))
        .routes(routes!(recovery::resend_verification))
        .routes(routes!(sign_ins::list_sessions, sign_ins::end_sessions))
        .routes(routes!(sign_ins::end_session))
        .routes(routes!(
            second_factor::get_totp,
            second_factor::enrol_totp,
            second_factor::disable_totp
        ))
        .routes(routes!(second_factor::confirm_totp))
        .routes(routes!(plans::list_plans))
        .routes(routes!(account::get_account, account::change_account))
        .routes(routes!(account::get_subscription))
        .routes(routes!(account::upgrade))
        .routes(routes!(account::cancel))
        .routes(routes!(account::resume))
        .routes(routes!(receipts::list_payments))
        .routes(routes!(receipts::list_receipts))
        .routes(routes!(receipts::get_receipt))
        .routes(routes!(receipts::print_receipt))
        .routes(routes!(api_keys::list_api_keys, api_keys::create_api_key))
        .routes(routes!(api_keys::delete_api_key))
        .routes(routes!(api_keys::rotate_api_key))
        .routes(routes!(api_keys::revoke_api_key))
        .routes(routes!(members::list_members))
        .routes(routes!(members::invite_member))
        .routes(routes!(members::list_invitations))
        .routes(routes!(members::revoke_invitation))
        .routes(routes!(members::delete_member))
        .routes(routes!(members::change_member_role))
        .routes(routes!(members::remove_member))
        .routes(routes!(members::accept_invitation))
        .routes(routes!(trail::list_audit))
        .routes(routes!(credits::get_credits))
        .routes(routes!(credits::list_transactions))
        .routes(routes!(billing::confirm_bank_transfer))
        .routes(routes!(billing::renew))
        .routes(routes!(billing::assign_plan))
        .routes(routes!(billing::adjust_credits))
        .routes(routes!(billing::list_pending))
        .routes(routes!(customers::search_accounts))
        .routes(routes!(customers::get_customer))
        .routes(routes!(staff::suspend_account))
        .routes(routes!(staff::reinstate_account))
        .routes(routes!(credits::get_usage))
        .routes(routes!(credits::consume))
        .routes(routes!(credits::create_hold, credits::list_holds))
        .routes(routes!(credits::confirm_hold))
        .routes(routes!(credits::release_hold))
        .routes(routes!(webhooks::receive_stripe_event))
        .routes(routes!(clock::get_clock, clock::advance_clock))
}

/// A listener's whole service: its routes within the passage.
pub type Whole = BoxCloneSyncService<Request, Response, Infallible>;

/// The public listener's service: the API and the panel.
#[must_use]
pub fn public_service(service: Service) -> Whole {
    let routes = public().split_for_parts().0.merge(panel::routes(&service));
    whole(routes, service, "public")
}

/// The internal listener's service.
#[must_use]
pub fn internal_service(service: Service) -> Whole {
    whole(internal::routes(&service), service, "internal")
}

fn whole(routes: Router<Service>, service: Service, listener: &'static str) -> Whole {
    let passage = Passage {
        clock: Arc::clone(&service.core.clock),
        random: Arc::clone(&service.core.random),
        listener,
    };
    let routes = routes
        .fallback(async || Refused::from(Refusal::NoRoute))
        .method_not_allowed_fallback(async || Refused::from(Refusal::MethodNotAllowed))
        .layer(from_fn(note_route))
        .with_state(service);
    let caught = CatchPanicLayer::custom(panicked).layer(routes);
    let caught = ServiceExt::<Request>::map_response(caught, IntoResponse::into_response);
    BoxCloneSyncService::new(from_fn_with_state(passage, pass).layer(caught))
}

fn panicked(panic: Box<dyn Any + Send>) -> http::Response<Body> {
    let cause = panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic".to_owned());
    Refused {
        reason: Some(Refusal::Internal),
        cause: Some(cause),
        ..Refused::default()
    }
    .into_response()
}
