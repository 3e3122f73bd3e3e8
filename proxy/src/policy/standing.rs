//! Whether a verified token still means anything, and whether its account may do this now. Pure.

use igny8_contract::messages::StandingFacts;
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::{StandingNeed, validate_account_and_plan};
use igny8_contract::time::Timestamp;

/// The counters a token was made under.
#[derive(Clone, Copy, Debug)]
pub struct Epochs {
    pub account: i64,
    pub user: i64,
}

/// Decides on a token by what core says of its account, its user and its sign-in.
///
/// # Errors
/// `account_missing` for an account that core does not know; `token_revoked` when the user is gone or switched off, the
/// sign-in has ended or an epoch was raised since; else what [`validate_account_and_plan`] says.
pub fn judge(
    facts: &StandingFacts,
    epochs: Epochs,
    need: StandingNeed,
    reads: bool,
    now: Timestamp,
) -> Result<(), Refusal> {
    let Some(account) = &facts.account else {
        return Err(Refusal::AccountMissing);
    };
    let user_stands = facts
        .user
        .as_ref()
        .is_some_and(|user| user.is_active && user.user_epoch <= epochs.user);
    if !user_stands || !facts.sid_active || account.account_epoch > epochs.account {
        return Err(Refusal::TokenRevoked);
    }
    validate_account_and_plan(Some(account), need, reads, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use igny8_contract::claims::AccountRole;
    use igny8_contract::messages::UserFacts;
    use igny8_contract::standing::{AccountFacts, AccountStatus};

    fn facts() -> StandingFacts {
        StandingFacts {
            account: Some(AccountFacts {
                status: AccountStatus::Trial,
                reason: None,
                plan: "free-trial".into(),
                account_epoch: 3,
                period_end_us: None,
                grace_end_us: None,
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
        judge(
            facts,
            Epochs { account: 3, user: 5 },
            StandingNeed::Required,
            false,
            Timestamp(0),
        )
    }

    #[test]
    fn a_token_of_the_current_epochs_stands() {
        assert_eq!(verdict(&facts()), Ok(()));
    }

    #[test]
    fn anything_that_ended_the_sign_in_ends_its_tokens() {
        let mut cases = vec![facts(); 5];
        cases[0].sid_active = false;
        cases[1].user = None;
        cases[2].user.as_mut().unwrap().is_active = false;
        cases[3].user.as_mut().unwrap().user_epoch = 6;
        cases[4].account.as_mut().unwrap().account_epoch = 4;
        for case in cases {
            assert_eq!(verdict(&case), Err(Refusal::TokenRevoked), "{case:?}");
        }
        assert_eq!(
            verdict(&StandingFacts {
                account: None,
                ..facts()
            }),
            Err(Refusal::AccountMissing)
        );
    }
}
