//! Who may do what: one table within an account, asked by every route of the account, and one in the panel, asked by every
//! page of the panel.

use igny8_contract::claims::{AccountRole, PlatformRole};
use igny8_contract::refusal::Refusal;

/// What not everybody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Draw credits, or set them aside.
    SpendCredits,
    /// Give the account another name.
    NameAccount,
    /// Ask for a paid plan.
    Upgrade,
    /// End the subscription with its period, or take that back.
    EndSubscription,
    /// See, make, rotate and revoke API keys.
    ManageKeys,
    /// Invite people, change their roles, remove them.
    ManageMembers,
    /// Read who did what.
    ReadAudit,
}

impl Act {
    /// Everything that is on the table.
    pub const ALL: [Self; 7] = [
        Self::SpendCredits,
        Self::NameAccount,
        Self::Upgrade,
        Self::EndSubscription,
        Self::ManageKeys,
        Self::ManageMembers,
        Self::ReadAudit,
    ];

    /// The least role that may do it.
    #[must_use]
    pub const fn least_role(self) -> AccountRole {
        match self {
            Self::SpendCredits => AccountRole::Editor,
            Self::NameAccount | Self::Upgrade | Self::ManageKeys | Self::ManageMembers | Self::ReadAudit => {
                AccountRole::Admin
            }
            Self::EndSubscription => AccountRole::Owner,
        }
    }

    /// Whether people alone may do it: who finds a key must not be able to make more of them, or to let people in.
    #[must_use]
    pub const fn is_for_people(self) -> bool {
        match self {
            Self::ManageKeys | Self::ManageMembers => true,
            Self::SpendCredits | Self::NameAccount | Self::Upgrade | Self::EndSubscription | Self::ReadAudit => false,
        }
    }
}

/// Whether a role may do this, by an API key or in person.
///
/// # Errors
/// `role_required`.
pub fn may(role: AccountRole, by_key: bool, act: Act) -> Result<(), Refusal> {
    if role >= act.least_role() && !(by_key && act.is_for_people()) {
        Ok(())
    } else {
        Err(Refusal::RoleRequired)
    }
}

/// Whether somebody of role `giver` may give `role` to a key or a person: nobody gives more than they have.
///
/// # Errors
/// `role_required`.
pub fn may_give(giver: AccountRole, role: AccountRole) -> Result<(), Refusal> {
    if role <= giver {
        Ok(())
    } else {
        Err(Refusal::RoleRequired)
    }
}

/// What the panel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PanelAct {
    /// See customers' accounts, payments and the catalogue, and take them away as CSV.
    Look,
    /// Say that a payment has come.
    ConfirmPayment,
    /// Renew, or give a plan, without a payment.
    ChangeSubscription,
    /// Add credits or take them.
    AdjustCredits,
    /// Suspend and reinstate.
    ChangeStanding,
    /// Revoke API keys, and end sign-ins.
    EndAccess,
}

impl PanelAct {
    /// Everything that is on the table.
    pub const ALL: [Self; 6] = [
        Self::Look,
        Self::ConfirmPayment,
        Self::ChangeSubscription,
        Self::AdjustCredits,
        Self::ChangeStanding,
        Self::EndAccess,
    ];
}

/// Whether somebody of this platform role may do this in the panel. Who has none may do nothing there, whatever else they are.
///
/// # Errors
/// `role_required`.
pub const fn may_in_panel(role: Option<PlatformRole>, act: PanelAct) -> Result<(), Refusal> {
    match (role, act) {
        (
            Some(PlatformRole::Developer | PlatformRole::Admin),
            PanelAct::Look
            | PanelAct::ConfirmPayment
            | PanelAct::ChangeSubscription
            | PanelAct::AdjustCredits
            | PanelAct::ChangeStanding
            | PanelAct::EndAccess,
        ) => Ok(()),
        (None, _) => Err(Refusal::RoleRequired),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AccountRole::{Admin, Editor, Owner, Viewer};

    #[test]
    fn the_table_of_acts_holds() {
        let table = [
            (Act::SpendCredits, vec![Editor, Admin, Owner], true),
            (Act::NameAccount, vec![Admin, Owner], true),
            (Act::Upgrade, vec![Admin, Owner], true),
            (Act::EndSubscription, vec![Owner], true),
            (Act::ManageKeys, vec![Admin, Owner], false),
            (Act::ManageMembers, vec![Admin, Owner], false),
            (Act::ReadAudit, vec![Admin, Owner], true),
        ];
        assert_eq!(table.len(), Act::ALL.len());
        for (act, roles, also_by_key) in table {
            for role in [Viewer, Editor, Admin, Owner] {
                assert_eq!(may(role, false, act).is_ok(), roles.contains(&role), "{act:?} {role:?}");
                let by_key = roles.contains(&role) && also_by_key;
                assert_eq!(may(role, true, act).is_ok(), by_key, "{act:?} {role:?} by key");
            }
        }
    }

    #[test]
    fn the_panel_is_for_staff_alone() {
        for act in PanelAct::ALL {
            assert_eq!(may_in_panel(None, act), Err(Refusal::RoleRequired), "{act:?}");
            for role in [PlatformRole::Developer, PlatformRole::Admin] {
                assert_eq!(may_in_panel(Some(role), act), Ok(()), "{act:?} {role:?}");
            }
        }
    }

    #[test]
    fn nobody_gives_more_than_they_have() {
        for giver in [Viewer, Editor, Admin, Owner] {
            for role in [Viewer, Editor, Admin, Owner] {
                assert_eq!(may_give(giver, role).is_ok(), role as u8 <= giver as u8);
            }
        }
    }
}
