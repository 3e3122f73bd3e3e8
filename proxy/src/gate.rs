//! What all requests share, and the way of one request through the policy: decide, ask whoever has to be asked, decide.

mod rate;
mod sessions;

use crate::config::{Config, Upstream};
use crate::directory::sessions::SessionSources;
use crate::directory::standing::Directory;
use crate::facts::{Client, RequestId, RequestIds, Seen, is_traceparent};
use crate::passage::{Passage, Refused};
use crate::policy::credential::Presented;
use crate::policy::edits::OwnFields;
use crate::policy::framing::{Framed, Method};
use crate::policy::identity::Identity;
use crate::policy::route::RouteKind;
use crate::policy::session::SessionVerdict;
use crate::policy::{Permit, Proven, Routed, edits};
use crate::telemetry::{AccessLog, Metrics};
use crate::throttle::{Live, ScopeId, Shared, Throttle, Verdict};
use crate::tokens::Tokens;
use crate::{answer, telemetry};
use http::HeaderValue;
use igny8_contract::edge::EdgeFields;
use igny8_contract::headers;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::{Clock, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

/// What all requests share.
#[derive(Debug)]
pub struct Gate {
    pub config: Config,
    pub clock: Arc<dyn Clock>,
    pub ids: RequestIds,
    pub tokens: Tokens,
    pub directory: Directory,
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
    pub in_flight: AtomicUsize,
}

/// A refusal on its way out of the decision, before it is told.
struct Stop {
    refusal: Refusal,
    rate: Option<Verdict>,
    expire_sessions: bool,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            rate: None,
            expire_sessions: false,
        }
    }
}

/// One request on its way through the policy.
struct Way<'a> {
    gate: &'a Gate,
    client: &'a Arc<Client>,
    now: Timestamp,
    elapsed: Duration,
}

impl Gate {
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
    ) -> Result<Passage, Box<Refused>> {
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
        };
        let routed = match Routed::new(framed, &self.config.routes, &self.config.sessions.rules) {
            Ok(routed) => routed,
            Err(refusal) => return Err(way.refused(refusal.into(), None, &seen)),
        };
        let route = routed.route_index();
        let seen = Seen {
            brought: seen.brought.with_session(!routed.sessions().is_empty()),
            ..seen
        };
        let expire_sessions = self.is_logout(&routed);
        match way.permit(routed, expire_sessions).await {
            Ok((permit, rate)) => {
                way.write_block(&permit, &request_id, trace, out);
                Ok(Passage {
                    request_id,
                    rate,
                    expire_sessions,
                    html: answer::wants_html(Some(permit.routed().route().kind), seen.accept),
                    names_connection: seen.names_connection,
                    brought: seen.brought,
                    now: way.now,
                    started: way.elapsed,
                    body_bytes: 0,
                    answer_parts: 0,
                    refusal: None,
                    client: Arc::clone(client),
                    forward: permit.into_forward(),
                })
            }
            Err(stop) => Err(way.refused(stop, Some(route), &seen)),
        }
    }

    /// The `Set-Cookie` values that make a browser forget its sessions.
    #[must_use]
    pub fn expired_cookies(&self, secure: bool) -> Vec<String> {
        let admins: Vec<&str> = self.config.routes.admin_prefixes().collect();
        edits::expired_sessions(&self.config.sessions.rules, admins.into_iter(), secure)
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
            expire_sessions: stop.expire_sessions,
            rate: stop.rate,
            close: seen.close || seen.has_body,
            has_body: seen.has_body,
            started: self.elapsed,
            method: seen.method.as_str(),
            brought: seen.brought,
            host: telemetry::loggable(seen.host.unwrap_or_default()),
            path: telemetry::loggable(seen.target),
        })
    }

    /// The whole way, from the route to the permit.
    async fn permit<'r>(&self, routed: Routed<'r>, is_logout: bool) -> Result<(Permit<'r>, Verdict), Stop> {
        let proven = if is_logout {
            Box::pin(self.log_out(&routed)).await?;
            routed.prove_open(SessionVerdict::GoOn)?
        } else {
            self.prove(routed).await?
        };
        let facts = match proven.identity().and_then(|identity| identity.asks_core()) {
            None => None,
            Some((standing, staff)) => match self.gate.directory.fresh(standing, self.elapsed) {
                Some(facts) => Some(facts),
                None => Box::pin(self.gate.directory.ask(standing, staff)).await,
            },
        };
        let standing = proven.stand(facts, self.now)?;
        self.admit(standing).await
    }

    /// Who is asking: a token, or nobody where the route asks for none.
    async fn prove<'r>(&self, routed: Routed<'r>) -> Result<Proven<'r>, Stop> {
        let credential = match routed.credential() {
            Ok(credential) => credential,
            Err(refusal) => return Err(self.failed_authentication(refusal).await),
        };
        if routed.needs_session_look_up(credential) {
            let verdict = Box::pin(self.judge_sessions(&routed)).await?;
            return routed.prove_open(verdict).map_err(|refusal| Stop {
                refusal,
                rate: None,
                expire_sessions: true,
            });
        }
        match credential {
            Presented::Bearer(token) => {
                let identity = match self.gate.tokens.cached(token, self.now) {
                    Some(identity) => identity,
                    None => Box::pin(self.verify(token)).await?,
                };
                Ok(routed.prove_token(identity))
            }
            // Keys are exchanged at core; until a core that does so is there, no key is a good one.
            Presented::ApiKey(_) => Err(self.failed_authentication(Refusal::ApiKeyInvalid).await),
            Presented::Nothing if routed.route().kind == RouteKind::Api => {
                let rate = self.ask_address(self.gate.scopes[routed.route_index()]).await?;
                let refusal = if rate.allowed {
                    Refusal::CredentialsRequired
                } else {
                    Refusal::Throttled
                };
                Err(Stop {
                    refusal,
                    rate: Some(rate),
                    expire_sessions: false,
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

    /// Writes what goes upstream: the client's part of the request, then what only the proxy says.
    fn write_block(
        &self,
        permit: &Permit<'_>,
        request_id: &RequestId,
        trace: Option<&[u8]>,
        out: &mut bytes::BytesMut,
    ) {
        let routed = permit.routed();
        let upstream = &self.gate.config.upstreams[routed.route().upstream];
        let identity = permit.identity();
        let of =
            |value: fn(&Identity) -> &HeaderValue| identity.map_or(&b""[..], |identity| value(identity).as_bytes());
        let account = told(upstream, OwnFields::Account, of(|identity| &identity.account_value));
        let user = told(upstream, OwnFields::User, of(|identity| &identity.user_value));
        let role = told(upstream, OwnFields::Role, of(|identity| &identity.role_value));
        let id = told(upstream, OwnFields::RequestId, request_id.as_str().as_bytes());
        let host = routed.framed().host.unwrap_or_default();
        let proto: &[u8] = if self.client.tls { b"https" } else { b"http" };
        let mut digits = itoa::Buffer::new();
        let started = upstream
            .fields
            .contains(OwnFields::Trace)
            .then(|| request_id.traceparent());
        let started = started.as_ref().map_or(&b""[..], |trace| trace);
        let mut signature = Vec::new();
        if let Some(key) = &upstream.edge_key {
            signature.reserve(256);
            let fields = EdgeFields {
                method: routed.framed().method.as_str(),
                host,
                path: routed.canonical().path.as_bytes(),
                query: routed.canonical().query.unwrap_or("").as_bytes(),
                rule: routed.route().label(),
                account,
                user,
                role,
                request_id: id,
                t: digits.format(self.now.unix_seconds()),
            };
            key.sign(&fields, &mut signature);
        }
        let own = [
            (headers::ACCOUNT_ID, account),
            (headers::USER_ID, user),
            (headers::USER_ROLE, role),
            (headers::REQUEST_ID, id),
            (
                "X-Forwarded-For",
                told(upstream, OwnFields::Forwarded, self.client.ip_value.as_bytes()),
            ),
            ("X-Forwarded-Proto", told(upstream, OwnFields::Forwarded, proto)),
            ("X-Forwarded-Host", told(upstream, OwnFields::Forwarded, host)),
            (
                "traceparent",
                told(upstream, OwnFields::Trace, trace.unwrap_or(started)),
            ),
            (headers::EDGE, &signature),
        ];
        permit.write_block(out, &own);
    }
}

/// What an upstream is told of a field: its value, or nothing where its configuration leaves it out.
fn told<'v>(upstream: &Upstream, field: OwnFields, value: &'v [u8]) -> &'v [u8] {
    if upstream.fields.contains(field) { value } else { b"" }
}
