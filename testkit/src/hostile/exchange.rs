//! Sending one case and taking down everything that comes back.

use super::{Case, Verdict};
use crate::raw::{Connection, ReadError, Response};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long to wait for an answer to bytes that may break off, before closing.
const PAUSE: Duration = Duration::from_millis(500);

/// How many connections are used at once.
const SENDERS: usize = 12;

/// What came back on the case's connection.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The mark that the case was sent with.
    pub mark: String,
    /// The first answer; nothing where the connection was closed without one.
    pub answer: Option<Response>,
    /// How many answers there were.
    pub answers: usize,
    /// Whether the other side closed the connection in time.
    pub closed: bool,
}

/// Sends every case to `address`, several at a time; the exchanges come back in the order of the cases. An answer, or the
/// end of the connection after it, may take as long as `patience`.
///
/// # Panics
/// When there is no connection to be had.
#[must_use]
pub fn exchange_all(cases: &[Case], address: &str, token: &str, patience: Duration) -> Vec<Exchange> {
    let next = AtomicUsize::new(0);
    let work = || {
        let numbers = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < cases.len()));
        numbers
            .map(|number| {
                (
                    number,
                    exchange(&cases[number], &mark(number), address, token, patience),
                )
            })
            .collect::<Vec<_>>()
    };
    let mut exchanges = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(work)).collect();
        senders
            .into_iter()
            .flat_map(|sender| sender.join().unwrap_or_default())
            .collect::<Vec<_>>()
    });
    exchanges.sort_by_key(|(number, _)| *number);
    assert_eq!(exchanges.len(), cases.len(), "a sender gave up");
    exchanges.into_iter().map(|(_, exchange)| exchange).collect()
}

/// Sends `case` to `address` on a connection of its own, under this mark.
fn exchange(case: &Case, mark: &str, address: &str, token: &str, whole_patience: Duration) -> Exchange {
    let bytes = case.render(mark, address, token);
    let mut connection =
        Connection::open(address).unwrap_or_else(|error| panic!("no connection to {address}: {error}"));
    let (now, later) = bytes.split_at(case.hidden_at(&bytes).unwrap_or(bytes.len()));
    // Whoever refuses early may close before everything is sent.
    let _may_be_refused = connection.send(now);
    let method = if bytes.starts_with(b"HEAD ") { "HEAD" } else { "GET" };
    // Where an answer is sure to come it is waited for: a sender that closes its half is given up by then.
    let sure = matches!(case.verdict, Verdict::Forwarded(_)) && !case.late;
    let patience = if (case.breaks_off || case.late) && !sure {
        PAUSE
    } else {
        whole_patience
    };
    let mut first = connection.read_response_to(method, patience);
    if !later.is_empty() {
        let _may_be_closed = connection.send(later);
        // An answer to what came late, if there is to be one, comes before the connection is closed.
        if matches!(first, Err(ReadError::TimedOut(_))) {
            first = connection.read_response_to(method, whole_patience);
        }
    }
    let mut answers = usize::from(first.is_ok());
    if !later.is_empty() {
        answers += usize::from(connection.read_response(PAUSE).is_ok());
    }
    let _may_be_closed = connection.finish_sending();
    if matches!(first, Err(ReadError::TimedOut(_))) {
        first = connection.read_response_to(method, whole_patience);
        answers += usize::from(first.is_ok());
    }
    let closed = loop {
        match connection.read_response(whole_patience) {
            Ok(_) => answers += 1,
            Err(ReadError::TimedOut(_)) => break false,
            Err(_) => break true,
        }
    };
    Exchange {
        mark: mark.to_owned(),
        answer: first.ok(),
        answers,
        closed,
    }
}

/// The mark of a case: it travels in `X-Marker` and names the case in what the witness wrote down.
#[must_use]
pub fn mark(case_number: usize) -> String {
    format!("case-{case_number}")
}

/// Whether the answer is the refusal that the verdict asks for. The code is in a JSON body; in HTML the status must do.
#[must_use]
pub fn is_refused_as(answer: &Response, verdict: &Verdict) -> bool {
    let Verdict::Refused(codes) = verdict else { return false };
    let code = answer.code();
    if code.is_empty() {
        return codes.iter().any(|code| status_of(code) == answer.status);
    }
    codes.contains(&code.as_str()) && status_of(&code) == answer.status
}

fn status_of(code: &str) -> u16 {
    match code {
        "credentials_required" | "credentials_ambiguous" | "token_invalid" | "token_expired" | "api_key_invalid" => 401,
        "session_not_allowed" | "superuser_session_blocked" => 403,
        "no_route" => 404,
        "method_not_allowed" => 405,
        "body_too_large" => 413,
        "expectation_failed" => 417,
        "fields_too_large" => 431,
        _ => 400,
    }
}
