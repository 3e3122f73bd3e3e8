//! The rules, in the order in which a request meets them. Pure: no IO, no clock, no waiting.
//!
//! | step | from | to | decided in |
//! | --- | --- | --- | --- |
//! | framing | bytes | [`framing::Framed`] | [`framing`], [`fields`] |
//! | path, host, route, cookies | `Framed` | [`Routed`] | [`path`], [`route`], [`cookies`] |
//! | session | `Routed` | a verdict on sessions that do not belong | [`session`] |
//! | credential | `Routed` | [`Proven`] | [`credential`] |
//! | standing | `Proven` | [`Standing`] | [`validate_token`], the contract's one check |
//! | rate | `Standing` | [`Permit`] | the throttle's answer |
//! | edits | `Permit` | what goes upstream, what comes back | [`edits`] |
//!
//! [`steps::walk`] takes a request through all of them without sending it, for `explain` and `replay`.
//!
//! Each stage can be made only by the step before it, and a [`Permit`] is the only thing that anything is forwarded for.
//! Between the steps the gateway asks whoever has to be asked: the steps say what they need to know.

pub mod cookies;
pub mod credential;
pub mod edits;
pub mod fields;
pub mod framing;
pub mod identity;
pub mod path;
pub mod route;
pub mod session;
pub mod steps;

use cookies::{CookieRules, Cookies, SessionPair};
use credential::Presented;
use framing::{Body, Framed};
use identity::{Holder, Identity};
use igny8_contract::ids::AccountId;
use igny8_contract::messages::StandingFacts;
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::validate_token;
use igny8_contract::time::Timestamp;
use path::Canonical;
use route::{Route, RouteKind, Routes};
use session::SessionVerdict;
use std::sync::Arc;

/// A request that has met its route.
#[derive(Debug)]
pub struct Routed<'a> {
    framed: Framed<'a>,
    canonical: Canonical<'a>,
    route: &'a Route,
    route_index: usize,
    cookies: Cookies<'a>,
}

impl<'a> Routed<'a> {
    /// Finds the route of a well-framed request and rebuilds its cookies.
    ///
    /// # Errors
    /// `malformed_path`, `bad_host`, `no_route`; `body_too_large` for a declared length over the route's limit.
    pub fn new(framed: Framed<'a>, routes: &'a Routes, rules: &'a CookieRules) -> Result<Self, Refusal> {
        let canonical = path::canonicalize(framed.target)?;
        let route_index = routes.find(framed.host, &canonical.path)?;
        let route = &routes.all()[route_index];
        if matches!(framed.body, Body::Length(length) if length > route.max_body_bytes) {
            return Err(Refusal::BodyTooLarge);
        }
        let cookies = cookies::rebuild(&framed, route, rules);
        Ok(Self {
            framed,
            canonical,
            route,
            route_index,
            cookies,
        })
    }

    #[must_use]
    pub const fn framed(&self) -> &Framed<'a> {
        &self.framed
    }

    #[must_use]
    pub const fn canonical(&self) -> &Canonical<'a> {
        &self.canonical
    }

    #[must_use]
    pub const fn route(&self) -> &'a Route {
        self.route
    }

    /// The route's place in [`Routes::all`].
    #[must_use]
    pub const fn route_index(&self) -> usize {
        self.route_index
    }

    /// The session cookies that the request brought.
    #[must_use]
    pub fn sessions(&self) -> &[SessionPair<'a>] {
        self.cookies.sessions()
    }

    /// The credential that decides on this route; routes that ask for none have none.
    ///
    /// # Errors
    /// See [`credential::presented`]. A credential that cannot be read is an error on every kind of route where a
    /// session came with it, so that a bad token never turns into a look at the session.
    pub fn credential(&self) -> Result<Presented<'a>, Refusal> {
        let brought_session = !self.cookies.sessions().is_empty();
        match self.route.kind {
            RouteKind::Api | RouteKind::Public | RouteKind::Page if brought_session => {
                // Another scheme than Bearer does not speak for the session that came with it.
                match credential::presented(&self.framed, self.canonical.query) {
                    Err(Refusal::CredentialsRequired) => Ok(Presented::Nothing),
                    presented => presented,
                }
            }
            RouteKind::Api => credential::presented(&self.framed, self.canonical.query),
            RouteKind::Public | RouteKind::Page | RouteKind::Admin => Ok(Presented::Nothing),
        }
    }

    /// Whether the request's sessions must be looked up before anything else is decided.
    #[must_use]
    pub fn needs_session_look_up(&self, credential: Presented<'_>) -> bool {
        let has_bearer = credential != Presented::Nothing;
        session::needs_look_up(self.route.kind, has_bearer, !self.cookies.sessions().is_empty())
    }

    /// Goes on with a verified token.
    #[must_use]
    pub fn prove_token(self, identity: Arc<Identity>) -> Proven<'a> {
        // Only an api route acts on an identity; elsewhere the token has merely been found good.
        let identity = (self.route.kind == RouteKind::Api).then_some(identity);
        Proven { routed: self, identity }
    }

    /// Goes on without a credential, where the route asks for none and no session stands against it, or where the verdict
    /// on its one session lets that pass.
    ///
    /// # Errors
    /// What the verdict on sessions says; `credentials_required` on `api` routes.
    pub fn prove_open(mut self, sessions: SessionVerdict) -> Result<Proven<'a>, Refusal> {
        let identity = match (sessions, self.route.kind) {
            (SessionVerdict::Refuse(refusal), _) => return Err(refusal),
            (SessionVerdict::GoOn | SessionVerdict::Pass, RouteKind::Api) => return Err(Refusal::CredentialsRequired),
            (SessionVerdict::GoOn, RouteKind::Public | RouteKind::Page | RouteKind::Admin) => None,
            (SessionVerdict::Pass, RouteKind::Public | RouteKind::Page | RouteKind::Admin) => {
                self.cookies.pass_session();
                None
            }
            (SessionVerdict::PassAs { account, user }, _) => {
                self.cookies.pass_session();
                Some(Arc::new(Identity::of_session(account, user)))
            }
        };
        Ok(Proven { routed: self, identity })
    }
}

/// A request whose identity is settled: proven, or not needed.
#[derive(Debug)]
pub struct Proven<'a> {
    routed: Routed<'a>,
    identity: Option<Arc<Identity>>,
}

impl<'a> Proven<'a> {
    /// Whose standing has to be known before this request goes on.
    #[must_use]
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.identity.as_ref()
    }

    /// Judges the standing that core reported; a request without an identity has none to judge.
    ///
    /// # Errors
    /// See [`validate_token`]; `core_unavailable` when there is an identity of the core's and nothing is known of it;
    /// `account_missing` for another issuer's account that needs a standing, since the core has none for it.
    pub fn stand(self, facts: Option<Arc<StandingFacts>>, now: Timestamp) -> Result<Standing<'a>, Refusal> {
        let Some(identity) = &self.identity else {
            return Ok(Standing {
                proven: self,
                facts: None,
            });
        };
        let known = || facts.as_deref().ok_or(Refusal::CoreUnavailable);
        let (need, reads) = (self.routed.route.standing, self.routed.framed.method.reads());
        match &identity.holder {
            Holder::Core { token, .. } => validate_token(token, known()?, need, reads, now)?,
            Holder::Session { .. } => session::validate(known()?, need, reads, now)?,
            Holder::Foreign(foreign) if foreign.asks_core => return Err(Refusal::AccountMissing),
            Holder::Foreign(_) => {}
        }
        Ok(Standing { proven: self, facts })
    }
}

/// A request whose account may make it.
#[derive(Debug)]
pub struct Standing<'a> {
    proven: Proven<'a>,
    facts: Option<Arc<StandingFacts>>,
}

impl<'a> Standing<'a> {
    #[must_use]
    pub const fn routed(&self) -> &Routed<'a> {
        &self.proven.routed
    }

    /// Who pays for the request.
    #[must_use]
    pub fn payer(&self) -> Payer<'_> {
        let Some(identity) = self.proven.identity.as_deref() else {
            return Payer::Address;
        };
        match &identity.holder {
            Holder::Core { standing, .. } | Holder::Session { standing } => {
                match self.facts.as_ref().and_then(|facts| facts.account.as_ref()) {
                    Some(account) => Payer::Account {
                        id: standing.account_id,
                        plan: account.plan.as_str(),
                    },
                    None => Payer::Address,
                }
            }
            Holder::Foreign(foreign) => Payer::Foreign {
                account: &foreign.account,
                digest: foreign.digest,
            },
        }
    }

    /// Goes on when the throttle admitted the request.
    ///
    /// # Errors
    /// `throttled` when it did not.
    pub fn admit(self, admitted: bool) -> Result<Permit<'a>, Refusal> {
        if admitted {
            Ok(Permit {
                routed: self.proven.routed,
                identity: self.proven.identity,
            })
        } else {
            Err(Refusal::Throttled)
        }
    }
}

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

/// What only the steps above can make, and without which nothing is forwarded.
#[derive(Debug)]
pub struct Permit<'a> {
    routed: Routed<'a>,
    identity: Option<Arc<Identity>>,
}

impl<'a> Permit<'a> {
    #[must_use]
    pub const fn routed(&self) -> &Routed<'a> {
        &self.routed
    }

    #[must_use]
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.identity.as_ref()
    }

    /// Writes the header block that goes on, the proxy's `own` fields in it.
    pub fn write_block(&self, out: &mut bytes::BytesMut, own: &[edits::OwnField<'_>]) {
        let routed = &self.routed;
        edits::write_block(
            out,
            &routed.framed,
            &routed.canonical,
            routed.route,
            &routed.cookies.forward,
            own,
        );
    }

    /// Lets go of the borrowed request: what is needed while it is forwarded.
    #[must_use]
    pub fn into_forward(self) -> Forward {
        Forward {
            route_index: self.routed.route_index,
            identity: self.identity,
        }
    }
}

/// A permit that has let go of the client's bytes. Made by a permit alone.
#[derive(Debug)]
pub struct Forward {
    route_index: usize,
    identity: Option<Arc<Identity>>,
}

impl Forward {
    #[must_use]
    pub const fn route_index(&self) -> usize {
        self.route_index
    }

    #[must_use]
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.identity.as_ref()
    }
}
