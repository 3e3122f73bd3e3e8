//! One request on its way through the proxy: what was decided, and what is written for it upstream and back.

use crate::facts::{Brought, Client, RequestId};
use crate::policy::Forward;
use crate::policy::cors;
use crate::policy::identity::Identity;
use crate::throttle::Verdict;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use pingora::http::RequestHeader;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A permitted request. It travels with pingora's session from the front to the hooks.
#[derive(Debug)]
pub struct Passage {
    pub forward: Forward,
    pub client: Arc<Client>,
    pub request_id: RequestId,
    pub rate: Verdict,
    /// A limit that only watches would have refused it.
    pub limit_watched: bool,
    /// The answer makes the browser forget its sessions: those configured, and these names.
    pub expire_sessions: Option<Vec<String>>,
    /// Refusals of this request are told to people.
    pub html: bool,
    /// The block that goes on says what the client wants of its connection.
    pub names_connection: bool,
    /// Which credentials the client sent.
    pub brought: Brought,
    /// The wall clock and the clock's elapsed time at the start.
    pub now: Timestamp,
    pub started: Duration,
    pub body_bytes: u64,
    /// More of the body is still to come.
    pub body_open: bool,
    /// Whoever waits for the body beside pingora reads here how it goes on.
    pub progress: Option<Arc<BodyProgress>>,
    /// What the route's rule says of the origin that asked.
    pub cors: cors::Verdict,
    /// When the upstream was asked last, by the clock's elapsed time, and how long it took to begin its answer; for the log alone.
    pub asked_at: Option<Duration>,
    pub upstream_took: Option<Duration>,
    /// Set when the request is refused after it was permitted, as when its app is down.
    pub refusal: Option<Refusal>,
}

impl Passage {
    /// The code of what would have been refused if something did not only watch: the route's word, else the throttle's.
    #[must_use]
    pub fn shadow(&self) -> &'static str {
        let throttled = self.limit_watched.then_some(Refusal::Throttled);
        self.forward.shadow().or(throttled).map_or("", Refusal::code)
    }
}

/// A request that goes nowhere, and how it is told.
#[derive(Debug)]
pub struct Refused {
    pub refusal: Refusal,
    /// Who asked: behind trusted hops not who is connected.
    pub client: Arc<Client>,
    /// The route's place, once one was met.
    pub route: Option<usize>,
    pub html: bool,
    pub head_only: bool,
    /// As for a passage.
    pub expire_sessions: Option<Vec<String>>,
    pub rate: Option<Verdict>,
    /// A limit that only watches would have refused it.
    pub limit_watched: bool,
    /// Whose request it is, where that has been proven.
    pub identity: Option<Arc<Identity>>,
    /// What the route's rule says of the origin that asked.
    pub cors: cors::Verdict,
    /// No further request is read from the connection.
    pub close: bool,
    /// Body bytes may still be on their way.
    pub has_body: bool,
    /// The clock's elapsed time at the start.
    pub started: Duration,
    /// Which credentials the client sent.
    pub brought: Brought,
    /// For the log: method, host and path, in a form fit for it.
    pub method: &'static str,
    pub host: String,
    pub path: String,
}

impl Refused {
    /// A refusal of a request that was cut off: nothing more of it is read, and nothing else is known of it.
    #[must_use]
    pub fn cut_off(refusal: Refusal, client: Arc<Client>, started: Duration) -> Self {
        Self {
            refusal,
            client,
            started,
            route: None,
            html: false,
            head_only: false,
            expire_sessions: None,
            rate: None,
            limit_watched: false,
            identity: None,
            cors: cors::Verdict::Silent,
            close: true,
            has_body: true,
            brought: Brought::default(),
            method: "",
            host: String::new(),
            path: String::new(),
        }
    }
}

/// How a request body goes on, as told by the hook that sees its parts.
#[derive(Debug, Default)]
pub struct BodyProgress {
    /// The clock's elapsed milliseconds at the last part.
    last_millis: AtomicU64,
    ended: AtomicBool,
}

impl BodyProgress {
    /// A part has come; `ended` says that it was the last.
    pub fn note(&self, elapsed: Duration, ended: bool) {
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        self.last_millis.store(millis, Ordering::Relaxed);
        self.ended.fetch_or(ended, Ordering::Relaxed);
    }

    /// How long the body has paused; nothing once it has ended.
    #[must_use]
    pub fn pause(&self, elapsed: Duration) -> Option<Duration> {
        if self.ended.load(Ordering::Relaxed) {
            return None;
        }
        let last = Duration::from_millis(self.last_millis.load(Ordering::Relaxed));
        Some(elapsed.saturating_sub(last))
    }
}

/// A passage that travels inside an HTTP/2 request, which has no other place for it. Whoever takes it first has it.
#[derive(Clone, Debug)]
pub struct Handover(Arc<Mutex<Option<Box<Passage>>>>);

impl Handover {
    /// Puts a passage into a request.
    pub fn put_into(passage: Box<Passage>, request: &mut RequestHeader) {
        let handover = Self(Arc::new(Mutex::new(Some(passage))));
        request.extensions_mut().insert(handover);
    }

    /// The passage that came with a request; nothing when there is none.
    #[must_use]
    pub fn take_from(request: &mut RequestHeader) -> Option<Box<Passage>> {
        let handover = request.extensions_mut().remove::<Self>()?;
        let mut place = handover.0.lock().unwrap_or_else(PoisonError::into_inner);
        place.take()
    }
}
