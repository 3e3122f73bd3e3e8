//! The catalogue of plans.

use super::error::Error;
use super::row::{flag, number, text, word};
use super::store::Connection;
use crate::domain::plan::{BillingCycle, Plan, PlanTerms};
use igny8_contract::credits::Credits;
use igny8_contract::ids::PlanId;
use igny8_contract::time::Timestamp;
use sqlx::any::AnyRow;

/// The columns that are read, by name: a migration under a running core must not change what a statement answers.
macro_rules! columns {
    () => {
        "plan.id, plan.slug, plan.name, plan.price_minor, plan.currency, plan.billing_cycle, \
         plan.included_credits, plan.credits_per_month, plan.trial_days, plan.calendar_anchor, plan.is_active, \
         plan.by_agreement, plan.position"
    };
}

fn plan(row: &AnyRow) -> Result<Plan, Error> {
    Ok(Plan {
        id: PlanId(number(row, "id")?),
        terms: PlanTerms {
            slug: text(row, "slug")?,
            name: text(row, "name")?,
            price_minor: number(row, "price_minor")?,
            currency: text(row, "currency")?,
            billing_cycle: word(row, "billing_cycle", BillingCycle::parse)?,
            included_credits: Credits(number(row, "included_credits")?),
            credits_per_month: Credits(number(row, "credits_per_month")?),
            trial_days: number(row, "trial_days")?,
            calendar_anchor: flag(row, "calendar_anchor")?,
            is_active: flag(row, "is_active")?,
            by_agreement: flag(row, "by_agreement")?,
            position: number(row, "position")?,
        },
    })
}

/// Every plan, in the order of the catalogue.
///
/// # Errors
/// What the database says.
pub async fn all(connection: &mut Connection) -> Result<Vec<Plan>, Error> {
    let rows = sqlx::query(concat!("SELECT ", columns!(), " FROM plan ORDER BY position, id"))
        .fetch_all(connection)
        .await?;
    rows.iter().map(plan).collect()
}

/// One plan.
///
/// # Errors
/// What the database says.
pub async fn by_id(connection: &mut Connection, id: PlanId) -> Result<Option<Plan>, Error> {
    let row = sqlx::query(concat!("SELECT ", columns!(), " FROM plan WHERE id = $1"))
        .bind(id.0)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(plan).transpose()
}

/// Adds the plan unless its slug is taken, and says whether it did.
///
/// # Errors
/// What the database says.
pub async fn insert(connection: &mut Connection, terms: &PlanTerms, now: Timestamp) -> Result<bool, Error> {
    let done = sqlx::query(
        "INSERT INTO plan (slug, name, price_minor, currency, billing_cycle, included_credits, credits_per_month, \
         trial_days, calendar_anchor, is_active, by_agreement, position, created_at_us, updated_at_us) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13) ON CONFLICT (slug) DO NOTHING",
    )
    .bind(&terms.slug)
    .bind(&terms.name)
    .bind(terms.price_minor)
    .bind(&terms.currency)
    .bind(terms.billing_cycle.as_str())
    .bind(terms.included_credits.0)
    .bind(terms.credits_per_month.0)
    .bind(terms.trial_days)
    .bind(i64::from(terms.calendar_anchor))
    .bind(i64::from(terms.is_active))
    .bind(i64::from(terms.by_agreement))
    .bind(terms.position)
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}
