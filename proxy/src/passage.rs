//! One request on its way through the proxy: what was decided, and what is written for it upstream and back.

use crate::facts::{Brought, Client, RequestId};
use crate::policy::Forward;
use crate::throttle::Verdict;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// A permitted request. It travels with pingora's session from the front to the hooks.
#[derive(Debug)]
pub struct Passage {
    pub forward: Forward,
    pub client: Arc<Client>,
    pub request_id: RequestId,
    pub rate: Verdict,
    /// The answer makes the browser forget its sessions.
    pub expire_sessions: bool,
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
    /// Parts of the answer's body so far.
    pub answer_parts: u32,
    /// Set when the request is refused after it was permitted, as when its app is down.
    pub refusal: Option<Refusal>,
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
    pub expire_sessions: bool,
    pub rate: Option<Verdict>,
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
