//! What operators see: one access-log line and one count for each request, made without waiting for anybody.

use crate::policy::route::Routes;
use igny8_contract::refusal::Refusal;
use metrics::{Counter, Histogram, counter, histogram};
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

/// Counters and histograms by route, looked up once.
#[derive(Debug)]
pub struct Metrics {
    routes: Vec<RouteMetrics>,
    /// Refusals before a route was met.
    unrouted: Vec<Counter>,
}

struct RouteMetrics {
    /// By the answer's status class, `1xx` to `5xx`.
    forwarded: Vec<Counter>,
    /// In the order of [`Refusal::ALL`].
    refused: Vec<Counter>,
    seconds: Histogram,
}

impl std::fmt::Debug for RouteMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RouteMetrics")
    }
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

fn refusals(route: &str) -> Vec<Counter> {
    Refusal::ALL
        .iter()
        .map(|refusal| {
            counter!("igny8_requests_total", "route" => route.to_owned(), "verdict" => "refused", "code" => refusal.code())
        })
        .collect()
}

impl Metrics {
    /// Registers every counter, so that each is there from the start, at zero.
    #[must_use]
    pub fn new(routes: &Routes) -> Self {
        let of_route = |label: &str| {
            RouteMetrics {
            forwarded: CLASSES
                .iter()
                .map(|class| {
                    counter!("igny8_requests_total", "route" => label.to_owned(), "verdict" => "forwarded", "code" => *class)
                })
                .collect(),
            refused: refusals(label),
            seconds: histogram!("igny8_request_seconds", "route" => label.to_owned()),
        }
        };
        Self {
            routes: routes.all().iter().map(|route| of_route(route.label())).collect(),
            unrouted: refusals(""),
        }
    }

    /// Counts a request that went upstream and was answered with `status`.
    pub fn forwarded(&self, route: usize, status: u16, took: Duration) {
        let Some(metrics) = self.routes.get(route) else { return };
        if let Some(counter) = metrics.forwarded.get(usize::from(status / 100).saturating_sub(1)) {
            counter.increment(1);
        }
        metrics.seconds.record(took.as_secs_f64());
    }

    /// Counts a refusal.
    pub fn refused(&self, route: Option<usize>, refusal: Refusal) {
        let counters = route
            .and_then(|route| self.routes.get(route))
            .map_or(&self.unrouted, |route| &route.refused);
        // `Refusal::ALL` has the order of the enum.
        if let Some(counter) = counters.get(refusal as usize) {
            counter.increment(1);
        }
    }
}

/// One line of the access log.
#[derive(Debug)]
pub struct Entry<'a> {
    pub time_us: i64,
    pub request_id: &'a str,
    pub client: &'a str,
    pub method: &'a str,
    pub host: &'a str,
    /// Canonical for routed requests; the escaped start of the target for others. Never the query.
    pub path: &'a str,
    pub route: &'a str,
    /// `forwarded` or `refused`.
    pub verdict: &'a str,
    /// The refusal's code, or nothing.
    pub code: &'a str,
    /// The code of what a route or a limit that only watches would have refused, or nothing.
    pub shadow: &'a str,
    pub status: u16,
    /// Which credentials the client sent: words such as `bearer,session`.
    pub brought: &'a str,
    /// As the app is told; empty where nobody is known. A number of the core's, or another issuer's name.
    pub account: &'a str,
    pub user: &'a str,
    /// Until the upstream began its answer; nothing where it did not.
    pub upstream: Option<Duration>,
    pub took: Duration,
}

/// Lines that wait to be written, and at most this many bytes of them.
const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;

/// How much room a buffer keeps between flushes.
const KEPT_BYTES: usize = 64 * 1024;

/// The access log: lines are appended to memory and written by a thread of their own.
#[derive(Debug, Default)]
pub struct AccessLog {
    waiting: Mutex<Vec<u8>>,
    /// Held while it is written, by the writer alone.
    written: Mutex<Vec<u8>>,
    off: bool,
}

impl AccessLog {
    /// A log that keeps nothing when it is off.
    #[must_use]
    pub fn new(off: bool) -> Self {
        Self {
            waiting: Mutex::new(Vec::with_capacity(KEPT_BYTES)),
            written: Mutex::default(),
            off,
        }
    }

    /// Whether no line is ever written, so that none need be put together.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.off
    }

    /// Adds a line; when the writer cannot keep up, it is lost and counted instead.
    pub fn add(&self, entry: &Entry<'_>) {
        if self.off {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if waiting.len() > MAX_WAITING_BYTES {
            drop(waiting);
            counter!("igny8_access_log_lost_total").increment(1);
            return;
        }
        write_line(&mut waiting, entry);
    }

    /// Writes what is waiting. A log that cannot be written must not stop the traffic, so errors are counted.
    pub fn flush(&self, out: &mut impl Write) {
        // Two buffers take turns, so that neither has to grow again after every flush.
        let mut lines = self.written.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        std::mem::swap(
            &mut *lines,
            &mut *self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        if !lines.is_empty() && out.write_all(&lines).and_then(|()| out.flush()).is_err() {
            counter!("igny8_access_log_errors_total").increment(1);
        }
        lines.clear();
        lines.shrink_to(KEPT_BYTES);
    }
}

/// Room for a line of ordinary length.
const LINE_BYTES: usize = 512;

/// Writes one JSON line without going through a serialiser: this runs once for every request.
fn write_line(out: &mut Vec<u8>, entry: &Entry<'_>) {
    out.reserve(LINE_BYTES);
    let mut digits = itoa::Buffer::new();
    let mut number = |out: &mut Vec<u8>, key: &str, number: i64| {
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(digits.format(number).as_bytes());
    };
    number(out, "{\"time_us\":", entry.time_us);
    for (key, text) in [
        (",\"request_id\":\"", entry.request_id),
        (",\"client\":\"", entry.client),
        (",\"method\":\"", entry.method),
        (",\"host\":\"", entry.host),
        (",\"brought\":\"", entry.brought),
        (",\"path\":\"", entry.path),
        (",\"route\":\"", entry.route),
        (",\"verdict\":\"", entry.verdict),
        (",\"code\":\"", entry.code),
    ] {
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
    if !entry.shadow.is_empty() {
        out.extend_from_slice(b",\"shadow\":\"");
        out.extend_from_slice(entry.shadow.as_bytes());
        out.push(b'"');
    }
    number(out, ",\"status\":", i64::from(entry.status));
    identifier(out, ",\"account\":", entry.account);
    identifier(out, ",\"user\":", entry.user);
    let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    if let Some(upstream) = entry.upstream {
        number(out, ",\"upstream_us\":", micros(upstream));
    }
    number(out, ",\"took_us\":", micros(entry.took));
    out.extend_from_slice(b"}\n");
}

/// Writes who it was: the core's numbers as numbers, other issuers' names as strings. Their alphabet needs no escapes.
fn identifier(out: &mut Vec<u8>, key: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    out.extend_from_slice(key.as_bytes());
    // Another issuer may name somebody `007`, or by more digits than anybody's numbers have.
    let is_number = text.len() < 19 && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    let quote: &[u8] = if is_number { b"" } else { b"\"" };
    for part in [quote, text.as_bytes(), quote] {
        out.extend_from_slice(part);
    }
}

/// So much of a target or a host is logged.
pub const LOGGED_BYTES: usize = 200;

/// The start of a target that was never routed, fit for a JSON string.
#[must_use]
pub fn loggable(target: &[u8]) -> String {
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let path = &path[..path.len().min(LOGGED_BYTES)];
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    if path.iter().all(plain) {
        return String::from_utf8_lossy(path).into_owned();
    }
    path.iter()
        .map(|byte| match byte {
            b'"' | b'\\' => format!("\\{}", char::from(*byte)),
            byte if byte.is_ascii_graphic() => char::from(*byte).to_string(),
            byte => format!("\\u{byte:04x}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json_and_holds_no_query() {
        let log = AccessLog::default();
        let path = loggable(b"/a\"b\\\x00\xff?token=secret");
        log.add(&Entry {
            time_us: 1,
            request_id: "r",
            client: "127.0.0.1",
            method: "GET",
            path: &path,
            route: "/",
            verdict: "refused",
            code: "malformed_path",
            shadow: "network_refused",
            status: 400,
            host: "localhost",
            brought: "bearer",
            account: "7",
            user: "",
            upstream: Some(Duration::from_micros(11)),
            took: Duration::from_micros(12),
        });
        let mut out = Vec::new();
        log.flush(&mut out);
        let line: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(line["path"], "/a\"b\\\u{0}\u{ff}");
        assert_eq!((&line["account"], &line["took_us"]), (&7.into(), &12.into()));
        assert_eq!(line["upstream_us"], 11);
        assert_eq!(line["shadow"], "network_refused");
        assert!(line.get("user").is_none());
        for (name, told) in [("acme-7", "\"acme-7\""), ("70", "70"), ("007", "\"007\"")] {
            let mut text = Vec::new();
            identifier(&mut text, "", name);
            assert_eq!(text, told.as_bytes());
        }
    }

    #[test]
    fn the_order_of_refusals_is_the_order_of_their_counters() {
        for (place, refusal) in Refusal::ALL.iter().enumerate() {
            assert_eq!(place, *refusal as usize);
        }
    }
}
