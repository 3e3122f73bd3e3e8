//! One story a file: load, decide (in `domain`), commit in one transaction.
//!
//! A story takes the [`Core`] and plain values, and answers plain values or a [`StoryError`]. It knows nothing of HTTP,
//! and it is run to its end by whoever begins it: a client that hangs up does not cancel it.

pub mod api_keys;
pub mod budgets;
pub mod by_staff;
pub mod cancel;
pub mod change;
pub mod change_password;
pub mod committer;
pub mod confirm;
pub mod credits;
pub mod customers;
pub mod debits;
pub mod doctor;
pub mod error;
pub mod feed;
pub mod identify;
pub mod in_account;
pub mod invitations;
pub mod key_uses;
pub mod leaving;
pub mod line;
pub mod login;
pub mod logout;
pub mod mailing;
pub mod members;
pub mod panel_session;
pub mod payments;
pub mod profile;
pub mod read;
pub mod refresh;
pub mod register;
pub mod rename;
pub mod reset_password;
pub mod resolve_key;
pub mod round;
pub mod second_factor;
pub mod seed_plans;
pub mod sessions;
pub mod sign_in;
pub mod sign_in_list;
pub mod sign_ups;
pub mod staff;
pub mod staff_billing;
pub mod standing;
pub mod stripe;
pub mod suspend;
pub mod sweep;
pub mod test_clock;
pub mod tick;
pub mod trail;
pub mod upgrade;
pub mod verify_email;

use crate::adapters::keys::Keyring;
use crate::adapters::mail::Mailer;
use crate::adapters::passwords::Passwords;
use crate::adapters::seal::Seal;
use crate::adapters::test_clock::TestClock;
use crate::domain::book::Rules;
use crate::domain::link::LinkTerms;
use crate::domain::plan::Plan;
use crate::domain::sign_in::SignInTerms;
use crate::domain::token::TokenTerms;
use crate::storage::Store;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
pub use committer::Committer;
pub use error::{Fields, StoryError};
use igny8_contract::random::Random;
use igny8_contract::time::{Clock, Timestamp};
pub use sign_ups::SignUps;
use std::sync::Arc;
use tokio::sync::Notify;

/// The house's own terms of billing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillingTerms {
    /// Days that an ended trial goes on.
    pub trial_grace_days: i64,
    /// Days that a subscription goes on although its renewal was missed.
    pub past_due_grace_days: i64,
    /// Who issues receipts: name, address, tax number, a line each; empty where nobody is named.
    pub seller: Arc<str>,
}

impl BillingTerms {
    /// What decisions go by with this catalogue.
    #[must_use]
    pub fn rules<'a>(&'a self, plans: &'a [Plan]) -> Rules<'a> {
        Rules {
            plans,
            trial_grace_days: self.trial_grace_days,
            past_due_grace_days: self.past_due_grace_days,
            seller: &self.seller,
        }
    }
}

/// Everything that stories need.
#[derive(Clone)]
pub struct Core {
    pub store: Store,
    /// The service's time: trials, periods, holds and the ledger go by it. It is the machine's, unless the test clock is on.
    pub clock: Arc<dyn Clock>,
    /// The machine's time: tokens, keys, sign-ins and sessions go by it, since proxies read theirs from their machines.
    pub machine: Arc<dyn Clock>,
    /// The service's clock, where it can be put forward.
    pub test_clock: Option<Arc<TestClock>>,
    /// Nothing where this process leaves it to others to carry out what falls due.
    pub rounds: Option<Arc<round::Rounds>>,
    pub random: Arc<dyn Random>,
    pub passwords: Passwords,
    pub keys: Arc<Keyring>,
    pub tokens: TokenTerms,
    pub sign_ins: SignInTerms,
    /// How long sessions of the panel go on.
    pub panel: SignInTerms,
    pub budgets: budgets::BudgetTerms,
    pub links: LinkTerms,
    /// Opens and makes what the database alone does not tell.
    pub seal: Arc<Seal>,
    pub mailer: Mailer,
    /// Wakes the mailer where a mail was queued.
    pub mail_waits: Arc<Notify>,
    /// What authenticator apps show beside a code.
    pub totp_issuer: String,
    /// Whether API keys are asked for their account's standing.
    pub validate_api_key: bool,
    /// When keys were last used, until it is written.
    pub key_uses: key_uses::KeyUses,
    pub billing: BillingTerms,
    /// How long a hold lives where its maker does not say.
    pub hold_ttl_seconds: i64,
    /// Carries out debits.
    pub committer: Committer,
    /// Carries out sign-ups.
    pub sign_ups: SignUps,
    pub payments: upgrade::PaymentTerms,
    /// What those who follow the change feed share.
    pub feed: Arc<feed::Feed>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl Core {
    /// The service's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The machine's time.
    #[must_use]
    pub fn machine_now(&self) -> Timestamp {
        self.machine.now()
    }

    /// A name that nobody can guess: 128 random bits in base64url.
    #[must_use]
    pub fn unguessable(&self) -> String {
        let mut bytes = [0_u8; 16];
        self.random.fill(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}
