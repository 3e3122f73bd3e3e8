//! Subscriptions: what an account pays for, and how it began.

use super::period::Period;
use super::plan::Plan;
use igny8_contract::ids::{PlanId, SubscriptionId};
use igny8_contract::time::Timestamp;

/// Where a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionStatus {
    Trialing,
    Active,
    PastDue,
    Cancelled,
    Expired,
}

impl SubscriptionStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [
        Self::Trialing,
        Self::Active,
        Self::PastDue,
        Self::Cancelled,
        Self::Expired,
    ];

    /// The word on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// The status of a word; nothing for any other word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// How a period is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentMethod {
    Trial,
    BankTransfer,
    Stripe,
    Manual,
}

impl PaymentMethod {
    /// Every method.
    pub const ALL: [Self; 4] = [Self::Trial, Self::BankTransfer, Self::Stripe, Self::Manual];

    /// The word on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::BankTransfer => "bank_transfer",
            Self::Stripe => "stripe",
            Self::Manual => "manual",
        }
    }

    /// The method of a word; nothing for any other word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == word)
    }
}

/// A subscription that is about to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSubscription {
    pub plan_id: PlanId,
    pub status: SubscriptionStatus,
    pub payment_method: PaymentMethod,
    /// The plan's trial days at this moment: a later change of the plan does not move a running trial.
    pub trial_days: i64,
    pub cancel_at_period_end: bool,
    pub period: Period,
}

/// A subscription as it stands, with its latest period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub id: SubscriptionId,
    pub status: SubscriptionStatus,
    pub payment_method: PaymentMethod,
    pub cancel_at_period_end: bool,
    pub period: Period,
}

/// The trial of `plan` that begins now.
#[must_use]
pub fn start_trial(plan: &Plan, now: Timestamp) -> NewSubscription {
    NewSubscription {
        plan_id: plan.id,
        status: SubscriptionStatus::Trialing,
        payment_method: PaymentMethod::Trial,
        trial_days: plan.terms.trial_days,
        cancel_at_period_end: false,
        period: Period::first(now, plan.terms.trial_days),
    }
}
