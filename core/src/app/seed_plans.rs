//! Laying down the catalogue of plans. What is there already is left as it is.

use super::StoryError;
use crate::domain::plan::{BillingCycle, PlanTerms, minor_units};
use crate::storage::trail::{Actor, Audit, audit};
use crate::storage::{Store, plan};
use igny8_contract::credits::Credits;
use igny8_contract::time::Timestamp;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueFile {
    #[serde(default)]
    plan: Vec<PlanEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanEntry {
    slug: String,
    name: String,
    price: String,
    #[serde(default = "usd")]
    currency: String,
    #[serde(default = "monthly")]
    billing_cycle: String,
    #[serde(default)]
    included_credits: i64,
    #[serde(default)]
    credits_per_month: i64,
    #[serde(default = "fourteen")]
    trial_days: i64,
    #[serde(default)]
    calendar_anchor: bool,
    #[serde(default = "yes")]
    is_active: bool,
    #[serde(default)]
    by_agreement: bool,
}

fn usd() -> String {
    "USD".into()
}

fn monthly() -> String {
    "monthly".into()
}

const fn fourteen() -> i64 {
    14
}

const fn yes() -> bool {
    true
}

/// Reads the text of a catalogue file.
///
/// # Errors
/// A sentence that names the line or the plan.
pub fn parse(text: &str) -> Result<Vec<PlanTerms>, String> {
    let file: CatalogueFile = toml::from_str(text).map_err(|error| error.to_string())?;
    file.plan
        .into_iter()
        .zip(0..)
        .map(|(entry, position)| terms(entry, position))
        .collect()
}

fn terms(entry: PlanEntry, position: i64) -> Result<PlanTerms, String> {
    let slug = entry.slug;
    let wrong = |what: &str| format!("plan {slug:?}: {what}");
    let well_formed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if slug.is_empty() || !slug.bytes().all(well_formed) {
        return Err(wrong("a slug is made of a-z, 0-9 and -"));
    }
    if entry.currency.len() != 3 || !entry.currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(wrong("currency is three capital letters"));
    }
    if entry.included_credits < 0 || entry.credits_per_month < 0 {
        return Err(wrong("credits are not negative"));
    }
    if !(1..=366).contains(&entry.trial_days) {
        return Err(wrong("trial_days is 1 to 366"));
    }
    let price_minor = minor_units(&entry.price).ok_or_else(|| wrong("price is like \"29.99\""))?;
    let billing_cycle =
        BillingCycle::parse(&entry.billing_cycle).ok_or_else(|| wrong("billing_cycle is monthly or annual"))?;
    Ok(PlanTerms {
        name: entry.name,
        price_minor,
        currency: entry.currency,
        billing_cycle,
        included_credits: Credits(entry.included_credits),
        credits_per_month: Credits(entry.credits_per_month),
        trial_days: entry.trial_days,
        calendar_anchor: entry.calendar_anchor,
        is_active: entry.is_active,
        by_agreement: entry.by_agreement,
        position,
        slug,
    })
}

/// Adds the plans that are missing and says, plan by plan, whether it was added.
///
/// # Errors
/// What the database says.
pub async fn lay_down(store: &Store, plans: Vec<PlanTerms>, now: Timestamp) -> Result<Vec<(String, bool)>, StoryError> {
    let given = (plans, now);
    store
        .write(&given, |connection, (plans, now)| {
            Box::pin(async move {
                let mut outcome = Vec::with_capacity(plans.len());
                for terms in plans {
                    let added = plan::insert(connection, terms, *now).await?;
                    outcome.push((terms.slug.clone(), added));
                    if added {
                        let line = Audit {
                            account_id: None,
                            actor: Actor::Command,
                            action: "plan.added",
                            detail: serde_json::json!({"plan_slug": terms.slug}).to_string(),
                            request_id: "",
                        };
                        audit(connection, &line, *now).await?;
                    }
                }
                Ok(outcome)
            })
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_catalogue_has_the_six_plans_at_their_prices() {
        let plans = parse(include_str!("../../../config/plans.toml")).unwrap();
        let rows: Vec<_> = plans
            .iter()
            .map(|plan| {
                (
                    plan.slug.as_str(),
                    plan.price_minor,
                    plan.effective_credits().0,
                    plan.by_agreement,
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                ("free-trial", 0, 2_000, false),
                ("free", 0, 100, false),
                ("starter", 2_999, 5_000, false),
                ("growth", 7_999, 20_000, false),
                ("scale", 19_999, 100_000, false),
                ("enterprise", 0, 500_000, true),
            ]
        );
        assert!(plans.iter().all(|plan| plan.trial_days == 14 && plan.is_active));
    }

    #[test]
    fn a_mistake_in_the_catalogue_is_named() {
        let plan = |line: &str| format!("[[plan]]\nslug = \"a\"\nname = \"A\"\nprice = \"1.00\"\n{line}\n");
        assert!(parse(&plan("")).is_ok());
        for (line, word) in [
            ("colour = 1", "colour"),
            ("currency = \"usd\"", "currency"),
            ("included_credits = -1", "credits"),
            ("trial_days = 0", "trial_days"),
            ("billing_cycle = \"daily\"", "billing_cycle"),
        ] {
            let error = parse(&plan(line)).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        assert!(parse("[[plan]]\nslug = \"A b\"\nname = \"A\"\nprice = \"1.00\"").is_err());
        assert!(parse("[[plan]]\nslug = \"a\"\nname = \"A\"\nprice = \"1\"").is_err());
    }
}
