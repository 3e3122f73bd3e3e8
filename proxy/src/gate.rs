//! What all requests share, and the way of one request through the policy: decide, ask whoever has to be asked, decide.

mod block;
mod rate;
mod sessions;

use crate::config::Config;
use crate::directory::keys::{self, Fresh, KeyHash, Keys, Known, Word};
use crate::directory::sessions::SessionSources;
use crate::directory::standing::Directory;
use crate::facts::{Client, RequestId, RequestIds, Seen, is_traceparent};
use crate::passage::{Passage, Refused};
use crate::policy::cors;
use crate::policy::credential::Presented;
use crate::policy::framing::{Framed, Method};
use crate::policy::identity::{Grant, Identity};
use crate::policy::route::RouteKind;
use crate::policy::session::SessionVerdict;
use crate::policy::{Denied, Forward, Permit, Proven, Routed, edits};
use crate::telemetry::{AccessLog, Metrics};
use crate::throttle::{Live, ScopeId, Shared, Throttle, Verdict};
use crate::tokens::Tokens;
use crate::{answer, telemetry};
use igny8_contract::api_key;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::{Clock, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// What all requests share.
#[derive(Debug)]
pub struct Gate {
    pub config: Config,
    pub clock: Arc<dyn Clock>,
    pub ids: RequestIds,
    pub tokens: Tokens,
    pub directory: Directory,
    pub keys: Keys,
    pub sessions: SessionSources,
    pub throttle: Throttle,
    /// The store that proxies share, where there is one; [`Self::throttle`] then counts only while it is down.
    pub shared_throttle: Option<Shared>,
    pub limits: Live,
    /// The scope of each route, by the route's place.
    pub scopes: Vec<Option<ScopeId>>,
    pub metrics: Metrics,
    pub access_log: AccessLog,
    pub draining: AtomicBool,
    /// Told when draining begins: to connections that wait for something else.
    pub drain: Notify,
    pub in_flight: AtomicUsize,
    /// Of the public listener, from the first byte of HTTP on.
    pub connections: AtomicUsize,
}

/// How often a starting proxy looks whether it can serve.
pub const READY_EVERY: Duration = Duration::from_millis(20);

/// What a proxy waits for before it can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    KeySet,
    Feed,
}

/// A refusal on its way out of the decision, before it is told.
struct Stop {
    refusal: Refusal,
    rate: Option<Verdict>,
    expire_sessions: bool,
    /// Whose request it is, where that has been proven.
    identity: Option<Arc<Identity>>,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            rate: None,
            expire_sessions: false,
            identity: None,
        }
    }
}

impl From<Denied<'_>> for Stop {
    fn from(denied: Denied<'_>) -> Self {
        Self {
            identity: denied.identity().cloned(),
            ..denied.refusal().into()
        }
    }
}

/// One request on its way through the policy.
struct Way<'a> {
    gate: &'a Gate,
    client: &'a Arc<Client>,
    now: Timestamp,
    elapsed: Duration,
    /// The client's address has paid for cold work of this request.
    has_paid: AtomicBool,
    /// A limit on cold work that only watches would have refused this request.
    cold_watched: AtomicBool,
}

impl Gate {
    /// What is not there yet; nothing, once this proxy can serve.
    #[must_use]
    pub fn waits_for(&self) -> Option<Awaited> {
        if !self.tokens.ready(self.clock.now()) {
            Some(Awaited::KeySet)
        } else if !self.directory.is_synced() {
            Some(Awaited::Feed)
        } else {
            None
        }
    }

    /// Decides on a well-framed request: a passage, with the block that goes on written to `out`, or a refusal.
    ///
    /// # Errors
    /// The refusal, ready to be told. Nothing has been forwarded then.
    pub async fn decide(
        &self,
        framed: Framed<'_>,
        client: &Arc<Client>,
        request_id: RequestId,
        out: &mut bytes::BytesMut,
    ) -> Result<Box<Passage>, Box<Refused>> {
        let hop_is_silent = client.hop_is_silent(&framed, &self.config.trusted_hops);
        let behind = client
            .trusted_hop
            .then(|| Arc::new(client.behind_hops(&framed, &self.config.trusted_hops)));
        let client = behind.as_ref().unwrap_or(client);
        let seen = Seen::of(&framed);
        let trace = framed.traceparent.filter(|value| is_traceparent(value));
        let way = Way {
            gate: self,
            client,
            now: self.clock.now(),
            elapsed: self.clock.elapsed(),
            has_paid: AtomicBool::new(false),
            cold_watched: AtomicBool::new(false),
        };
        let mut routed = match Routed::new(framed, &self.config.routes, &self.config.sessions.rules) {
            Ok(routed) => routed,
            Err(refusal) => return Err(way.refused(refusal.into(), None, &seen)),
        };
        let route = routed.route_index();
        let seen = Seen {
            brought: seen.brought.with_session(routed.brings_session()),
            session_spellings: routed.session_spellings(),
            ..seen
        };
        let judged = routed.check_length();
        if let Err(refusal) = judged.and_then(|()| routed.check_source(client.ip, hop_is_silent, client.tls)) {
            return Err(way.refused(refusal.into(), Some(route), &seen));
        }
        let is_logout = self.is_logout(&routed);
        match way.permit(routed, is_logout).await {
            Ok((permit, rate)) => {
                if let Some(refusal) = permit.routed().shadow() {
                    let label = permit.routed().route().label().to_owned();
                    metrics::counter!("igny8_shadowed_total", "route" => label, "code" => refusal.code()).increment(1);
                }
                way.write_block(&permit, &request_id, trace, out);
                Ok(Box::new(Passage {
                    request_id,
                    limit_watched: way.is_watched(Some(&rate)),
                    rate,
                    expire_sessions: is_logout.then(|| seen.session_spellings.clone()),
                    html: answer::wants_html(Some(permit.routed().route().kind), seen.accept),
                    names_connection: seen.names_connection,
                    brought: seen.brought,
                    now: way.now,
                    started: way.elapsed,
                    body_bytes: 0,
                    body_open: seen.has_body,
                    progress: None,
                    cors: self.judge_origin(Some(route), &seen),
                    asked_at: None,
                    upstream_took: None,
                    refusal: None,
                    client: Arc::clone(client),
                    forward: permit.into_forward(),
                }))
            }
            Err(stop) => Err(way.refused(stop, Some(route), &seen)),
        }
    }

    fn judge_origin(&self, route: Option<usize>, seen: &Seen<'_>) -> cors::Verdict {
        let rule = route.and_then(|route| self.config.routes.all()[route].edge.cors.as_deref());
        cors::judge(rule, seen.origin)
    }

    /// Judges again whoever opened something that lasts, as [`Self::decide`] did at its start. What has no identity has
    /// nothing that could be revoked.
    ///
    /// # Errors
    /// See [`Forward::stands`].
    pub async fn still_stands(&self, forward: &Forward) -> Result<(), Refusal> {
        let Some(identity) = forward.identity() else {
            return Ok(());
        };
        let route = &self.config.routes.all()[forward.route_index()];
        if let Some(grant) = forward.grant() {
            return match self.ask_key(&grant.hash).await {
                Some(Known::Granted(grant)) => {
                    let asks_standing = self.config.flags.validate_api_key;
                    Forward::stands_by_key(&grant, asks_standing, route, self.clock.now())
                }
                Some(Known::Refused) => Err(Refusal::ApiKeyInvalid),
                None => Err(Refusal::CoreUnavailable),
            };
        }
        let facts = match self.directory.fresh(identity, self.clock.elapsed()) {
            Some(facts) => Some(facts),
            None => {
                let staff = identity.asks_core().is_some_and(|(_, staff)| staff);
                self.directory.ask(identity, staff).await
            }
        };
        forward.stands(facts.as_deref(), route, self.clock.now())
    }

    /// Asks about an API key. While core is silent its last copy is judged by what this proxy has been told since, as tokens
    /// are.
    async fn ask_key(&self, hash: &KeyHash) -> Option<Known> {
        match self.keys.ask(hash).await {
            Word::Said(known) => Some(known),
            Word::Old(grant, at) => self.directory.bring_up_to_date(&grant, at).map(Known::Granted),
            Word::Nothing => None,
        }
    }

    /// The `Set-Cookie` values that make a browser forget its sessions, the `brought` names among them; none where none
    /// are to be forgotten.
    #[must_use]
    pub fn expired_cookies(&self, brought: Option<&[String]>, secure: bool) -> Vec<String> {
        let rules = &self.config.sessions.rules;
        let expired = |brought| edits::expired_sessions(rules, brought, self.config.routes.admin_prefixes(), secure);
        brought.map(expired).unwrap_or_default()
    }

    fn is_logout(&self, routed: &Routed<'_>) -> bool {
        routed.framed().method == Method::Post
            && routed.canonical().path.trim_end_matches('/') == self.config.sessions.logout_path
    }
}

impl<'a> Way<'a> {
    fn refused(&self, stop: Stop, route: Option<usize>, seen: &Seen<'_>) -> Box<Refused> {
        let kind = route.map(|route| self.gate.config.routes.all()[route].kind);
        Box::new(Refused {
            refusal: stop.refusal,
            client: Arc::clone(self.client),
            route,
            html: answer::wants_html(kind, seen.accept),
            head_only: seen.method == Method::Head,
            expire_sessions: stop.expire_sessions.then(|| seen.session_spellings.clone()),
            limit_watched: self.is_watched(stop.rate.as_ref()),
            rate: stop.rate,
            identity: stop.identity,
            cors: self.gate.judge_origin(route, seen),
            close: seen.close || seen.has_body,
            has_body: seen.has_body,
            started: self.elapsed,
            method: seen.method.as_str(),
            brought: seen.brought,
            host: telemetry::loggable(seen.host.unwrap_or_default()),
            path: telemetry::loggable(seen.target),
        })
    }

    /// Whether a limit that only watches would have refused the request, by the throttle's last word on it or by an earlier one.
    fn is_watched(&self, rate: Option<&Verdict>) -> bool {
        rate.is_some_and(Verdict::is_watched) || self.cold_watched.load(Ordering::Relaxed)
    }

    /// The whole way, from the route to the permit.
    async fn permit<'r>(&self, routed: Box<Routed<'r>>, is_logout: bool) -> Result<(Permit<'r>, Verdict), Stop> {
        let proven = if is_logout {
            Box::pin(self.log_out(&routed)).await?;
            routed.prove_open(SessionVerdict::GoOn)?
        } else {
            self.prove(routed).await?
        };
        if proven.grant().is_some() {
            // What core says of a key has its standing with it.
            return match proven.stand_by_key(self.gate.config.flags.validate_api_key, self.now) {
                Ok(standing) => self.admit(standing).await,
                Err(denied) => Err(Box::pin(self.deny(denied)).await),
            };
        }
        let asked = proven
            .identity()
            .and_then(|identity| Some((identity, identity.asks_core()?.1)));
        let facts = match asked {
            None => None,
            Some((identity, staff)) => match self.gate.directory.fresh(identity, self.elapsed) {
                Some(facts) => Some(facts),
                None => Box::pin(self.gate.directory.ask(identity, staff)).await,
            },
        };
        match proven.stand(facts, self.now) {
            Ok(standing) if is_logout => Box::pin(self.admit_logout(standing)).await,
            Ok(standing) => self.admit(standing).await,
            Err(denied) => Err(Box::pin(self.deny(denied)).await),
        }
    }

    /// Who is asking: a token, or nobody where the route asks for none.
    async fn prove<'r>(&self, routed: Box<Routed<'r>>) -> Result<Proven<'r>, Stop> {
        let credential = match routed.credential() {
            Ok(credential) => credential,
            Err(refusal) => return Err(Box::pin(self.failed_authentication(refusal)).await),
        };
        if routed.needs_session_look_up(credential) {
            let verdict = Box::pin(self.judge_sessions(&routed)).await?;
            return routed.prove_open(verdict).map_err(|refusal| Stop {
                expire_sessions: true,
                ..refusal.into()
            });
        }
        // Whoever has never been told of anybody cannot tell whom it has been told to shut out, whoever vouches for them.
        if credential != Presented::Nothing && routed.route().kind == RouteKind::Api && !self.gate.directory.is_synced()
        {
            return Err(Refusal::CoreUnavailable.into());
        }
        match credential {
            Presented::Bearer(token) => {
                let identity = match self.gate.tokens.cached(token, self.now) {
                    Some(identity) => identity,
                    None => Box::pin(self.verify(token)).await?,
                };
                Ok(routed.prove_token(identity))
            }
            Presented::ApiKey(key) => Ok(routed.prove_key(self.grant(key).await?)),
            Presented::Nothing if routed.route().kind == RouteKind::Api => {
                let rate = self.ask_address(self.gate.scopes[routed.route_index()]).await?;
                let refusal = if rate.allowed {
                    Refusal::CredentialsRequired
                } else {
                    Refusal::Throttled
                };
                Err(Stop {
                    rate: Some(rate),
                    ..refusal.into()
                })
            }
            Presented::Nothing => Ok(routed.prove_open(SessionVerdict::GoOn)?),
        }
    }

    /// Verifies a token that is not in the cache. The client's address pays first.
    async fn verify(&self, token: &[u8]) -> Result<Arc<Identity>, Stop> {
        self.pay_for_cold_work().await?;
        let token = std::str::from_utf8(token).map_err(|_| Refusal::TokenInvalid)?;
        Ok(self.gate.tokens.verify(token, self.now).await?)
    }

    /// What core has said of a key. A mistyped one never gets there, and pays as a failed authentication. A key that is not
    /// known pays for the look-up; one that is known is asked about again for nothing.
    async fn grant(&self, key: &[u8]) -> Result<Arc<Grant>, Stop> {
        if !api_key::is_well_formed(key) {
            return Err(Box::pin(self.failed_authentication(Refusal::ApiKeyInvalid)).await);
        }
        let hash = keys::hash(key);
        let known = match self.gate.keys.fresh(&hash, self.elapsed) {
            Fresh::Known(Known::Refused) => {
                return Err(Box::pin(self.failed_authentication(Refusal::ApiKeyInvalid)).await);
            }
            Fresh::Known(known) => Some(known),
            Fresh::Due => Box::pin(self.gate.ask_key(&hash)).await,
            Fresh::Cold => {
                Box::pin(self.pay_for_cold_work()).await?;
                Box::pin(self.gate.ask_key(&hash)).await
            }
        };
        match known {
            Some(Known::Granted(grant)) => Ok(grant),
            Some(Known::Refused) => Err(Box::pin(self.failed_authentication(Refusal::ApiKeyInvalid)).await),
            None => Err(Refusal::CoreUnavailable.into()),
        }
    }
}
