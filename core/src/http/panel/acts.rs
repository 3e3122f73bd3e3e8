//! What staff do to a customer's account. Each is the same story that the API's staff routes tell.

use super::accounts;
use super::answer::{Note, see_note};
use super::gate::{Number, Seat, Sent};
use crate::app::staff_billing;
use crate::app::suspend as standing;
use crate::app::{StoryError, api_keys, sign_in_list};
use crate::http::Service;
use crate::http::answer::Refused;
use crate::http::billing::{AdjustBody, AssignBody, RenewBody, mode};
use crate::http::shapes::billing;
use crate::http::staff::{ReinstateBody, SuspendBody};
use crate::http::valid::valid;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use igny8_contract::ids::{ApiKeyId, UserId};

/// Back to the account's page, with what was done or with what is wrong.
async fn told(
    service: &Service,
    seat: &Seat,
    (id, page): (i64, &str),
    note: Note,
    came: Result<(), Refused>,
) -> Response {
    match came {
        Ok(()) => see_note(seat, &format!("/admin/accounts/{id}/{page}"), note),
        Err(error) => accounts::again(service, seat, id, &error).await,
    }
}

async fn run<T: Send + 'static>(
    service: &Service,
    story: impl Future<Output = Result<T, StoryError>> + Send + 'static,
) -> Result<(), Refused> {
    service.stories.run(story).await.map(drop)
}

/// Suspends the account.
pub async fn suspend(
    State(service): State<Service>,
    Extension(seat): Extension<Seat>,
    Number(id): Number,
    Extension(sent): Extension<Sent>,
) -> Response {
    let body = SuspendBody {
        reason: sent.text("reason"),
        note: sent.optional("note"),
    };
    let came = match body.reason() {
        Ok(reason) => {
            let (core, ask) = (service.core.clone(), seat.asks(id, &sent));
            let story = async move { standing::suspend(&core, ask, reason, body.note, billing::account).await };
            run(&service, story).await
        }
        Err(error) => Err(error),
    };
    told(&service, &seat, (id, ""), Note::Suspended, came).await
}

/// Takes a suspension back.
pub async fn reinstate(
    State(service): State<Service>,
    Extension(seat): Extension<Seat>,
    Number(id): Number,
    Extension(sent): Extension<Sent>,
) -> Response {
    let body = ReinstateBody {
        note: sent.optional("note"),
    };
    let came = match valid(&body) {
        Ok(()) => {
            let (core, ask) = (service.core.clone(), seat.asks(id, &sent));
            let story = async move { standing::reinstate(&core, ask, body.note, billing::account).await };
            run(&service, story).await
        }
        Err(error) => Err(error),
    };
    told(&service, &seat, (id, ""), Note::Reinstated, came).await
}

/// Renews without a payment.
pub async fn renew(
    State(service): State<Service>,
    Extension(seat): Extension<Seat>,
    Number(id): Number,
    Extension(sent): Extension<Sent>,
) -> Response {
    let body = RenewBody {
        account_id: id,
        mode: sent.optional("mode"),
        reason: sent.text("reason"),
    };
    let came = match valid(&body).and_then(|()| mode(body.mode.as_deref())) {
        Ok(mode) => {
            let (core, ask) = (service.core.clone(), seat.asks(id, &sent));
            let story = async move { staff_billing::renew(&core, ask, mode, body.reason, billing::standing).await };
            run(&service, story).await
        }
        Err(error) => Err(error),
    };
    told(&service, &seat, (id, ""), Note::Renewed, came).await
}

/// Gives the account a plan that nobody pays for here.
pub async fn assign_plan(
    State(service): State<Service>,
    Extension(seat): Extension<Seat>,
    Number(id): Number,
    Extension(sent): Extension<Sent>,
) -> Response {
    let body = AssignBody {
        account_id: id,
        plan_slug: sent.text("plan_slug"),
        reason: sent.text("reason"),
    };
    let came = match valid(&body) {
        Ok(()) => {
            let (core, ask) = (service.core.clone(), seat.asks(id, &sent));
            let AssignBody { plan_slug, reason, .. } = body;
            let story =
                async move { staff_billing::assign_plan(&core, ask, plan_slug, reason, billing::standing).await };
            run(&service, story).await
        }
        Err(error) => Err(error),
    };
    told(&service, &seat, (id, ""), Note::Assigned, came).await
}

/// Adds credits or takes some.
pub async fn adjust_credits(
    State(service): State<Service>,
    Extension(seat): Extension<Seat>,
    Number(id): Number,
    Extension(sent): Extension<Sent>,
) -> Response {
    let body = AdjustBody {
        account_id: id,
        amount: sent.number("amount"),
        reason: sent.text("reason"),
        kind: sent.optional("kind"),
        expires_in_days: sent.optional("expires_in_days").map(|_| sent.number("expires_in_days")),
    };
    let came = match body.read() {
        Ok(credits) => {
            let (core, ask) = (service.core.clone(), seat.asks(id, &sent));
            let story = async move { staff_billing::adjust_credits(&core, ask, credits, billing::entry).await };
            run(&service, story).await
        }
        Err(error) => Err(error),
    };
    told(&service, &seat, (id, ""), Note::Adjusted, came).await
}

/// Revokes one of the account's keys.
pub async fn revoke_key(
    State(service): State<Service>,
    Extension(seat): Extension<Seat>,
    Number(id): Number,
    Extension(sent): Extension<Sent>,
) -> Response {
    let (core, ask, key) = (service.core.clone(), seat.asks(id, &sent), ApiKeyId(sent.number("key")));
    let came = run(
        &service,
        async move { api_keys::revoke_by_staff(&core, ask, key).await },
    )
    .await;
    told(&service, &seat, (id, "keys/"), Note::Revoked, came).await
}

/// Ends every sign-in of one of the account's people.
pub async fn end_sign_ins(
    State(service): State<Service>,
    Extension(seat): Extension<Seat>,
    Number(id): Number,
    Extension(sent): Extension<Sent>,
) -> Response {
    let (core, ask, user) = (service.core.clone(), seat.asks(id, &sent), UserId(sent.number("user")));
    let came = run(
        &service,
        async move { sign_in_list::end_by_staff(&core, ask, user).await },
    )
    .await;
    told(&service, &seat, (id, "people/"), Note::Ended, came).await
}
