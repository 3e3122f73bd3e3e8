//! The front: it stands before pingora, reads each raw HTTP/1 header block itself and hands on only what has a permit.
//!
//! pingora repairs some malformed requests and refuses others where no hook sees it. Here the client's bytes are linted as
//! they are, refusals are answered and counted, and what goes on is a fresh block that the policy wrote: pingora never
//! parses a byte of a header that the client sent. Bodies stream through pingora untouched. HTTP/2 (see [`http2`]) and
//! WebSockets (see [`tunnel`]) meet the same policy on their own ways.

mod http2;
mod tunnel;

use crate::answer::Answer;
use crate::facts::{Client, RequestId, Seen};
use crate::gate::Gate;
use crate::gateway::{Gateway, text_of};
use crate::outgoing::{rate_fields, refusal_fields};
use crate::passage::{Passage, Refused};
use crate::policy::framing::{self, Body, Framed};
use crate::telemetry::{Entry, loggable};
use async_trait::async_trait;
use bytes::BytesMut;
use igny8_contract::refusal::Refusal;
use memchr::memmem;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::{ALPN, Stream};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Sleep, sleep, timeout};

/// Room for the fields that the proxy adds.
const OWN_BYTES: usize = 768;
const BLOCK_END: &[u8] = b"\r\n\r\n";
/// A connection's first buffer; a request of ordinary size fits.
const BUFFER_BYTES: usize = 2048;
/// After a refusal, this much of a body is read and thrown away so that the client gets to read the answer.
const DRAIN_BYTES: usize = 256 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// The accept side of the proxy.
pub struct Front {
    gate: Arc<Gate>,
    proxy: Arc<HttpProxy<Gateway>>,
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Front")
    }
}

/// What came of waiting for a header block.
enum Head {
    /// A whole block stands at the start of the buffer.
    Block,
    /// The client has gone, or never said anything.
    Gone,
    Refused(Refusal),
}

/// What comes after a request.
enum Next {
    Read(Stream, Option<HttpPersistentSettings>),
    Close,
}

/// How long a connection may be silent between requests: at least one period, and at most one and a half. One timer
/// serves all of a connection's requests; a timer for each would have to be set and cancelled every time.
struct Patience {
    period: Duration,
    tick: Pin<Box<Sleep>>,
    ticks: u8,
}

impl Patience {
    fn new(period: Duration) -> Self {
        Self {
            period,
            tick: Box::pin(sleep(period / 2)),
            ticks: 0,
        }
    }

    /// A wait begins.
    const fn begin(&mut self) {
        self.ticks = 0;
    }

    /// Called at each tick of half a period. The first may come right after the wait began.
    fn is_over(&mut self) -> bool {
        self.ticks += 1;
        self.tick = Box::pin(sleep(self.period / 2));
        self.ticks == 3
    }
}

/// Counts what is under way, so that draining knows when it is done.
struct InFlight<'a>(&'a AtomicUsize);

impl<'a> InFlight<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl ServerApp for Front {
    async fn process_new(self: &Arc<Self>, mut stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let _connection = InFlight::enter(&self.gate.connections);
        let client = Arc::new(Client::of(&stream, &self.gate.config.trusted_hops));
        if client.tls && matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) {
            self.serve_http2(stream, client, shutdown).await;
            return None;
        }
        let mut settings = None;
        let mut buffer = BytesMut::with_capacity(BUFFER_BYTES);
        let mut patience = Patience::new(self.gate.config.header_timeout);
        loop {
            match self.read_head(&mut stream, &mut buffer, &mut patience).await {
                Head::Block => {}
                Head::Gone => return None,
                Head::Refused(refusal) => {
                    self.refuse_bytes(stream, &buffer, refusal, &client).await;
                    return None;
                }
            }
            let _in_flight = InFlight::enter(&self.gate.in_flight);
            match self
                .serve(stream, &mut buffer, &client, settings.take(), shutdown)
                .await
            {
                Next::Read(back, kept) => (stream, settings) = (back, kept),
                Next::Close => return None,
            }
            patience.period = self.gate.config.keepalive_timeout;
        }
    }
}

impl Front {
    #[must_use]
    pub const fn new(gate: Arc<Gate>, proxy: Arc<HttpProxy<Gateway>>) -> Self {
        Self { gate, proxy }
    }

    fn is_draining(&self) -> bool {
        self.gate.draining.load(Ordering::Relaxed)
    }

    /// Reads until a whole header block stands in the buffer. Doubtful bytes are refused as soon as they show.
    async fn read_head(&self, stream: &mut Stream, buffer: &mut BytesMut, patience: &mut Patience) -> Head {
        patience.begin();
        loop {
            tokio::select! {
                biased;
                read = stream.read_buf(buffer) => match read {
                    Ok(read) if read > 0 => break,
                    _ => return Head::Gone,
                },
                () = patience.tick.as_mut() => if patience.is_over() {
                    return Head::Gone;
                },
            }
        }
        // In nearly every case the first read brings the whole block, and no second timer is started.
        if buffer.ends_with(BLOCK_END) {
            return Head::Block;
        }
        let rest = timeout(self.gate.config.header_timeout, read_rest(stream, buffer));
        rest.await.unwrap_or(Head::Refused(Refusal::RequestTimeout))
    }

    /// Serves the request whose block stands at the start of the buffer; what follows it is the start of its body.
    async fn serve(
        &self,
        mut stream: Stream,
        buffer: &mut BytesMut,
        client: &Arc<Client>,
        settings: Option<HttpPersistentSettings>,
        shutdown: &ShutdownWatch,
    ) -> Next {
        let framed = match framing::parse(buffer) {
            Ok(framed) => framed,
            Err(refusal) => {
                self.refuse_bytes(stream, buffer, refusal, client).await;
                return Next::Close;
            }
        };
        let end = framed.block_bytes;
        let beyond = framed.body != Body::None || buffer.len() > end;
        let close = beyond || Seen::of(&framed).close;
        if framed.target == b"/healthz" && framed.method.reads() {
            let close = close || self.is_draining();
            let told = self.tell_health(&mut stream, framed.method, close).await;
            return after_own_answer(stream, buffer, beyond, settings, told && !close).await;
        }
        let request_id = self.gate.ids.next();
        let mut block = BytesMut::with_capacity(buffer.len() + OWN_BYTES);
        let decided = match self.answer_preflight(&mut stream, &framed, client, close).await {
            Some(Ok(kept)) => return after_own_answer(stream, buffer, beyond, settings, kept).await,
            Some(Err(refused)) => Err(refused),
            None => self.gate.decide(framed, client, request_id, &mut block).await,
        };
        match decided {
            Ok(passage) if passage.forward.opens_tunnel() => {
                let early = buffer.split_off(end);
                Box::pin(self.open_tunnel(stream, &block, early, passage)).await;
                Next::Close
            }
            Ok(passage) => {
                block.extend_from_slice(&buffer[end..]);
                buffer.clear();
                self.forward(stream, block, passage, settings, shutdown).await
            }
            Err(refused) => {
                let close = close || refused.close || self.is_draining();
                let told = self.tell(&mut stream, &refused, request_id, close).await;
                after_own_answer(stream, buffer, beyond, settings, told && !close).await
            }
        }
    }

    /// Hands a permitted request, its new block and the start of its body on to pingora.
    async fn forward(
        &self,
        stream: Stream,
        block: BytesMut,
        passage: Box<Passage>,
        settings: Option<HttpPersistentSettings>,
        shutdown: &ShutdownWatch,
    ) -> Next {
        let config = &self.gate.config;
        let mut session = ServerSession::new_http1(stream);
        match settings {
            Some(settings) => settings.apply_to_session(&mut session),
            None => session.set_keepalive(Some(config.keepalive_timeout.as_secs())),
        }
        session.set_read_timeout(Some(config.body_timeout));
        session.set_write_timeout(Some(config.send_timeout));
        session.set_total_drain_timeout(Some(config.body_timeout));
        session.set_pipelined_prefix(block);
        session.set_connection_user_context(Some(passage));
        match self.proxy.process_new_http(session, shutdown).await {
            Some(reused) => {
                let (stream, settings) = reused.consume();
                Next::Read(stream, settings)
            }
            None => Next::Close,
        }
    }

    /// Answers a preflight; whether the connection goes on, which it does not where `close` says so.
    async fn answer_preflight(
        &self,
        stream: &mut Stream,
        framed: &Framed<'_>,
        client: &Arc<Client>,
        close: bool,
    ) -> Option<Result<bool, Box<Refused>>> {
        let preflight = match self.gate.preflight(framed, client).await? {
            Ok(preflight) => preflight,
            Err(refused) => return Some(Err(refused)),
        };
        let close = close || self.is_draining();
        Some(Ok(self.write(stream, &preflight.to_bytes(close)).await && !close))
    }

    /// Writes an answer of the proxy's own; whether the client took it in time.
    async fn write(&self, stream: &mut Stream, bytes: &[u8]) -> bool {
        let written = async { stream.write_all(bytes).await.is_ok() && stream.flush().await.is_ok() };
        timeout(self.gate.config.send_timeout, written).await.unwrap_or(false)
    }

    /// Tells a refusal, logs and counts it; whether the client was there to hear it.
    async fn tell(&self, stream: &mut Stream, refused: &Refused, request_id: RequestId, close: bool) -> bool {
        let answer = self.answer(refused, &request_id);
        self.note(refused, &request_id);
        self.write(stream, &answer.to_bytes(close)).await
    }

    fn answer<'r>(&self, refused: &Refused, request_id: &'r RequestId) -> Answer<'r> {
        let mut fields = refused.rate.as_ref().map(rate_fields).unwrap_or_default();
        let secure = refused.client.tls;
        fields.extend(refusal_fields(&self.gate, refused.route, &refused.cors, secure));
        Answer {
            refusal: refused.refusal,
            request_id: request_id.as_str(),
            html: refused.html,
            cookies: self.gate.expired_cookies(refused.expire_sessions.as_deref(), secure),
            fields,
            head_only: refused.head_only,
        }
    }

    /// Counts and logs a refusal.
    fn note(&self, refused: &Refused, request_id: &RequestId) {
        let gate = &self.gate;
        let identity = refused.identity.as_deref();
        gate.metrics.refused(refused.route, refused.refusal);
        gate.access_log.add(&Entry {
            time_us: gate.clock.now().0,
            request_id: request_id.as_str(),
            client: refused.client.ip_value.to_str().unwrap_or(""),
            method: refused.method,
            host: &refused.host,
            path: &refused.path,
            route: refused
                .route
                .map_or("", |route| gate.config.routes.all()[route].label()),
            verdict: "refused",
            code: refused.refusal.code(),
            shadow: if refused.limit_watched {
                Refusal::Throttled.code()
            } else {
                ""
            },
            status: refused.refusal.status(),
            brought: refused.brought.words(),
            account: text_of(identity.map(|identity| &identity.account_value)),
            user: text_of(identity.map(|identity| &identity.user_value)),
            upstream: None,
            took: gate.clock.elapsed().saturating_sub(refused.started),
        });
    }

    /// Refuses bytes that are no request; nothing further is read as one.
    async fn refuse_bytes(&self, mut stream: Stream, bytes: &[u8], refusal: Refusal, client: &Arc<Client>) {
        let refused = self.malformed(bytes, refusal, client).await;
        self.tell(&mut stream, &refused, self.gate.ids.next(), true).await;
        drain(stream).await;
    }

    /// A refusal of bytes in which no request was found.
    async fn malformed(&self, bytes: &[u8], refusal: Refusal, client: &Arc<Client>) -> Refused {
        let (refusal, rate) = self.gate.price(refusal, client).await;
        let line = bytes
            .split(|byte| matches!(byte, b'\r' | b'\n'))
            .next()
            .unwrap_or_default();
        Refused {
            path: loggable(line.split(|byte| *byte == b' ').nth(1).unwrap_or_default()),
            rate,
            ..Refused::cut_off(refusal, Arc::clone(client), self.gate.clock.elapsed())
        }
    }

    /// Answers `/healthz`: this process takes requests, and nothing more is said.
    async fn tell_health(&self, stream: &mut Stream, method: framing::Method, close: bool) -> bool {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\nContent-Length: 2\r\n";
        let close = if close { "Connection: close\r\n" } else { "" };
        let body = if method == framing::Method::Head { "" } else { "ok" };
        self.write(stream, format!("{head}{close}\r\n{body}").as_bytes()).await
    }
}

/// Goes on with a connection, or ends it, after the proxy itself has answered. `beyond` says that a body, or whatever else,
/// has come after the request's header block or is to come: it is never read as a next request.
async fn after_own_answer(
    stream: Stream,
    buffer: &mut BytesMut,
    beyond: bool,
    settings: Option<HttpPersistentSettings>,
    keep: bool,
) -> Next {
    if beyond {
        drain(stream).await;
        return Next::Close;
    }
    if !keep {
        return Next::Close;
    }
    buffer.clear();
    Next::Read(stream, settings)
}

/// Reads on until a whole header block stands in the buffer; what is there already has not been linted.
async fn read_rest(stream: &mut Stream, buffer: &mut BytesMut) -> Head {
    let mut linted = 0_usize;
    loop {
        if memmem::find(&buffer[linted.saturating_sub(BLOCK_END.len() - 1)..], BLOCK_END).is_some() {
            return Head::Block;
        }
        if let Err(refusal) = framing::lint_unfinished(buffer, linted) {
            return Head::Refused(refusal);
        }
        linted = buffer.len();
        match stream.read_buf(buffer).await {
            Ok(read) if read > 0 => {}
            _ => return Head::Gone,
        }
    }
}

/// Closes our side and reads the rest for a moment: a connection that is reset takes the answer with it.
async fn drain(mut stream: Stream) {
    if AsyncWriteExt::shutdown(&mut stream).await.is_err() {
        return;
    }
    let rest = async {
        let mut bytes = [0; 4096];
        let mut left = DRAIN_BYTES;
        while let Ok(read) = stream.read(&mut bytes).await {
            left = left.saturating_sub(read);
            if read == 0 || left == 0 {
                return;
            }
        }
    };
    // Past the time, the connection is simply closed.
    drop(timeout(DRAIN_TIME, rest).await);
}
