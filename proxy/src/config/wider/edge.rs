//! The same of the proxy's edge: CORS, security fields, and what each route says.

use super::Findings;
use crate::config::edge::{Allow, Cors, Mode, Security};
use crate::config::file;
use crate::policy::route::{Authorization, OnSuperuserSession, RouteSessions};
use igny8_contract::standing::StandingNeed;
use serde_json::Value;

pub(super) fn cors(key: &str, cors: &Cors, found: &mut Findings) {
    if cors.origins.is_empty() {
        return;
    }
    let default = Cors::default();
    for (name, set, usual, why) in [
        (
            "origins",
            &cors.origins,
            &default.origins,
            "scripts of these origins may read answers",
        ),
        ("methods", &cors.methods, &default.methods, "they may use these methods"),
        ("headers", &cors.headers, &default.headers, "they may send these fields"),
        ("expose", &cors.expose, &default.expose, "they may read these fields"),
    ] {
        found.more(format!("{key}{name}"), set, usual, why);
    }
    if cors.credentials {
        let why = "browsers send along what they know the user by";
        found.say(format!("{key}credentials"), true, false, why);
    }
    let why = "browsers go by an old answer for longer";
    found.longer(format!("{key}max_age"), cors.max_age, default.max_age, why);
}

/// What tells other sites no more than the default does (the Referrer Policy standard, section 3).
const REFERRER_POLICIES: [&str; 4] = [
    "no-referrer",
    "same-origin",
    "strict-origin",
    "strict-origin-when-cross-origin",
];

pub(super) fn security(security: &Security, found: &mut Findings) {
    let default = Security::default();
    let one_of = |text: &str, words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text.trim()));
    let is_guarded = one_of(&security.content_type_options, &["nosniff"]);
    let is_discreet = security
        .referrer_policy
        .split(',')
        .all(|policy| one_of(policy, &REFERRER_POLICIES));
    let is_framed_by_itself = one_of(&security.frame_options, &["SAMEORIGIN", "DENY"]);
    let is_strict = max_age(&security.strict_transport_security) >= max_age(&default.strict_transport_security);
    for (key, narrow, set, usual, why) in [
        (
            "content_type_options",
            is_guarded,
            &security.content_type_options,
            default.content_type_options,
            "browsers guess what an answer is",
        ),
        (
            "referrer_policy",
            is_discreet,
            &security.referrer_policy,
            default.referrer_policy,
            "other sites are told more of where somebody was",
        ),
        (
            "frame_options",
            is_framed_by_itself,
            &security.frame_options,
            default.frame_options,
            "other sites may show pages in frames of theirs",
        ),
        (
            "strict_transport_security",
            is_strict,
            &security.strict_transport_security,
            default.strict_transport_security,
            "browsers may come back without TLS sooner",
        ),
    ] {
        if !narrow {
            found.say(format!("security.{key}"), set.as_str(), usual, why);
        }
    }
}

/// For how many seconds `Strict-Transport-Security` holds (RFC 6797, section 6.1.1); nothing where it does not say.
fn max_age(text: &str) -> Option<u64> {
    text.split(';').find_map(|directive| {
        let (name, seconds) = directive.split_once('=')?;
        let is_age = name.trim().eq_ignore_ascii_case("max-age");
        is_age.then(|| seconds.trim().trim_matches('"').parse().ok()).flatten()
    })
}

pub(super) fn route(route: &file::Route, usual_body_bytes: u64, found: &mut Findings) {
    let key = |name: &str| format!("route `{}`: {name}", route.prefix);
    let standing = match route.standing {
        StandingNeed::Required => None,
        StandingNeed::Any => Some(("any", "accounts that owe a payment pass")),
        StandingNeed::Auth => Some(("auth", "suspended accounts pass")),
    };
    if let Some((word, why)) = standing {
        found.say(key("standing"), word, "required", why);
    }
    if route.authorization == Authorization::Pass {
        found.say(key("authorization"), "pass", "drop", "unverified credentials go on");
    }
    found.more(key("cookies_allow"), &route.cookies_allow, &[], "these cookies go on");
    if route.sessions == RouteSessions::NonSuperuser {
        found.say(
            key("sessions"),
            "non_superuser",
            "never",
            "sessions of ordinary users pass",
        );
    }
    if route.on_superuser_session == OnSuperuserSession::Refuse {
        found.say(
            key("on_superuser_session"),
            "refuse",
            "revoke",
            "a leaked session lives on",
        );
    }
    if let Some(bytes) = route.max_body_bytes.filter(|bytes| *bytes > usual_body_bytes) {
        found.say(key("max_body_bytes"), bytes, usual_body_bytes, "larger bodies go on");
    }
    if route.stream {
        found.say(key("stream"), true, false, "an exchange has no total timeout");
    }
    if route.websocket {
        found.say(
            key("websocket"),
            true,
            false,
            "tunnels, into which the proxy does not look",
        );
    }
    if !route.allow.is_empty() {
        let names = route.allow.iter().map(|allow| match allow {
            Allow::EncodedSlash => "encoded_slash",
        });
        let why = "%2F may stand in a segment";
        found.say(key("allow"), names.collect::<Value>(), Value::Array(Vec::new()), why);
    }
    if route.mode == Mode::Shadow {
        found.say(key("mode"), "shadow", "enforce", "standing and networks refuse nobody");
    }
    if let Some(own) = &route.cors {
        cors(&key("cors."), own, found);
    }
}
