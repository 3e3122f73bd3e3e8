//! Signing up: user, account, plan, credits, subscription, ledger entry, audit, outbox and mail, in one transaction.
//!
//! Whoever was signed in where it comes from is signed out with it.

use super::leaving::{Brought, Leaving, leave, leaving};
use super::profile::{AccountProfile, Profile};
use super::sign_in::{Beginning, SignedIn, Visitor};
use super::{BillingTerms, Core, StoryError};
use crate::domain::account::{AccountKind, NewAccount, default_name};
use crate::domain::book::Book;
use crate::domain::link::Purpose;
use crate::domain::plan::{NoSignupPlan, Plan, choose_for_signup};
use crate::domain::user::NewUser;
use crate::storage::Connection;
use crate::storage::book::By;
use crate::storage::mailed_token::NewLink;
use crate::storage::trail::{Actor, Audit, announce, audit};
use crate::storage::{self, account, mailed_token, plan, sign_in, user};
use igny8_contract::claims::AccountRole;
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::AccountStatus;
use igny8_contract::time::Timestamp;
use secrecy::SecretString;

/// Who wants to sign up. The texts are valid in form.
#[derive(Debug)]
pub struct Registration {
    /// In its normal form.
    pub email: String,
    pub password: SecretString,
    pub first_name: String,
    pub last_name: String,
    pub account_name: Option<String>,
    /// The plan asked for. Sign-up decides by its own rule; this can only make it say no.
    pub plan_slug: Option<String>,
    pub visitor: Visitor,
    /// Whoever was signed in where this comes from.
    pub brought: Brought,
    pub request_id: String,
}

struct Decided {
    user: NewUser,
    account_name: String,
    plan_slug: Option<String>,
    enable_free_trial: bool,
    terms: BillingTerms,
    beginning: Beginning,
    leaving: Leaving,
    /// The mail that asks to verify the address.
    link: NewLink,
    request_id: String,
    now: Timestamp,
}

/// Signs somebody up, or changes nothing at all.
///
/// # Errors
/// `email_taken`, `weak_password`, `paid_plan_needs_payment`, `enterprise_needs_staff`, `plan_unavailable`,
/// `plan_misconfigured`, `validation_failed` for an unknown plan, `storage_unavailable`.
pub async fn register(core: &Core, registration: Registration) -> Result<SignedIn, StoryError> {
    check_early(core, &registration).await?;
    let about = [&registration.email, &registration.first_name, &registration.last_name];
    let mut about: Vec<String> = about
        .into_iter()
        .cloned()
        .chain(registration.account_name.clone())
        .collect();
    about.extend(registration.email.split('@').next().map(str::to_owned));
    let password_hash = core
        .passwords
        .judge_and_hash(registration.password, about)
        .await?
        .map_err(|reason| StoryError::field(Refusal::WeakPassword, "password", reason))?;
    let account_name = registration
        .account_name
        .unwrap_or_else(|| default_name(&registration.first_name, &registration.last_name, &registration.email));
    let beginning = core.begin_sign_in(&registration.visitor);
    let decided = Decided {
        leaving: leaving(core, &registration.brought, beginning.now),
        link: core.new_link(Purpose::VerifyEmail, beginning.now),
        beginning,
        user: NewUser {
            email: registration.email,
            password_hash,
            first_name: registration.first_name,
            last_name: registration.last_name,
            role: AccountRole::Owner,
            platform_role: None,
            is_superuser: false,
        },
        account_name,
        plan_slug: registration.plan_slug,
        enable_free_trial: core.enable_free_trial,
        terms: core.billing,
        request_id: registration.request_id,
        now: core.now(),
    };
    let profile = core
        .store
        .write(&decided, |connection, decided| Box::pin(commit(connection, decided)))
        .await?;
    metrics::counter!("igny8_core_signups_total").increment(1);
    core.mail_waits.notify_one();
    core.signed_in(&decided.beginning, profile)
}

/// Refuses what is refused anyway before the costly hash. The transaction decides again, on the state it commits to.
async fn check_early(core: &Core, registration: &Registration) -> Result<(), StoryError> {
    let mut connection = core.store.read().await?;
    // Without a wish there is a plan, or the catalogue is broken for everybody: not worth a look for each.
    if registration.plan_slug.is_some() {
        let catalogue = plan::all(&mut connection).await?;
        signup_plan(&catalogue, registration.plan_slug.as_deref(), core.enable_free_trial)?;
    }
    if user::by_email(&mut connection, &registration.email).await?.is_some() {
        return Err(Refusal::EmailTaken.into());
    }
    Ok(())
}

fn signup_plan<'a>(
    catalogue: &'a [Plan],
    asked_for: Option<&str>,
    enable_free_trial: bool,
) -> Result<&'a Plan, StoryError> {
    choose_for_signup(catalogue, asked_for, enable_free_trial).map_err(|reason| match reason {
        NoSignupPlan::Refused(refusal) => refusal.into(),
        NoSignupPlan::UnknownSlug => StoryError::field(
            Refusal::ValidationFailed,
            "plan_slug",
            "There is no such plan to sign up to.",
        ),
    })
}

async fn commit(connection: &mut Connection, decided: &Decided) -> Result<Profile, StoryError> {
    let (now, machine_now) = (decided.now, decided.beginning.now);
    let catalogue = plan::all(connection).await?;
    let plan = signup_plan(&catalogue, decided.plan_slug.as_deref(), decided.enable_free_trial)?;
    let new_account = NewAccount {
        kind: AccountKind::Customer,
        name: decided.account_name.clone(),
        status: AccountStatus::Trial,
        plan_id: Some(plan.id),
    };
    let mut account = account::insert(connection, &new_account, now).await?;
    let user = user::insert(connection, account.id, &decided.user, now)
        .await?
        .ok_or(Refusal::EmailTaken)?;
    let rules = decided.terms.rules(&catalogue);
    let book = Book::open(account.id, plan, &rules, now)?;
    let by = By {
        actor: Actor::User(user.id),
        request_id: &decided.request_id,
    };
    storage::book::save(connection, None, &book, by, &rules, now).await?;
    account.ledger = book.purse.head;

    sign_in::insert(connection, user.id, &decided.beginning.new, machine_now).await?;
    mailed_token::insert(connection, &user.email, &decided.link, machine_now).await?;
    let facts = serde_json::json!({
        "account_id": account.id, "user_id": user.id, "plan_slug": plan.terms.slug, "credits": account.ledger.balance,
    })
    .to_string();
    let line = Audit {
        account_id: Some(account.id),
        actor: by.actor,
        action: "account.registered",
        detail: facts.clone(),
        request_id: &decided.request_id,
    };
    audit(connection, &line, now).await?;
    announce(connection, "account.registered", account.id, &facts, now).await?;
    leave(connection, &decided.leaving, &decided.request_id, machine_now).await?;
    let account = AccountProfile {
        account,
        plan: Some(plan.clone()),
    };
    Ok(Profile {
        user,
        account,
        subscription: book.subscription,
    })
}
