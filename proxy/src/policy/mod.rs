//! The rules, in the order in which a request meets them. Pure: no IO, no clock, no waiting.
//!
//! | step | from | to | decided in |
//! | --- | --- | --- | --- |
//! | framing | bytes | [`framing::Framed`] | [`framing`], [`fields`] |
//! | path, host, route, cookies | `Framed` | [`Routed`] | [`path`], [`route`], [`cookies`] |
//! | length | `Routed` | a word on the body that is declared | [`Routed::check_length`] |
//! | source | `Routed` | a word on networks, and on the origin of a WebSocket | [`route`], [`upgrade`] |
//! | session | `Routed` | a verdict on sessions that do not belong | [`session`] |
//! | credential | `Routed` | [`Proven`] | [`credential`] |
//! | standing | `Proven` | [`Standing`] | [`Identity::stands`] and [`validate_key`], the contract's one check |
//! | rate | `Standing` | [`Permit`] | the throttle's answer |
//! | edits | `Permit` | what goes upstream, what comes back | [`edits`], [`cors`], [`security`] |
//!
//! [`steps::walk`] takes a request through all of them without sending it, for `explain` and `replay`.
//!
//! Each stage can be made only by the step before it, and a [`Permit`] is the only thing that anything is forwarded for.
//! Between the steps the gateway asks whoever has to be asked: the steps say what they need to know.

pub mod cookies;
pub mod cors;
pub mod credential;
pub mod denied;
pub mod edits;
pub mod fields;
mod forward;
pub mod framing;
pub mod http2;
pub mod identity;
pub mod network;
pub mod path;
pub mod route;
pub mod security;
pub mod session;
pub mod steps;
pub mod upgrade;

pub use denied::{Denied, Payer};
pub use forward::Forward;

use cookies::{CookieRules, Cookies, SessionPair};
use credential::Presented;
use framing::{Body, Framed};
use identity::{Grant, Holder, Identity};
use igny8_contract::messages::StandingFacts;
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::validate_key;
use igny8_contract::time::Timestamp;
use path::Canonical;
use route::{Route, RouteKind, Routes};
use session::SessionVerdict;
use std::net::IpAddr;
use std::sync::Arc;

/// A request that has met its route.
#[derive(Debug)]
pub struct Routed<'a> {
    framed: Framed<'a>,
    canonical: Canonical<'a>,
    route: &'a Route,
    route_index: usize,
    cookies: Cookies<'a>,
    /// What would have been refused if the route did not only watch.
    shadow: Option<Refusal>,
}

impl<'a> Routed<'a> {
    /// Finds the route of a well-framed request and rebuilds its cookies.
    ///
    /// # Errors
    /// `malformed_path`, `bad_host`, `no_route`.
    pub fn new(framed: Framed<'a>, routes: &'a Routes, rules: &'a CookieRules) -> Result<Box<Self>, Refusal> {
        let (route_index, canonical) = routes.meet(framed.host, framed.target)?;
        let route = &routes.all()[route_index];
        let cookies = cookies::rebuild(&framed, route, rules);
        // It passes from stage to stage: by its address, not by its bytes.
        Ok(Box::new(Self {
            framed,
            canonical,
            route,
            route_index,
            cookies,
            shadow: None,
        }))
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

    /// Whether the request opens a WebSocket.
    #[must_use]
    pub fn opens_tunnel(&self) -> bool {
        upgrade::opens_tunnel(&self.framed, self.route)
    }

    /// Judges the length that the request declares for its body. What does not declare one is measured as it comes.
    ///
    /// # Errors
    /// `body_too_large` past the route's limit.
    pub const fn check_length(&self) -> Result<(), Refusal> {
        match self.framed.body {
            Body::Length(length) if length > self.route.max_body_bytes => Err(Refusal::BodyTooLarge),
            Body::None | Body::Length(_) | Body::Chunked => Ok(()),
        }
    }

    /// Judges where the request comes from: the client's network, and the origin of a WebSocket. `hop_is_silent` says that a
    /// trusted hop did not tell for whom it asks.
    ///
    /// # Errors
    /// `network_refused`, `origin_refused`.
    pub fn check_source(&mut self, client: IpAddr, hop_is_silent: bool, secure: bool) -> Result<(), Refusal> {
        let within = self.route.edge.check_network(client, hop_is_silent);
        within.or_else(|refusal| self.shadowed(refusal))?;
        if self.opens_tunnel() {
            upgrade::check_origin(&self.framed, self.route, secure)?;
        }
        Ok(())
    }

    /// Whether a page of another site made the browser send this. A session neither acts nor ends for one.
    #[must_use]
    pub fn comes_from_elsewhere(&self) -> bool {
        let framed = &self.framed;
        framed
            .origin
            .is_some_and(|origin| session::is_foreign_origin(origin, framed.host))
    }

    /// Lets a refusal pass where the route only watches, and notes it. Credentials are never shadowed.
    fn shadowed(&mut self, refusal: Refusal) -> Result<(), Refusal> {
        if self.route.edge.shadow && route::can_be_shadowed(refusal) {
            self.shadow = Some(refusal);
            Ok(())
        } else {
            Err(refusal)
        }
    }

    /// What would have been refused if the route did not only watch.
    #[must_use]
    pub const fn shadow(&self) -> Option<Refusal> {
        self.shadow
    }

    /// Whether the request brought a session cookie.
    #[must_use]
    pub fn brings_session(&self) -> bool {
        !self.cookies.sessions().is_empty()
    }

    /// The session cookies that the request brought, where each of them counts.
    ///
    /// # Errors
    /// `malformed_request` for more than anybody looks at.
    pub fn sessions(&self) -> Result<&[SessionPair<'a>], Refusal> {
        if self.cookies.has_too_many_sessions() {
            Err(Refusal::MalformedRequest)
        } else {
            Ok(self.cookies.sessions())
        }
    }

    /// The names of session cookies that were brought under another name than the configured one.
    #[must_use]
    pub fn session_spellings(&self) -> Vec<String> {
        let otherwise = self
            .cookies
            .sessions()
            .iter()
            .filter(|session| session.spelled_otherwise());
        otherwise.map(|session| session.name.to_owned()).collect()
    }

    /// The credential that decides on this route; routes that ask for none have none.
    ///
    /// # Errors
    /// See [`credential::presented`]. A credential that cannot be read is an error on every kind of route where a
    /// session came with it, so that a bad token never turns into a look at the session.
    pub fn credential(&self) -> Result<Presented<'a>, Refusal> {
        let brought_session = self.brings_session();
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
        session::needs_look_up(self.route.kind, has_bearer, self.brings_session())
    }

    /// Goes on with a verified token.
    #[must_use]
    pub fn prove_token(self: Box<Self>, identity: Arc<Identity>) -> Proven<'a> {
        // Only an api route acts on an identity; elsewhere the token has merely been found good.
        let identity = (self.route.kind == RouteKind::Api).then_some(identity);
        Proven {
            routed: self,
            identity,
            grant: None,
        }
    }

    /// Goes on with an API key that core knows.
    #[must_use]
    pub fn prove_key(self: Box<Self>, grant: Arc<Grant>) -> Proven<'a> {
        // As with tokens: elsewhere the key has merely been found good.
        let grant = (self.route.kind == RouteKind::Api).then_some(grant);
        Proven {
            identity: grant.as_ref().map(|grant| Arc::clone(&grant.identity)),
            routed: self,
            grant,
        }
    }

    /// Goes on without a credential, where the route asks for none and no session stands against it, or where the verdict
    /// on its one session lets that pass.
    ///
    /// # Errors
    /// What the verdict on sessions says; `credentials_required` on `api` routes, `credentials_ambiguous` for a session that
    /// would act beside a credential in the query.
    pub fn prove_open(mut self: Box<Self>, sessions: SessionVerdict) -> Result<Proven<'a>, Refusal> {
        let identity = match (sessions, self.route.kind) {
            (SessionVerdict::Refuse(refusal), _) => return Err(refusal),
            (SessionVerdict::GoOn | SessionVerdict::Pass, RouteKind::Api) => return Err(Refusal::CredentialsRequired),
            (SessionVerdict::GoOn, RouteKind::Public | RouteKind::Page | RouteKind::Admin) => None,
            (SessionVerdict::Pass, RouteKind::Public | RouteKind::Page | RouteKind::Admin) => {
                self.cookies.pass_session();
                None
            }
            // As with a token: a second credential in the query is one too many.
            (SessionVerdict::PassAs { .. }, _) if self.canonical.query.is_some_and(credential::holds_credential) => {
                return Err(Refusal::CredentialsAmbiguous);
            }
            (SessionVerdict::PassAs { account, user }, _) => {
                self.cookies.pass_session();
                Some(Arc::new(Identity::of_session(account, user)))
            }
        };
        Ok(Proven {
            routed: self,
            identity,
            grant: None,
        })
    }
}

/// A request whose identity is settled: proven, or not needed.
#[derive(Debug)]
pub struct Proven<'a> {
    routed: Box<Routed<'a>>,
    identity: Option<Arc<Identity>>,
    /// Where the identity is an API key's.
    grant: Option<Arc<Grant>>,
}

impl<'a> Proven<'a> {
    /// Whose standing has to be known before this request goes on.
    #[must_use]
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.identity.as_ref()
    }

    /// What core has said of the API key, where one was presented: its standing is known already.
    #[must_use]
    pub fn grant(&self) -> Option<&Arc<Grant>> {
        self.grant.as_ref()
    }

    /// Judges the standing of an API key. `asks_standing` is the flag `validate_api_key`.
    ///
    /// # Errors
    /// See [`validate_key`]; `core_unavailable` when the app could no longer verify what it would get in the key's place,
    /// `api_key_invalid` where that is because the key itself is about to end.
    pub fn stand_by_key(self, asks_standing: bool, now: Timestamp) -> Result<Standing<'a>, Denied<'a>> {
        let Some(grant) = &self.grant else {
            return self.stand(None, now);
        };
        let reads = self.routed.framed.method.reads() && !self.routed.opens_tunnel();
        let (need, key_use) = (self.routed.route.standing, grant.key_use(asks_standing, now));
        let stands = validate_key(key_use, &grant.standing, need, reads, now);
        let serves = grant.serves(now);
        let facts = Some(Arc::clone(&grant.standing));
        match serves {
            Ok(()) => self.judged(facts, stands),
            Err(refusal) => Err(Denied::new(Standing { proven: self, facts }, refusal)),
        }
    }

    /// Goes on by this verdict, or by the route that only watches.
    fn judged(
        mut self,
        facts: Option<Arc<StandingFacts>>,
        verdict: Result<(), Refusal>,
    ) -> Result<Standing<'a>, Denied<'a>> {
        let verdict = verdict.or_else(|refusal| self.routed.shadowed(refusal));
        let standing = Standing { proven: self, facts };
        match verdict {
            Ok(()) => Ok(standing),
            Err(refusal) => Err(Denied::new(standing, refusal)),
        }
    }

    /// Judges the standing that core reported; a request without an identity has none to judge.
    ///
    /// # Errors
    /// See [`Identity::stands`].
    pub fn stand(self, facts: Option<Arc<StandingFacts>>, now: Timestamp) -> Result<Standing<'a>, Denied<'a>> {
        let Some(identity) = &self.identity else {
            return Ok(Standing {
                proven: self,
                facts: None,
            });
        };
        // What goes through a tunnel may write.
        let reads = self.routed.framed.method.reads() && !self.routed.opens_tunnel();
        let stands = identity.stands(facts.as_deref(), self.routed.route.standing, reads, now);
        self.judged(facts, stands)
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

    /// Whose request it is; nothing where nobody had to be proven.
    #[must_use]
    pub const fn identity(&self) -> Option<&Arc<Identity>> {
        self.proven.identity.as_ref()
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
    pub fn admit(self, admitted: bool) -> Result<Permit<'a>, Denied<'a>> {
        if admitted {
            Ok(Permit {
                routed: self.proven.routed,
                identity: self.proven.identity,
                grant: self.proven.grant,
            })
        } else {
            Err(Denied::new(self, Refusal::Throttled))
        }
    }
}

/// What only the steps above can make, and without which nothing is forwarded.
#[derive(Debug)]
pub struct Permit<'a> {
    routed: Box<Routed<'a>>,
    identity: Option<Arc<Identity>>,
    grant: Option<Arc<Grant>>,
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

    /// The `Authorization` that goes on in the place of an API key; nothing where none was presented.
    #[must_use]
    pub fn authorization(&self) -> &[u8] {
        self.grant.as_ref().map_or(b"", |grant| grant.authorization.as_bytes())
    }

    /// Whether a token proved who asks: then it is that token that `Authorization` holds.
    fn is_proven_by_token(&self) -> bool {
        let by_token = |identity: &Arc<Identity>| match &identity.holder {
            Holder::Core { .. } | Holder::Foreign(_) => true,
            Holder::Session { .. } => false,
        };
        self.grant.is_none() && self.identity.as_ref().is_some_and(by_token)
    }

    /// Writes the header block that goes on, the proxy's `own` fields in it.
    pub fn write_block(&self, out: &mut bytes::BytesMut, own: &[edits::OwnField<'_>]) {
        let routed = &self.routed;
        edits::write_block(
            out,
            &routed.framed,
            &routed.canonical,
            routed.route,
            self.is_proven_by_token(),
            &routed.cookies.forward,
            own,
        );
    }

    /// Lets go of the borrowed request: what is needed while it is forwarded.
    #[must_use]
    pub fn into_forward(self) -> Forward {
        Forward {
            route_index: self.routed.route_index,
            opens_tunnel: self.routed.opens_tunnel(),
            shadow: self.routed.shadow,
            identity: self.identity,
            grant: self.grant,
        }
    }
}

#[cfg(test)]
mod tests;
