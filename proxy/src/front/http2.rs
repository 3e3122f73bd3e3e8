//! HTTP/2 by ALPN: pingora and h2 read frames and HPACK, and each request meets the same policy as an HTTP/1 one.
//!
//! What h2 finds malformed it resets by itself, without a hook: that is neither logged nor counted here. Everything that it
//! lets through is written as the HTTP/1 block that it means ([`crate::policy::http2`]), decided on as such, and replaced by
//! the block that the policy wrote.

use super::{Front, InFlight};
use crate::facts::{Client, RequestId};
use crate::passage::{BodyProgress, Handover, Passage, Refused};
use crate::policy::framing::{self, MAX_BLOCK_BYTES, Method};
use crate::policy::http2::{self, Pseudo};
use crate::telemetry::loggable;
use bytes::{Bytes, BytesMut};
use h2::Reason;
use http::{HeaderValue, Version};
use igny8_contract::refusal::Refusal;
use pingora::apps::HttpServerApp;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Accept, H2Options, HttpSession, default_h2_options, handshake};
use pingora::protocols::{Digest, Stream};
use pingora::server::ShutdownWatch;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// Requests that one connection may have under way.
const MAX_STREAMS: u32 = 100;
/// Requests of one connection that are worked on, those included that the client has given up meanwhile: whoever opens and
/// resets in a row gets no more work out of us than this.
const MAX_AT_WORK: usize = 128;
/// Malformed requests after which a connection is closed.
const MAX_MALFORMED: usize = 32;
/// An answer waits in at most this much memory for a client that does not take it.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// What the requests of one connection share.
#[derive(Debug, Default)]
struct Streams {
    at_work: AtomicUsize,
    malformed: AtomicUsize,
    /// Told when the last one is done.
    idle: Notify,
}

/// One request that is worked on.
struct AtWork(Arc<Streams>);

impl AtWork {
    fn begin(streams: &Arc<Streams>) -> Self {
        streams.at_work.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(streams))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        if self.0.at_work.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.idle.notify_one();
        }
    }
}

impl Streams {
    /// Waits until nothing is under way.
    async fn wait_until_idle(&self) {
        while self.at_work.load(Ordering::Relaxed) > 0 {
            self.idle.notified().await;
        }
    }
}

fn options() -> H2Options {
    let mut options = default_h2_options();
    options
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_BLOCK_BYTES).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER_BYTES);
    options
}

impl Front {
    /// Serves one HTTP/2 connection until it ends.
    pub(super) async fn serve_http2(self: &Arc<Self>, stream: Stream, client: Arc<Client>, shutdown: &ShutdownWatch) {
        let config = &self.gate.config;
        let digest = Arc::new(Digest {
            ssl_digest: stream.get_ssl_digest(),
            timing_digest: stream.get_timing_digest(),
            proxy_digest: stream.get_proxy_digest(),
            socket_digest: stream.get_socket_digest(),
        });
        let Ok(Ok(mut connection)) = timeout(config.header_timeout, handshake(stream, Some(options()))).await else {
            return;
        };
        let streams = Arc::new(Streams::default());
        let mut drain = std::pin::pin!(self.gate.drain.notified());
        drain.as_mut().enable();
        // Whoever asks to drain tells after setting the flag: a connection that begins between the two sees it here.
        let mut draining = self.gate.draining.load(Ordering::Relaxed);
        if draining {
            connection.graceful_shutdown();
        }
        loop {
            let idle = async {
                streams.wait_until_idle().await;
                sleep(config.keepalive_timeout).await;
            };
            tokio::select! {
                biased;
                () = drain.as_mut(), if !draining => {
                    connection.graceful_shutdown();
                    draining = true;
                }
                accepted = HttpSession::from_h2_conn(&mut connection, Arc::clone(&digest)) => match accepted {
                    Ok(Some(H2Accept::Session(session))) => self.begin(session, &streams, &client, shutdown),
                    Ok(Some(H2Accept::Rejected)) => {
                        streams.malformed.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(None) | Err(_) => return,
                },
                () = idle => return,
            }
            if streams.malformed.load(Ordering::Relaxed) > MAX_MALFORMED {
                metrics::counter!("igny8_http2_closed_total", "reason" => "malformed").increment(1);
                connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                return;
            }
        }
    }

    /// Begins to work on a request, beside the connection's others.
    fn begin(
        self: &Arc<Self>,
        mut session: HttpSession,
        streams: &Arc<Streams>,
        client: &Arc<Client>,
        shutdown: &ShutdownWatch,
    ) {
        if streams.at_work.load(Ordering::Relaxed) >= MAX_AT_WORK {
            metrics::counter!("igny8_http2_streams_refused_total").increment(1);
            session.shutdown_with_reason(Reason::REFUSED_STREAM);
            return;
        }
        let at_work = AtWork::begin(streams);
        let (front, client, shutdown) = (Arc::clone(self), Arc::clone(client), shutdown.clone());
        tokio::spawn(async move {
            let _in_flight = InFlight::enter(&front.gate.in_flight);
            if front.serve_stream(session, &client, &shutdown).await == Form::Malformed {
                at_work.0.malformed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    async fn serve_stream(&self, mut session: HttpSession, client: &Arc<Client>, shutdown: &ShutdownWatch) -> Form {
        session.set_write_timeout(Some(self.gate.config.send_timeout));
        session.set_total_drain_timeout(Some(self.gate.config.body_timeout));
        let mut block = BytesMut::with_capacity(1024);
        let written = write_block(&session, &mut block);
        let framed = match written.and_then(|()| framing::parse(&block)) {
            Ok(framed) => framed,
            Err(refusal) => {
                let refused = self.malformed(&block, refusal, client).await;
                self.tell_stream(&mut session, &refused, self.gate.ids.next()).await;
                return Form::Malformed;
            }
        };
        if framed.target == b"/healthz" && framed.method.reads() {
            let body = if framed.method == Method::Head { "" } else { "ok" };
            send(&mut session, health(), body).await;
            return Form::Sound;
        }
        let request_id = self.gate.ids.next();
        let mut forward = BytesMut::with_capacity(block.len() + super::OWN_BYTES);
        let decided = match self.gate.preflight(&framed, client).await {
            Some(Ok(preflight)) => {
                send(&mut session, head(204, preflight.fields), "").await;
                return Form::Sound;
            }
            Some(Err(refused)) => Err(refused),
            None => self.gate.decide(framed, client, request_id, &mut forward).await,
        };
        match decided {
            Ok(passage) => self.forward_stream(session, &forward, passage, shutdown).await,
            Err(refused) => self.tell_stream(&mut session, &refused, request_id).await,
        }
        Form::Sound
    }

    /// Hands a permitted request on to pingora, and gives it up when its body pauses for too long: pingora has no deadline
    /// for HTTP/2 bodies.
    async fn forward_stream(
        &self,
        mut session: HttpSession,
        block: &[u8],
        mut passage: Box<Passage>,
        shutdown: &ShutdownWatch,
    ) {
        let progress = Arc::new(BodyProgress::default());
        progress.note(self.gate.clock.elapsed(), !passage.body_open);
        passage.progress = passage.body_open.then(|| Arc::clone(&progress));
        let paused = passage.body_open.then(|| {
            let permitted = framing::parse(block).ok();
            Refused {
                route: Some(passage.forward.route_index()),
                method: permitted.as_ref().map_or("", |permitted| permitted.method.as_str()),
                brought: passage.brought,
                identity: passage.forward.identity().cloned(),
                host: loggable(permitted.and_then(|permitted| permitted.host).unwrap_or_default()),
                path: loggable(session.req_header().raw_path()),
                ..Refused::cut_off(Refusal::RequestTimeout, Arc::clone(&passage.client), passage.started)
            }
        });
        let request_id = passage.request_id;
        if replace_request(&mut session, block, passage).is_none() {
            return session.shutdown_with_reason(Reason::INTERNAL_ERROR);
        }
        tokio::select! {
            _ = self.proxy.process_new_http(ServerSession::new_http2(session), shutdown) => {}
            () = self.wait_for_pause(&progress) => {
                if let Some(paused) = &paused {
                    self.note(paused, &request_id);
                }
            }
        }
    }

    /// Waits until a body has paused for longer than it may; for ever, once it has ended.
    async fn wait_for_pause(&self, progress: &BodyProgress) {
        let patience = self.gate.config.body_timeout;
        while let Some(pause) = progress.pause(self.gate.clock.elapsed()) {
            match patience.checked_sub(pause) {
                Some(left) => sleep(left + Duration::from_millis(1)).await,
                None => return,
            }
        }
        std::future::pending().await
    }

    /// Tells a refusal, logs and counts it.
    async fn tell_stream(&self, session: &mut HttpSession, refused: &Refused, request_id: RequestId) {
        let answer = self.answer(refused, &request_id);
        self.note(refused, &request_id);
        let body = answer.body();
        let head = answer.to_head(body.len());
        send(session, head, if refused.head_only { "" } else { &body }).await;
    }
}

/// Whether a request could be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Sound,
    Malformed,
}

/// Writes what a request means as an HTTP/1 block.
fn write_block(session: &HttpSession, out: &mut BytesMut) -> Result<(), Refusal> {
    let request = session.req_header();
    let pseudo = Pseudo {
        method: request.method.as_str(),
        scheme: request.uri.scheme_str(),
        authority: request.uri.authority().map(http::uri::Authority::as_str),
        path: request.raw_path(),
        ended: session.is_body_done(),
    };
    http2::write_block(&pseudo, &request.headers, out)
}

/// Puts the request that was permitted into the place of the one that came; nothing where our own block cannot be read.
fn replace_request(session: &mut HttpSession, block: &[u8], passage: Box<Passage>) -> Option<()> {
    let permitted = framing::parse(block).ok()?;
    let method = permitted.method.as_str();
    let mut request = RequestHeader::build(method, permitted.target, Some(permitted.fields.len())).ok()?;
    for field in &permitted.fields {
        // How the body ends is HTTP/2's to say, and 100-continue pingora's.
        let is_framing = [&b"connection"[..], b"transfer-encoding", b"expect"]
            .iter()
            .any(|name| field.name.eq_ignore_ascii_case(name));
        if !is_framing {
            let name = std::str::from_utf8(field.name).ok()?.to_owned();
            request
                .append_header(name, HeaderValue::from_bytes(field.value).ok()?)
                .ok()?;
        }
    }
    request.set_version(Version::HTTP_2);
    Handover::put_into(passage, &mut request);
    *session.req_header_mut() = request;
    Some(())
}

fn health() -> pingora::Result<ResponseHeader> {
    let fields = [
        ("Content-Type", HeaderValue::from_static("text/plain")),
        ("Cache-Control", HeaderValue::from_static("no-store")),
    ];
    head(200, fields)
}

fn head(status: u16, fields: impl IntoIterator<Item = (&'static str, HeaderValue)>) -> pingora::Result<ResponseHeader> {
    let mut head = ResponseHeader::build(status, Some(8))?;
    for (name, value) in fields {
        head.append_header(name, value)?;
    }
    Ok(head)
}

/// Sends an answer of the proxy's own. A client that does not take it is left to itself.
async fn send(session: &mut HttpSession, head: pingora::Result<ResponseHeader>, body: &str) {
    let Ok(head) = head else { return };
    let sent = async {
        session.write_response_header(Box::new(head), body.is_empty())?;
        if !body.is_empty() {
            session
                .write_body(Bytes::copy_from_slice(body.as_bytes()), true)
                .await?;
        }
        Ok::<(), Box<pingora::Error>>(())
    };
    if let Err(error) = sent.await {
        tracing::debug!(%error, "an answer could not be sent");
    }
}
