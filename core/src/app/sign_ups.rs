//! Sign-ups: user, account, plan, credits, subscription, ledger entry, audit, outbox and mail; those who sign up at the same
//! time in one transaction. Each is decided by itself, and all of it is stored or nothing.
//!
//! A sign-up that stands in line waits for others whose passwords are being worked on at that moment, or wait for that: until
//! [`ENOUGH`] are gathered, or nobody else is on the way, or [`LONGEST`] has passed. Whoever signs up alone never waits. A hash
//! takes tens of milliseconds of a processor, so where others are at it, more hashes are what there is to wait for.

use super::leaving::{Leaving, leave};
use super::line::{Filling, Line, OnTheWay, Patience, Verdict, Verdicts, Way, Work};
use super::profile::{AccountProfile, Profile};
use super::sign_in::Beginning;
use super::{BillingTerms, StoryError};
use crate::domain::account::{Account, NewAccount};
use crate::domain::book::{Book, NewBook, Rules};
use crate::domain::plan::{NoSignupPlan, Plan, choose_for_signup};
use crate::domain::user::{NewUser, User};
use crate::storage::mailed_token::{Addressed, NewLink};
use crate::storage::trail::{Actor, Audit, announce_all, audit_all};
use crate::storage::{self, Connection, Store, account, mailed_token, plan, sign_in, user};
use igny8_contract::ids::AccountId;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::{Clock, Timestamp};
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// How many sign-ups one transaction carries at most.
const MOST: usize = 64;
/// When so many are gathered, nobody else is waited for.
const ENOUGH: usize = 16;
/// How long somebody else is waited for at most.
const LONGEST: Duration = Duration::from_millis(200);

/// How many sign-ups each transaction carried.
pub const SIGN_UP_BATCH_SIZE: &str = "igny8_core_signup_batch_size";

/// A sign-up as far as it is decided without the database.
#[derive(Debug)]
pub struct SignUp {
    pub user: NewUser,
    pub account_name: String,
    /// The plan asked for.
    pub plan_slug: Option<String>,
    pub beginning: Beginning,
    /// Who is signed out with it.
    pub leaving: Leaving,
    /// The mail that asks to verify the address.
    pub link: NewLink,
    pub request_id: String,
    /// The service's time.
    pub now: Timestamp,
}

/// The way into the line of sign-ups. Copies lead to the same one.
#[derive(Clone, Debug)]
pub struct SignUps {
    line: Line<Joining>,
    way: Way,
    /// What the line works with.
    joining: Joining,
}

impl SignUps {
    /// Begins a line in the runtime that this is called in.
    #[must_use]
    pub fn spawn(store: Store, clock: Arc<dyn Clock>, terms: BillingTerms, enable_free_trial: bool) -> Self {
        let way = Way::default();
        let joining = Joining {
            store,
            terms,
            enable_free_trial,
        };
        let filling = Filling {
            most: MOST,
            patience: Some(Patience {
                enough: ENOUGH,
                longest: LONGEST,
                coming: way.coming(),
            }),
        };
        Self {
            line: Line::spawn(joining.clone(), clock, filling),
            way,
            joining,
        }
    }

    /// The plan of somebody who signs up and asks for this one, or for none.
    ///
    /// # Errors
    /// The refusals of plans, `validation_failed` for an unknown one.
    pub fn plan<'a>(&self, catalogue: &'a [Plan], asked_for: Option<&str>) -> Result<&'a Plan, StoryError> {
        self.joining.plan(catalogue, asked_for)
    }

    /// Tells those in line that somebody will soon stand there, too.
    #[must_use]
    pub fn set_out(&self) -> OnTheWay {
        self.way.set_out()
    }

    /// Signs somebody up, or changes nothing at all.
    ///
    /// # Errors
    /// `email_taken`, the refusals of plans, `storage_unavailable`.
    pub async fn carry_out(&self, sign_up: Arc<SignUp>, on_the_way: OnTheWay) -> Result<Profile, StoryError> {
        self.line.carry_out(sign_up, Some(on_the_way)).await
    }
}

#[derive(Clone, Debug)]
struct Joining {
    store: Store,
    terms: BillingTerms,
    enable_free_trial: bool,
}

impl Joining {
    fn plan<'a>(&self, catalogue: &'a [Plan], asked_for: Option<&str>) -> Result<&'a Plan, StoryError> {
        choose_for_signup(catalogue, asked_for, self.enable_free_trial).map_err(|reason| match reason {
            NoSignupPlan::Refused(refusal) => refusal.into(),
            NoSignupPlan::UnknownSlug => StoryError::field(
                Refusal::ValidationFailed,
                "plan_slug",
                "There is no such plan to sign up to.",
            ),
        })
    }
}

struct Batch<'a> {
    joining: &'a Joining,
    sign_ups: &'a [Arc<SignUp>],
    now: Timestamp,
}

impl Work for Joining {
    type Command = Arc<SignUp>;
    type Answer = Profile;
    /// Nothing stands in the way of a new account.
    type Obstacle = Infallible;

    const WHAT: &'static str = "sign-ups";

    fn record(seconds: f64, carried: f64) {
        metrics::histogram!("igny8_core_signup_commit_seconds").record(seconds);
        metrics::histogram!(SIGN_UP_BATCH_SIZE).record(carried);
    }

    async fn carry_out(&self, sign_ups: &[Arc<SignUp>]) -> Result<Verdicts<Self>, StoryError> {
        // All of them begin when the last has come.
        let Some(now) = sign_ups.iter().map(|one| one.now).max() else {
            return Ok(Vec::new());
        };
        let batch = Batch {
            joining: self,
            sign_ups,
            now,
        };
        self.store
            .write(&batch, |connection, batch| Box::pin(commit(connection, batch)))
            .await
    }

    async fn clear(&self, obstacle: &Infallible) -> Result<(), StoryError> {
        match *obstacle {}
    }
}

/// A sign-up that is not refused.
struct Accepted<'a> {
    sign_up: &'a SignUp,
    plan: &'a Plan,
    book: NewBook,
}

async fn commit(connection: &mut Connection, batch: &Batch<'_>) -> Result<Verdicts<Joining>, StoryError> {
    let catalogue = plan::all(connection).await?;
    let rules = batch.joining.terms.rules(&catalogue);
    let emails: Vec<&str> = batch.sign_ups.iter().map(|one| one.user.email.as_str()).collect();
    let mut taken = user::taken(connection, &emails).await?;
    let (mut accepted, mut refused) = (Vec::with_capacity(emails.len()), Vec::with_capacity(emails.len()));
    for sign_up in batch.sign_ups {
        let decided = decide(batch, sign_up, &rules, &mut taken);
        refused.push(decided.map(|one| accepted.push(one)).err());
    }
    let mut profiles = add(connection, accepted, &rules, batch.now).await?.into_iter();
    let over = |refused: Option<StoryError>| {
        let added = || {
            profiles
                .next()
                .ok_or_else(|| StoryError::Fault("a sign-up was not stored".into()))
        };
        Verdict::Over(refused.map_or_else(added, Err))
    };
    Ok(refused.into_iter().map(over).collect())
}

/// Of two with one address, the first that nothing else speaks against has it.
fn decide<'a>(
    batch: &Batch<'_>,
    sign_up: &'a SignUp,
    rules: &Rules<'a>,
    taken: &mut HashSet<String>,
) -> Result<Accepted<'a>, StoryError> {
    let plan = batch.joining.plan(rules.plans, sign_up.plan_slug.as_deref())?;
    let book = Book::open(plan, rules, batch.now)?;
    if !taken.insert(sign_up.user.email.clone()) {
        return Err(Refusal::EmailTaken.into());
    }
    Ok(Accepted { sign_up, plan, book })
}

/// A sign-up whose account and user are stored.
struct Added<'a> {
    sign_up: &'a SignUp,
    plan: &'a Plan,
    account: Account,
    user: User,
}

/// Stores sign-ups and gives back their profiles, in their order.
async fn add(
    connection: &mut Connection,
    accepted: Vec<Accepted<'_>>,
    rules: &Rules<'_>,
    now: Timestamp,
) -> Result<Vec<Profile>, StoryError> {
    let (added, books) = add_people(connection, accepted, rules, now).await?;
    storage::book::begin(connection, &books, now).await?;
    let sign_ins: Vec<_> = (added.iter())
        .map(|one| (one.user.id, &one.sign_up.beginning.new, one.sign_up.beginning.now))
        .collect();
    sign_in::insert_all(connection, &sign_ins).await?;
    let mails: Vec<Addressed<'_>> = (added.iter())
        .map(|one| Addressed {
            user_id: one.user.id,
            recipient: &one.user.email,
            link: &one.sign_up.link,
            now: one.sign_up.beginning.now,
        })
        .collect();
    mailed_token::insert_addressed(connection, &mails).await?;
    tell(connection, &added, now).await?;
    for Added { sign_up, .. } in &added {
        leave(connection, &sign_up.leaving, &sign_up.request_id, sign_up.beginning.now).await?;
    }
    let profile = |(added, book): (Added<'_>, Book)| Profile {
        user: added.user,
        account: AccountProfile {
            account: added.account,
            plan: Some(added.plan.clone()),
        },
        subscription: book.subscription,
    };
    Ok(added.into_iter().zip(books).map(profile).collect())
}

async fn add_people<'a>(
    connection: &mut Connection,
    accepted: Vec<Accepted<'a>>,
    rules: &Rules<'_>,
    now: Timestamp,
) -> Result<(Vec<Added<'a>>, Vec<Book>), StoryError> {
    let accounts: Vec<NewAccount> = (accepted.iter())
        .map(|one| one.book.account(one.sign_up.account_name.clone(), rules))
        .collect();
    let accounts = account::insert(connection, &accounts, now).await?;
    let users: Vec<(AccountId, &NewUser)> = (accounts.iter().zip(&accepted))
        .map(|(account, one)| (account.id, &one.sign_up.user))
        .collect();
    let users = user::insert_all(connection, &users, now).await?;
    let mut users: HashMap<AccountId, User> = users.into_iter().map(|user| (user.account_id, user)).collect();
    let (mut added, mut books) = (Vec::with_capacity(accepted.len()), Vec::with_capacity(accepted.len()));
    for (one, mut account) in accepted.into_iter().zip(accounts) {
        // Somebody else has taken the address since it was looked up.
        let user = users.remove(&account.id).ok_or(storage::Error::Raced)?;
        let book = one.book.of(account.id);
        account.ledger = book.purse.head;
        books.push(book);
        added.push(Added {
            sign_up: one.sign_up,
            plan: one.plan,
            account,
            user,
        });
    }
    Ok((added, books))
}

/// Tells people and machines of sign-ups.
async fn tell(connection: &mut Connection, added: &[Added<'_>], now: Timestamp) -> Result<(), StoryError> {
    let lines: Vec<Audit<'_>> = (added.iter())
        .map(|one| Audit {
            account_id: Some(one.account.id),
            actor: Actor::User(one.user.id),
            action: "account.registered",
            detail: serde_json::json!({
                "account_id": one.account.id, "user_id": one.user.id, "plan_slug": one.plan.terms.slug,
                "credits": one.account.ledger.balance,
            })
            .to_string(),
            request_id: &one.sign_up.request_id,
        })
        .collect();
    audit_all(connection, &lines, now).await?;
    let messages: Vec<(AccountId, &str)> = (added.iter().zip(&lines))
        .map(|(one, line)| (one.account.id, line.detail.as_str()))
        .collect();
    Ok(announce_all(connection, "account.registered", &messages, now).await?)
}
