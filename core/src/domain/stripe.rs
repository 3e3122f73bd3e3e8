//! What Stripe tells by its webhooks, as plain facts.
//!
//! An event is read as Stripe's reference describes it, in the shapes of its current API and of the older ones: since
//! 2025-03-31 an invoice names its subscription under `parent.subscription_details`, before that as `subscription`. What an
//! account's book makes of a fact is in [`decision`].

pub mod decision;

use igny8_contract::time::{MICROS_PER_SECOND, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The longest name (of an event, a subscription, an invoice) that is taken.
const NAME_MAX_BYTES: usize = 255;
/// The longest payer's name that is kept.
const PAYER_MAX_CHARACTERS: usize = 200;
/// The last second of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// An event that is not what Stripe documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `evt_…`; the same when it is sent again.
    pub id: String,
    /// `invoice.paid` and the like.
    pub kind: String,
    /// When it happened at Stripe, in whole seconds; nothing where it does not say.
    pub occurred_at: Option<Timestamp>,
    pub fact: Fact,
}

/// What an event says to us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// A checkout has been completed, or its payment has come later.
    Checkout(Checkout),
    /// An invoice of a subscription has been paid.
    InvoicePaid { subscription: String, payment: Payment },
    /// An attempt to pay an invoice of a subscription has failed.
    InvoiceFailed { subscription: String, payment: Payment },
    /// Whether a subscription ends with its running period has been decided.
    CancelChanged { subscription: String, cancels: bool },
    /// A subscription has ended, for good.
    Deleted { subscription: String },
    /// Nothing that concerns an account's book.
    Nothing,
}

/// A checkout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkout {
    /// The reference of the pending payment that it is for, as it was handed to Stripe.
    pub reference: Option<String>,
    /// The subscription that it has begun; nothing for a single payment.
    pub subscription: Option<String>,
    /// Nothing where the money is still to come, or comes under the name of an invoice.
    pub payment: Option<Payment>,
}

/// Money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// The invoice; for a single payment without one, the payment intent or the checkout.
    pub external_id: String,
    /// Minor units of `currency`.
    pub amount_minor: i64,
    /// An ISO 4217 code in upper case.
    pub currency: String,
    pub payer_name: String,
}

impl Fact {
    /// The subscription of Stripe's that it is about.
    #[must_use]
    pub fn subscription(&self) -> Option<&str> {
        match self {
            Self::Checkout(checkout) => checkout.subscription.as_deref(),
            Self::InvoicePaid { subscription, .. }
            | Self::InvoiceFailed { subscription, .. }
            | Self::CancelChanged { subscription, .. }
            | Self::Deleted { subscription } => Some(subscription),
            Self::Nothing => None,
        }
    }

    /// The money that has come.
    #[must_use]
    pub const fn paid(&self) -> Option<&Payment> {
        match self {
            Self::Checkout(checkout) => checkout.payment.as_ref(),
            Self::InvoicePaid { payment, .. } => Some(payment),
            Self::InvoiceFailed { .. } | Self::CancelChanged { .. } | Self::Deleted { .. } | Self::Nothing => None,
        }
    }
}

/// What every event says, whatever its kind.
#[derive(Deserialize)]
struct RawEvent {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What an event says that is gone by.
#[derive(Deserialize)]
struct RawNews {
    created: Option<i64>,
    data: RawData,
}

#[derive(Deserialize)]
struct RawData {
    object: Value,
    previous_attributes: Option<Map<String, Value>>,
}

/// How the object of an event is read, with what it was before.
type Reading = fn(Value, Option<&Map<String, Value>>) -> Result<Fact, Malformed>;

/// Nothing for kinds that are not gone by.
fn reading(kind: &str) -> Option<Reading> {
    Some(match kind {
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
            |object, _| checkout(parsed(object)?)
        }
        "invoice.paid" | "invoice.payment_succeeded" => |object, _| invoice(parsed(object)?, true),
        "invoice.payment_failed" => |object, _| invoice(parsed(object)?, false),
        "customer.subscription.updated" => |object, previous| updated(parsed(object)?, previous),
        "customer.subscription.deleted" => |object, _| deleted(parsed(object)?),
        _ => return None,
    })
}

/// Reads an event. Of one whose kind is not gone by its name and kind alone are read: Stripe may give it any form.
///
/// # Errors
/// [`Malformed`] for what is not JSON in UTF-8, or no event, or an event of a kind that is gone by without what its kind
/// has to say.
pub fn read(body: &[u8]) -> Result<Event, Malformed> {
    let raw: RawEvent = serde_json::from_slice(body).map_err(|_| Malformed)?;
    let (occurred_at, fact) = match reading(&raw.kind) {
        None => {
            let created = raw.rest.get("created").and_then(Value::as_i64);
            (created.and_then(|seconds| instant(seconds).ok()), Fact::Nothing)
        }
        Some(reading) => {
            let news: RawNews = parsed(Value::Object(raw.rest))?;
            let fact = reading(news.data.object, news.data.previous_attributes.as_ref())?;
            (news.created.map(instant).transpose()?, fact)
        }
    };
    Ok(Event {
        id: name(raw.id).ok_or(Malformed)?,
        kind: name(raw.kind).ok_or(Malformed)?,
        occurred_at,
        fact,
    })
}

fn instant(seconds: i64) -> Result<Timestamp, Malformed> {
    let in_range = (0..=LAST_SECOND).contains(&seconds);
    in_range
        .then(|| Timestamp(seconds * MICROS_PER_SECOND))
        .ok_or(Malformed)
}

fn parsed<T: for<'de> Deserialize<'de>>(object: Value) -> Result<T, Malformed> {
    serde_json::from_value(object).map_err(|_| Malformed)
}

/// A name of Stripe's or ours: visible ASCII.
fn name(text: String) -> Option<String> {
    let well_formed = (1..=NAME_MAX_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    well_formed.then_some(text)
}

/// The name of an object, or the whole object where Stripe was asked to spell it out.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Name(String),
    Whole { id: String },
}

impl Named {
    fn name(self) -> Result<String, Malformed> {
        let (Self::Name(id) | Self::Whole { id }) = self;
        name(id).ok_or(Malformed)
    }
}

fn optional_name(named: Option<Named>) -> Result<Option<String>, Malformed> {
    named.map(Named::name).transpose()
}

fn currency(code: Option<String>) -> Result<String, Malformed> {
    let code = code.ok_or(Malformed)?;
    let well_formed = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
    well_formed.then(|| code.to_ascii_uppercase()).ok_or(Malformed)
}

fn payer(name: Option<String>) -> String {
    let name = name.unwrap_or_default();
    let shown = name.chars().filter(|character| !character.is_control());
    shown.take(PAYER_MAX_CHARACTERS).collect::<String>().trim().to_owned()
}

#[derive(Deserialize)]
struct RawCheckout {
    id: String,
    mode: Option<String>,
    client_reference_id: Option<String>,
    subscription: Option<Named>,
    invoice: Option<Named>,
    payment_intent: Option<Named>,
    payment_status: Option<String>,
    amount_total: Option<i64>,
    currency: Option<String>,
    customer_details: Option<RawCustomer>,
}

#[derive(Deserialize)]
struct RawCustomer {
    name: Option<String>,
}

fn checkout(raw: RawCheckout) -> Result<Fact, Malformed> {
    // It sets a card up and pays nothing.
    if raw.mode.as_deref() == Some("setup") {
        return Ok(Fact::Nothing);
    }
    let session = name(raw.id).ok_or(Malformed)?;
    let subscription = optional_name(raw.subscription)?;
    let (invoice, intent) = (optional_name(raw.invoice)?, optional_name(raw.payment_intent)?);
    // What a subscription's checkout pays is its first invoice. Where that is not named, the invoice's own event pays.
    let external_id = match &subscription {
        Some(_) => invoice,
        None => invoice.or(intent).or(Some(session)),
    };
    let paid = raw.payment_status.as_deref() == Some("paid");
    let payment = match external_id.filter(|_| paid) {
        None => None,
        Some(external_id) => Some(Payment {
            external_id,
            amount_minor: raw.amount_total.ok_or(Malformed)?,
            currency: currency(raw.currency)?,
            payer_name: payer(raw.customer_details.and_then(|customer| customer.name)),
        }),
    };
    Ok(Fact::Checkout(Checkout {
        reference: raw.client_reference_id.and_then(name),
        subscription,
        payment,
    }))
}

#[derive(Deserialize)]
struct RawInvoice {
    id: String,
    subscription: Option<Named>,
    parent: Option<RawParent>,
    amount_due: Option<i64>,
    amount_paid: Option<i64>,
    currency: Option<String>,
    customer_name: Option<String>,
}

#[derive(Deserialize)]
struct RawParent {
    subscription_details: Option<RawSubscriptionDetails>,
}

#[derive(Deserialize)]
struct RawSubscriptionDetails {
    subscription: Option<Named>,
}

fn invoice(raw: RawInvoice, paid: bool) -> Result<Fact, Malformed> {
    let details = raw.parent.and_then(|parent| parent.subscription_details);
    let named = details.and_then(|details| details.subscription).or(raw.subscription);
    // An invoice of no subscription is nobody's renewal.
    let Some(subscription) = optional_name(named)? else {
        return Ok(Fact::Nothing);
    };
    let amount = if paid { raw.amount_paid } else { raw.amount_due };
    let payment = Payment {
        external_id: name(raw.id).ok_or(Malformed)?,
        amount_minor: amount.ok_or(Malformed)?,
        currency: currency(raw.currency)?,
        payer_name: payer(raw.customer_name),
    };
    Ok(if paid {
        Fact::InvoicePaid { subscription, payment }
    } else {
        Fact::InvoiceFailed { subscription, payment }
    })
}

#[derive(Deserialize)]
struct RawSubscription {
    id: String,
    status: Option<String>,
    cancel_at_period_end: Option<bool>,
    cancel_at: Option<i64>,
    current_period_end: Option<i64>,
    items: Option<RawItems>,
}

#[derive(Deserialize)]
struct RawItems {
    #[serde(default)]
    data: Vec<RawItem>,
}

#[derive(Deserialize)]
struct RawItem {
    current_period_end: Option<i64>,
}

impl RawSubscription {
    /// Since 2025-03-31 each item has a period of its own; the subscription ends with the first of them.
    fn period_end(&self) -> Option<i64> {
        let items = self.items.iter().flat_map(|items| &items.data);
        let of_items = items.filter_map(|item| item.current_period_end).min();
        self.current_period_end.or(of_items)
    }

    /// Either the flag says it, or an instant that is no later than the period's end does.
    fn cancels(&self) -> bool {
        let by_instant = self.cancel_at.zip(self.period_end()).is_some_and(|(at, end)| at <= end);
        self.cancel_at_period_end == Some(true) || by_instant
    }
}

fn updated(raw: RawSubscription, previous: Option<&Map<String, Value>>) -> Result<Fact, Malformed> {
    let cancels = raw.cancels();
    let subscription = name(raw.id).ok_or(Malformed)?;
    if matches!(raw.status.as_deref(), Some("canceled" | "incomplete_expired")) {
        return Ok(Fact::Deleted { subscription });
    }
    // Stripe sends this at every renewal, too. What it says to have left as it was says nothing new: it must not undo what
    // the owner has asked for here.
    let is_news = previous.is_none_or(|previous| {
        ["cancel_at_period_end", "cancel_at"]
            .iter()
            .any(|attribute| previous.contains_key(*attribute))
    });
    Ok(if is_news {
        Fact::CancelChanged { subscription, cancels }
    } else {
        Fact::Nothing
    })
}

fn deleted(raw: RawSubscription) -> Result<Fact, Malformed> {
    let subscription = name(raw.id).ok_or(Malformed)?;
    Ok(Fact::Deleted { subscription })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    macro_rules! fixture {
        ($name:literal) => {
            serde_json::from_str::<Value>(include_str!(concat!("../../tests/core/stripe/", $name, ".json"))).unwrap()
        };
    }

    fn event(value: &Value) -> Result<Event, Malformed> {
        read(value.to_string().as_bytes())
    }

    fn fact(value: &Value) -> Fact {
        event(value).unwrap().fact
    }

    fn money(external_id: &str, payer_name: &str) -> Payment {
        Payment {
            external_id: external_id.into(),
            amount_minor: 2999,
            currency: "USD".into(),
            payer_name: payer_name.into(),
        }
    }

    /// The event with a member of its object changed, or taken away where `value` is null.
    fn with(event: &Value, member: &str, value: Value) -> Value {
        let mut event = event.clone();
        let object = event["data"]["object"].as_object_mut().unwrap();
        if value.is_null() {
            object.remove(member);
        } else {
            object.insert(member.into(), value);
        }
        event
    }

    #[test]
    fn a_paid_checkout_names_our_reference_its_subscription_and_its_first_invoice() {
        let read = event(&fixture!("checkout_session_completed")).unwrap();
        assert_eq!(
            (read.id.as_str(), read.kind.as_str()),
            ("evt_1Igny8Checkout0001", "checkout.session.completed")
        );
        assert_eq!(read.occurred_at, Some(Timestamp(1_767_225_600_000_000)));
        let expected = Checkout {
            reference: Some("IG-7QK2M9ZD".into()),
            subscription: Some("sub_1Igny8Ada0001".into()),
            payment: Some(money("in_1Igny8AdaFirst0001", "Ada Lovelace")),
        };
        assert_eq!(read.fact, Fact::Checkout(expected));
        let late = fact(&fixture!("checkout_session_async_payment_succeeded"));
        assert_eq!(late.subscription(), Some("sub_1Igny8Grace0002"));
        assert_eq!(late.paid(), Some(&money("in_1Igny8GraceFirst0002", "Grace Hopper")));
    }

    #[test]
    fn a_checkout_pays_only_what_it_says_is_paid_and_only_under_the_name_of_its_invoice() {
        let completed = fixture!("checkout_session_completed");
        for (member, value) in [
            ("payment_status", json!("unpaid")),
            ("payment_status", json!("no_payment_required")),
            ("payment_status", Value::Null),
            ("invoice", Value::Null),
        ] {
            let read = fact(&with(&completed, member, value));
            assert_eq!(
                (read.subscription(), read.paid()),
                (Some("sub_1Igny8Ada0001"), None),
                "{member}"
            );
        }
        assert_eq!(fact(&with(&completed, "mode", json!("setup"))), Fact::Nothing);
    }

    #[test]
    fn a_single_payment_has_the_name_of_its_invoice_its_intent_or_its_checkout() {
        let single = fixture!("checkout_session_completed_single_payment");
        let paid = |event: &Value| fact(event).paid().unwrap().external_id.clone();
        assert_eq!(fact(&single).subscription(), None);
        assert_eq!(paid(&single), "pi_3Igny8Alan0003");
        assert_eq!(paid(&with(&single, "invoice", json!("in_1"))), "in_1");
        assert_eq!(
            paid(&with(&single, "payment_intent", Value::Null)),
            "cs_test_a1Igny8CheckoutAlan0003"
        );
    }

    #[test]
    fn an_invoice_names_its_subscription_in_the_shape_of_either_api() {
        for (event, invoice) in [
            (fixture!("invoice_paid"), "in_1Igny8AdaFirst0001"),
            (fixture!("invoice_payment_succeeded"), "in_1Igny8AdaFirst0001"),
            (fixture!("invoice_paid_2022"), "in_1Igny8AdaOlder0009"),
        ] {
            let expected = Fact::InvoicePaid {
                subscription: "sub_1Igny8Ada0001".into(),
                payment: money(invoice, "Ada Lovelace"),
            };
            assert_eq!(fact(&event), expected);
        }
        let whole = with(
            &fixture!("invoice_paid_2022"),
            "subscription",
            json!({"id": "sub_2", "object": "subscription"}),
        );
        assert_eq!(fact(&whole).subscription(), Some("sub_2"));
        assert_eq!(
            fact(&with(&fixture!("invoice_paid_2022"), "subscription", Value::Null)),
            Fact::Nothing,
            "an invoice of no subscription"
        );
    }

    #[test]
    fn a_failed_invoice_says_what_is_due() {
        let expected = Fact::InvoiceFailed {
            subscription: "sub_1Igny8Ada0001".into(),
            payment: money("in_1Igny8AdaSecond0002", "Ada Lovelace"),
        };
        assert_eq!(fact(&fixture!("invoice_payment_failed")), expected);
    }

    #[test]
    fn an_update_says_whether_the_subscription_ends_with_its_period() {
        let subscription = "sub_1Igny8Ada0001".to_owned();
        let cancels = |cancels| Fact::CancelChanged {
            subscription: subscription.clone(),
            cancels,
        };
        let updated = fixture!("customer_subscription_updated");
        assert_eq!(fact(&updated), cancels(true));
        assert_eq!(
            fact(&fixture!("customer_subscription_updated_2022")),
            cancels(true),
            "by an instant"
        );
        let resumed = with(
            &with(&updated, "cancel_at_period_end", json!(false)),
            "cancel_at",
            Value::Null,
        );
        assert_eq!(fact(&resumed), cancels(false));
        let much_later = with(
            &with(&updated, "cancel_at_period_end", json!(false)),
            "cancel_at",
            json!(1_800_000_000),
        );
        assert_eq!(fact(&much_later), cancels(false));
        let mut without_before = resumed;
        without_before["data"]
            .as_object_mut()
            .unwrap()
            .remove("previous_attributes");
        assert_eq!(fact(&without_before), cancels(false));
    }

    #[test]
    fn an_update_of_something_else_says_nothing() {
        assert_eq!(fact(&fixture!("customer_subscription_updated_renewal")), Fact::Nothing);
    }

    #[test]
    fn a_subscription_that_has_ended_has_ended_whichever_event_says_so() {
        let ended = Fact::Deleted {
            subscription: "sub_1Igny8Ada0001".into(),
        };
        assert_eq!(fact(&fixture!("customer_subscription_deleted")), ended);
        for status in ["canceled", "incomplete_expired"] {
            let updated = with(
                &fixture!("customer_subscription_updated_renewal"),
                "status",
                json!(status),
            );
            assert_eq!(fact(&updated), ended, "{status}");
        }
    }

    #[test]
    fn every_other_kind_of_event_says_nothing_whatever_it_looks_like() {
        assert_eq!(fact(&fixture!("charge_succeeded")), Fact::Nothing);
        assert_eq!(
            fact(&json!({"id": "evt_1", "type": "v2.core.account.updated"})),
            Fact::Nothing
        );
        for odd in [
            json!({"data": {"object": 5}}),
            json!({"data": {}}),
            json!({"data": []}),
            json!({"data": {"object": {}, "previous_attributes": "none"}, "created": "today"}),
            json!({"created": 1.5}),
            json!({"created": -1}),
        ] {
            let mut odd = odd;
            odd["id"] = json!("evt_1");
            odd["type"] = json!("invoice.voided");
            let read = event(&odd).unwrap();
            assert_eq!((read.occurred_at, read.fact), (None, Fact::Nothing), "{odd}");
        }
    }

    #[test]
    fn what_is_no_event_is_malformed() {
        for body in [
            &b""[..],
            b"{",
            b"[]",
            b"5",
            b"null",
            b"{}",
            b"\xff",
            b"{\"id\":1,\"type\":\"x\"}",
        ] {
            assert_eq!(read(body), Err(Malformed), "{}", String::from_utf8_lossy(body));
        }
        let invoice = fixture!("invoice_paid");
        let checkout = fixture!("checkout_session_completed");
        let updated = fixture!("customer_subscription_updated");
        for (event, member, value) in [
            (&invoice, "amount_paid", Value::Null),
            (&invoice, "amount_paid", json!("2999")),
            (&invoice, "amount_paid", json!(29.99)),
            (&invoice, "currency", json!("dollars")),
            (&invoice, "currency", Value::Null),
            (&invoice, "id", json!("in 1")),
            (&invoice, "id", json!("")),
            (
                &invoice,
                "parent",
                json!({"subscription_details": {"subscription": "sub\u{0}1"}}),
            ),
            (&checkout, "amount_total", Value::Null),
            (&checkout, "subscription", json!(7)),
            (&checkout, "invoice", json!("x".repeat(256))),
            (&updated, "id", Value::Null),
        ] {
            assert_eq!(
                super::read(with(event, member, value).to_string().as_bytes()),
                Err(Malformed),
                "{member}"
            );
        }
        for (member, value) in [
            ("id", json!("evt 1")),
            ("type", json!("in\u{fc}voice")),
            ("created", json!(-1)),
            ("created", json!(i64::MAX)),
            ("data", Value::Null),
            ("data", json!({})),
        ] {
            let mut event = invoice.clone();
            event[member] = value;
            assert_eq!(self::event(&event), Err(Malformed), "{member}");
        }
    }

    #[test]
    fn a_reference_that_cannot_be_ours_is_none() {
        let completed = fixture!("checkout_session_completed");
        for value in [
            json!("a b"),
            json!("\u{0}"),
            json!("x".repeat(256)),
            json!(""),
            Value::Null,
        ] {
            let Fact::Checkout(checkout) = fact(&with(&completed, "client_reference_id", value)) else {
                panic!("it is a checkout");
            };
            assert_eq!(checkout.reference, None);
        }
    }

    #[test]
    fn a_payers_name_is_cut_to_what_can_be_shown() {
        assert_eq!(
            payer(Some(format!(" A\u{0}da\n{}", "x".repeat(300)))),
            format!("Ada{}", "x".repeat(196))
        );
        assert_eq!(payer(None), "");
    }

    #[test]
    fn every_fact_is_read_back_as_it_was_kept() {
        for event in [
            fixture!("checkout_session_completed"),
            fixture!("checkout_session_completed_single_payment"),
            fixture!("invoice_paid"),
            fixture!("invoice_payment_failed"),
            fixture!("customer_subscription_updated"),
            fixture!("customer_subscription_deleted"),
            fixture!("charge_succeeded"),
        ] {
            let fact = fact(&event);
            let kept = serde_json::to_string(&fact).unwrap();
            assert_eq!(serde_json::from_str::<Fact>(&kept).unwrap(), fact, "{kept}");
        }
    }
}
