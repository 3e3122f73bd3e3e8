//! Every way in which a file is wider than the default, in words: what an operator should have meant to write.

use super::edge::{Allow, Cors, Mode, Security};
use super::file::{self, File, Span};
use super::throttle::{self, Backend};
use super::{IssuerConfig, KeysFrom};
use crate::policy::route::{Authorization, OnSuperuserSession, RouteSessions};
use crate::throttle::shared::OnStoreDown;
use igny8_contract::standing::StandingNeed;

/// The list, in the order of the file.
pub fn than_default(file: &File, issuers: &[IssuerConfig]) -> Vec<String> {
    let mut wider = Vec::new();
    listeners(file, &mut wider);
    server(&file.server, &mut wider);
    upstreams(file, &mut wider);
    flags(file, &mut wider);
    shared_throttle(&file.throttle, &mut wider);
    cors("cors", &file.cors, &mut wider);
    security(&file.security, &mut wider);
    self::issuers(issuers, &mut wider);
    for route in &file.route {
        self::route(route, file.server.max_body_bytes, &mut wider);
    }
    wider
}

fn longer(key: &str, set: Span, default: Span, wider: &mut Vec<String>) {
    if set.0 > default.0 {
        wider.push(format!("{key}: {:?} instead of {:?}", set.0, default.0));
    }
}

fn listeners(file: &File, wider: &mut Vec<String>) {
    let ops = file.listen.ops;
    if !ops.ip().is_loopback() {
        wider.push(format!(
            "listen.ops: {ops} is not on loopback: metrics are readable from elsewhere"
        ));
    }
}

fn server(server: &file::Server, wider: &mut Vec<String>) {
    let default = file::Server::default();
    for hop in &server.trusted_hops {
        wider.push(format!("server.trusted_hops: what {hop} says of clients is believed"));
    }
    for (key, set, default) in [
        ("header_timeout", server.header_timeout, default.header_timeout),
        ("keepalive_timeout", server.keepalive_timeout, default.keepalive_timeout),
        ("body_timeout", server.body_timeout, default.body_timeout),
        ("send_timeout", server.send_timeout, default.send_timeout),
        ("stream_timeout", server.stream_timeout, default.stream_timeout),
    ] {
        longer(&format!("server.{key}"), set, default, wider);
    }
    if server.min_body_rate < default.min_body_rate {
        let rate = server.min_body_rate;
        wider.push(format!(
            "server.min_body_rate: bodies may come as slowly as {rate} bytes a second"
        ));
    }
    if server.max_body_bytes > default.max_body_bytes {
        wider.push(format!(
            "server.max_body_bytes: bodies of {} bytes",
            server.max_body_bytes
        ));
    }
}

fn upstreams(file: &File, wider: &mut Vec<String>) {
    for (name, upstream) in &file.upstream {
        for (key, set, default) in [
            ("connect_timeout", upstream.connect_timeout, file::connect_timeout()),
            ("read_timeout", upstream.read_timeout, file::exchange_timeout()),
            ("write_timeout", upstream.write_timeout, file::exchange_timeout()),
            ("idle_timeout", upstream.idle_timeout, file::idle_timeout()),
            ("total_timeout", upstream.total_timeout, file::total_timeout()),
        ] {
            longer(&format!("upstream.{name}.{key}"), set, default, wider);
        }
    }
    longer("core.stale_max", file.core.stale_max, file::stale_max(), wider);
    longer("core.timeout", file.core.timeout, file::core_timeout(), wider);
    longer(
        "sessions.cache",
        file.sessions.cache,
        file::Sessions::default().cache,
        wider,
    );
}

fn flags(file: &File, wider: &mut Vec<String>) {
    for (name, on, means) in file.flags.all() {
        if !on {
            wider.push(format!("flags.{name} is off: {means}"));
        }
    }
}

fn shared_throttle(throttle: &throttle::Written, wider: &mut Vec<String>) {
    if throttle.backend == Backend::Shared && throttle.on_store_down == OnStoreDown::Local {
        wider.push(
            "throttle.on_store_down: while the store is down each proxy admits as much as all together".to_owned(),
        );
    }
}

fn issuers(issuers: &[IssuerConfig], wider: &mut Vec<String>) {
    for issuer in issuers {
        let name = &issuer.name;
        if let KeysFrom::Url(url) = &issuer.keys
            && url.scheme_str() == Some("http")
            && !is_loopback(url.host().unwrap_or_default())
        {
            wider.push(format!("issuer `{name}`: its keys come over the network without TLS"));
        }
        if issuer.refuses_all {
            wider.push(format!(
                "issuer `{name}`: narrower, not wider: the core knows none of its accounts, so every request is refused with \
                 account_missing; standing = \"none\" lets them pass"
            ));
        } else if name != "core" {
            wider.push(format!(
                "issuer `{name}`: nobody is asked for the standing of its accounts"
            ));
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn cors(key: &str, cors: &Cors, wider: &mut Vec<String>) {
    if cors.origins.is_empty() {
        return;
    }
    let credentials = if cors.credentials { ", with credentials" } else { "" };
    let origins = cors.origins.join(" ");
    wider.push(format!("{key}: scripts of {origins} may read answers{credentials}"));
}

fn security(security: &Security, wider: &mut Vec<String>) {
    for (key, text) in [
        ("content_type_options", &security.content_type_options),
        ("referrer_policy", &security.referrer_policy),
        ("frame_options", &security.frame_options),
        ("strict_transport_security", &security.strict_transport_security),
    ] {
        if text.is_empty() {
            wider.push(format!("security.{key}: pages go without"));
        }
    }
}

fn route(route: &file::Route, usual_body_bytes: u64, wider: &mut Vec<String>) {
    let key = format!("route `{}`", route.prefix);
    let mut say = |text: String| wider.push(format!("{key}: {text}"));
    match route.standing {
        StandingNeed::Required => {}
        StandingNeed::Any => say("standing = \"any\": accounts that owe a payment pass".into()),
        StandingNeed::Auth => say("standing = \"auth\": suspended accounts pass".into()),
    }
    if route.authorization == Authorization::Pass {
        say("authorization = \"pass\": unverified credentials go on".into());
    }
    if !route.cookies_allow.is_empty() {
        say(format!("cookies_allow: {}", route.cookies_allow.join(" ")));
    }
    if route.sessions == RouteSessions::NonSuperuser {
        say("sessions = \"non_superuser\": sessions of ordinary users pass".into());
    }
    if route.on_superuser_session == OnSuperuserSession::Refuse {
        say("on_superuser_session = \"refuse\": a leaked session lives on".into());
    }
    if let Some(bytes) = route.max_body_bytes.filter(|bytes| *bytes > usual_body_bytes) {
        say(format!("max_body_bytes: bodies of {bytes} bytes"));
    }
    if route.stream {
        say("stream: answers have no total timeout".into());
    }
    if route.websocket {
        say("websocket: tunnels, into which the proxy does not look".into());
    }
    for allow in &route.allow {
        match allow {
            Allow::EncodedSlash => say("allow: encoded_slash".into()),
        }
    }
    if route.mode == Mode::Shadow {
        say("mode = \"shadow\": standing and networks refuse nobody".into());
    }
    if let Some(own) = &route.cors {
        cors(&format!("{key}: cors"), own, wider);
    }
}
