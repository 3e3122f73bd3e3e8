//! The people of an account: who may change whose role, who may be removed, and how long an invitation waits.

use super::role::may_give;
use igny8_contract::claims::AccountRole;
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;

/// How many people an account may have, those that are invited included.
pub const MOST_MEMBERS: i64 = 200;
/// How long an invitation waits.
pub const INVITATION_DAYS: i64 = 7;

/// What stands in the place of the address of whoever has been removed: their own can be used again. Nobody can sign up with it.
#[must_use]
pub fn address_of_removed(id: UserId) -> String {
    format!("removed:{id}")
}

/// Decides whether somebody of role `by` may give another member `role`. `owners` counts those who are owners now.
///
/// # Errors
/// `role_required` where either role is more than their own; `last_owner`.
pub fn change_role(by: AccountRole, has: AccountRole, role: AccountRole, owners: i64) -> Result<(), Refusal> {
    may_give(by, has)?;
    may_give(by, role)?;
    if role == AccountRole::Owner {
        return Ok(());
    }
    keeps_an_owner(has, owners)
}

/// Decides whether somebody of role `by` may remove a member who has the role `has`.
///
/// # Errors
/// As for [`change_role`].
pub fn remove(by: AccountRole, has: AccountRole, owners: i64) -> Result<(), Refusal> {
    may_give(by, has)?;
    keeps_an_owner(has, owners)
}

fn keeps_an_owner(loses: AccountRole, owners: i64) -> Result<(), Refusal> {
    if loses == AccountRole::Owner && owners <= 1 {
        Err(Refusal::LastOwner)
    } else {
        Ok(())
    }
}

/// Somebody who was asked to join an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    pub id: i64,
    pub account_id: AccountId,
    /// In its normal form.
    pub email: String,
    pub role: AccountRole,
    pub invited_by: UserId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub accepted_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl Invitation {
    /// Whether it can be accepted. `inviter` is the role of whoever sent it, if they are still a member: an invitation is
    /// worth no more than the word of whoever gave it.
    ///
    /// # Errors
    /// `invitation_invalid`.
    pub fn is_open(&self, inviter: Option<AccountRole>, now: Timestamp) -> Result<(), Refusal> {
        let waits = self.accepted_at.is_none() && self.revoked_at.is_none() && now < self.expires_at;
        let stands =
            inviter.is_some_and(|inviter| inviter >= AccountRole::Admin && may_give(inviter, self.role).is_ok());
        if waits && stands {
            Ok(())
        } else {
            Err(Refusal::InvitationInvalid)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AccountRole::{Admin, Editor, Owner, Viewer};
    use proptest::prelude::*;

    #[test]
    fn owners_alone_make_and_unmake_owners() {
        assert_eq!(change_role(Admin, Owner, Editor, 2), Err(Refusal::RoleRequired));
        assert_eq!(change_role(Admin, Editor, Owner, 2), Err(Refusal::RoleRequired));
        assert_eq!(remove(Admin, Owner, 2), Err(Refusal::RoleRequired));
        assert_eq!(change_role(Owner, Owner, Editor, 2), Ok(()));
        assert_eq!(change_role(Admin, Admin, Viewer, 1), Ok(()));
        assert_eq!(remove(Admin, Admin, 1), Ok(()));
    }

    #[test]
    fn the_last_owner_stays_one() {
        assert_eq!(change_role(Owner, Owner, Admin, 1), Err(Refusal::LastOwner));
        assert_eq!(change_role(Owner, Owner, Owner, 1), Ok(()));
        assert_eq!(remove(Owner, Owner, 1), Err(Refusal::LastOwner));
        assert_eq!(remove(Owner, Owner, 2), Ok(()));
    }

    fn invitation() -> Invitation {
        Invitation {
            id: 1,
            account_id: AccountId(1),
            email: "a@b.de".into(),
            role: Editor,
            invited_by: UserId(1),
            created_at: Timestamp(0),
            expires_at: Timestamp(0).plus_days(INVITATION_DAYS),
            accepted_at: None,
            revoked_at: None,
        }
    }

    #[test]
    fn an_invitation_opens_once_in_time_and_on_the_word_of_somebody_who_may_give_it() {
        let (open, now) = (invitation(), Timestamp(1));
        assert_eq!(open.is_open(Some(Admin), now), Ok(()));
        let over = Err(Refusal::InvitationInvalid);
        assert_eq!(open.is_open(None, now), over, "whoever sent it is gone");
        assert_eq!(
            open.is_open(Some(Editor), now),
            over,
            "whoever sent it invites nobody any more"
        );
        assert_eq!(open.is_open(Some(Admin), open.expires_at), over);
        for (invitation, what) in [
            (
                Invitation {
                    accepted_at: Some(now),
                    ..invitation()
                },
                "accepted",
            ),
            (
                Invitation {
                    revoked_at: Some(now),
                    ..invitation()
                },
                "revoked",
            ),
            (
                Invitation {
                    role: Owner,
                    ..invitation()
                },
                "more than whoever sent it has",
            ),
        ] {
            assert_eq!(invitation.is_open(Some(Admin), now), over, "{what}");
        }
    }

    proptest! {
        /// Whatever is done to an account's people in whatever order, an owner is left, and nobody rises above who raised them.
        #[test]
        fn no_sequence_of_changes_leaves_an_account_without_an_owner(
            steps in proptest::collection::vec((0..5_usize, 0..5_usize, 0..5_usize), 0..60)
        ) {
            let roles = [Viewer, Editor, Admin, Owner];
            let mut people = [Some(Owner), Some(Owner), Some(Admin), Some(Editor), Some(Viewer)];
            for (by, whom, to) in steps {
                let (Some(actor), Some(has)) = (people[by], people[whom]) else { continue };
                let owners = people.iter().filter(|role| **role == Some(Owner)).count() as i64;
                match roles.get(to) {
                    Some(role) => {
                        if change_role(actor, has, *role, owners).is_ok() {
                            prop_assert!(*role <= actor && has <= actor);
                            people[whom] = Some(*role);
                        }
                    }
                    None => {
                        if remove(actor, has, owners).is_ok() {
                            people[whom] = None;
                        }
                    }
                }
                prop_assert!(people.contains(&Some(Owner)));
            }
        }
    }
}
