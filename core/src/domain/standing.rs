//! Whether a proven token may act now: epochs, the sign-in, and the account's standing.

use super::account::Account;
use igny8_contract::claims::AccessClaims;
use igny8_contract::messages::StandingFacts;
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::{AccountFacts, StandingNeed, validate_account_and_plan};
use igny8_contract::time::Timestamp;

/// The plan word of an account that has no plan: the staff's.
pub const NO_PLAN: &str = "staff";

/// What the rest of the system needs to know of an account to decide on its standing.
#[must_use]
pub fn account_facts(account: &Account, plan_slug: Option<&str>, period_end: Option<Timestamp>) -> AccountFacts {
    AccountFacts {
        status: account.status,
        reason: account.suspend_reason,
        plan: plan_slug.unwrap_or(NO_PLAN).to_owned(),
        account_epoch: account.epoch,
        period_end_us: period_end,
        grace_end_us: None,
    }
}

/// Decides whether the bearer of a verified token may make this request now.
///
/// # Errors
/// `token_revoked` where the user is gone or inactive, the sign-in has ended, an epoch was raised, or the token's roles
/// are no longer the user's; else what [`validate_account_and_plan`] refuses.
pub fn may_act(
    claims: &AccessClaims,
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
    let current = facts.sid_active
        && user.user_epoch == claims.user_epoch
        && account.account_epoch == claims.account_epoch
        && user.role == claims.role
        && user.platform_role == claims.platform_role;
    if !current {
        return Err(Refusal::TokenRevoked);
    }
    validate_account_and_plan(Some(account), need, reads, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use igny8_contract::claims::{AccountRole, PlatformRole};
    use igny8_contract::ids::AccountId;
    use igny8_contract::messages::UserFacts;
    use igny8_contract::standing::AccountStatus;

    fn claims() -> AccessClaims {
        AccessClaims {
            iss: "i".into(),
            aud: "a".into(),
            sub: "1".into(),
            account_id: AccountId(1),
            role: AccountRole::Owner,
            platform_role: None,
            sid: "s".into(),
            account_epoch: 2,
            user_epoch: 3,
            iat: 0,
            nbf: 0,
            exp: 0,
            jti: "j".into(),
        }
    }

    fn facts() -> StandingFacts {
        StandingFacts {
            account: Some(AccountFacts {
                status: AccountStatus::Trial,
                reason: None,
                plan: "free-trial".into(),
                account_epoch: 2,
                period_end_us: None,
                grace_end_us: None,
            }),
            user: Some(UserFacts {
                is_active: true,
                role: AccountRole::Owner,
                platform_role: None,
                user_epoch: 3,
            }),
            sid_active: true,
        }
    }

    fn verdict(change: impl FnOnce(&mut StandingFacts)) -> Result<(), Refusal> {
        let mut facts = facts();
        change(&mut facts);
        may_act(&claims(), &facts, StandingNeed::Required, false, Timestamp(0))
    }

    #[test]
    fn a_token_acts_until_any_fact_it_was_made_from_changes() {
        assert_eq!(verdict(|_| {}), Ok(()));
        assert_eq!(verdict(|facts| facts.account = None), Err(Refusal::AccountMissing));
        assert_eq!(verdict(|facts| facts.user = None), Err(Refusal::TokenRevoked));
        assert_eq!(verdict(|facts| facts.sid_active = false), Err(Refusal::TokenRevoked));
        assert_eq!(
            verdict(|facts| facts.account.as_mut().unwrap().account_epoch += 1),
            Err(Refusal::TokenRevoked)
        );
        let of_user = |change: fn(&mut UserFacts)| verdict(|facts| change(facts.user.as_mut().unwrap()));
        assert_eq!(of_user(|user| user.user_epoch += 1), Err(Refusal::TokenRevoked));
        assert_eq!(of_user(|user| user.is_active = false), Err(Refusal::TokenRevoked));
        assert_eq!(
            of_user(|user| user.role = AccountRole::Viewer),
            Err(Refusal::TokenRevoked)
        );
        assert_eq!(
            of_user(|user| user.platform_role = Some(PlatformRole::Admin)),
            Err(Refusal::TokenRevoked)
        );
    }

    #[test]
    fn the_one_account_check_has_the_last_word() {
        let cancelled = verdict(|facts| facts.account.as_mut().unwrap().status = AccountStatus::Cancelled);
        assert_eq!(cancelled, Err(Refusal::AccountCancelled));
    }
}
