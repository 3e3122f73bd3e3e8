//! Acts: steps with their numbers, as they are asked of the reference and of a database alike.

use igny8_contract::credits::Credits;
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::SuspendReason;
use igny8_contract::time::Timestamp;
use igny8_core::domain::billing::{Adjustment, Confirmation, LateMode};
use igny8_core::domain::book::{Book, Rules};
use igny8_core::domain::ledger::TransactionType;
use igny8_core::domain::plan::Plan;
use igny8_core::domain::purse::Reason;
use igny8_core::domain::stripe::Event;
use igny8_core::domain::subscription::PaymentMethod;

/// What becomes of a step.
#[derive(Clone, Debug)]
pub enum Act {
    /// The clock shows this from now on.
    Clock(Timestamp),
    WorkerTicks,
    Restart,
    SignUp,
    Ask(Ask),
    /// An event comes from Stripe.
    Event(Event),
    /// The step has nothing to work on.
    Nothing,
}

/// Something that is asked of an account's book.
#[derive(Clone, Debug)]
pub struct Ask {
    /// 0 for the first account of the story.
    pub account: usize,
    pub decision: Decision,
}

#[derive(Clone, Debug)]
pub enum Decision {
    Upgrade {
        plan: Plan,
        method: PaymentMethod,
        reference: String,
    },
    Confirm(Confirmation),
    Renew {
        mode: Option<LateMode>,
    },
    Consume {
        amount: Credits,
    },
    Hold {
        amount: Credits,
        seconds: i64,
    },
    ConfirmHold {
        number: i64,
        part: Credits,
    },
    ReleaseHold {
        number: i64,
    },
    CancelAtPeriodEnd {
        cancel: bool,
    },
    Assign {
        plan: Plan,
    },
    Bonus {
        amount: Credits,
        expires_at: Option<Timestamp>,
    },
    TakeCredits {
        amount: Credits,
    },
    Suspend {
        reason: SuspendReason,
    },
    Reinstate,
}

impl Decision {
    /// Whether it is one of those that draw credits or set them aside.
    pub const fn is_about_credits(&self) -> bool {
        matches!(
            self,
            Self::Consume { .. } | Self::Hold { .. } | Self::ConfirmHold { .. } | Self::ReleaseHold { .. }
        )
    }

    /// Decides on a book that has been brought up to `now`.
    pub fn decide(&self, book: &mut Book, rules: &Rules<'_>, now: Timestamp) -> Result<(), Refusal> {
        let reason = |kind| Reason::plain(kind, WHY);
        match self {
            Self::Upgrade {
                plan,
                method,
                reference,
            } => book.request_upgrade(plan, *method, reference.clone()).map(drop),
            Self::Confirm(confirmation) => book.confirm(rules, confirmation.clone(), now).map(drop),
            Self::Renew { mode } => book.renew(rules, *mode, now),
            Self::Consume { amount } => book.purse.consume(*amount, reason(TransactionType::Consumption), now),
            Self::Hold { amount, seconds } => {
                let end = now.plus_seconds(*seconds);
                book.purse.hold(*amount, end, WHY.into(), "{}".into(), now).map(drop)
            }
            Self::ConfirmHold { number, part } => {
                book.purse
                    .confirm(*number, *part, reason(TransactionType::Consumption), now)
            }
            Self::ReleaseHold { number } => book.purse.release(*number, now),
            Self::CancelAtPeriodEnd { cancel } => book.cancel_at_period_end(*cancel),
            Self::Assign { plan } => book.assign(plan, now),
            Self::Bonus { amount, expires_at } => book.adjust(adjustment(*amount, *expires_at), now),
            Self::TakeCredits { amount } => book.adjust(adjustment(Credits(-amount.0), None), now),
            Self::Suspend { reason } => {
                book.suspend(*reason);
                Ok(())
            }
            Self::Reinstate => {
                book.reinstate();
                Ok(())
            }
        }
    }
}

/// Bonuses are given; what is taken is an adjustment.
fn adjustment(amount: Credits, expires_at: Option<Timestamp>) -> Adjustment {
    Adjustment {
        amount,
        kind: kind_of(amount),
        reason: WHY.into(),
        expires_at,
    }
}

/// What staff's entry of this amount is called.
pub const fn kind_of(amount: Credits) -> TransactionType {
    if amount.0 > 0 {
        TransactionType::Bonus
    } else {
        TransactionType::Adjustment
    }
}

/// What everybody gives as a reason.
pub const WHY: &str = "because";
