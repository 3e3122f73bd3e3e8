//! Signing up: what is decided of one request, until it stands in line with others (see `sign_ups`).
//!
//! Whoever was signed in where it comes from is signed out with it.

use super::leaving::{Brought, leaving};
use super::sign_in::{SignedIn, Visitor};
use super::sign_ups::SignUp;
use super::{Core, StoryError};
use crate::domain::account::default_name;
use crate::domain::link::Purpose;
use crate::domain::user::NewUser;
use crate::storage::plan;
use igny8_contract::claims::AccountRole;
use igny8_contract::refusal::Refusal;
use secrecy::SecretString;
use std::sync::Arc;

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
    // Whose password is worked on will soon stand in line: others that stand there may wait for it.
    let on_the_way = core.sign_ups.set_out();
    let password_hash = core
        .passwords
        .judge_and_hash(registration.password, about)
        .await?
        .map_err(|reason| StoryError::field(Refusal::WeakPassword, "password", reason))?;
    let account_name = registration
        .account_name
        .unwrap_or_else(|| default_name(&registration.first_name, &registration.last_name, &registration.email));
    let beginning = core.begin_sign_in(&registration.visitor);
    let sign_up = Arc::new(SignUp {
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
        request_id: registration.request_id,
        now: core.now(),
    });
    let profile = core.sign_ups.carry_out(Arc::clone(&sign_up), on_the_way).await?;
    metrics::counter!("igny8_core_signups_total").increment(1);
    core.mail_waits.notify_one();
    core.signed_in(&sign_up.beginning, profile)
}

/// Refuses a plan that nobody signs up to before the costly hash. The transaction decides again, on the state it commits to.
///
/// Without a wish there is a plan, or the catalogue is broken for everybody. Whether the address is taken the transaction alone
/// decides: whoever tries the addresses of others gets no answer that is cheaper than a sign-up.
async fn check_early(core: &Core, registration: &Registration) -> Result<(), StoryError> {
    if registration.plan_slug.is_some() {
        let catalogue = plan::all(&mut *core.store.read().await?).await?;
        core.sign_ups.plan(&catalogue, registration.plan_slug.as_deref())?;
    }
    Ok(())
}
