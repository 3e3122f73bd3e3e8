//! Customers' accounts as staff look them up. Looking changes nothing and leaves no trail.

use super::profile::{self, AccountProfile};
use super::{Core, StoryError};
use crate::domain::account::AccountKind;
use crate::domain::subscription::Subscription;
use crate::domain::user::User;
use crate::storage::{account, api_key, plan, purse, subscription, user};
use igny8_contract::claims::AccountRole;
use igny8_contract::credits::Credits;
use igny8_contract::ids::AccountId;
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::{AccountStatus, StandingNeed, validate_account_and_plan};

/// An account and how its owners can be reached.
#[derive(Clone, Debug)]
pub struct Customer {
    pub account: AccountProfile,
    pub owners: Vec<String>,
}

/// A page of customers.
#[derive(Clone, Debug)]
pub struct CustomerPage {
    /// Newest first.
    pub customers: Vec<Customer>,
    /// Ask for accounts before this number to go on; nothing on the last page.
    pub next_before: Option<i64>,
}

/// Which customers are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sought {
    /// Their number, or a part of their name or of an address of theirs.
    pub words: String,
    pub status: Option<AccountStatus>,
    /// The slug of their plan.
    pub plan: Option<String>,
}

/// The `limit` newest customers before the number `before` that match.
///
/// # Errors
/// `storage_unavailable`.
pub async fn search(core: &Core, sought: &Sought, before: i64, limit: usize) -> Result<CustomerPage, StoryError> {
    let fetched = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut snapshot = core.store.snapshot().await?;
    let plans = plan::all(&mut snapshot).await?;
    let named = |slug: &String| plans.iter().find(|plan| plan.terms.slug == *slug);
    let plan = sought.plan.as_ref().map(named);
    if plan == Some(None) {
        return Ok(CustomerPage {
            customers: Vec::new(),
            next_before: None,
        });
    }
    let which = account::Sought {
        words: &sought.words,
        status: sought.status,
        plan_id: plan.flatten().map(|plan| plan.id),
    };
    let mut accounts = account::search(&mut snapshot, &which, before, fetched).await?;
    let more = accounts.len() > limit;
    accounts.truncate(limit);
    let next_before = accounts.last().filter(|_| more).map(|account| account.id.0);
    let mut customers = Vec::with_capacity(accounts.len());
    for account in accounts {
        let people = user::of_account(&mut snapshot, account.id).await?;
        let owners = people.into_iter().filter(|person| person.role == AccountRole::Owner);
        let plan = plans.iter().find(|plan| Some(plan.id) == account.plan_id).cloned();
        customers.push(Customer {
            owners: owners.map(|owner| owner.email).collect(),
            account: AccountProfile { account, plan },
        });
    }
    Ok(CustomerPage { customers, next_before })
}

/// What the one check says now, of reading and of everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdicts {
    pub reads: Result<(), Refusal>,
    pub writes: Result<(), Refusal>,
}

/// One customer, looked at from all sides.
#[derive(Clone, Debug)]
pub struct Portrait {
    pub account: AccountProfile,
    pub subscription: Option<Subscription>,
    pub people: Vec<User>,
    pub held: Credits,
    /// API keys that work.
    pub keys: i64,
    pub standing: Verdicts,
}

/// One customer's account.
///
/// # Errors
/// `not_found` where there is no such customer, `storage_unavailable`.
pub async fn portrait(core: &Core, id: AccountId) -> Result<Portrait, StoryError> {
    let mut snapshot = core.store.snapshot().await?;
    let facts = account::facts(&mut snapshot, id).await?.ok_or(Refusal::NotFound)?;
    let account = profile::of_account(&mut snapshot, id).await?;
    if account.account.kind != AccountKind::Customer {
        return Err(Refusal::NotFound.into());
    }
    let verdict = |reads| validate_account_and_plan(Some(&facts), StandingNeed::Required, reads, core.now());
    Ok(Portrait {
        subscription: subscription::latest(&mut snapshot, id).await?,
        people: user::of_account(&mut snapshot, id).await?,
        held: purse::balance(&mut snapshot, id)
            .await?
            .map_or(Credits::ZERO, |(_, held)| held),
        keys: api_key::count_working(&mut snapshot, id, core.machine_now()).await?,
        standing: Verdicts {
            reads: verdict(true),
            writes: verdict(false),
        },
        account,
    })
}

/// A period of one of a customer's subscriptions.
pub use crate::storage::subscription::Told;

/// The newest `limit` periods of a customer's subscriptions, newest first.
///
/// # Errors
/// `storage_unavailable`.
pub async fn periods(core: &Core, id: AccountId, limit: i64) -> Result<Vec<Told>, StoryError> {
    Ok(subscription::periods(&mut *core.store.read().await?, id, limit).await?)
}
