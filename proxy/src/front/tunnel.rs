//! WebSockets: a permitted request whose connection becomes a tunnel to the app.
//!
//! The tunnel is the front's own, from the handshake on: it ends when either side ends, when it is silent for too long, when
//! draining begins, and when whoever opened it may no longer do so. Nothing in it is read as HTTP again, and nothing that
//! follows a handshake is treated as a tunnel before the app has agreed to one.

use super::Front;
use crate::answer::Answer;
use crate::gateway::text_of;
use crate::outgoing::{self, rate_fields, refusal_fields};
use crate::passage::Passage;
use crate::policy::framing;
use crate::telemetry::Entry;
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use igny8_contract::refusal::Refusal;
use pingora::http::ResponseHeader;
use pingora::protocols::Stream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

/// How often a tunnel is looked at: a credential that was revoked is felt within a second.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// The buffer of each direction.
const BUFFER_BYTES: usize = 8 * 1024;

/// Why a tunnel has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    ByOneSide,
    Silent,
    Draining,
    Refused(Refusal),
}

impl Ended {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ByOneSide => "closed",
            Self::Silent => "silent",
            Self::Draining => "draining",
            Self::Refused(_) => "refused",
        }
    }
}

/// Ends the task that drives the connection to the app, whatever becomes of the request.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Front {
    /// Asks the app for a tunnel and serves it, or hands on what the app answers instead. `early` is what the client has sent
    /// behind its request. The connection is not used again.
    pub(super) async fn open_tunnel(
        &self,
        mut stream: Stream,
        block: &[u8],
        early: BytesMut,
        mut passage: Box<Passage>,
    ) {
        let asked_at = self.gate.clock.elapsed();
        let answered = self.ask(block, &passage).await;
        if answered.is_ok() {
            passage.upstream_took = Some(self.gate.clock.elapsed().saturating_sub(asked_at));
        }
        let (status, ended) = match answered {
            Err(refusal) => {
                passage.refusal = Some(refusal);
                self.tell_tunnel(&mut stream, refusal, &passage).await;
                (refusal.status(), None)
            }
            Ok((answer, driver)) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                let served = self.tunnel(&mut stream, answer, &early, &passage).await;
                drop(driver);
                match served {
                    Ok(ended) => (StatusCode::SWITCHING_PROTOCOLS.as_u16(), ended),
                    Err(refusal) => {
                        passage.refusal = Some(refusal);
                        self.tell_tunnel(&mut stream, refusal, &passage).await;
                        (refusal.status(), None)
                    }
                }
            }
            Ok((answer, driver)) => {
                let status = answer.status().as_u16();
                self.hand_on(&mut stream, answer, &passage).await;
                drop(driver);
                (status, None)
            }
        };
        self.note_tunnel(block, &passage, status, ended);
    }

    /// Sends the handshake to the app.
    async fn ask(&self, block: &[u8], passage: &Passage) -> Result<(Response<Incoming>, Driver), Refusal> {
        let route = &self.gate.config.routes.all()[passage.forward.route_index()];
        let upstream = &self.gate.config.upstreams[route.upstream];
        let request = request(block).ok_or(Refusal::MalformedPath)?;
        let connected = timeout(upstream.connect_timeout, TcpStream::connect(upstream.address));
        let io = match connected.await {
            Ok(Ok(io)) => io,
            Ok(Err(_)) | Err(_) => return Err(Refusal::UpstreamUnreachable),
        };
        // Names as most apps know them.
        let (mut sender, connection) = http1::Builder::new()
            .title_case_headers(true)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|_| Refusal::UpstreamUnreachable)?;
        let driver = Driver(tokio::spawn(connection.with_upgrades()).abort_handle());
        let patience = if route.stream {
            upstream.read_timeout
        } else {
            upstream.read_timeout.min(upstream.total_timeout)
        };
        match timeout(patience, sender.send_request(request)).await {
            Ok(Ok(answer)) => Ok((answer, driver)),
            Ok(Err(_)) => Err(Refusal::UpstreamUnreachable),
            Err(_) => Err(Refusal::UpstreamTimeout),
        }
    }

    /// Serves the tunnel; nothing where the client did not wait for it, and a refusal, of which nothing has been told yet,
    /// where the app agreed to something else than it was asked for.
    async fn tunnel(
        &self,
        stream: &mut Stream,
        mut answer: Response<Incoming>,
        early: &[u8],
        passage: &Passage,
    ) -> Result<Option<Ended>, Refusal> {
        let upgraded = hyper::upgrade::on(&mut answer);
        let head = self.head(&answer, passage).ok_or(Refusal::UpstreamUnreachable)?;
        let io = upgraded.await.map_err(|_| Refusal::UpstreamUnreachable)?;
        if !self.write(stream, &head).await {
            return Ok(None);
        }
        let mut app = TokioIo::new(io);
        if !early.is_empty() && app.write_all(early).await.is_err() {
            return Ok(Some(Ended::ByOneSide));
        }
        metrics::gauge!("igny8_tunnels").increment(1);
        let ended = self.relay(stream, app, passage).await;
        metrics::gauge!("igny8_tunnels").decrement(1);
        metrics::counter!("igny8_tunnels_ended_total", "reason" => ended.as_str()).increment(1);
        Ok(Some(ended))
    }

    async fn relay(&self, stream: &mut Stream, app: impl AsyncRead + AsyncWrite, passage: &Passage) -> Ended {
        let (mut client_reads, mut client_writes) = tokio::io::split(stream);
        let (mut app_reads, mut app_writes) = tokio::io::split(app);
        let active = AtomicU64::new(self.millis());
        let patience = self.gate.config.send_timeout;
        let touch = || active.store(self.millis(), Ordering::Relaxed);
        let both = async {
            let mut down = std::pin::pin!(pump(&mut app_reads, &mut client_writes, patience, &touch));
            // The app may have something left to say to a client that has said everything.
            tokio::select! {
                () = &mut down => {}
                () = pump(&mut client_reads, &mut app_writes, patience, &touch) => down.await,
            }
        };
        tokio::select! {
            () = both => Ended::ByOneSide,
            ended = self.watch(&active, passage) => ended,
        }
    }

    /// Waits for a reason to end a tunnel that neither side ends.
    async fn watch(&self, active: &AtomicU64, passage: &Passage) -> Ended {
        let silence = u64::try_from(self.gate.config.stream_timeout.as_millis()).unwrap_or(u64::MAX);
        loop {
            sleep(LOOK_EVERY).await;
            if self.gate.draining.load(Ordering::Relaxed) {
                return Ended::Draining;
            }
            if self.millis().saturating_sub(active.load(Ordering::Relaxed)) > silence {
                return Ended::Silent;
            }
            if let Err(refusal) = self.gate.still_stands(&passage.forward).await {
                return Ended::Refused(refusal);
            }
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.gate.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Hands on an answer that is no tunnel. The connection ends with it.
    async fn hand_on(&self, stream: &mut Stream, answer: Response<Incoming>, passage: &Passage) {
        let Some(head) = self.head(&answer, passage) else {
            return self.tell_tunnel(stream, Refusal::UpstreamUnreachable, passage).await;
        };
        if !self.write(stream, &head).await {
            return;
        }
        let mut body = answer.into_body();
        let pause = self.gate.config.stream_timeout;
        while let Ok(Some(Ok(frame))) = timeout(pause, body.frame()).await {
            if let Ok(bytes) = frame.into_data()
                && !self.write(stream, &bytes).await
            {
                return;
            }
        }
        // The client sees the end of the body by the end of the connection.
        drop(timeout(self.gate.config.send_timeout, AsyncWriteExt::shutdown(stream)).await);
    }

    /// The head of the app's answer as it goes to the client.
    fn head(&self, answer: &Response<Incoming>, passage: &Passage) -> Option<Vec<u8>> {
        let mut head = ResponseHeader::build(answer.status(), Some(answer.headers().len() + 8)).ok()?;
        for (name, value) in answer.headers() {
            head.append_header(name.clone(), value.clone()).ok()?;
        }
        outgoing::finish(&self.gate, &mut head, passage).ok()?;
        for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
            head.remove_header(&name);
        }
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let agreed = answer.headers().get(header::UPGRADE)?;
            if !agreed.as_bytes().eq_ignore_ascii_case(b"websocket") {
                return None;
            }
            head.insert_header(header::CONNECTION, "Upgrade").ok()?;
            head.insert_header(header::UPGRADE, "websocket").ok()?;
        } else {
            head.insert_header(header::CONNECTION, "close").ok()?;
        }
        let mut bytes = BytesMut::with_capacity(1024);
        let reason = answer.status().canonical_reason().unwrap_or("");
        bytes.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", answer.status().as_u16()).as_bytes());
        head.header_to_h1_wire(&mut bytes);
        bytes.extend_from_slice(b"\r\n");
        Some(bytes.to_vec())
    }

    async fn tell_tunnel(&self, stream: &mut Stream, refusal: Refusal, passage: &Passage) {
        let mut fields = rate_fields(&passage.rate);
        let route = Some(passage.forward.route_index());
        fields.extend(refusal_fields(&self.gate, route, &passage.cors, passage.client.tls));
        let answer = Answer {
            refusal,
            request_id: passage.request_id.as_str(),
            html: passage.html,
            cookies: Vec::new(),
            fields,
            head_only: false,
        };
        self.write(stream, &answer.to_bytes(true)).await;
    }

    /// Counts and logs what became of the request.
    fn note_tunnel(&self, block: &[u8], passage: &Passage, status: u16, ended: Option<Ended>) {
        let gate = &self.gate;
        let route = passage.forward.route_index();
        let took = gate.clock.elapsed().saturating_sub(passage.started);
        match passage.refusal {
            Some(refusal) => gate.metrics.refused(Some(route), refusal),
            None => gate.metrics.forwarded(route, status, took),
        }
        let ended_by = match ended {
            Some(Ended::Refused(refusal)) => Some(refusal),
            Some(Ended::ByOneSide | Ended::Silent | Ended::Draining) | None => None,
        };
        let path = block
            .split(|byte| matches!(byte, b' ' | b'?'))
            .nth(1)
            .unwrap_or_default();
        let host = framing::parse(block).ok().and_then(|permitted| permitted.host);
        let host = crate::telemetry::loggable(host.unwrap_or_default());
        let identity = passage.forward.identity();
        gate.access_log.add(&Entry {
            time_us: passage.now.0,
            request_id: passage.request_id.as_str(),
            client: passage.client.ip_value.to_str().unwrap_or(""),
            method: "GET",
            host: &host,
            path: std::str::from_utf8(path).unwrap_or(""),
            route: gate.config.routes.all()[route].label(),
            verdict: if passage.refusal.is_some() {
                "refused"
            } else {
                "forwarded"
            },
            code: passage.refusal.or(ended_by).map_or("", Refusal::code),
            shadow: passage.shadow(),
            status,
            brought: passage.brought.words(),
            account: text_of(identity.map(|identity| &identity.account_value)),
            user: text_of(identity.map(|identity| &identity.user_value)),
            upstream: passage.upstream_took,
            took,
        });
    }
}

/// The permitted block as a request.
fn request(block: &[u8]) -> Option<Request<Empty<Bytes>>> {
    let permitted = framing::parse(block).ok()?;
    let mut request = Request::builder()
        .method(permitted.method.as_str())
        .uri(permitted.target)
        .body(Empty::new())
        .ok()?;
    for field in &permitted.fields {
        let name = http::HeaderName::from_bytes(field.name).ok()?;
        request
            .headers_mut()
            .append(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    Some(request)
}

/// Carries bytes one way until there are no more, and tells the other side so.
async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    patience: Duration,
    touch: &(impl Fn() + Sync),
) {
    let mut bytes = vec![0; BUFFER_BYTES];
    while let Ok(read) = from.read(&mut bytes).await {
        if read == 0 {
            break;
        }
        touch();
        let written = async { to.write_all(&bytes[..read]).await.is_ok() && to.flush().await.is_ok() };
        if !timeout(patience, written).await.unwrap_or(false) {
            return;
        }
    }
    drop(timeout(patience, to.shutdown()).await);
}
