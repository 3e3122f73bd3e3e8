//! Payments: asked for by an upgrade, confirmed by staff or by the payment provider, each once.

use super::period::Period;
use super::subscription::PaymentMethod;
use igny8_contract::ids::{PlanId, UserId};

/// An upgrade whose payment has not come yet. An account has at most one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingPayment {
    /// What the payer writes on the transfer; unique.
    pub reference: String,
    pub plan_id: PlanId,
    pub method: PaymentMethod,
    /// Minor units of `currency`.
    pub amount_minor: i64,
    pub currency: String,
}

/// A payment that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    pub method: PaymentMethod,
    /// The payer's bank's or the provider's name for it. Unique within its method.
    pub external_id: String,
    /// Minor units of `currency`.
    pub amount_minor: i64,
    pub currency: String,
    pub payer_name: String,
    /// Why an amount that is not the price was taken.
    pub override_reason: Option<String>,
    /// Who confirmed it; nothing where the provider did.
    pub confirmed_by: Option<UserId>,
}

/// A payment together with what it bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmedPayment {
    pub paid: Paid,
    pub plan_id: PlanId,
    /// The pending payment that it settles.
    pub reference: Option<String>,
    pub subscription: i64,
    pub period: Period,
    /// Who issues its receipt, in lines; empty where nobody is named.
    pub seller: String,
}
