//! Customers' accounts: the list, and one from all sides.

use super::answer::{log, page as shown, refused, sentences};
use super::gate::{Number, Seat};
use super::{query, view};
use crate::app::profile::AccountProfile;
use crate::app::{StoryError, api_keys, customers, payments, read, sign_in_list, trail};
use crate::domain::account::AccountKind;
use crate::http::Service;
use crate::http::answer::Refused;
use crate::http::query::PageQuery;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use igny8_contract::ids::AccountId;
use igny8_contract::refusal::Refusal;
use serde_json::{Value, json};

/// Periods on the time line.
const PERIODS: i64 = 60;
/// Payments on an account's page.
const PAYMENTS: usize = 10;

/// The words of statuses that accounts are looked for by.
const STATUSES: [&str; 6] = [
    "trial",
    "active",
    "past_due",
    "pending_payment",
    "suspended",
    "cancelled",
];

fn failed(error: StoryError) -> Response {
    refused(&Refused::from(error))
}

/// The list.
pub async fn list(
    State(service): State<Service>,
    Extension(seat): Extension<Seat>,
    uri: Uri,
) -> Result<Response, Response> {
    let (page, sought) = query::sought(&uri).map_err(|error| refused(&error))?;
    let found = customers::search(&service.core, &sought, page.before, page.limit).await;
    let found = found.map_err(failed)?;
    let plans = read::plans(&service.core).await.map_err(failed)?;
    let body = json!({
        "accounts": found.customers.iter().map(view::customer).collect::<Vec<_>>(),
        "words": sought.words, "status": sought.status.map_or("", |status| status.as_str()),
        "plan": sought.plan.as_deref().unwrap_or_default(), "statuses": STATUSES,
        "plans": plans.iter().map(view::plan).collect::<Vec<_>>(), "query": query::again(&sought, None),
        "next": found.next_before.map_or_else(String::new, |before| query::again(&sought, Some(before))),
    });
    Ok(shown(&service, &seat, "accounts.html", body))
}

/// One account.
pub async fn show(
    State(service): State<Service>,
    Extension(seat): Extension<Seat>,
    Number(id): Number,
) -> Result<Response, Response> {
    whole(&service, &seat, id, "").await
}

/// One account, with what was wrong with what was asked of it.
pub async fn again(service: &Service, seat: &Seat, id: i64, error: &Refused) -> Response {
    log(error);
    if error.refusal() == Refusal::NotFound {
        return refused(error);
    }
    let mut response = whole(service, seat, id, &sentences(error))
        .await
        .unwrap_or_else(|failed| failed);
    if response.status() == StatusCode::OK {
        let status = StatusCode::from_u16(error.refusal().status());
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    }
    response
}

async fn whole(service: &Service, seat: &Seat, id: i64, problem: &str) -> Result<Response, Response> {
    let (core, id) = (&service.core, AccountId(id));
    let portrait = customers::portrait(core, id).await.map_err(failed)?;
    let told = customers::periods(core, id, PERIODS).await.map_err(failed)?;
    let paid = payments::payments(core, id, i64::MAX, PAYMENTS).await.map_err(failed)?;
    let plans = read::plans(core).await.map_err(failed)?;
    let free = plans
        .iter()
        .filter(|plan| plan.terms.by_agreement || plan.terms.price_minor == 0);
    let body = json!({
        "tab": "account", "account": view::head(&portrait.account), "portrait": view::portrait(&portrait),
        "line": view::time_line(&told, core.now()), "payments": paid.items.iter().map(view::payment).collect::<Vec<_>>(),
        "plans": free.map(view::plan).collect::<Vec<_>>(), "problem": problem,
    });
    Ok(shown(service, seat, "account.html", body))
}

/// A customer's account; staff's own is none.
pub async fn customer(service: &Service, id: i64) -> Result<AccountProfile, Response> {
    let found = read::account(&service.core, AccountId(id)).await;
    let missing = || refused(&Refusal::NotFound.into());
    let profile = found.map_err(|error| match error.refusal() {
        Refusal::AccountMissing => missing(),
        _ => failed(error),
    })?;
    match profile.account.kind {
        AccountKind::Customer => Ok(profile),
        AccountKind::Staff => Err(missing()),
    }
}

/// One of a customer's lists. Its name is that of its tab and of its template, which finds what stands in it in `rows`.
async fn listed(
    service: &Service,
    seat: &Seat,
    id: i64,
    uri: &Uri,
    name: &str,
    read: impl AsyncFnOnce(AccountId, PageQuery) -> Result<(Vec<Value>, Option<i64>), StoryError>,
) -> Result<Response, Response> {
    let page = query::page(uri).map_err(|error| refused(&error))?;
    let account = customer(service, id).await?;
    let (rows, next_before) = read(account.account.id, page).await.map_err(failed)?;
    let body = json!({
        "tab": name, "account": view::head(&account), "rows": rows,
        "next": next_before.map_or_else(String::new, query::next),
    });
    Ok(shown(service, seat, &format!("{name}.html"), body))
}

/// The ledger with its running balance.
pub async fn ledger(
    State(service): State<Service>,
    Extension(seat): Extension<Seat>,
    Number(id): Number,
    uri: Uri,
) -> Result<Response, Response> {
    listed(&service, &seat, id, &uri, "ledger", async |id, page| {
        let found = read::entries(&service.core, id, page.before, page.limit).await?;
        Ok((found.entries.iter().map(view::entry).collect(), found.next_before))
    })
    .await
}

/// Who did what.
pub async fn audit(
    State(service): State<Service>,
    Extension(seat): Extension<Seat>,
    Number(id): Number,
    uri: Uri,
) -> Result<Response, Response> {
    listed(&service, &seat, id, &uri, "audit", async |id, page| {
        let found = trail::page(&service.core, id, page.before, page.limit).await?;
        let plans = read::plans(&service.core).await?;
        let lines = found.lines.iter().map(|line| view::line(line, &plans));
        Ok((lines.collect(), found.next_before))
    })
    .await
}

/// The API keys.
pub async fn keys(
    State(service): State<Service>,
    Extension(seat): Extension<Seat>,
    Number(id): Number,
    uri: Uri,
) -> Result<Response, Response> {
    listed(&service, &seat, id, &uri, "keys", async |id, page| {
        let found = api_keys::list(&service.core.store, id, page.before, page.limit).await?;
        let now = service.core.machine_now();
        let keys = found.keys.iter().map(|key| view::key(key, now));
        Ok((keys.collect(), found.next_before))
    })
    .await
}

/// The account's people and their sign-ins.
pub async fn people(
    State(service): State<Service>,
    Extension(seat): Extension<Seat>,
    Number(id): Number,
) -> Result<Response, Response> {
    let core = &service.core;
    let portrait = customers::portrait(core, AccountId(id)).await.map_err(failed)?;
    let mut people = Vec::with_capacity(portrait.people.len());
    for user in &portrait.people {
        let sign_ins = sign_in_list::list(core, user.id).await.map_err(failed)?;
        let sign_ins = sign_ins.iter().map(|sign_in| {
            json!({
                "address": sign_in.address, "agent": sign_in.user_agent, "created": view::minute(sign_in.created_at),
                "used": view::minute(sign_in.last_used_at),
            })
        });
        people.push(json!({
            "id": user.id, "email": user.email, "name": format!("{} {}", user.first_name, user.last_name).trim(),
            "role": user.role.as_str(), "is_active": user.is_active, "verified": user.email_verified_at.is_some(),
            "sign_ins": sign_ins.collect::<Vec<_>>(),
        }));
    }
    let body = json!({"tab": "people", "account": view::head(&portrait.account), "people": people});
    Ok(shown(&service, &seat, "people.html", body))
}
