//! Plans: what one grants, what it costs, and which one a sign-up gets.

use igny8_contract::credits::Credits;
use igny8_contract::ids::PlanId;
use igny8_contract::refusal::Refusal;

/// The plan that sign-up gives.
pub const FREE_TRIAL: &str = "free-trial";
/// The plan that sign-up falls back to.
pub const FREE: &str = "free";
/// The plan that only staff assign.
pub const ENTERPRISE: &str = "enterprise";
/// The paid plans of the catalogue. They stay paid even on a database in which they were never laid down.
pub const PAID: [&str; 3] = ["starter", "growth", "scale"];

/// How long a paid period is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BillingCycle {
    Monthly,
    Annual,
}

impl BillingCycle {
    /// Every cycle.
    pub const ALL: [Self; 2] = [Self::Monthly, Self::Annual];

    /// The word on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monthly => "monthly",
            Self::Annual => "annual",
        }
    }

    /// The cycle of a word; nothing for any other word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cycle| cycle.as_str() == word)
    }
}

/// A plan of the catalogue without the identifier that the database gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanTerms {
    pub slug: String,
    pub name: String,
    /// The price of one cycle in minor units of `currency`.
    pub price_minor: i64,
    /// An ISO 4217 code.
    pub currency: String,
    pub billing_cycle: BillingCycle,
    /// Credits that come with the plan; where it is 0, `credits_per_month` counts.
    pub included_credits: Credits,
    pub credits_per_month: Credits,
    /// How long a trial on this plan runs, in days of 86,400 seconds.
    pub trial_days: i64,
    /// Periods are months of the calendar instead of 30 days, years instead of 365.
    pub calendar_anchor: bool,
    pub is_active: bool,
    /// The price is agreed with staff, who alone assign the plan.
    pub by_agreement: bool,
    /// Where it stands in a list of plans.
    pub position: i64,
}

/// A plan of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub id: PlanId,
    pub terms: PlanTerms,
}

impl PlanTerms {
    /// The credits that a period of this plan grants: `included_credits` where there are any, else `credits_per_month`.
    #[must_use]
    pub fn effective_credits(&self) -> Credits {
        if self.included_credits > Credits::ZERO {
            self.included_credits
        } else {
            self.credits_per_month
        }
    }

    /// Whether a period of it has a price of its own.
    #[must_use]
    pub const fn is_priced(&self) -> bool {
        self.price_minor > 0
    }

    /// Whether its periods follow each other without a payment: it costs nothing, or staff see to its price.
    #[must_use]
    pub const fn renews_by_itself(&self) -> bool {
        !self.is_priced() || self.by_agreement
    }
}

/// Why a sign-up gets no plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSignupPlan {
    /// A public refusal.
    Refused(Refusal),
    /// The asked-for slug is none that sign-up knows.
    UnknownSlug,
}

/// The plan that a sign-up gets: `free-trial`, else `free`, whatever was asked for.
///
/// # Errors
/// `enterprise_needs_staff` and `paid_plan_needs_payment` for a plan that sign-up never gives, `plan_unavailable` where
/// neither plan is open, `plan_misconfigured` where the plan grants no credits, [`NoSignupPlan::UnknownSlug`].
pub fn choose_for_signup<'a>(
    catalogue: &'a [Plan],
    asked_for: Option<&str>,
    enable_free_trial: bool,
) -> Result<&'a Plan, NoSignupPlan> {
    if let Some(slug) = asked_for {
        may_be_asked_for(catalogue, slug)?;
    }
    let open = |slug: &str| {
        catalogue
            .iter()
            .find(|plan| plan.terms.slug == slug && plan.terms.is_active)
    };
    let trial = if enable_free_trial { open(FREE_TRIAL) } else { None };
    let plan = trial
        .or_else(|| open(FREE))
        .ok_or(NoSignupPlan::Refused(Refusal::PlanUnavailable))?;
    if plan.terms.effective_credits() <= Credits::ZERO {
        return Err(NoSignupPlan::Refused(Refusal::PlanMisconfigured));
    }
    Ok(plan)
}

fn may_be_asked_for(catalogue: &[Plan], slug: &str) -> Result<(), NoSignupPlan> {
    let known = catalogue.iter().find(|plan| plan.terms.slug == slug);
    if slug == ENTERPRISE || known.is_some_and(|plan| plan.terms.by_agreement) {
        return Err(NoSignupPlan::Refused(Refusal::EnterpriseNeedsStaff));
    }
    if PAID.contains(&slug) || known.is_some_and(|plan| plan.terms.price_minor > 0) {
        return Err(NoSignupPlan::Refused(Refusal::PaidPlanNeedsPayment));
    }
    if slug == FREE_TRIAL || slug == FREE {
        Ok(())
    } else {
        Err(NoSignupPlan::UnknownSlug)
    }
}

/// An amount of minor units as a decimal string with two places: `2999` is `29.99`.
#[must_use]
pub fn decimal(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let minor = minor.unsigned_abs();
    format!("{sign}{}.{:02}", minor / 100, minor % 100)
}

/// The minor units of a decimal string with two places; nothing for any other form.
#[must_use]
pub fn minor_units(decimal: &str) -> Option<i64> {
    let (whole, cents) = decimal.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || cents.len() != 2 || !digits(cents) || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    whole
        .parse::<i64>()
        .ok()?
        .checked_mul(100)?
        .checked_add(cents.parse().ok()?)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Monthly terms.
    pub(crate) fn terms(slug: &str, credits: i64, price_minor: i64) -> PlanTerms {
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

    fn plan(slug: &str, credits: i64, price_minor: i64) -> Plan {
        Plan {
            id: PlanId(1),
            terms: terms(slug, credits, price_minor),
        }
    }

    fn slug_of(chosen: Result<&Plan, NoSignupPlan>) -> Result<&str, NoSignupPlan> {
        chosen.map(|plan| plan.terms.slug.as_str())
    }

    #[test]
    fn sign_up_gives_the_free_trial_else_free_else_nothing() {
        let mut catalogue = vec![
            plan(FREE_TRIAL, 2000, 0),
            plan(FREE, 100, 0),
            plan("starter", 5000, 2999),
        ];
        assert_eq!(slug_of(choose_for_signup(&catalogue, None, true)), Ok(FREE_TRIAL));
        assert_eq!(slug_of(choose_for_signup(&catalogue, Some(FREE), true)), Ok(FREE_TRIAL));
        assert_eq!(slug_of(choose_for_signup(&catalogue, None, false)), Ok(FREE));
        catalogue[0].terms.is_active = false;
        assert_eq!(slug_of(choose_for_signup(&catalogue, None, true)), Ok(FREE));
        catalogue.remove(1);
        assert_eq!(
            choose_for_signup(&catalogue, None, true),
            Err(NoSignupPlan::Refused(Refusal::PlanUnavailable))
        );
    }

    #[test]
    fn a_plan_that_grants_nothing_cannot_be_signed_up_to() {
        let catalogue = [plan(FREE_TRIAL, 0, 0), plan(FREE, 100, 0)];
        assert_eq!(
            choose_for_signup(&catalogue, None, true),
            Err(NoSignupPlan::Refused(Refusal::PlanMisconfigured))
        );
    }

    #[test]
    fn paid_plans_need_a_payment_and_enterprise_needs_staff_even_on_an_empty_catalogue() {
        for catalogue in [
            vec![],
            vec![
                plan(FREE_TRIAL, 1, 0),
                plan("starter", 1, 1),
                plan("partner", 1, 0),
                plan("gold", 1, 5),
            ],
        ] {
            for slug in PAID {
                let chosen = choose_for_signup(&catalogue, Some(slug), true);
                assert_eq!(
                    chosen,
                    Err(NoSignupPlan::Refused(Refusal::PaidPlanNeedsPayment)),
                    "{slug}"
                );
            }
            let chosen = choose_for_signup(&catalogue, Some(ENTERPRISE), true);
            assert_eq!(chosen, Err(NoSignupPlan::Refused(Refusal::EnterpriseNeedsStaff)));
            assert_eq!(
                choose_for_signup(&catalogue, Some("partner"), true),
                Err(NoSignupPlan::UnknownSlug)
            );
            assert_eq!(
                choose_for_signup(&catalogue, Some("Free-Trial"), true),
                Err(NoSignupPlan::UnknownSlug)
            );
        }
        let gold = [plan("gold", 1, 5)];
        assert_eq!(
            choose_for_signup(&gold, Some("gold"), true),
            Err(NoSignupPlan::Refused(Refusal::PaidPlanNeedsPayment))
        );
    }

    #[test]
    fn effective_credits_are_the_included_ones_or_else_the_monthly_ones() {
        let mut plan = plan(FREE, 7, 0);
        plan.terms.credits_per_month = Credits(9);
        assert_eq!(plan.terms.effective_credits(), Credits(7));
        plan.terms.included_credits = Credits(0);
        assert_eq!(plan.terms.effective_credits(), Credits(9));
    }

    #[test]
    fn only_two_decimal_places_are_an_amount() {
        assert_eq!(minor_units("29.99"), Some(2999));
        for other in [
            "",
            "29",
            "29.9",
            "29.999",
            "029.99",
            "-1.00",
            "+1.00",
            "1e2.00",
            "1,00",
            ".99",
            "92233720368547758.08",
        ] {
            assert_eq!(minor_units(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn an_amount_survives_its_decimal_form(minor in 0..=i64::MAX) {
            prop_assert_eq!(minor_units(&decimal(minor)), Some(minor));
        }

        #[test]
        fn sign_up_never_chooses_any_other_plan(
            slugs in proptest::collection::vec(prop_oneof![
                Just(FREE_TRIAL), Just(FREE), Just(ENTERPRISE), Just("starter"), Just("partner")
            ], 0..6),
            asked_for in proptest::option::of(prop_oneof![Just(FREE_TRIAL), Just(FREE), Just("starter"), Just("partner")]),
            credits in 0..3_i64,
            enable_free_trial: bool,
        ) {
            let catalogue: Vec<_> = slugs.iter().map(|slug| plan(slug, credits, 0)).collect();
            if let Ok(chosen) = choose_for_signup(&catalogue, asked_for, enable_free_trial) {
                prop_assert!(chosen.terms.slug == FREE || (enable_free_trial && chosen.terms.slug == FREE_TRIAL));
                prop_assert!(chosen.terms.effective_credits() > Credits::ZERO);
            }
        }
    }
}
