//! Core's own panel at `/admin/`, for staff: pages made here, which work without a script and load nothing from elsewhere.
//!
//! Every page and action stands in [`routes`] together with what it is for; [`gate`] lets nobody through to it who may not do
//! that, and no form that this panel has not made for this session. Handlers read, call one story and answer a page or a way on.

pub mod accounts;
pub mod acts;
pub mod answer;
pub mod cookies;
pub mod csv;
pub mod exports;
pub mod form;
pub mod gate;
pub mod payments;
pub mod proxies;
pub mod query;
pub mod render;
pub mod sign_in;
pub mod view;

use super::Service;
use crate::domain::role::PanelAct;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, any, get, post};
use gate::{Gate, admit};

/// Every page and action, and what the panel's table must allow for it.
pub fn routes(service: &Service) -> Router<Service> {
    let only = |act, route: MethodRouter<Service>| {
        let service = service.clone();
        route.layer(from_fn_with_state(Gate { service, act }, admit))
    };
    let look = |route| only(PanelAct::Look, route);
    Router::new()
        .route("/admin", any(answer::home))
        .route("/admin/panel.css", get(answer::style))
        .route("/admin/sign-in/", get(sign_in::show).post(sign_in::begin))
        .route("/admin/sign-in/code/", post(sign_in::go_on))
        .route("/admin/sign-out/", look(post(sign_in::leave)))
        .route("/admin/", look(get(accounts::list)))
        .route("/admin/accounts.csv", look(get(exports::accounts)))
        .route("/admin/accounts/{id}/", look(get(accounts::show)))
        .route("/admin/accounts/{id}/ledger/", look(get(accounts::ledger)))
        .route("/admin/accounts/{id}/ledger.csv", look(get(exports::ledger)))
        .route("/admin/accounts/{id}/audit/", look(get(accounts::audit)))
        .route("/admin/accounts/{id}/audit.csv", look(get(exports::audit)))
        .route("/admin/accounts/{id}/keys/", look(get(accounts::keys)))
        .route("/admin/accounts/{id}/people/", look(get(accounts::people)))
        .route("/admin/plans/", look(get(payments::plans)))
        .route("/admin/proxies/", look(get(proxies::show)))
        .route("/admin/payments/", look(get(payments::list)))
        .route("/admin/payments.csv", look(get(exports::payments)))
        .route("/admin/payments/{id}/", look(get(payments::show)))
        .route(
            "/admin/payments/{id}/confirm/",
            only(PanelAct::ConfirmPayment, post(payments::confirm)),
        )
        .route(
            "/admin/accounts/{id}/suspend/",
            only(PanelAct::ChangeStanding, post(acts::suspend)),
        )
        .route(
            "/admin/accounts/{id}/reinstate/",
            only(PanelAct::ChangeStanding, post(acts::reinstate)),
        )
        .route(
            "/admin/accounts/{id}/renew/",
            only(PanelAct::ChangeSubscription, post(acts::renew)),
        )
        .route(
            "/admin/accounts/{id}/assign-plan/",
            only(PanelAct::ChangeSubscription, post(acts::assign_plan)),
        )
        .route(
            "/admin/accounts/{id}/adjust-credits/",
            only(PanelAct::AdjustCredits, post(acts::adjust_credits)),
        )
        .route(
            "/admin/accounts/{id}/revoke-key/",
            only(PanelAct::EndAccess, post(acts::revoke_key)),
        )
        .route(
            "/admin/accounts/{id}/end-sign-ins/",
            only(PanelAct::EndAccess, post(acts::end_sign_ins)),
        )
        .route("/admin/{*rest}", look(any(answer::missing)))
        .layer(from_fn(answer::dress))
}
