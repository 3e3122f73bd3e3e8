//! pingora's hooks, in the order of its phases. Each is short; no rule is decided here.

use crate::answer::Answer;
use crate::gate::Gate;
use crate::passage::Passage;
use crate::policy::edits::{self, SetCookie};
use crate::telemetry::Entry;
use crate::throttle;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, header};
use igny8_contract::refusal::Refusal;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::prelude::{Error, HttpPeer, ProxyHttp, Result, Session};
use pingora::proxy::FailToProxy;
use pingora::upstreams::peer::HttpUpstreamRequestPolicy;
use pingora::{ErrorSource, ErrorType};
use std::any::Any;
use std::sync::Arc;

/// The proxy as pingora sees it.
#[derive(Debug)]
pub struct Gateway {
    gate: Arc<Gate>,
    /// Ready-made peers, by the upstream's place.
    peers: Vec<HttpPeer>,
}

impl Gateway {
    #[must_use]
    pub fn new(gate: Arc<Gate>) -> Self {
        let peers = gate
            .config
            .upstreams
            .iter()
            .map(|upstream| {
                let mut peer = HttpPeer::new(upstream.address, false, String::new());
                peer.options.connection_timeout = Some(upstream.connect_timeout);
                peer.options.total_connection_timeout = Some(upstream.connect_timeout);
                peer.options.read_timeout = Some(upstream.read_timeout);
                peer.options.write_timeout = Some(upstream.write_timeout);
                peer.options.idle_timeout = Some(upstream.idle_timeout);
                // The block that goes on is ours: it has no hop-by-hop field left that would have to be searched for.
                peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::preserve();
                peer
            })
            .collect();
        Self { gate, peers }
    }

    fn too_slow(&self, passage: &Passage) -> bool {
        let route = &self.gate.config.routes.all()[passage.forward.route_index()];
        let total = self.gate.config.upstreams[route.upstream].total_timeout;
        !route.stream && self.gate.clock.elapsed().saturating_sub(passage.started) > total
    }
}

/// The passage of a request that the front let through. pingora runs no hook for any other.
fn passage(ctx: &mut Option<Box<Passage>>) -> Result<&mut Passage> {
    ctx.as_deref_mut()
        .ok_or_else(|| Error::explain(ErrorType::InternalError, "a request without a permit"))
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Option<Box<Passage>>;

    fn new_ctx(&self) -> Self::CTX {
        None
    }

    // pingora's default adds a compression module to every request.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    fn on_connection_reuse(&self, _session: &mut Session, ctx: &mut Self::CTX, front: Box<dyn Any + Send + Sync>) {
        *ctx = front.downcast().ok();
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        let route = passage(ctx)?.forward.route_index();
        Ok(Box::new(
            self.peers[self.gate.config.routes.all()[route].upstream].clone(),
        ))
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end: bool,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        let passage = passage(ctx)?;
        passage.body_bytes += body.as_ref().map_or(0, |body| body.len() as u64);
        let limit = self.gate.config.routes.all()[passage.forward.route_index()].max_body_bytes;
        if passage.body_bytes > limit {
            passage.refusal = Some(Refusal::BodyTooLarge);
            return Err(Error::explain(
                ErrorType::HTTPStatus(413),
                "the body grew over its route's limit",
            ));
        }
        Ok(())
    }

    // What the client wants of its connection is nobody else's business. Runs again on a retry.
    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        if passage(ctx)?.names_connection {
            request.remove_header(&header::CONNECTION);
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        let passage = passage(ctx)?;
        if response.status.is_informational() {
            return Ok(());
        }
        strip_owned(response);
        response.remove_header(&header::SERVER);
        rewrite_cookies(&self.gate, response, passage)?;
        if self.gate.config.rate_limit_fields {
            insert_rate_fields(response, &passage.rate)?;
        }
        if self.gate.draining.load(std::sync::atomic::Ordering::Relaxed) {
            response.insert_header(header::CONNECTION, "close")?;
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        _body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Self::CTX,
    ) -> Result<Option<std::time::Duration>> {
        let passage = passage(ctx)?;
        passage.answer_parts += 1;
        // An answer of one part is not worth a look at the clock.
        if !end && passage.answer_parts > 1 && self.too_slow(passage) {
            return Err(Error::explain(
                ErrorType::ReadTimedout,
                "the app's answer took longer than the total timeout",
            ));
        }
        Ok(None)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Self::CTX) -> FailToProxy {
        let Ok(passage) = passage(ctx) else {
            return FailToProxy {
                error_code: 0,
                can_reuse_downstream: false,
            };
        };
        let refusal = passage.refusal.or_else(|| refusal_of(error));
        passage.refusal = refusal;
        let Some(refusal) = refusal.filter(|_| session.response_written().is_none()) else {
            return FailToProxy {
                error_code: 0,
                can_reuse_downstream: false,
            };
        };
        let answer = Answer {
            refusal,
            request_id: passage.request_id.as_str(),
            html: passage.html,
            cookies: if passage.expire_sessions {
                self.gate.expired_cookies(passage.client.tls)
            } else {
                Vec::new()
            },
            fields: rate_fields(&passage.rate),
            head_only: session.req_header().method == http::Method::HEAD,
        };
        if let Err(error) = tell(session, &answer).await {
            tracing::debug!(%error, "a refusal could not be told");
        }
        FailToProxy {
            error_code: refusal.status(),
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, ctx: &mut Self::CTX) {
        let Ok(passage) = passage(ctx) else { return };
        let route_index = passage.forward.route_index();
        let took = self.gate.clock.elapsed().saturating_sub(passage.started);
        let status = session
            .response_written()
            .map_or(0, |response| response.status.as_u16());
        match passage.refusal {
            Some(refusal) => self.gate.metrics.refused(Some(route_index), refusal),
            None => self.gate.metrics.forwarded(route_index, status, took),
        }
        let identity = passage.forward.identity();
        self.gate.access_log.add(&Entry {
            time_us: passage.now.0,
            request_id: passage.request_id.as_str(),
            client: passage.client.ip_value.to_str().unwrap_or(""),
            method: session.req_header().method.as_str(),
            host: text_of(session.req_header().headers.get(header::HOST)),
            path: session.req_header().uri.path(),
            route: self.gate.config.routes.all()[route_index].label(),
            verdict: if passage.refusal.is_some() {
                "refused"
            } else {
                "forwarded"
            },
            code: passage.refusal.map_or("", Refusal::code),
            status,
            brought: passage.brought.words(),
            account: text_of(identity.map(|identity| &identity.account_value)),
            user: text_of(identity.map(|identity| &identity.user_value)),
            took,
        });
    }

    // Each failure is told in the access log and counted.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Self::CTX, _error: &Error) -> bool {
        true
    }
}

fn text_of(value: Option<&HeaderValue>) -> &str {
    value.and_then(|value| value.to_str().ok()).unwrap_or("")
}

/// What an error of pingora's means to the client; nothing when the client has gone.
fn refusal_of(error: &Error) -> Option<Refusal> {
    match (error.esource(), error.etype()) {
        (_, ErrorType::HTTPStatus(413)) => Some(Refusal::BodyTooLarge),
        (ErrorSource::Downstream, ErrorType::ReadTimedout) => Some(Refusal::RequestTimeout),
        (ErrorSource::Downstream, ErrorType::InvalidHTTPHeader) => Some(Refusal::MalformedRequest),
        (ErrorSource::Downstream, _) => None,
        (_, ErrorType::ReadTimedout | ErrorType::WriteTimedout) => Some(Refusal::UpstreamTimeout),
        (ErrorSource::Upstream, _) => Some(Refusal::UpstreamUnreachable),
        (ErrorSource::Internal | ErrorSource::Unset, _) => Some(Refusal::Internal),
    }
}

async fn tell(session: &mut Session, answer: &Answer<'_>) -> Result<()> {
    let body = Bytes::from(answer.body());
    session.set_keepalive(None);
    session
        .write_response_header(Box::new(answer.to_head(body.len())?), answer.head_only)
        .await?;
    if !answer.head_only {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}

/// The throttle's fields of an answer.
#[must_use]
pub fn rate_fields(rate: &throttle::Verdict) -> Vec<(&'static str, HeaderValue)> {
    let mut fields = Vec::with_capacity(3);
    fields.extend(rate.policy_value().map(|value| (throttle::RATE_LIMIT_POLICY, value)));
    fields.extend(rate.limit_value().map(|value| (throttle::RATE_LIMIT, value)));
    if !rate.allowed {
        fields.push((throttle::RETRY_AFTER, HeaderValue::from(rate.retry_after_seconds())));
    }
    fields
}

fn insert_rate_fields(response: &mut ResponseHeader, rate: &throttle::Verdict) -> Result<()> {
    if let (Some(policy), Some(limit)) = (rate.policy_value(), rate.limit_value()) {
        response.insert_header(throttle::RATE_LIMIT_POLICY, policy)?;
        response.insert_header(throttle::RATE_LIMIT, limit)?;
    }
    Ok(())
}

/// Takes away what only the proxy says.
fn strip_owned(response: &mut ResponseHeader) {
    if response
        .headers
        .keys()
        .all(|name| edits::answer_field_passes(name.as_str()))
    {
        return;
    }
    let owned: Vec<_> = response
        .headers
        .keys()
        .filter(|name| !edits::answer_field_passes(name.as_str()))
        .cloned()
        .collect();
    for name in owned {
        response.remove_header(&name);
    }
}

/// Keeps sessions where they belong, and ends them where the browser is to forget them.
fn rewrite_cookies(gate: &Gate, response: &mut ResponseHeader, passage: &Passage) -> Result<()> {
    let route = &gate.config.routes.all()[passage.forward.route_index()];
    let secure = passage.client.tls;
    if response.headers.contains_key(header::SET_COOKIE) {
        let values: Vec<HeaderValue> = response.headers.get_all(header::SET_COOKIE).iter().cloned().collect();
        response.remove_header(&header::SET_COOKIE);
        for value in values {
            match edits::set_cookie(value.as_bytes(), route, &gate.config.sessions.rules, secure) {
                SetCookie::Keep => drop(response.append_header(header::SET_COOKIE, value)?),
                SetCookie::Drop => {}
                SetCookie::Rescope { cookie, expiry } => {
                    response.append_header(header::SET_COOKIE, cookie)?;
                    response.append_header(header::SET_COOKIE, expiry)?;
                }
            }
        }
    }
    if passage.expire_sessions {
        for cookie in gate.expired_cookies(secure) {
            response.append_header(header::SET_COOKIE, cookie)?;
        }
    }
    Ok(())
}
