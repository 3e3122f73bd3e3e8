//! Every way in which a file is wider than the default: what an operator should have meant to write.
//!
//! Each key of the file is judged here or is known to widen nothing; a test walks all of them. Wider is what lets more in or
//! out, believes somebody more, waits for longer, or leaves less of a trace.

mod edge;

use super::file::{self, File, Span};
use super::throttle::{self, Backend};
use super::{IssuerConfig, KeysFrom, issuers};
use crate::policy::cookies::CookieRules;
use crate::throttle::shared::OnStoreDown;
use crate::throttle::{Larger, Limits};
use igny8_contract::claims::ACCESS_TOKEN_TYPE;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// One way in which a file is wider than the default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wider {
    /// Where it stands: `server.body_timeout`, ``route `/x`: stream``, ``limits `plan.scale`: rate``.
    pub key: String,
    /// What would hold if the file said nothing; null where that is nothing.
    pub default: Value,
    pub value: Value,
    /// What it means, in words.
    pub why: String,
}

impl fmt::Display for Wider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.key, self.value)?;
        if !self.default.is_null() {
            write!(f, " (default {})", self.default)?;
        }
        write!(f, ": {}", self.why)
    }
}

/// What is found, in the order of the file.
#[derive(Default)]
struct Findings(Vec<Wider>);

impl Findings {
    fn say(
        &mut self,
        key: impl Into<String>,
        value: impl Into<Value>,
        default: impl Into<Value>,
        why: impl Into<String>,
    ) {
        self.0.push(Wider {
            key: key.into(),
            default: default.into(),
            value: value.into(),
            why: why.into(),
        });
    }

    /// Says so where a span is longer than the default.
    fn longer(&mut self, key: impl Into<String>, set: Span, default: Span, why: &str) {
        if set.0 > default.0 {
            self.say(key, in_words(set), in_words(default), why);
        }
    }

    /// Says so where a list has what the default has not.
    fn more(&mut self, key: impl Into<String>, set: &[String], default: &[String], why: &str) {
        let known = |text: &String| default.iter().any(|usual| usual.eq_ignore_ascii_case(text));
        if !set.iter().all(known) {
            self.say(key, set, default, why);
        }
    }
}

/// A span as the file would have it.
fn in_words(span: Span) -> String {
    let millis = span.0.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let fits = units
        .iter()
        .find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
    fits.map_or_else(
        || format!("{millis}ms"),
        |(unit, name)| format!("{}{name}", millis / unit),
    )
}

/// The list, in the order of the file.
pub fn than_default(file: &File, issuers: &[IssuerConfig]) -> Vec<Wider> {
    let mut found = Findings::default();
    listeners(file, &mut found);
    server(&file.server, &mut found);
    upstreams(file, &mut found);
    sessions(&file.sessions, &mut found);
    flags(file, &mut found);
    shared_throttle(&file.throttle, &mut found);
    edge::cors("cors.", &file.cors, &mut found);
    edge::security(&file.security, &mut found);
    for issuer in &file.issuer {
        self::issuer(issuer, issuers, &mut found);
    }
    for route in &file.route {
        edge::route(route, file.server.max_body_bytes, &mut found);
    }
    found.0
}

/// The same of a limits file: what admits more than what is built in, and what refuses nobody.
#[must_use]
pub fn limits(limits: &Limits) -> Vec<Wider> {
    let mut found = Findings::default();
    for Larger {
        section,
        quota,
        built_in,
    } in limits.larger()
    {
        let key = |name: &str| format!("limits `{section}`: {name}");
        if quota.emission_interval_ns() < built_in.emission_interval_ns() {
            let rates = [quota, built_in].map(|quota| rate(quota.emission_interval_ns()));
            let [rate, usual] = rates;
            found.say(key("rate"), rate, usual, "requests come back faster");
        }
        if quota.burst() > built_in.burst() {
            found.say(
                key("burst"),
                quota.burst(),
                built_in.burst(),
                "more requests may come at once",
            );
        }
    }
    for section in limits.shadows() {
        let key = format!("limits `{section}`: mode");
        found.say(key, "shadow", "enforce", "it refuses nobody");
    }
    found.0
}

/// A rate as the limits file would have it.
fn rate(interval_ns: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    let units = [
        (60 * SECOND, "m"),
        (SECOND, "s"),
        (3_600 * SECOND, "h"),
        (86_400 * SECOND, "d"),
    ];
    let whole = units.iter().find_map(|(unit, name)| {
        let count = (unit + interval_ns / 2) / interval_ns.max(1);
        // The interval of a rate is rounded to whole nanoseconds.
        (count > 0 && unit.abs_diff(count * interval_ns) <= count).then(|| format!("{count}/{name}"))
    });
    whole.unwrap_or_else(|| format!("one in {interval_ns} ns"))
}

fn listeners(file: &File, found: &mut Findings) {
    let ops = file.listen.ops;
    if !ops.ip().is_loopback() {
        let default = file::Listen::default().ops.to_string();
        found.say(
            "listen.ops",
            ops.to_string(),
            default,
            "metrics are readable from elsewhere",
        );
    }
}

fn server(server: &file::Server, found: &mut Findings) {
    let default = file::Server::default();
    let hops = server.trusted_hops.as_slice();
    found.more(
        "server.trusted_hops",
        hops,
        &[],
        "what these say of clients is believed",
    );
    let names: Vec<String> = server.hosts.iter().map(|host| without_port(host)).collect();
    if names.iter().any(|name| !default.hosts.contains(name)) {
        let why = "requests for these hosts are served";
        found.say("server.hosts", server.hosts.as_slice(), default.hosts.as_slice(), why);
    }
    if server.grace_seconds > default.grace_seconds {
        let why = "what was let in before a change goes on for longer after it";
        found.say("server.grace_seconds", server.grace_seconds, default.grace_seconds, why);
    }
    for (key, set, usual, why) in [
        (
            "header_timeout",
            server.header_timeout,
            default.header_timeout,
            "a slow header block holds a connection",
        ),
        (
            "keepalive_timeout",
            server.keepalive_timeout,
            default.keepalive_timeout,
            "an idle client holds a connection",
        ),
        (
            "body_timeout",
            server.body_timeout,
            default.body_timeout,
            "a body may pause for longer",
        ),
        (
            "send_timeout",
            server.send_timeout,
            default.send_timeout,
            "a client that does not read holds a connection",
        ),
        (
            "stream_timeout",
            server.stream_timeout,
            default.stream_timeout,
            "a silent stream or tunnel is held",
        ),
    ] {
        found.longer(format!("server.{key}"), set, usual, why);
    }
    if server.min_body_rate < default.min_body_rate {
        let why = "bodies may come as slowly as this many bytes a second";
        found.say("server.min_body_rate", server.min_body_rate, default.min_body_rate, why);
    }
    if server.max_body_bytes > default.max_body_bytes {
        let why = "larger bodies go on";
        found.say(
            "server.max_body_bytes",
            server.max_body_bytes,
            default.max_body_bytes,
            why,
        );
    }
    if server.access_log == file::AccessLog::Off {
        found.say("server.access_log", "off", "stdout", "requests leave no trace");
    }
}

/// A host in lower case, without a port: with one, less is served.
fn without_port(host: &str) -> String {
    let end = host
        .rfind(':')
        .filter(|at| host[at + 1..].bytes().all(|byte| byte.is_ascii_digit()));
    host[..end.unwrap_or(host.len())].to_ascii_lowercase()
}

fn upstreams(file: &File, found: &mut Findings) {
    for (name, upstream) in &file.upstream {
        for (key, set, usual, why) in [
            (
                "connect_timeout",
                upstream.connect_timeout,
                file::connect_timeout(),
                "it is waited for",
            ),
            (
                "read_timeout",
                upstream.read_timeout,
                file::exchange_timeout(),
                "its answer may pause for longer",
            ),
            (
                "write_timeout",
                upstream.write_timeout,
                file::exchange_timeout(),
                "it may take a request more slowly",
            ),
            (
                "idle_timeout",
                upstream.idle_timeout,
                file::idle_timeout(),
                "a connection may be used that it has given up",
            ),
            (
                "total_timeout",
                upstream.total_timeout,
                file::total_timeout(),
                "an exchange may take longer",
            ),
        ] {
            found.longer(format!("upstream.{name}.{key}"), set, usual, why);
        }
    }
    let core = &file.core;
    let why = "accounts, keys and tokens pass for longer while nobody can say whether they still may";
    found.longer("core.stale_max", core.stale_max, file::stale_max(), why);
    found.longer(
        "core.timeout",
        core.timeout,
        file::core_timeout(),
        "requests wait for it",
    );
}

fn sessions(sessions: &file::Sessions, found: &mut Findings) {
    let default = file::Sessions::default();
    let rules = CookieRules::new(&sessions.cookies);
    let is_known = |name: &String| rules.session_name(name.as_bytes()).is_some();
    if !default.cookies.iter().all(is_known) {
        let why = "the sessions of core's own panel, or an app's usual ones, pass on pages as if they were none";
        found.say(
            "sessions.cookies",
            sessions.cookies.as_slice(),
            default.cookies.as_slice(),
            why,
        );
    }
    let why = "a session passes for longer after its user's rights have changed";
    found.longer("sessions.cache", sessions.cache, default.cache, why);
    if sessions.logout_path.trim_end_matches('/') != default.logout_path {
        let why = "a POST to this path is always let through, whatever it does";
        found.say(
            "sessions.logout_path",
            sessions.logout_path.as_str(),
            default.logout_path,
            why,
        );
    }
}

fn flags(file: &File, found: &mut Findings) {
    for (name, on, means) in file.flags.all() {
        if !on {
            found.say(format!("flags.{name}"), false, true, means);
        }
    }
}

fn shared_throttle(throttle: &throttle::Written, found: &mut Findings) {
    let why = "requests wait for the store";
    found.longer(
        "throttle.timeout",
        throttle.timeout,
        throttle::Written::default().timeout,
        why,
    );
    if throttle.backend == Backend::Shared && throttle.on_store_down == OnStoreDown::Local {
        let why = "while the store is down each proxy admits as much as all together";
        found.say("throttle.on_store_down", "local", Value::Null, why);
    }
}

/// Whose keys are taken from where, what is taken on its word, and for how long.
fn issuer(written: &issuers::Written, checked: &[IssuerConfig], found: &mut Findings) {
    let name = &written.name;
    let key = |key: &str| format!("issuer `{name}`: {key}");
    let Some(issuer) = checked.iter().find(|issuer| issuer.name == *name) else {
        return;
    };
    if let KeysFrom::Url(url) = &issuer.keys
        && url.scheme_str() == Some("http")
        && !is_loopback(url.host().unwrap_or_default())
    {
        let why = "its keys come over the network without TLS";
        found.say(key("jwks_url"), url.to_string(), Value::Null, why);
    }
    if let Some(typ) = written.typ.as_deref().filter(|typ| *typ != ACCESS_TOKEN_TYPE) {
        let why = "what it gives out for something else passes as an access token";
        found.say(key("typ"), typ, ACCESS_TOKEN_TYPE, why);
    }
    if let Some(claim) = &written.role_claim {
        found.say(
            key("role_claim"),
            claim.as_str(),
            Value::Null,
            "the app is told the role that it says",
        );
    }
    let prefix = written.account_prefix.as_deref().unwrap_or_default();
    if let Some(own) = written.user_prefix.as_deref().filter(|own| *own != prefix) {
        let why = "its users are not told from another's by the prefix of its accounts";
        found.say(key("user_prefix"), own, prefix, why);
    }
    if written.standing == Some(issuers::Standing::None) {
        let why = "nobody is asked for the standing of its accounts";
        found.say(key("standing"), "none", "core", why);
    }
    if written.leeway_seconds > issuers::LEEWAY_SECONDS {
        let why = "a token that has expired passes for longer";
        found.say(
            key("leeway_seconds"),
            written.leeway_seconds,
            issuers::LEEWAY_SECONDS,
            why,
        );
    }
    if let Some(stale_max) = written.stale_max {
        let why = "keys that were taken back serve for longer";
        found.longer(key("stale_max"), stale_max, file::stale_max(), why);
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests;
