//! What of a book the audit tells before and after.

use super::Book;
use crate::domain::subscription::{PaymentMethod, SubscriptionStatus};
use igny8_contract::credits::Credits;
use igny8_contract::ids::PlanId;
use igny8_contract::standing::{AccountStatus, SuspendReason};
use igny8_contract::time::Timestamp;
use serde_json::{Value, json};

/// Where a book stands, as far as lines of the audit tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    status: AccountStatus,
    suspend_reason: Option<SuspendReason>,
    plan_id: Option<PlanId>,
    payment_method: Option<PaymentMethod>,
    credits: Credits,
    subscription: Option<Running>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Running {
    status: SubscriptionStatus,
    period_start: Timestamp,
    period_end: Timestamp,
    cancels: bool,
}

impl Facts {
    /// Where this book stands.
    #[must_use]
    pub fn of(book: &Book) -> Self {
        Self {
            status: book.status,
            suspend_reason: book.suspend_reason,
            plan_id: book.plan_id,
            payment_method: book.payment_method,
            credits: book.purse.head.balance,
            subscription: book.subscription.as_ref().map(|latest| Running {
                status: latest.status,
                period_start: latest.period.start,
                period_end: latest.period.end,
                cancels: latest.cancel_at_period_end,
            }),
        }
    }

    fn told(&self) -> [(&'static str, Value); 9] {
        let latest = self.subscription;
        [
            ("status", json!(self.status.as_str())),
            ("suspend_reason", json!(self.suspend_reason.map(SuspendReason::as_str))),
            ("plan_id", json!(self.plan_id)),
            ("paid_by", json!(self.payment_method.map(PaymentMethod::as_str))),
            ("credits", json!(self.credits)),
            (
                "subscription_status",
                json!(latest.map(|latest| latest.status.as_str())),
            ),
            ("period_start_us", json!(latest.map(|latest| latest.period_start.0))),
            ("period_end_us", json!(latest.map(|latest| latest.period_end.0))),
            ("cancel_at_period_end", json!(latest.map(|latest| latest.cancels))),
        ]
    }

    /// Writes into the detail of a line what has changed from here to there, each as a pair.
    pub fn tell_change(&self, after: &Self, detail: &mut Value) {
        for ((name, before), (_, after)) in self.told().into_iter().zip(after.told()) {
            if before != after {
                detail[name] = json!({"before": before, "after": after});
            }
        }
    }
}
