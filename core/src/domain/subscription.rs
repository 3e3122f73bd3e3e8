//! Subscriptions: what an account pays for, and the one table that says what may happen to it.

use super::period::Period;
use igny8_contract::ids::PlanId;
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

    /// Whether nothing happens to it any more.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Cancelled | Self::Expired)
    }

    /// The status after `event`; nothing where it must not happen. The whole state machine:
    ///
    /// | event | trialing | active | past due | cancelled, expired |
    /// | --- | --- | --- | --- | --- |
    /// | activate: a paid or assigned plan begins | active | active | | |
    /// | renew: the next period begins | | active | active | |
    /// | miss: a period ends and is not renewed | | past due | | |
    /// | lapse: it ends, or another takes its place | expired | expired | expired | |
    /// | cancel: the end that its owner asked for | cancelled | cancelled | cancelled | |
    #[must_use]
    pub const fn after(self, event: Event) -> Option<Self> {
        match (self, event) {
            (Self::Trialing | Self::Active, Event::Activate) | (Self::Active | Self::PastDue, Event::Renew) => {
                Some(Self::Active)
            }
            (Self::Active, Event::Miss) => Some(Self::PastDue),
            (Self::Trialing | Self::Active | Self::PastDue, Event::Lapse) => Some(Self::Expired),
            (Self::Trialing | Self::Active | Self::PastDue, Event::Cancel) => Some(Self::Cancelled),
            (Self::PastDue, Event::Activate | Event::Miss)
            | (Self::Trialing, Event::Renew | Event::Miss)
            | (Self::Cancelled | Self::Expired, _) => None,
        }
    }
}

/// What can happen to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A paid or assigned plan begins, within the running period.
    Activate,
    /// The next period begins where the last one ends.
    Renew,
    /// A period ends and nobody has renewed it.
    Miss,
    /// It ends by itself, or another subscription takes its place.
    Lapse,
    /// The end that its owner, or the payment provider, asked for.
    Cancel,
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 5] = [Self::Activate, Self::Renew, Self::Miss, Self::Lapse, Self::Cancel];
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

/// A subscription as it stands, with its latest period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// 1 for the first subscription of an account, then one more each time.
    pub number: i64,
    pub status: SubscriptionStatus,
    pub plan_id: PlanId,
    pub payment_method: PaymentMethod,
    /// The payment that its latest period came from.
    pub external_payment_id: Option<String>,
    pub stripe_subscription_id: Option<String>,
    /// The plan's trial days when it began: a later change of the plan does not move a running trial.
    pub trial_days: i64,
    /// How many days a trial goes on after its end, as it was when it began.
    pub trial_grace_days: i64,
    pub cancel_at_period_end: bool,
    /// Where its paid time began: months are counted from here.
    pub anchor: Timestamp,
    /// How many grants the period has had whose grants come now.
    pub grants: i64,
    /// Earlier periods that still have grants to come, oldest first: it was renewed before they were over. Every period
    /// after the first of them, the latest included, has had its first grant alone.
    pub earlier: Vec<Period>,
    /// Until when it goes on as before although it is past due; nothing once that is over.
    pub grace_end: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub period: Period,
}

impl Subscription {
    /// The period whose grants come now.
    #[must_use]
    pub fn granting(&self) -> Period {
        self.earlier.first().copied().unwrap_or(self.period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Event::{Activate, Cancel, Lapse, Miss, Renew};
    use SubscriptionStatus::{Active, Cancelled, Expired, PastDue, Trialing};

    #[test]
    fn every_transition_is_allowed_or_refused_as_the_table_says() {
        let allowed = [
            (Trialing, Activate, Active),
            (Trialing, Lapse, Expired),
            (Trialing, Cancel, Cancelled),
            (Active, Activate, Active),
            (Active, Renew, Active),
            (Active, Miss, PastDue),
            (Active, Lapse, Expired),
            (Active, Cancel, Cancelled),
            (PastDue, Renew, Active),
            (PastDue, Lapse, Expired),
            (PastDue, Cancel, Cancelled),
        ];
        for status in SubscriptionStatus::ALL {
            for event in Event::ALL {
                let expected = allowed
                    .iter()
                    .find(|row| (row.0, row.1) == (status, event))
                    .map(|row| row.2);
                assert_eq!(status.after(event), expected, "{status:?} {event:?}");
            }
        }
    }

    #[test]
    fn nothing_leads_out_of_a_terminal_status() {
        for status in SubscriptionStatus::ALL {
            let leads_on = Event::ALL.into_iter().any(|event| status.after(event).is_some());
            assert_eq!(leads_on, !status.is_terminal(), "{status:?}");
        }
    }
}
