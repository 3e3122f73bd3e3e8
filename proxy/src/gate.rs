//! What all requests share, and the way of one request through the policy: decide, ask whoever has to be asked, decide.

use crate::config::{Config, Upstream};
use crate::directory::keys::{self, Fresh, Keys, Known};
use crate::directory::sessions::{SessionSources, Sighting};
use crate::directory::standing::Directory;
use crate::facts::{Client, RequestId, RequestIds, Seen, is_traceparent};
use crate::passage::{Passage, Refused};
use crate::policy::cookies::SessionPair;
use crate::policy::cors;
use crate::policy::credential::Presented;
use crate::policy::edits::OwnFields;
use crate::policy::framing::{Framed, Method};
use crate::policy::identity::{Grant, Identity};
use crate::policy::route::RouteKind;
use crate::policy::session::{self, SessionVerdict};
use crate::policy::{Forward, Permit, Proven, Routed, Standing, edits};
use crate::telemetry::{AccessLog, Metrics};
use crate::throttle::{Live, ScopeId, Throttle, Verdict, Who};
use crate::tokens::Tokens;
use crate::{answer, telemetry};
use http::HeaderValue;
use igny8_contract::edge::EdgeFields;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::{Clock, Timestamp};
use igny8_contract::{api_key, headers};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
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
    pub limits: Live,
    /// The scope of each route, by the route's place.
    pub scopes: Vec<Option<ScopeId>>,
    pub metrics: Metrics,
    pub access_log: AccessLog,
    pub draining: AtomicBool,
    /// Told when draining begins: to connections that wait for something else.
    pub drain: Notify,
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
        let hop_is_silent = client.hop_is_silent(&framed);
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
        let mut routed = match Routed::new(framed, &self.config.routes, &self.config.sessions.rules) {
            Ok(routed) => routed,
            Err(refusal) => return Err(way.refused(refusal.into(), None, &seen)),
        };
        let route = routed.route_index();
        if let Err(refusal) = routed.check_source(client.ip, hop_is_silent, client.tls) {
            return Err(way.refused(refusal.into(), Some(route), &seen));
        }
        let expire_sessions = self.is_logout(&routed);
        match way.permit(routed, expire_sessions).await {
            Ok((permit, rate)) => {
                if let Some(refusal) = permit.routed().shadow() {
                    let label = permit.routed().route().label().to_owned();
                    metrics::counter!("igny8_shadowed_total", "route" => label, "code" => refusal.code()).increment(1);
                }
                way.write_block(&permit, &request_id, trace, out);
                Ok(Passage {
                    request_id,
                    rate,
                    expire_sessions,
                    html: answer::wants_html(Some(permit.routed().route().kind), seen.accept),
                    names_connection: seen.names_connection,
                    now: way.now,
                    started: way.elapsed,
                    body_bytes: 0,
                    body_open: seen.has_body,
                    progress: None,
                    cors: self.judge_origin(Some(route), &seen),
                    answer_parts: 0,
                    refusal: None,
                    client: Arc::clone(client),
                    forward: permit.into_forward(),
                })
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
            return match self.keys.ask(&grant.hash).await {
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
                let staff = identity.token.platform_role.is_some();
                self.directory.ask(identity, staff).await
            }
        };
        forward.stands(facts.as_deref(), route, self.clock.now())
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
            cors: self.gate.judge_origin(route, seen),
            close: seen.close || seen.has_body,
            has_body: seen.has_body,
            started: self.elapsed,
            method: seen.method.as_str(),
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
        if proven.grant().is_some() {
            // What core says of a key has its standing with it.
            let standing = proven.stand_by_key(self.gate.config.flags.validate_api_key, self.now)?;
            return self.admit(standing);
        }
        let facts = match proven.identity() {
            None => None,
            Some(identity) => match self.gate.directory.fresh(identity, self.elapsed) {
                Some(facts) => Some(facts),
                None => {
                    let staff = identity.token.platform_role.is_some();
                    Box::pin(self.gate.directory.ask(identity, staff)).await
                }
            },
        };
        let standing = proven.stand(facts, self.now)?;
        self.admit(standing)
    }

    /// Who is asking: a token, or nobody where the route asks for none.
    async fn prove<'r>(&self, routed: Routed<'r>) -> Result<Proven<'r>, Stop> {
        let credential = match routed.credential() {
            Ok(credential) => credential,
            Err(refusal) => return Err(self.failed_authentication(refusal)),
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
            Presented::ApiKey(key) => Ok(routed.prove_key(self.grant(key).await?)),
            Presented::Nothing if routed.route().kind == RouteKind::Api => {
                let rate = self.ask_address(self.gate.scopes[routed.route_index()]);
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
        self.pay_for_cold_work()?;
        let token = std::str::from_utf8(token).map_err(|_| Refusal::TokenInvalid)?;
        Ok(self.gate.tokens.verify(token, self.now).await?)
    }

    /// What core has said of a key. A mistyped one never gets there, and pays as a failed authentication. A key that is not
    /// known pays for the look-up; one that is known is asked about again for nothing.
    async fn grant(&self, key: &[u8]) -> Result<Arc<Grant>, Stop> {
        if !api_key::is_well_formed(key) {
            return Err(self.failed_authentication(Refusal::ApiKeyInvalid));
        }
        let hash = keys::hash(key);
        let known = match self.gate.keys.fresh(&hash, self.elapsed) {
            Fresh::Known(Known::Refused) => return Err(self.failed_authentication(Refusal::ApiKeyInvalid)),
            Fresh::Known(known) => Some(known),
            Fresh::Due => Box::pin(self.gate.keys.ask(&hash)).await,
            Fresh::Cold => {
                self.pay_for_cold_work()?;
                Box::pin(self.gate.keys.ask(&hash)).await
            }
        };
        match known {
            Some(Known::Granted(grant)) => Ok(grant),
            Some(Known::Refused) => Err(Refusal::ApiKeyInvalid.into()),
            None => Err(Refusal::CoreUnavailable.into()),
        }
    }

    fn failed_authentication(&self, refusal: Refusal) -> Stop {
        match self.pay_for_cold_work() {
            Ok(()) => refusal.into(),
            Err(throttled) => throttled,
        }
    }

    fn pay_for_cold_work(&self) -> Result<(), Stop> {
        let limits = self.gate.limits.load();
        let rate = self.gate.throttle.charge_cold(&limits, self.client.ip, self.nanos());
        if rate.allowed {
            return Ok(());
        }
        Err(Stop {
            refusal: Refusal::Throttled,
            rate: Some(rate),
            expire_sessions: false,
        })
    }

    /// Looks sessions up at their sources and ends a superuser's.
    async fn judge_sessions(&self, routed: &Routed<'_>) -> Result<SessionVerdict, Stop> {
        let kind = routed.route().kind;
        let (mut superuser, mut failed) = (false, false);
        for pair in routed.sessions() {
            let Some((name, session)) = plausible(pair) else {
                continue;
            };
            let sighting = match self.gate.sessions.remembered(name, session).await {
                Some(sighting) => sighting,
                None => match self.pay_for_cold_work() {
                    Ok(()) => self.gate.sessions.look_up(name, session).await,
                    // An api route refuses every session, whether or not it could be looked up.
                    Err(_) if kind == RouteKind::Api => break,
                    Err(throttled) => return Err(throttled),
                },
            };
            if sighting.is_silent() {
                metrics::counter!("igny8_session_source_silent_total").increment(1);
            }
            if sighting.is_superuser() {
                superuser = true;
                if session::ends_session(routed.route().on_superuser_session) {
                    failed |= !self.end_session(name, session, &sighting).await;
                }
            }
        }
        Ok(session::judge(kind, superuser, failed))
    }

    /// Ends a superuser's session at its source; whether that is certain.
    async fn end_session(&self, name: &str, session: &str, sighting: &Sighting) -> bool {
        let ended = self.gate.sessions.end(name, session, sighting).await;
        match ended {
            Ok(()) => {
                metrics::counter!("igny8_sessions_revoked_total").increment(1);
                tracing::warn!(client = %self.client.ip, "a superuser session outside the admin panel was ended");
            }
            Err(error) => tracing::error!(client = %self.client.ip, %error, "a superuser session could not be ended"),
        }
        ended.is_ok()
    }

    /// Ends every session that a logout brought, wherever it lives. Nothing stops a logout but a foreign origin.
    async fn log_out(&self, routed: &Routed<'_>) -> Result<(), Stop> {
        let framed = routed.framed();
        if let Some(origin) = framed.origin {
            let authority = origin
                .splitn(2, |byte| *byte == b':')
                .nth(1)
                .and_then(|rest| rest.strip_prefix(b"//"));
            if authority.is_none() || authority != framed.host {
                return Err(Refusal::OriginRefused.into());
            }
        }
        for pair in routed.sessions() {
            let Some((name, session)) = plausible(pair) else {
                continue;
            };
            if self.pay_for_cold_work().is_ok() {
                let sighting = self.gate.sessions.look_up(name, session).await;
                if self.gate.sessions.end(name, session, &sighting).await.is_err() {
                    metrics::counter!("igny8_session_source_silent_total").increment(1);
                }
            }
        }
        Ok(())
    }

    /// Asks the throttle, on the account's or the address's behalf.
    fn admit<'r>(&self, standing: Standing<'r>) -> Result<(Permit<'r>, Verdict), Stop> {
        let scope = self.gate.scopes[standing.routed().route_index()];
        let rate = match standing.payer() {
            Some((identity, plan)) => {
                let who = Who::Account {
                    id: identity.account(),
                    plan,
                    scope,
                };
                self.gate.throttle.admit(&self.gate.limits.load(), who, self.nanos())
            }
            None => self.ask_address(scope),
        };
        match standing.admit(rate.allowed) {
            Ok(permit) => Ok((permit, rate)),
            Err(refusal) => Err(Stop {
                refusal,
                rate: Some(rate),
                expire_sessions: false,
            }),
        }
    }

    fn ask_address(&self, scope: Option<ScopeId>) -> Verdict {
        let who = Who::Address {
            ip: self.client.ip,
            scope,
        };
        self.gate.throttle.admit(&self.gate.limits.load(), who, self.nanos())
    }

    fn nanos(&self) -> u64 {
        u64::try_from(self.elapsed.as_nanos()).unwrap_or(u64::MAX)
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
            ("Authorization", permit.authorization()),
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

/// A session that can be asked about.
fn plausible<'a>(pair: &SessionPair<'a>) -> Option<(&'a str, &'a str)> {
    let value = std::str::from_utf8(pair.value).ok()?;
    session::is_plausible(pair.value).then_some((pair.name, value))
}
