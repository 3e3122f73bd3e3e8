//! Who pays for a request, and one that is refused once it is known whose it is. Pure.

use super::Standing;
use super::identity::Identity;
use igny8_contract::ids::AccountId;
use igny8_contract::refusal::Refusal;
use std::sync::Arc;

/// Whose bucket a request is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payer<'a> {
    /// An account of the core, on this plan.
    Account { id: AccountId, plan: &'a str },
    /// An account of another issuer: its name, and the name's digest.
    Foreign { account: &'a str, digest: u64 },
    /// The client's address.
    Address,
}

/// A request that is refused for its standing or its limits, when it is known whose it is. No step leads on from here.
#[derive(Debug)]
pub struct Denied<'a> {
    standing: Standing<'a>,
    refusal: Refusal,
}

impl<'a> Denied<'a> {
    pub(super) const fn new(standing: Standing<'a>, refusal: Refusal) -> Self {
        Self { standing, refusal }
    }

    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        self.refusal
    }

    /// Whose request it is; nothing where nobody had to be proven.
    #[must_use]
    pub const fn identity(&self) -> Option<&Arc<Identity>> {
        self.standing.identity()
    }

    /// The route's place.
    #[must_use]
    pub fn route_index(&self) -> usize {
        self.standing.routed().route_index()
    }

    /// Who pays for the refusal.
    #[must_use]
    pub fn payer(&self) -> Payer<'_> {
        self.standing.payer()
    }
}
