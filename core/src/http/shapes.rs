//! What clients see. Times are RFC 3339 in UTC with microseconds; amounts of money are decimal strings.

pub mod billing;
pub mod people;

use crate::app::profile::{AccountProfile, Profile};
use crate::domain;
use crate::storage::ledger::Entry;
use igny8_contract::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// An instant as `2026-01-01T00:00:00.000000Z`.
#[must_use]
pub fn rfc_3339(instant: Timestamp) -> String {
    // Only instants beyond the year 9999 are out of its range; they read as the last one that is not.
    let instant = jiff::Timestamp::from_microsecond(instant.0).unwrap_or(jiff::Timestamp::MAX);
    instant.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// A plan.
#[derive(Debug, Serialize, ToSchema)]
pub struct Plan {
    pub id: i64,
    #[schema(example = "free-trial")]
    pub slug: String,
    #[schema(example = "Free Trial")]
    pub name: String,
    /// The price of one billing cycle, with two decimal places.
    #[schema(example = "29.99")]
    pub price: String,
    #[schema(example = "USD")]
    pub currency: String,
    /// `monthly` or `annual`.
    #[schema(example = "monthly")]
    pub billing_cycle: &'static str,
    pub included_credits: i64,
    pub credits_per_month: i64,
    /// What a period of this plan grants.
    #[schema(example = 2000)]
    pub effective_credits: i64,
    #[schema(example = 14)]
    pub trial_days: i64,
    /// The price is agreed with staff, who alone assign this plan; `price` then says nothing.
    pub by_agreement: bool,
}

impl From<&domain::plan::Plan> for Plan {
    fn from(plan: &domain::plan::Plan) -> Self {
        let terms = &plan.terms;
        Self {
            id: plan.id.0,
            slug: terms.slug.clone(),
            name: terms.name.clone(),
            price: domain::plan::decimal(terms.price_minor),
            currency: terms.currency.clone(),
            billing_cycle: terms.billing_cycle.as_str(),
            included_credits: terms.included_credits.0,
            credits_per_month: terms.credits_per_month.0,
            effective_credits: terms.effective_credits().0,
            trial_days: terms.trial_days,
            by_agreement: terms.by_agreement,
        }
    }
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    pub id: i64,
    #[schema(format = "email", example = "ada@example.com")]
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    /// `owner`, `admin`, `editor` or `viewer`.
    #[schema(example = "owner")]
    pub role: &'static str,
    /// `developer` or `admin` for staff, else null.
    pub platform_role: Option<&'static str>,
    pub is_superuser: bool,
    pub email_verified: bool,
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub created_at: String,
}

impl From<&domain::user::User> for User {
    fn from(user: &domain::user::User) -> Self {
        Self {
            id: user.id.0,
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            role: user.role.as_str(),
            platform_role: user.platform_role.map(igny8_contract::claims::PlatformRole::as_str),
            is_superuser: user.is_superuser,
            email_verified: user.email_verified_at.is_some(),
            created_at: rfc_3339(user.created_at),
        }
    }
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Account {
    pub id: i64,
    pub name: String,
    /// `trial`, `active`, `past_due`, `pending_payment`, `suspended` or `cancelled`.
    #[schema(example = "trial")]
    pub status: &'static str,
    /// Why it is suspended; null where it is not.
    pub suspend_reason: Option<&'static str>,
    /// The balance: always the sum of the ledger.
    #[schema(example = 2000)]
    pub credits: i64,
    /// How it pays: `bank_transfer`, `stripe` or `manual`; null where it has never paid.
    pub payment_method: Option<&'static str>,
    /// Null for the staff's account alone.
    pub plan: Option<Plan>,
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub created_at: String,
}

impl From<&AccountProfile> for Account {
    fn from(profile: &AccountProfile) -> Self {
        let account = &profile.account;
        Self {
            id: account.id.0,
            name: account.name.clone(),
            status: account.status.as_str(),
            suspend_reason: account
                .suspend_reason
                .map(igny8_contract::standing::SuspendReason::as_str),
            credits: account.ledger.balance.0,
            payment_method: account.payment_method.map(domain::subscription::PaymentMethod::as_str),
            plan: profile.plan.as_ref().map(Plan::from),
            created_at: rfc_3339(account.created_at),
        }
    }
}

/// A subscription with its latest period, `[current_period_start, current_period_end)`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Subscription {
    /// 1 for the first subscription of an account, then one more each time.
    #[schema(example = 1)]
    pub number: i64,
    /// `trialing`, `active`, `past_due`, `cancelled` or `expired`.
    #[schema(example = "trialing")]
    pub status: &'static str,
    /// `trial`, `bank_transfer`, `stripe` or `manual`.
    #[schema(example = "trial")]
    pub payment_method: &'static str,
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub current_period_start: String,
    #[schema(format = "date-time", example = "2026-01-15T00:00:00.000000Z")]
    pub current_period_end: String,
    pub cancel_at_period_end: bool,
}

impl From<&domain::subscription::Subscription> for Subscription {
    fn from(subscription: &domain::subscription::Subscription) -> Self {
        Self {
            number: subscription.number,
            status: subscription.status.as_str(),
            payment_method: subscription.payment_method.as_str(),
            current_period_start: rfc_3339(subscription.period.start),
            current_period_end: rfc_3339(subscription.period.end),
            cancel_at_period_end: subscription.cancel_at_period_end,
        }
    }
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    pub user: User,
    pub account: Account,
    /// Null for staff alone.
    pub subscription: Option<Subscription>,
}

impl From<&Profile> for Me {
    fn from(profile: &Profile) -> Self {
        Self {
            user: User::from(&profile.user),
            account: Account::from(&profile.account),
            subscription: profile.subscription.as_ref().map(Subscription::from),
        }
    }
}

/// What signing up, signing in and refreshing give.
#[derive(Serialize, ToSchema)]
pub struct SignedIn {
    /// The access token: send it as `Authorization: Bearer`.
    pub access: String,
    /// How long it lives, in seconds.
    #[schema(example = 300)]
    pub expires_in: i64,
    /// The refresh token, where it was asked for here; otherwise it is in a cookie that scripts cannot read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "igr_…")]
    pub refresh: Option<String>,
    pub user: User,
    pub account: Account,
    /// Null for staff alone.
    pub subscription: Option<Subscription>,
}

impl std::fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignedIn")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// The balance.
#[derive(Debug, Serialize, ToSchema)]
pub struct Credits {
    /// The sum of the ledger.
    #[schema(example = 2000)]
    pub balance: i64,
    /// Set aside by holds.
    #[schema(example = 0)]
    pub held: i64,
    /// What can be used: the balance less what is held.
    #[schema(example = 2000)]
    pub available: i64,
}

/// One entry of the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub struct LedgerEntry {
    pub id: i64,
    /// `subscription`, `purchase`, `bonus`, `consumption`, `adjustment`, `expiry` or `refund`.
    #[schema(example = "subscription")]
    pub transaction_type: &'static str,
    /// Positive for credits that came, negative for credits that went.
    #[schema(example = 2000)]
    pub amount: i64,
    #[schema(example = 2000)]
    pub balance_after: i64,
    #[schema(example = "Initial credits from Free Trial")]
    pub description: String,
    #[schema(value_type = Object)]
    pub metadata: serde_json::Value,
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub created_at: String,
}

impl From<&Entry> for LedgerEntry {
    fn from(entry: &Entry) -> Self {
        Self {
            id: entry.id,
            transaction_type: entry.reason.transaction_type.as_str(),
            amount: entry.movement.amount.0,
            balance_after: entry.movement.balance_after.0,
            description: entry.reason.description.clone(),
            metadata: serde_json::from_str(&entry.reason.metadata).unwrap_or_default(),
            created_at: rfc_3339(entry.created_at),
        }
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The `cursor` of the next page; null on the last one.
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_always_has_six_decimals_and_is_utc() {
        assert_eq!(rfc_3339(Timestamp(0)), "1970-01-01T00:00:00.000000Z");
        assert_eq!(
            rfc_3339(Timestamp(1_767_225_600_000_001)),
            "2026-01-01T00:00:00.000001Z"
        );
        assert!(rfc_3339(Timestamp(i64::MAX)).starts_with("9999-"));
    }
}
