//! Credits: the balance, the ledger, debits and holds.

use super::Service;
use super::answer::{Envelope, Refused, answered, data};
use super::bearer::{Member, Tenant, only};
use super::credit_shapes::{
    ConfirmBody, ConsumeBody, Hold, HoldBody, ReleaseBody, Usage, UsedOn, read_day, show_entry, show_hold,
    stored_metadata,
};
use super::idempotency::{IDEMPOTENCY_KEY, Keyed};
use super::openapi::refusals;
use super::passage::RequestId;
use super::query;
use super::shapes::{Credits, LedgerEntry, Page};
use super::valid::valid;
use crate::app::change::Ask;
use crate::app::debits::Spend;
use crate::app::identify::Identity;
use crate::app::{Fields, credits, read};
use crate::domain::role::Act;
use crate::storage::hold::parse_status;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::response::Response;
use garde::Validate;
use http::StatusCode;
use http::request::Parts;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::{MICROS_PER_DAY, Timestamp};

/// How many days the usage shows where nothing is said.
const USAGE_DAYS: i64 = 30;
/// The most days that it shows.
const USAGE_MOST_DAYS: i64 = 366;

/// Who may spend an account's credits. The account is in good standing, or the request has an `Idempotency-Key`: then it may
/// be one that was answered before, and the committer says whether it is.
#[derive(Clone, Debug)]
pub struct Spender {
    identity: Identity,
    /// What the account lacks: any other refusal comes after it.
    lacks: Option<Refused>,
}

impl FromRequestParts<Service> for Spender {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Refused> {
        let (identity, lacks) = match Member::from_request_parts(parts, service).await {
            Ok(Member(identity)) => (identity, None),
            Err(refused) if parts.headers.contains_key(IDEMPOTENCY_KEY) => {
                let Tenant(identity) = Tenant::from_request_parts(parts, service).await?;
                (identity, Some(refused))
            }
            Err(refused) => return Err(refused),
        };
        match (only(identity, Act::SpendCredits), lacks) {
            (Ok(identity), lacks) => Ok(Self { identity, lacks }),
            (Err(_), Some(refused)) => Err(refused),
            (Err(refusal), None) => Err(refusal.into()),
        }
    }
}

impl Spender {
    /// What they ask for, in a body that is sound.
    fn asks<T: Validate<Context = ()>>(
        self,
        keyed: Result<Keyed<T>, Refused>,
    ) -> Result<(Identity, Keyed<T>), Refused> {
        let sound = keyed.and_then(|keyed| valid(&keyed.body).map(|()| keyed));
        match (sound, self.lacks) {
            (Ok(keyed), _) => Ok((self.identity, keyed)),
            (Err(refused), lacks) => Err(lacks.unwrap_or(refused)),
        }
    }
}

/// What stands after the `?`.
type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;

fn pairs(query: Pairs) -> Result<Vec<(String, String)>, Refused> {
    let unreadable = |_| Refused::invalid(Fields::from([("query".into(), "It cannot be read.".into())]));
    query.map(|Query(pairs)| pairs).map_err(unreadable)
}

fn ask<T>(identity: Identity, request_id: RequestId, keyed: &Keyed<T>) -> Ask {
    Ask {
        account_id: identity.account_id,
        actor: identity.actor(),
        request_id: request_id.0,
        key: keyed.request_key(identity),
    }
}

/// The number of a hold in a path. What is no number names no hold.
fn hold_number(text: &str) -> Result<i64, Refusal> {
    text.parse().ok().filter(|number| *number > 0).ok_or(Refusal::NotFound)
}

refusals!(CreditsRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled StorageUnavailable);

/// The balance, what is held of it, and what can be used.
#[utoipa::path(
    get, path = "/api/v1/credits/", tag = "credits", security(("bearer" = [])),
    responses((status = 200, description = "The credits", body = Envelope<Credits>), CreditsRefusals)
)]
pub async fn get_credits(State(service): State<Service>, Tenant(identity): Tenant) -> Result<Response, Refused> {
    let found = credits::balance(&service.core, identity.account_id).await?;
    let (balance, held) = (found.balance.0, found.held.0);
    Ok(data(
        StatusCode::OK,
        Credits {
            balance,
            held,
            available: balance - held,
        },
    ))
}

refusals!(ListRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled ValidationFailed StorageUnavailable);

/// The ledger, newest entry first.
#[utoipa::path(
    get, path = "/api/v1/credits/transactions/", tag = "credits", security(("bearer" = [])),
    params(
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<i64>, Query, description = "Entries of a page, 1 to 200; 50 where it is left out")
    ),
    responses((status = 200, description = "A page of entries", body = Envelope<Page<LedgerEntry>>), ListRefusals)
)]
pub async fn list_transactions(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    query: Pairs,
) -> Result<Response, Refused> {
    let page = query::page(&pairs(query)?)?;
    let entries = read::entries(&service.core, identity.account_id, page.before, page.limit).await?;
    let items = entries.entries.iter().map(LedgerEntry::from).collect();
    Ok(data(
        StatusCode::OK,
        Page {
            items,
            next: entries.next_before.map(query::cursor),
        },
    ))
}

/// What was used on each day, for a chart.
#[utoipa::path(
    get, path = "/api/v1/credits/usage/", tag = "credits", security(("bearer" = [])),
    params(
        ("from" = Option<String>, Query, description = "The first day in UTC, like 2026-01-01; 29 days before the last one where it is left out"),
        ("to" = Option<String>, Query, description = "The last day in UTC; today where it is left out. At most 366 days")
    ),
    responses((status = 200, description = "Every day, and what was used on it", body = Envelope<Usage>), ListRefusals)
)]
pub async fn get_usage(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    query: Pairs,
) -> Result<Response, Refused> {
    let (first, last) = days(&pairs(query)?, service.core.now())?;
    let days = credits::usage(&service.core, identity.account_id, first, last).await?;
    let items = days.iter().map(UsedOn::from).collect();
    Ok(data(StatusCode::OK, Usage { items }))
}

/// The first and the last day that a query asks for.
fn days(pairs: &[(String, String)], now: Timestamp) -> Result<(i64, i64), Refused> {
    let (mut from, mut to) = (None, None);
    query::read(pairs, |name, value| {
        let slot = match name {
            "from" => &mut from,
            "to" => &mut to,
            _ => return None,
        };
        *slot = read_day(value);
        Some(slot.map(drop).ok_or("It must be a day, like 2026-01-01."))
    })?;
    let last = to.unwrap_or(now.0.div_euclid(MICROS_PER_DAY));
    let first = from.unwrap_or(last + 1 - USAGE_DAYS);
    let wrong = |sentence: &str| Refused::invalid(Fields::from([("from".into(), sentence.into())]));
    if first > last {
        return Err(wrong("It must not come after `to`."));
    }
    if last - first >= USAGE_MOST_DAYS {
        return Err(wrong("It must be at most 366 days, counting both, before `to`."));
    }
    Ok((first, last))
}

refusals!(DebitRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed CredentialsRequired TokenInvalid
    TokenExpired TokenRevoked AccountMissing AccountSuspended AccountCancelled RoleRequired TrialEnded PaymentRequired
    InsufficientCredits IdempotencyKeyReused StorageUnavailable);

/// Uses credits.
#[utoipa::path(
    post, path = "/api/v1/credits/consume/", tag = "credits", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this request: sent again, it takes effect once")),
    request_body = ConsumeBody,
    responses((status = 200, description = "The ledger entry", body = Envelope<LedgerEntry>), DebitRefusals)
)]
pub async fn consume(
    State(service): State<Service>,
    spender: Spender,
    Extension(request_id): Extension<RequestId>,
    keyed: Result<Keyed<ConsumeBody>, Refused>,
) -> Result<Response, Refused> {
    let (identity, keyed) = spender.asks(keyed)?;
    let (core, ask, body) = (service.core, ask(identity, request_id, &keyed), keyed.body);
    let spend = spend(body.amount, body.description, body.metadata);
    let story = async move { credits::consume(&core, ask, spend, show_entry).await };
    service.stories.run(story).await.map(answered)
}

/// What a valid body asks for.
fn spend(amount: Option<i64>, description: String, metadata: Option<serde_json::Value>) -> Spend {
    Spend {
        amount: igny8_contract::credits::Credits(amount.unwrap_or_default()),
        description,
        metadata: stored_metadata(metadata),
    }
}

refusals!(HoldRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed CredentialsRequired TokenInvalid
    TokenExpired TokenRevoked AccountMissing AccountSuspended AccountCancelled RoleRequired TrialEnded PaymentRequired
    InsufficientCredits TooManyHolds IdempotencyKeyReused StorageUnavailable);

/// Sets credits aside until they are confirmed or released, or the hold expires.
#[utoipa::path(
    post, path = "/api/v1/credits/holds/", tag = "credits", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this request: sent again, it takes effect once")),
    request_body = HoldBody,
    responses((status = 201, description = "The hold", body = Envelope<Hold>), HoldRefusals)
)]
pub async fn create_hold(
    State(service): State<Service>,
    spender: Spender,
    Extension(request_id): Extension<RequestId>,
    keyed: Result<Keyed<HoldBody>, Refused>,
) -> Result<Response, Refused> {
    let (identity, keyed) = spender.asks(keyed)?;
    let (core, ask, body) = (service.core, ask(identity, request_id, &keyed), keyed.body);
    let spend = spend(body.amount, body.description, body.metadata);
    let story = async move { credits::hold(&core, ask, spend, body.expires_in_seconds, show_hold).await };
    service.stories.run(story).await.map(answered)
}

/// The holds, newest first.
#[utoipa::path(
    get, path = "/api/v1/credits/holds/", tag = "credits", security(("bearer" = [])),
    params(
        ("status" = Option<String>, Query, description = "`open`, `confirmed`, `released` or `expired` ones alone"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<i64>, Query, description = "Holds of a page, 1 to 200; 50 where it is left out")
    ),
    responses((status = 200, description = "A page of holds", body = Envelope<Page<Hold>>), ListRefusals)
)]
pub async fn list_holds(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    query: Pairs,
) -> Result<Response, Refused> {
    let mut status = None;
    let page = query::page_and(&pairs(query)?, |name, value| {
        (name == "status").then(|| {
            status = Some(value.to_owned());
            let known = parse_status(value).map(drop);
            known.ok_or("It must be open, confirmed, released or expired.")
        })
    })?;
    let (account_id, status) = (identity.account_id, status.as_deref());
    let found = credits::holds(&service.core, account_id, status, page.before, page.limit).await?;
    let (items, next) = (found.holds.iter().map(Hold::from).collect(), found.next_before);
    let next = next.map(query::cursor);
    Ok(data(StatusCode::OK, Page { items, next }))
}

refusals!(ConfirmRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed CredentialsRequired
    TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended AccountCancelled RoleRequired TrialEnded
    PaymentRequired InsufficientCredits NotFound HoldEnded IdempotencyKeyReused StorageUnavailable);

/// Draws what a hold has set aside, or a part of it, and lets go of the rest.
#[utoipa::path(
    post, path = "/api/v1/credits/holds/{id}/confirm/", tag = "credits", security(("bearer" = [])),
    params(
        ("id" = i64, Path, description = "The hold"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request: sent again, it takes effect once")
    ),
    request_body(content = ConfirmBody, description = "Nothing at all for the whole hold"),
    responses((status = 200, description = "The ledger entry", body = Envelope<LedgerEntry>), ConfirmRefusals)
)]
pub async fn confirm_hold(
    State(service): State<Service>,
    spender: Spender,
    Path(id): Path<String>,
    Extension(request_id): Extension<RequestId>,
    keyed: Result<Keyed<ConfirmBody>, Refused>,
) -> Result<Response, Refused> {
    let (identity, keyed) = spender.asks(keyed)?;
    let (core, hold) = (service.core, hold_number(&id)?);
    let ask = ask(identity, request_id, &keyed);
    let amount = keyed.body.amount.map(igny8_contract::credits::Credits);
    let story = async move { credits::confirm(&core, ask, hold, amount, show_entry).await };
    service.stories.run(story).await.map(answered)
}

refusals!(ReleaseRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed CredentialsRequired
    TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended AccountCancelled RoleRequired NotFound HoldEnded
    IdempotencyKeyReused StorageUnavailable);

/// Lets go of what a hold has set aside.
#[utoipa::path(
    post, path = "/api/v1/credits/holds/{id}/release/", tag = "credits", security(("bearer" = [])),
    params(
        ("id" = i64, Path, description = "The hold"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request: sent again, it takes effect once")
    ),
    request_body(content = ReleaseBody, description = "Nothing, or an empty object"),
    responses((status = 200, description = "The hold", body = Envelope<Hold>), ReleaseRefusals)
)]
pub async fn release_hold(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    Path(id): Path<String>,
    Extension(request_id): Extension<RequestId>,
    keyed: Keyed<ReleaseBody>,
) -> Result<Response, Refused> {
    // It costs nothing: so may an account that has to be put right first.
    let identity = only(identity, Act::SpendCredits)?;
    let (core, hold) = (service.core, hold_number(&id)?);
    let ask = ask(identity, request_id, &keyed);
    let story = async move { credits::release(&core, ask, hold, show_hold).await };
    service.stories.run(story).await.map(answered)
}
