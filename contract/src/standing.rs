//! Standing: what an account may do now, and why not. One function decides it, for JWTs, API keys and the panel alike.

use crate::claims::{AccountRole, PlatformRole};
use crate::messages::StandingFacts;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Where an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    Trial,
    Active,
    PastDue,
    PendingPayment,
    Suspended,
    Cancelled,
}

impl AccountStatus {
    /// Every status, in the order of the table of words.
    pub const ALL: [Self; 6] = [
        Self::Trial,
        Self::Active,
        Self::PastDue,
        Self::PendingPayment,
        Self::Suspended,
        Self::Cancelled,
    ];

    /// The word on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::PendingPayment => "pending_payment",
            Self::Suspended => "suspended",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of a word; nothing for any other word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// Why an account is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuspendReason {
    TrialEnded,
    PaymentOverdue,
    Abuse,
    Staff,
}

impl SuspendReason {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::TrialEnded, Self::PaymentOverdue, Self::Abuse, Self::Staff];

    /// The word on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TrialEnded => "trial_ended",
            Self::PaymentOverdue => "payment_overdue",
            Self::Abuse => "abuse",
            Self::Staff => "staff",
        }
    }

    /// The reason of a word; nothing for any other word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// What the decision needs to know of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountFacts {
    pub status: AccountStatus,
    /// Set when, and only when, the status is `suspended`.
    pub reason: Option<SuspendReason>,
    /// The plan's slug; the throttle asks for it too.
    pub plan: String,
    pub account_epoch: i64,
    /// The end of the running trial or paid period.
    pub period_end_us: Option<Timestamp>,
    /// Until when a `past_due` account goes on as before.
    pub grace_end_us: Option<Timestamp>,
}

/// How much standing a route asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StandingNeed {
    /// The account must be in good standing; reading goes on a little longer. The default.
    #[default]
    Required,
    /// Billing and account pages: open to whoever can still put things right.
    Any,
    /// Signing in and out: open to every account that exists.
    Auth,
}

/// Decides whether an account may make this request now. `account` is nothing when core does not know the account;
/// `reads` says that the method is GET or HEAD.
///
/// # Errors
/// `account_missing`, `account_suspended`, `account_cancelled` (403); `trial_ended`, `payment_required` (402).
pub fn validate_account_and_plan(
    account: Option<&AccountFacts>,
    need: StandingNeed,
    reads: bool,
    now: Timestamp,
) -> Result<(), Refusal> {
    let Some(account) = account else {
        return Err(Refusal::AccountMissing);
    };
    if need == StandingNeed::Auth {
        return Ok(());
    }
    let runs = |end: Option<Timestamp>| end.is_some_and(|end| now < end);
    let open_to_billing = |refusal, passes: bool| {
        if passes || need == StandingNeed::Any {
            Ok(())
        } else {
            Err(refusal)
        }
    };
    match account.status {
        AccountStatus::Trial | AccountStatus::Active => Ok(()),
        AccountStatus::PastDue => open_to_billing(Refusal::PaymentRequired, reads || runs(account.grace_end_us)),
        AccountStatus::PendingPayment => open_to_billing(Refusal::PaymentRequired, runs(account.period_end_us)),
        AccountStatus::Suspended => match account.reason {
            Some(SuspendReason::TrialEnded) => open_to_billing(Refusal::TrialEnded, reads),
            Some(SuspendReason::PaymentOverdue) => open_to_billing(Refusal::PaymentRequired, reads),
            Some(SuspendReason::Abuse | SuspendReason::Staff) | None => Err(Refusal::AccountSuspended),
        },
        AccountStatus::Cancelled => Err(Refusal::AccountCancelled),
    }
}

/// What a verified token says of its user, as far as standing is concerned.
#[derive(Clone, Copy, Debug)]
pub struct TokenFacts {
    pub role: AccountRole,
    pub platform_role: Option<PlatformRole>,
    pub account_epoch: i64,
    pub user_epoch: i64,
}

/// Decides whether the bearer of a verified token may make this request now. Facts may be a little older than the token: a
/// token of a later epoch than the facts know is not held against its bearer.
///
/// # Errors
/// `account_missing` for an account that core does not know; `token_revoked` when the user is gone or switched off, the
/// sign-in has ended, an epoch was raised since, or the token's roles are no longer the user's; else what
/// [`validate_account_and_plan`] says.
pub fn validate_token(
    token: &TokenFacts,
    facts: &StandingFacts,
    need: StandingNeed,
    reads: bool,
    now: Timestamp,
) -> Result<(), Refusal> {
    let Some(account) = &facts.account else {
        return Err(Refusal::AccountMissing);
    };
    let user = facts
        .user
        .as_ref()
        .filter(|user| user.is_active)
        .ok_or(Refusal::TokenRevoked)?;
    let same_roles = user.role == token.role && user.platform_role == token.platform_role;
    let stands = facts.sid_active
        && account.account_epoch <= token.account_epoch
        && (user.user_epoch < token.user_epoch || (user.user_epoch == token.user_epoch && same_roles));
    if !stands {
        return Err(Refusal::TokenRevoked);
    }
    validate_account_and_plan(Some(account), need, reads, now)
}

/// What is known of a resolved API key's use, beside the facts of its account and its maker.
#[derive(Clone, Copy, Debug)]
pub struct KeyUse {
    pub expires_at: Option<Timestamp>,
    /// The machine's time: keys end by it.
    pub machine_now: Timestamp,
    /// Whether the account is asked for its standing; off only by the flag `validate_api_key`.
    pub asks_standing: bool,
}

/// Decides whether the bearer of an API key may make this request now. Whether the key exists, has been revoked or has
/// expired, and whether its maker and account are there, is asked in any case.
///
/// # Errors
/// `api_key_invalid` when the key has been revoked or has expired, or its maker is gone or switched off; `account_missing`;
/// else what [`validate_account_and_plan`] says.
pub fn validate_key(
    key: KeyUse,
    facts: &StandingFacts,
    need: StandingNeed,
    reads: bool,
    now: Timestamp,
) -> Result<(), Refusal> {
    let Some(account) = &facts.account else {
        return Err(Refusal::AccountMissing);
    };
    let has_maker = facts.user.as_ref().is_some_and(|user| user.is_active);
    let runs = key.expires_at.is_none_or(|end| key.machine_now < end);
    if !facts.sid_active || !has_maker || !runs {
        return Err(Refusal::ApiKeyInvalid);
    }
    if key.asks_standing {
        validate_account_and_plan(Some(account), need, reads, now)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::UserFacts;

    const NOW: Timestamp = Timestamp(1_000);

    fn facts(status: AccountStatus, reason: Option<SuspendReason>, end: i64) -> AccountFacts {
        AccountFacts {
            status,
            reason,
            plan: "free-trial".into(),
            account_epoch: 0,
            period_end_us: Some(Timestamp(end)),
            grace_end_us: Some(Timestamp(end)),
        }
    }

    type Row = (AccountFacts, StandingNeed, bool, Result<(), Refusal>);

    /// The table of standings, row by row: (facts, need, reads) and what comes of it.
    fn table() -> Vec<Row> {
        use AccountStatus::*;
        use StandingNeed::*;
        vec![
            (facts(Trial, None, 0), Required, false, Ok(())),
            (facts(Active, None, 0), Required, false, Ok(())),
            (facts(PastDue, None, 1_001), Required, false, Ok(())),
            (
                facts(PastDue, None, 1_000),
                Required,
                false,
                Err(Refusal::PaymentRequired),
            ),
            (facts(PastDue, None, 1_000), Required, true, Ok(())),
            (facts(PastDue, None, 1_000), Any, false, Ok(())),
            (facts(PendingPayment, None, 1_001), Required, false, Ok(())),
            (
                facts(PendingPayment, None, 1_000),
                Required,
                true,
                Err(Refusal::PaymentRequired),
            ),
            (facts(PendingPayment, None, 1_000), Any, false, Ok(())),
            (
                facts(Suspended, Some(SuspendReason::TrialEnded), 0),
                Required,
                true,
                Ok(()),
            ),
            (
                facts(Suspended, Some(SuspendReason::TrialEnded), 0),
                Required,
                false,
                Err(Refusal::TrialEnded),
            ),
            (facts(Suspended, Some(SuspendReason::TrialEnded), 0), Any, false, Ok(())),
            (
                facts(Suspended, Some(SuspendReason::PaymentOverdue), 0),
                Required,
                false,
                Err(Refusal::PaymentRequired),
            ),
            (
                facts(Suspended, Some(SuspendReason::PaymentOverdue), 0),
                Required,
                true,
                Ok(()),
            ),
            (
                facts(Suspended, Some(SuspendReason::Abuse), 0),
                Any,
                true,
                Err(Refusal::AccountSuspended),
            ),
            (
                facts(Suspended, None, 0),
                Required,
                true,
                Err(Refusal::AccountSuspended),
            ),
            (facts(Suspended, Some(SuspendReason::Staff), 0), Auth, false, Ok(())),
            (facts(Cancelled, None, 0), Any, true, Err(Refusal::AccountCancelled)),
            (facts(Cancelled, None, 0), Auth, true, Ok(())),
        ]
    }

    #[test]
    fn the_table_of_standings_holds_for_accounts_tokens_and_keys_alike() {
        for (account, need, reads, verdict) in table() {
            let row = format!("{account:?} {need:?} reads={reads}");
            assert_eq!(
                validate_account_and_plan(Some(&account), need, reads, NOW),
                verdict,
                "{row}"
            );
            let known = StandingFacts {
                account: Some(AccountFacts {
                    account_epoch: 3,
                    ..account
                }),
                ..known()
            };
            assert_eq!(validate_token(&TOKEN, &known, need, reads, NOW), verdict, "token {row}");
            assert_eq!(validate_key(KEY, &known, need, reads, NOW), verdict, "key {row}");
            let off = KeyUse {
                asks_standing: false,
                ..KEY
            };
            assert_eq!(validate_key(off, &known, need, reads, NOW), Ok(()), "flag off {row}");
        }
    }

    const KEY: KeyUse = KeyUse {
        expires_at: Some(Timestamp(2_001)),
        machine_now: Timestamp(2_000),
        asks_standing: true,
    };

    #[test]
    fn a_key_that_is_revoked_expired_or_has_lost_its_maker_is_invalid_whatever_the_flag_says() {
        let mut cases = vec![(KEY, known()); 4];
        cases[0].0.machine_now = Timestamp(2_001);
        cases[1].1.sid_active = false;
        cases[2].1.user = None;
        cases[3].1.user.as_mut().unwrap().is_active = false;
        for (key, facts) in cases {
            for asks_standing in [true, false] {
                let key = KeyUse { asks_standing, ..key };
                let verdict = validate_key(key, &facts, StandingNeed::Auth, true, NOW);
                assert_eq!(verdict, Err(Refusal::ApiKeyInvalid), "{key:?} {facts:?}");
                let nobody = StandingFacts {
                    account: None,
                    ..known()
                };
                let verdict = validate_key(key, &nobody, StandingNeed::Auth, true, NOW);
                assert_eq!(verdict, Err(Refusal::AccountMissing));
            }
        }
        let for_ever = KeyUse {
            expires_at: None,
            machine_now: Timestamp(i64::MAX),
            ..KEY
        };
        assert_eq!(validate_key(for_ever, &known(), StandingNeed::Auth, true, NOW), Ok(()));
    }

    #[test]
    fn a_key_outlives_its_makers_epochs() {
        let mut later = known();
        later.account.as_mut().unwrap().account_epoch = 9;
        later.user.as_mut().unwrap().user_epoch = 9;
        assert_eq!(validate_key(KEY, &later, StandingNeed::Required, false, NOW), Ok(()));
    }

    #[test]
    fn an_account_that_core_does_not_know_is_refused_everywhere() {
        for need in [StandingNeed::Required, StandingNeed::Any, StandingNeed::Auth] {
            assert_eq!(
                validate_account_and_plan(None, need, true, NOW),
                Err(Refusal::AccountMissing)
            );
        }
    }

    const TOKEN: TokenFacts = TokenFacts {
        role: AccountRole::Owner,
        platform_role: None,
        account_epoch: 3,
        user_epoch: 5,
    };

    fn known() -> StandingFacts {
        StandingFacts {
            account: Some(AccountFacts {
                account_epoch: 3,
                ..facts(AccountStatus::Trial, None, 0)
            }),
            user: Some(UserFacts {
                is_active: true,
                role: AccountRole::Owner,
                platform_role: None,
                user_epoch: 5,
            }),
            sid_active: true,
        }
    }

    fn verdict(facts: &StandingFacts) -> Result<(), Refusal> {
        validate_token(&TOKEN, facts, StandingNeed::Required, false, NOW)
    }

    #[test]
    fn a_token_of_the_current_epochs_and_roles_stands() {
        assert_eq!(verdict(&known()), Ok(()));
    }

    #[test]
    fn anything_that_ended_the_sign_in_ends_its_tokens() {
        let mut cases = vec![known(); 7];
        cases[0].sid_active = false;
        cases[1].user = None;
        cases[2].user.as_mut().unwrap().is_active = false;
        cases[3].user.as_mut().unwrap().user_epoch = 6;
        cases[4].account.as_mut().unwrap().account_epoch = 4;
        cases[5].user.as_mut().unwrap().role = AccountRole::Viewer;
        cases[6].user.as_mut().unwrap().platform_role = Some(PlatformRole::Admin);
        for case in cases {
            assert_eq!(verdict(&case), Err(Refusal::TokenRevoked), "{case:?}");
        }
        assert_eq!(
            verdict(&StandingFacts {
                account: None,
                ..known()
            }),
            Err(Refusal::AccountMissing)
        );
    }

    #[test]
    fn facts_older_than_the_token_are_not_held_against_it() {
        let mut older = known();
        older.account.as_mut().unwrap().account_epoch = 2;
        older.user.as_mut().unwrap().user_epoch = 4;
        older.user.as_mut().unwrap().role = AccountRole::Viewer;
        assert_eq!(verdict(&older), Ok(()));
    }
}
