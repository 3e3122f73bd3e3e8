//! How things are shown: plain words, times in UTC, amounts with their currency.

use crate::app::customers::{Customer, Portrait, Told};
use crate::app::profile::AccountProfile;
use crate::domain::api_key::ApiKey;
use crate::domain::plan::{Plan, decimal};
use crate::domain::subscription::{PaymentMethod, SubscriptionStatus};
use crate::storage::audit::Line;
use crate::storage::ledger::Entry;
use crate::storage::payment::{Pending, Recorded};
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use serde_json::{Value, json};

/// How many parts of a thousand a period has at least on the time line, so that it can be seen.
const SEEN_AT_LEAST: i64 = 6;

fn shown(instant: Timestamp, format: &str) -> String {
    let instant = jiff::Timestamp::from_microsecond(instant.0).unwrap_or(jiff::Timestamp::MAX);
    instant.strftime(format).to_string()
}

/// The minute, in UTC.
#[must_use]
pub fn minute(instant: Timestamp) -> String {
    shown(instant, "%Y-%m-%d %H:%M")
}

fn day(instant: Timestamp) -> String {
    shown(instant, "%Y-%m-%d")
}

fn perhaps(instant: Option<Timestamp>) -> String {
    instant.map_or_else(String::new, minute)
}

/// A number with its thousands set apart.
#[must_use]
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{}{text}", if number < 0 { "\u{2212}" } else { "" })
}

/// A word of a list as people write it.
fn plain(word: &str) -> String {
    word.replace('_', " ")
}

fn plan_name(profile: &AccountProfile) -> &str {
    profile.plan.as_ref().map_or("", |plan| plan.terms.name.as_str())
}

/// An account in a list.
#[must_use]
pub fn customer(customer: &Customer) -> Value {
    let account = &customer.account.account;
    json!({
        "id": account.id, "name": account.name, "status": account.status.as_str(),
        "status_words": plain(account.status.as_str()), "plan": plan_name(&customer.account),
        "credits": grouped(account.ledger.balance.0), "owners": customer.owners.join(", "),
        "created": day(account.created_at),
    })
}

fn verdict(verdict: &Result<(), Refusal>) -> Value {
    match verdict {
        Ok(()) => json!({"passes": true, "words": "open"}),
        Err(refusal) => json!({"passes": false, "words": refusal.code()}),
    }
}

/// What stands at the head of every page of an account.
#[must_use]
pub fn head(profile: &AccountProfile) -> Value {
    let account = &profile.account;
    json!({
        "id": account.id, "name": account.name, "status": account.status.as_str(),
        "status_words": plain(account.status.as_str()),
        "suspend_reason": account.suspend_reason.map_or(String::new(), |reason| plain(reason.as_str())),
        "plan": plan_name(profile), "credits": grouped(account.ledger.balance.0), "created": minute(account.created_at),
    })
}

/// An account from all sides.
#[must_use]
pub fn portrait(portrait: &Portrait) -> Value {
    let subscription = portrait.subscription.as_ref().map(|subscription| {
        json!({
            "status": plain(subscription.status.as_str()), "method": in_words(subscription.payment_method),
            "start": minute(subscription.period.start), "end": minute(subscription.period.end),
            "ends": subscription.cancel_at_period_end,
        })
    });
    json!({
        "subscription": subscription, "held": grouped(portrait.held.0), "keys": portrait.keys,
        "people": portrait.people.len(), "reads": verdict(&portrait.standing.reads),
        "writes": verdict(&portrait.standing.writes),
    })
}

const fn in_words(method: PaymentMethod) -> &'static str {
    match method {
        PaymentMethod::BankTransfer => "bank transfer",
        PaymentMethod::Stripe => "card, by Stripe",
        PaymentMethod::Manual => "by agreement",
        PaymentMethod::Trial => "trial",
    }
}

/// The periods of an account on one line from the first's start to the last's end, or to now. `told` is newest first.
#[must_use]
pub fn time_line(told: &[Told], now: Timestamp) -> Value {
    let (Some(first), Some(last)) = (
        told.iter().map(|told| told.period.start).min(),
        told.iter().map(|told| told.period.end).chain([now]).max(),
    ) else {
        return Value::Null;
    };
    let whole = (last.0 - first.0).max(1);
    let part = |instant: Timestamp| {
        let parts = i128::from(instant.0 - first.0) * 1000 / i128::from(whole);
        i64::try_from(parts).unwrap_or(1000).clamp(0, 1000)
    };
    let percent = |parts: i64| format!("{}.{}%", parts / 10, parts % 10);
    let periods: Vec<Value> = told
        .iter()
        .enumerate()
        .rev()
        .map(|(index, one)| {
            let is_latest = index == 0 || told[index - 1].subscription != one.subscription;
            let (plan, method) = plan_then(one, is_latest);
            let (start, end) = (part(one.period.start), part(one.period.end));
            json!({
                "x": percent(start), "width": percent((end - start).max(SEEN_AT_LEAST)), "plan": plan,
                "kind": kind(one, now), "start": day(one.period.start), "end": day(one.period.end),
                "subscription": one.subscription, "sequence": one.period.sequence, "method": method,
                "status": plain(one.status.as_str()),
            })
        })
        .collect();
    json!({"periods": periods, "now": percent(part(now)), "first": day(first), "last": day(last)})
}

/// The plan of a period in its own time, and how it was paid: its subscription may be on another one by now. The first period
/// of the first subscription is the trial that sign-up gives.
fn plan_then(told: &Told, is_latest: bool) -> (&str, &'static str) {
    let is_first = (told.subscription, told.period.sequence) == (1, 1);
    match &told.paid {
        Some((plan, method)) if !is_latest && !is_first => (plan, in_words(*method)),
        _ if is_first && !is_latest => ("Trial", in_words(PaymentMethod::Trial)),
        _ => (&told.plan_name, in_words(told.payment_method)),
    }
}

/// How a period is coloured.
fn kind(told: &Told, now: Timestamp) -> &'static str {
    if told.period.end <= now {
        return "past";
    }
    match told.status {
        SubscriptionStatus::Trialing => "trial",
        SubscriptionStatus::Active => "paid",
        SubscriptionStatus::PastDue => "late",
        SubscriptionStatus::Cancelled | SubscriptionStatus::Expired => "past",
    }
}

/// A payment of an account's.
#[must_use]
pub fn payment(payment: &Recorded) -> Value {
    json!({
        "id": payment.id, "status": payment.status, "method": in_words(payment.method), "plan": payment.plan_slug,
        "amount": decimal(payment.amount_minor), "currency": payment.currency,
        "reference": payment.reference.as_deref().unwrap_or_default(),
        "external": payment.external_payment_id.as_deref().unwrap_or_default(),
        "payer": payment.payer_name.as_deref().unwrap_or_default(), "created": minute(payment.created_at),
        "confirmed": perhaps(payment.confirmed_at),
    })
}

/// A payment that is waited for.
#[must_use]
pub fn pending(pending: &Pending) -> Value {
    json!({
        "id": pending.id, "account_id": pending.account_id, "account": pending.account_name, "plan": pending.plan_name,
        "method": in_words(pending.method), "reference": pending.reference, "amount": decimal(pending.amount_minor),
        "currency": pending.currency, "created": minute(pending.created_at),
        "is_transfer": pending.method == PaymentMethod::BankTransfer,
    })
}

/// An entry of the ledger.
#[must_use]
pub fn entry(entry: &Entry) -> Value {
    let amount = entry.movement.amount.0;
    let sign = if amount > 0 { "+" } else { "" };
    json!({
        "sequence": entry.movement.sequence, "kind": plain(entry.reason.transaction_type.as_str()),
        "amount": format!("{sign}{}", grouped(amount)), "takes": amount < 0,
        "balance": grouped(entry.movement.balance_after.0), "description": entry.reason.description,
        "created": minute(entry.created_at),
    })
}

/// A line of the audit: what it says, name by name. What has changed comes first, as it was before and as it is after.
#[must_use]
pub fn line(line: &Line, plans: &[Plan]) -> Value {
    let detail: Value = serde_json::from_str(&line.detail).unwrap_or_default();
    let (changed, kept): (Vec<_>, Vec<_>) = detail
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_null())
        .partition(|(_, value)| value.is_object());
    let facts: Vec<Value> = changed
        .into_iter()
        .chain(kept)
        .map(|(name, value)| {
            let named = name.trim_end_matches("_us").trim_end_matches("_id");
            json!({"name": plain(named), "value": fact(name, value, plans)})
        })
        .collect();
    json!({
        "id": line.id, "who": who(line), "action": line.action, "facts": facts, "request_id": line.request_id,
        "created": minute(line.created_at),
    })
}

/// Who acted.
#[must_use]
pub fn who(line: &Line) -> String {
    let name = line.actor_email.as_deref().unwrap_or_default();
    let key = line
        .actor_key_id
        .map_or_else(String::new, |key| format!(", by key {key}"));
    match line.actor_kind.as_str() {
        "staff" => format!("{name} (staff)"),
        "user" => format!("{name}{key}"),
        "command" => "the command line".into(),
        _ => "the system".into(),
    }
}

/// What a detail says. Before and after stand in it as a pair.
fn fact(name: &str, value: &Value, plans: &[Plan]) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if name == "plan_id" => {
            let named = plans.iter().find(|plan| Some(plan.id.0) == number.as_i64());
            named.map_or_else(|| number.to_string(), |plan| plan.terms.name.clone())
        }
        Value::Number(number) if name == "credits" => number.as_i64().map_or_else(|| number.to_string(), grouped),
        Value::Number(number) if name.ends_with("_us") => {
            number.as_i64().map_or_else(String::new, |at| minute(Timestamp(at)))
        }
        Value::Object(pair) => {
            let side = |side| pair.get(side).map(|value| fact(name, value, plans));
            match (side("before"), side("after")) {
                (Some(before), Some(after)) => format!("{before} \u{2192} {after}"),
                _ => value.to_string(),
            }
        }
        Value::Null => "\u{2013}".into(),
        other => other.to_string(),
    }
}

/// An API key, without anything that opens something.
#[must_use]
pub fn key(key: &ApiKey, now: Timestamp) -> Value {
    let status = key.status(now);
    json!({
        "id": key.id, "name": key.name, "visible": key.visible, "role": key.role.as_str(), "status": status.as_str(),
        "works": status.works(), "created": minute(key.created_at), "expires": perhaps(key.expires_at),
        "used": perhaps(key.last_used_at),
    })
}

/// A plan of the catalogue.
#[must_use]
pub fn plan(plan: &Plan) -> Value {
    let terms = &plan.terms;
    json!({
        "slug": terms.slug, "name": terms.name, "price": decimal(terms.price_minor), "currency": terms.currency,
        "cycle": terms.billing_cycle.as_str(), "credits": grouped(terms.effective_credits().0),
        "trial_days": terms.trial_days, "is_active": terms.is_active, "by_agreement": terms.by_agreement,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::period::Period;

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (-1_234_567, "\u{2212}1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn the_time_line_goes_from_the_first_start_to_the_last_end() {
        let told = |subscription, from, to| Told {
            subscription,
            plan_name: "Starter".into(),
            payment_method: PaymentMethod::Trial,
            paid: None,
            status: SubscriptionStatus::Trialing,
            period: Period {
                sequence: 1,
                start: Timestamp(0).plus_days(from),
                end: Timestamp(0).plus_days(to),
            },
        };
        let line = time_line(&[told(2, 10, 40), told(1, 0, 10)], Timestamp(0).plus_days(20));
        assert_eq!(line["now"], "50.0%");
        let drawn = |index: usize| {
            (
                line["periods"][index]["x"].clone(),
                line["periods"][index]["width"].clone(),
            )
        };
        assert_eq!(drawn(0), ("0.0%".into(), "25.0%".into()));
        assert_eq!(drawn(1), ("25.0%".into(), "75.0%".into()));
        assert_eq!(
            (&line["periods"][0]["kind"], &line["periods"][1]["kind"]),
            (&json!("past"), &json!("trial"))
        );
        assert_eq!(time_line(&[], Timestamp(0)), Value::Null);
    }

    #[test]
    fn a_period_is_told_with_the_plan_that_it_had_in_its_own_time() {
        let told = |subscription, sequence, paid: Option<&str>| Told {
            subscription,
            plan_name: "Enterprise".into(),
            payment_method: PaymentMethod::Manual,
            paid: paid.map(|plan| (plan.into(), PaymentMethod::BankTransfer)),
            status: SubscriptionStatus::Active,
            period: Period {
                sequence,
                start: Timestamp(sequence),
                end: Timestamp(sequence + 1),
            },
        };
        let line = time_line(
            &[
                told(2, 2, Some("Growth")),
                told(2, 1, Some("Growth")),
                told(1, 2, Some("Starter")),
                told(1, 1, None),
            ],
            Timestamp(0),
        );
        let plans: Vec<_> = line["periods"]
            .as_array()
            .unwrap()
            .iter()
            .map(|period| &period["plan"])
            .collect();
        assert_eq!(plans, ["Trial", "Enterprise", "Growth", "Enterprise"]);
    }

    #[test]
    fn the_audit_tells_what_was_before_and_what_is_after() {
        assert_eq!(
            fact("status", &json!({"before": "trial", "after": "active"}), &[]),
            "trial \u{2192} active"
        );
        assert_eq!(
            fact("end_us", &json!({"before": 0, "after": 60_000_000}), &[]),
            "1970-01-01 00:00 \u{2192} 1970-01-01 00:01"
        );
        assert_eq!(fact("reason", &json!("why"), &[]), "why");
    }
}
