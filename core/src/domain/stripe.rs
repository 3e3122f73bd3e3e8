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
mod tests;
