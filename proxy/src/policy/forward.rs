//! What is left of a permitted request while it is forwarded, and how it is judged again where it lasts. Pure.

use super::identity::{Grant, Identity};
use super::route::{self, Route};
use igny8_contract::messages::StandingFacts;
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::validate_key;
use igny8_contract::time::Timestamp;
use std::sync::Arc;

/// A verdict on standing, on a route that may only watch.
fn unless_shadowed(route: &Route, verdict: Result<(), Refusal>) -> Result<(), Refusal> {
    match verdict {
        Err(refusal) if route.edge.shadow && route::can_be_shadowed(refusal) => Ok(()),
        verdict => verdict,
    }
}

/// A permit that has let go of the client's bytes. Made by a permit alone.
#[derive(Debug)]
pub struct Forward {
    pub(super) route_index: usize,
    pub(super) opens_tunnel: bool,
    pub(super) shadow: Option<Refusal>,
    pub(super) identity: Option<Arc<Identity>>,
    pub(super) grant: Option<Arc<Grant>>,
}

impl Forward {
    /// Whether the request opens a WebSocket.
    #[must_use]
    pub const fn opens_tunnel(&self) -> bool {
        self.opens_tunnel
    }

    /// Judges again the standing of whoever opened what lasts on `route`. What goes through it may write.
    ///
    /// # Errors
    /// As for [`super::Proven::stand`].
    pub fn stands(&self, facts: Option<&StandingFacts>, route: &Route, now: Timestamp) -> Result<(), Refusal> {
        let Some(identity) = &self.identity else { return Ok(()) };
        unless_shadowed(route, identity.stands(facts, route.standing, false, now))
    }

    /// The same where an API key opened it, by what core says of the key now.
    ///
    /// # Errors
    /// As for [`super::Proven::stand_by_key`].
    pub fn stands_by_key(grant: &Grant, asks_standing: bool, route: &Route, now: Timestamp) -> Result<(), Refusal> {
        let key_use = grant.key_use(asks_standing, now);
        unless_shadowed(
            route,
            validate_key(key_use, &grant.standing, route.standing, false, now),
        )
    }

    /// What core had said of the API key that this was opened with.
    #[must_use]
    pub fn grant(&self) -> Option<&Arc<Grant>> {
        self.grant.as_ref()
    }

    /// What would have been refused if the route did not only watch.
    #[must_use]
    pub const fn shadow(&self) -> Option<Refusal> {
        self.shadow
    }

    #[must_use]
    pub const fn route_index(&self) -> usize {
        self.route_index
    }

    #[must_use]
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.identity.as_ref()
    }
}
