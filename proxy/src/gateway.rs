//! pingora's hooks, in the order of its phases. Each is short; no rule is decided here.

use crate::answer::Answer;
use crate::gate::Gate;
use crate::outgoing::{self, rate_fields};
use crate::passage::{Handover, Passage};
use crate::telemetry::Entry;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use igny8_contract::refusal::Refusal;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::prelude::{Error, HttpPeer, ProxyHttp, Result, Session};
use pingora::proxy::FailToProxy;
use pingora::upstreams::peer::{HttpUpstreamRequestPolicy, PeerOptions};
use pingora::{ErrorSource, ErrorType};
use std::any::Any;
use std::cell::LazyCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

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

    /// Whether a body has come more slowly than it may since its request was let through.
    /// `now` is the clock's elapsed time, here and below: a hook looks at the clock once.
    fn trickles(&self, passage: &Passage, now: Duration) -> bool {
        let config = &self.gate.config;
        if config.routes.all()[passage.forward.route_index()].stream {
            return false;
        }
        let seconds = passage
            .body_bytes
            .checked_div(config.min_body_rate)
            .unwrap_or(u64::MAX / 2);
        let allowed = config.body_timeout.saturating_add(Duration::from_secs(seconds));
        now.saturating_sub(passage.started) > allowed
    }

    /// What is left of the time that the whole exchange may take; nothing on a route with `stream`, which has no such end.
    fn time_left(&self, passage: &Passage, now: Duration) -> Option<Duration> {
        let route = &self.gate.config.routes.all()[passage.forward.route_index()];
        let total = self.gate.config.upstreams[route.upstream].total_timeout;
        let took = now.saturating_sub(passage.started);
        (!route.stream).then(|| total.saturating_sub(took))
    }

    fn is_overdue(&self, passage: &Passage, now: Duration) -> bool {
        self.time_left(passage, now) == Some(Duration::ZERO)
    }

    /// Gives an exchange up that has taken longer than it may, at whichever part that shows.
    fn give_up_if_overdue(&self, passage: &mut Passage, now: Duration) -> Result<()> {
        if !self.is_overdue(passage, now) {
            return Ok(());
        }
        passage.refusal = Some(Refusal::UpstreamTimeout);
        let error = Error::explain(
            ErrorType::ReadTimedout,
            "the exchange took longer than the total timeout",
        );
        Err(error.into_up())
    }
}

/// No wait for an upstream outlasts what is left of the exchange's time.
fn bound(options: &mut PeerOptions, left: Duration) {
    // A wait of no time at all would not even look whether something is there.
    let left = left.max(Duration::from_millis(1));
    for limit in [
        &mut options.connection_timeout,
        &mut options.total_connection_timeout,
        &mut options.read_timeout,
        &mut options.write_timeout,
    ] {
        *limit = limit.map(|limit| limit.min(left));
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

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Self::CTX) -> Result<Box<HttpPeer>> {
        if ctx.is_none() {
            // HTTP/2 has no context of a connection; the passage came with the request itself.
            *ctx = Handover::take_from(session.req_header_mut());
        }
        let passage = passage(ctx)?;
        let now = self.gate.clock.elapsed();
        passage.asked_at = Some(now);
        let route = &self.gate.config.routes.all()[passage.forward.route_index()];
        let mut peer = Box::new(self.peers[route.upstream].clone());
        match self.time_left(passage, now) {
            Some(left) => bound(&mut peer.options, left),
            None => peer.options.read_timeout = Some(self.gate.config.stream_timeout),
        }
        Ok(peer)
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        let passage = passage(ctx)?;
        passage.body_open &= !end;
        // Most requests have no body, and nothing to time here.
        let now = LazyCell::new(|| self.gate.clock.elapsed());
        if let Some(progress) = &passage.progress {
            progress.note(*now, end);
        }
        passage.body_bytes += body.as_ref().map_or(0, |body| body.len() as u64);
        if passage.body_open && self.trickles(passage, *now) {
            passage.refusal = Some(Refusal::RequestTimeout);
            return Err(Error::explain(
                ErrorType::HTTPStatus(408),
                "the body came more slowly than it may",
            ));
        }
        let limit = self.gate.config.routes.all()[passage.forward.route_index()].max_body_bytes;
        if passage.body_bytes > limit {
            passage.refusal = Some(Refusal::BodyTooLarge);
            return Err(Error::explain(
                ErrorType::HTTPStatus(413),
                "the body grew over its route's limit",
            ));
        }
        if passage.body_open {
            self.give_up_if_overdue(passage, *now)?;
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
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        let passage = passage(ctx)?;
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            // Where a tunnel may be opened, the front asks for it: whatever comes this way has not.
            let error = Error::explain(
                ErrorType::InvalidHTTPHeader,
                "the app changed a protocol that nobody offered",
            );
            return Err(error.into_up());
        }
        let now = self.gate.clock.elapsed();
        self.give_up_if_overdue(passage, now)?;
        if response.status.is_informational() {
            return outgoing::finish_interim(&self.gate, response, passage);
        }
        if let Some(asked_at) = passage.asked_at {
            passage.upstream_took = Some(now.saturating_sub(asked_at));
        }
        if self.gate.draining.load(Ordering::Relaxed) {
            // pingora writes the `Connection` of an answer itself, and by this.
            session.set_keepalive(None);
        }
        outgoing::finish(&self.gate, response, passage)
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        _body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Self::CTX,
    ) -> Result<Option<Duration>> {
        // What is whole is not given up.
        if !end {
            self.give_up_if_overdue(passage(ctx)?, self.gate.clock.elapsed())?;
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
        // An app that waits for the rest of a body is not the one that is slow.
        let waits_for_body = passage.body_open && matches!(error.etype(), ErrorType::ReadTimedout);
        let waits_for_body = waits_for_body && !self.is_overdue(passage, self.gate.clock.elapsed());
        let found = || {
            if waits_for_body {
                Some(Refusal::RequestTimeout)
            } else {
                refusal_of(error)
            }
        };
        let refusal = passage.refusal.or_else(found);
        passage.refusal = refusal;
        let is_answered = session
            .response_written()
            .is_some_and(|written| !written.status.is_informational());
        let Some(refusal) = refusal.filter(|_| !is_answered) else {
            return FailToProxy {
                error_code: 0,
                can_reuse_downstream: false,
            };
        };
        let answer = Answer {
            refusal,
            request_id: passage.request_id.as_str(),
            html: passage.html,
            cookies: self
                .gate
                .expired_cookies(passage.expire_sessions.as_deref(), passage.client.tls),
            fields: [
                rate_fields(&passage.rate),
                outgoing::refusal_fields(
                    &self.gate,
                    Some(passage.forward.route_index()),
                    &passage.cors,
                    passage.client.tls,
                ),
            ]
            .concat(),
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
        if self.gate.access_log.is_off() {
            return;
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
            shadow: passage.shadow(),
            status,
            brought: passage.brought.words(),
            account: text_of(identity.map(|identity| &identity.account_value)),
            user: text_of(identity.map(|identity| &identity.user_value)),
            upstream: passage.upstream_took,
            took,
        });
    }

    // Each failure is told in the access log and counted.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Self::CTX, _error: &Error) -> bool {
        true
    }
}

/// A field's value for the log; nothing where there is none.
pub fn text_of(value: Option<&HeaderValue>) -> &str {
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
