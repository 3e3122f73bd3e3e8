//! The plans of the house: one of each kind that the rules tell apart.

use super::story::SLUGS;
use igny8_contract::credits::Credits;
use igny8_core::domain::plan::{BillingCycle, PlanTerms};

fn monthly(slug: &str, price_minor: i64, credits: i64) -> PlanTerms {
    PlanTerms {
        slug: slug.into(),
        name: slug.into(),
        price_minor,
        currency: "USD".into(),
        billing_cycle: BillingCycle::Monthly,
        included_credits: Credits(credits),
        credits_per_month: Credits(0),
        trial_days: 14,
        calendar_anchor: false,
        is_active: true,
        by_agreement: false,
        position: 0,
    }
}

/// The terms of every plan.
pub fn terms() -> Vec<PlanTerms> {
    let mut plans = vec![
        monthly("free-trial", 0, 2000),
        monthly("free", 0, 100),
        monthly("starter", 2999, 5000),
        PlanTerms {
            billing_cycle: BillingCycle::Annual,
            ..monthly("growth", 79_900, 20_000)
        },
        PlanTerms {
            calendar_anchor: true,
            ..monthly("scale", 19_999, 100_000)
        },
        PlanTerms {
            billing_cycle: BillingCycle::Annual,
            calendar_anchor: true,
            included_credits: Credits(0),
            credits_per_month: Credits(700),
            ..monthly("club", 9900, 0)
        },
        PlanTerms {
            by_agreement: true,
            ..monthly("enterprise", 0, 500_000)
        },
        PlanTerms {
            is_active: false,
            ..monthly("retired", 1999, 3000)
        },
    ];
    for (position, plan) in (0..).zip(&mut plans) {
        plan.position = position;
    }
    assert_eq!(plans.iter().map(|plan| plan.slug.as_str()).collect::<Vec<_>>(), SLUGS);
    plans
}
