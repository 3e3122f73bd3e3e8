//! Payments that are waited for, confirmed from the list in three clicks; and the catalogue of plans.

use super::answer::{Note, log, page as shown, refused, see_note, sentences};
use super::gate::{Number, Seat, Sent};
use super::{query, view};
use crate::app::confirm::confirm_bank_transfer;
use crate::app::{payments, read};
use crate::http::Service;
use crate::http::answer::Refused;
use crate::http::billing::ConfirmBody;
use crate::http::shapes::billing;
use crate::storage::payment::Pending;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use igny8_contract::refusal::Refusal;
use serde_json::{Value, json};

/// The list.
pub async fn list(
    State(service): State<Service>,
    Extension(seat): Extension<Seat>,
    uri: Uri,
) -> Result<Response, Response> {
    let page = query::page(&uri).map_err(|error| refused(&error))?;
    let found = payments::pending(&service.core, page.before, page.limit).await;
    let found = found.map_err(|error| refused(&error.into()))?;
    let body = json!({
        "payments": found.items.iter().map(view::pending).collect::<Vec<_>>(),
        "next": found.next_before.map_or_else(String::new, query::next),
    });
    Ok(shown(&service, &seat, "payments.html", body))
}

/// One payment, and the form that confirms it.
pub async fn show(
    State(service): State<Service>,
    Extension(seat): Extension<Seat>,
    Number(id): Number,
) -> Result<Response, Response> {
    let pending = payments::pending_one(&service.core, id).await;
    let pending = pending.map_err(|error| refused(&error.into()))?;
    let payment = view::pending(&pending);
    let given = json!({
        "external_payment_id": pending.reference, "amount": payment["amount"], "payer_name": pending.account_name,
        "override_reason": "", "mode": "",
    });
    Ok(filled(&service, &seat, &pending, given, ""))
}

fn filled(service: &Service, seat: &Seat, pending: &Pending, given: Value, problem: &str) -> Response {
    let body = json!({"payment": view::pending(pending), "given": given, "problem": problem});
    shown(service, seat, "payment.html", body)
}

/// Confirms it. Which account it is for is said by the form: once it is confirmed, it is waited for no longer, and whoever
/// sends the form again is led to the same place.
pub async fn confirm(
    State(service): State<Service>,
    Extension(seat): Extension<Seat>,
    Number(id): Number,
    Extension(sent): Extension<Sent>,
) -> Response {
    let body = ConfirmBody {
        account_id: sent.number("account_id"),
        external_payment_id: sent.text("external_payment_id"),
        amount: sent.text("amount"),
        payer_name: sent.text("payer_name"),
        plan_slug: None,
        override_reason: sent.optional("override_reason"),
        mode: sent.optional("mode"),
    };
    let came = match body.read(seat.user.id) {
        Ok(transfer) => {
            let (core, ask) = (service.core.clone(), seat.asks(body.account_id, &sent));
            let story = async move { confirm_bank_transfer(&core, ask, transfer, billing::confirmed).await };
            service.stories.run(story).await.map(drop)
        }
        Err(error) => Err(error),
    };
    match came {
        Ok(()) => see_note(&seat, &format!("/admin/accounts/{}/", body.account_id), Note::Confirmed),
        Err(error) => again(&service, &seat, id, &body, &error).await,
    }
}

/// The form as it was filled in, and what is wrong with it.
async fn again(service: &Service, seat: &Seat, id: i64, body: &ConfirmBody, error: &Refused) -> Response {
    log(error);
    let pending = match payments::pending_one(&service.core, id).await {
        Ok(pending) if error.refusal() != Refusal::NotFound => pending,
        _ => return refused(error),
    };
    let given = json!({
        "external_payment_id": body.external_payment_id, "amount": body.amount, "payer_name": body.payer_name,
        "override_reason": body.override_reason.as_deref().unwrap_or_default(),
        "mode": body.mode.as_deref().unwrap_or_default(),
    });
    let mut response = filled(service, seat, &pending, given, &sentences(error));
    let status = StatusCode::from_u16(error.refusal().status());
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// The catalogue.
pub async fn plans(State(service): State<Service>, Extension(seat): Extension<Seat>) -> Result<Response, Response> {
    let plans = read::plans(&service.core).await;
    let plans = plans.map_err(|error| refused(&error.into()))?;
    let body = json!({"plans": plans.iter().map(view::plan).collect::<Vec<_>>()});
    Ok(shown(&service, &seat, "plans.html", body))
}
