use super::super::tests::ROUTE;
use super::super::{Config, load};
use super::*;
use crate::throttle::limits::ScopeNames;
use std::collections::{BTreeMap, BTreeSet};

/// What was found of one key.
enum Judged {
    /// This value is wider than the default.
    Wide(&'static str),
    /// The same, where these variables hold as well.
    WideWith(&'static str, &'static [(&'static str, &'static str)]),
    /// No value of it is, for this reason; the value is one that differs from the default, where there can be one.
    Never(&'static str, &'static str),
}
use Judged::{Never, Wide, WideWith};

const CORS: &[(&str, &str)] = &[("CORS__ORIGINS", "[\"https://a.b\"]")];
const ROUTE_CORS: &[(&str, &str)] = &[("ROUTE__0__CORS__ORIGINS", "[\"https://a.b\"]")];
const STORE: &[(&str, &str)] = &[("THROTTLE__URL", "redis://127.0.0.1:1/0")];
const CHOSEN: &str = "it has no default: every file says its own";
const NARROWER: &str = "whatever it says lets through less";
const INNER: &str = "how the program does its work, not what it lets through";

/// Every key of the file, by its table.
const JUDGED: &[(&str, &[(&str, Judged)])] = &[
    (
        "LISTEN",
        &[
            ("public", Never("127.0.0.1:1", "the default listens everywhere")),
            ("ops", Wide("0.0.0.0:1")),
            ("tls", Never("", NARROWER)),
        ],
    ),
    (
        "LISTEN__TLS",
        &[("cert", Never("", CHOSEN)), ("key", Never("", CHOSEN))],
    ),
    (
        "SERVER",
        &[
            ("threads", Never("7", INNER)),
            ("trusted_hops", Wide("[\"10.0.0.1\"]")),
            ("hosts", Wide("[\"localhost\", \"app.example\"]")),
            ("grace_seconds", Wide("60")),
            (
                "limits_file",
                Never("other.toml", "what it says is judged, not where it lies"),
            ),
            ("header_timeout", Wide("11s")),
            ("keepalive_timeout", Wide("61s")),
            ("body_timeout", Wide("31s")),
            ("min_body_rate", Wide("255")),
            ("send_timeout", Wide("31s")),
            ("stream_timeout", Wide("6m")),
            ("max_body_bytes", Wide("10485761")),
            ("access_log", Wide("off")),
            ("rate_limit_fields", Never("false", NARROWER)),
        ],
    ),
    (
        "UPSTREAM__APP",
        &[
            ("address", Never("127.0.0.1:9", CHOSEN)),
            ("edge_secret_file", Never("", NARROWER)),
            ("fields", Never("[\"account\"]", NARROWER)),
            ("connect_timeout", Wide("3s")),
            ("read_timeout", Wide("31s")),
            ("write_timeout", Wide("31s")),
            ("idle_timeout", Wide("1001ms")),
            ("total_timeout", Wide("2m")),
        ],
    ),
    (
        "CORE",
        &[
            ("internal", Never("http://127.0.0.1:9", CHOSEN)),
            ("token_file", Never("", CHOSEN)),
            ("stale_max", Wide("10m")),
            ("timeout", Wide("3s")),
        ],
    ),
    (
        "SESSIONS",
        &[
            ("cookies", Wide("[\"sid\"]")),
            ("app_introspection", Never("http://127.0.0.1:9/x", NARROWER)),
            ("app_upstream", Never("app", "whose secret signs, not what passes")),
            ("cache", Wide("6s")),
            ("logout_path", Wide("/api/v1/billing")),
        ],
    ),
    (
        "FLAGS",
        &[
            ("enable_free_trial", Wide("false")),
            ("validate_api_key", Wide("false")),
            ("strict_jwt_only", Wide("false")),
        ],
    ),
    (
        "THROTTLE",
        &[
            (
                "backend",
                Never(
                    "",
                    "both count the same; what holds while a store is down is `on_store_down`",
                ),
            ),
            ("url", Never("", CHOSEN)),
            ("on_store_down", WideWith("local", STORE)),
            ("timeout", Wide("300ms")),
        ],
    ),
    (
        "CORS",
        &[
            ("origins", Wide("[\"https://a.b\"]")),
            ("methods", WideWith("[\"GET\", \"PROPFIND\"]", CORS)),
            ("headers", WideWith("[\"X-Own\"]", CORS)),
            ("expose", WideWith("[\"X-Own\"]", CORS)),
            ("credentials", WideWith("true", CORS)),
            ("max_age", WideWith("1h", CORS)),
        ],
    ),
    (
        "SECURITY",
        &[
            ("content_type_options", Wide("\"\"")),
            ("referrer_policy", Wide("unsafe-url")),
            ("frame_options", Wide("ALLOWALL")),
            ("strict_transport_security", Wide("max-age=0")),
        ],
    ),
    (
        "ISSUER__1",
        &[
            ("name", Never("other", CHOSEN)),
            ("iss", Never("other", CHOSEN)),
            ("aud", Never("other", CHOSEN)),
            ("jwks_url", Wide("http://keys.example/k")),
            ("jwks_file", Never("", CHOSEN)),
            ("secret_file", Never("", CHOSEN)),
            ("algorithms", Never("[\"ES256\"]", CHOSEN)),
            ("typ", Wide("JWT")),
            ("account_claim", Never("other", CHOSEN)),
            (
                "user_claim",
                Never("other", "which of its own words the issuer says it in"),
            ),
            ("role_claim", Wide("role")),
            ("account_prefix", Never("other-", CHOSEN)),
            ("user_prefix", Wide("\"\"")),
            ("standing", Wide("none")),
            ("leeway_seconds", Wide("30")),
            ("stale_max", Wide("24h")),
        ],
    ),
    (
        "ROUTE__0",
        &[
            ("prefix", Never("/other", CHOSEN)),
            ("kind", Never("api", CHOSEN)),
            ("upstream", Never("app", CHOSEN)),
            ("scope", Never("auth", NARROWER)),
            ("standing", Wide("any")),
            ("authorization", Wide("pass")),
            ("cookies_allow", Wide("[\"a\"]")),
            ("hosts", Never("[\"localhost\"]", NARROWER)),
            ("on_superuser_session", Wide("refuse")),
            ("sessions", Wide("non_superuser")),
            ("max_body_bytes", Wide("10485761")),
            ("stream", Wide("true")),
            ("websocket", Wide("true")),
            ("networks", Never("[\"10.0.0.0/8\"]", NARROWER)),
            ("mode", Wide("shadow")),
            ("allow", Wide("[\"encoded_slash\"]")),
            ("cors", Never("", "its keys are judged one by one")),
        ],
    ),
    (
        "ROUTE__0__CORS",
        &[
            ("origins", Wide("[\"https://a.b\"]")),
            ("methods", WideWith("[\"PROPFIND\"]", ROUTE_CORS)),
            ("headers", WideWith("[\"X-Own\"]", ROUTE_CORS)),
            ("expose", WideWith("[\"X-Own\"]", ROUTE_CORS)),
            ("credentials", WideWith("true", ROUTE_CORS)),
            ("max_age", WideWith("1h", ROUTE_CORS)),
        ],
    ),
];

/// A route, and an issuer beside the core, neither of them wider than the default.
fn narrow() -> String {
    format!(
        "{ROUTE}[[issuer]]\nname = \"acme\"\niss = \"acme\"\naud = \"a\"\njwks_url = \"https://keys.example/k\"\n\
         algorithms = [\"RS256\"]\naccount_claim = \"org\"\naccount_prefix = \"acme-\"\n"
    )
}

fn loaded(variables: &[(&str, &str)]) -> Result<Config, String> {
    let named: Vec<(String, &str)> = variables
        .iter()
        .map(|(key, value)| (format!("{}{key}", load::ENVIRONMENT_PREFIX), *value))
        .collect();
    let named: Vec<(&str, &str)> = named.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    super::super::tests::load(&narrow(), &named)
}

fn found(variables: &[(&str, &str)]) -> BTreeMap<String, Wider> {
    let config = loaded(variables).unwrap_or_else(|error| panic!("{variables:?}: {error}"));
    config
        .wider
        .into_iter()
        .map(|wider| (wider.key.clone(), wider))
        .collect()
}

/// The key as findings name it.
fn told(table: &str, key: &str) -> String {
    match table {
        "UPSTREAM__APP" => format!("upstream.app.{key}"),
        "ISSUER__1" => format!("issuer `acme`: {key}"),
        "ROUTE__0" => format!("route `/`: {key}"),
        "ROUTE__0__CORS" => format!("route `/`: cors.{key}"),
        table => format!("{}.{key}", table.to_lowercase()),
    }
}

/// The keys that a table of the file knows, by what it says to one that it does not know.
fn known_keys(table: &str) -> BTreeSet<String> {
    let name = format!("{table}__NO_SUCH_KEY");
    let error = loaded(&[(name.trim_start_matches("__"), "1")]).unwrap_err();
    let mut quoted = error.split('`').skip(1).step_by(2);
    assert_eq!(quoted.next(), Some("no_such_key"), "{error}");
    quoted.map(str::to_owned).collect()
}

#[test]
fn every_key_of_the_file_is_judged() {
    let tables: BTreeSet<String> = JUDGED
        .iter()
        .map(|(table, _)| table.split("__").next().unwrap_or_default().to_lowercase())
        .collect();
    assert_eq!(known_keys(""), tables);
    for (table, rows) in JUDGED {
        let judged: BTreeSet<String> = rows.iter().map(|(key, _)| (*key).to_owned()).collect();
        assert_eq!(judged.len(), rows.len(), "{table} has a key twice");
        assert_eq!(known_keys(table), judged, "{table}");
    }
}

#[test]
fn each_value_that_is_wider_is_told_and_no_other() {
    assert_eq!(found(&[]), BTreeMap::new());
    for (table, rows) in JUDGED {
        for (key, judged) in *rows {
            let variable = format!("{table}__{}", key.to_uppercase());
            let (value, with, wide) = match judged {
                Wide(value) => (*value, &[][..], true),
                WideWith(value, with) => (*value, *with, true),
                Never(value, why) => {
                    assert!(!why.is_empty());
                    (*value, &[][..], false)
                }
            };
            if value.is_empty() {
                continue;
            }
            let mut with = with.to_vec();
            if *key == "on_store_down" {
                with.push(("THROTTLE__BACKEND", "shared"));
            }
            let before = if *key == "on_store_down" {
                BTreeMap::new()
            } else {
                found(&with)
            };
            let after = found(&[with, vec![(variable.as_str(), value)]].concat());
            let new: Vec<&Wider> = after
                .values()
                .filter(|wider| !before.contains_key(&wider.key))
                .collect();
            let keys: Vec<&str> = new.iter().map(|wider| wider.key.as_str()).collect();
            let expected = told(table, key);
            assert_eq!(
                keys,
                if wide { vec![expected.as_str()] } else { vec![] },
                "{table} {key}"
            );
            for wider in new {
                assert!(wider.value != wider.default && !wider.why.is_empty(), "{wider}");
            }
        }
    }
}

#[test]
fn what_is_narrower_or_the_same_in_other_words_is_not_told() {
    for (variable, value) in [
        ("SERVER__HOSTS", "[\"LOCALHOST:8080\"]"),
        ("SERVER__HEADER_TIMEOUT", "10000ms"),
        ("SERVER__MIN_BODY_RATE", "1000"),
        ("SERVER__MAX_BODY_BYTES", "1"),
        ("CORE__STALE_MAX", "1s"),
        ("SESSIONS__COOKIES", "[\"other\", \"SessionId\"]"),
        ("SESSIONS__LOGOUT_PATH", "/api/v1/auth/logout/"),
        ("SECURITY__REFERRER_POLICY", "no-referrer, Same-Origin"),
        ("SECURITY__FRAME_OPTIONS", "deny"),
        (
            "SECURITY__STRICT_TRANSPORT_SECURITY",
            "includeSubDomains; Max-Age=\"63072000\"; preload",
        ),
        ("CORS__CREDENTIALS", "true"),
        ("CORS__MAX_AGE", "9h"),
        ("ISSUER__1__LEEWAY_SECONDS", "0"),
        ("ISSUER__1__TYP", "at+jwt"),
        ("ISSUER__1__USER_PREFIX", "acme-"),
        ("ISSUER__1__STANDING", "core"),
        ("ISSUER__1__JWKS_URL", "http://[::1]:1/k"),
        ("ROUTE__0__MAX_BODY_BYTES", "1"),
    ] {
        assert_eq!(found(&[(variable, value)]), BTreeMap::new(), "{variable} = {value}");
    }
    for (variable, value) in [
        ("SECURITY__REFERRER_POLICY", "no-referrer, origin"),
        ("SECURITY__REFERRER_POLICY", "\"\""),
        ("SECURITY__STRICT_TRANSPORT_SECURITY", "includeSubDomains"),
        ("SECURITY__STRICT_TRANSPORT_SECURITY", "max-age=31535999"),
        ("ISSUER__0__LEEWAY_SECONDS", "11"),
        ("ISSUER__0__JWKS_URL", "http://core.example/k"),
    ] {
        assert_eq!(found(&[(variable, value)]).len(), 1, "{variable} = {value}");
    }
}

#[test]
fn a_finding_says_key_value_default_and_meaning() {
    let found = found(&[
        ("SERVER__BODY_TIMEOUT", "90s"),
        ("SERVER__TRUSTED_HOPS", "[\"10.0.0.1\"]"),
    ]);
    let told: Vec<String> = found.values().map(Wider::to_string).collect();
    assert_eq!(
        told,
        [
            "server.body_timeout = \"90s\" (default \"30s\"): a body may pause for longer",
            "server.trusted_hops = [\"10.0.0.1\"] (default []): what these say of clients is believed",
        ]
    );
    for (millis, words) in [
        (0, "0ms"),
        (250, "250ms"),
        (1_000, "1s"),
        (90_000, "90s"),
        (120_000, "2m"),
        (7_200_000, "2h"),
    ] {
        assert_eq!(in_words(Span(std::time::Duration::from_millis(millis))), words);
    }
}

#[test]
fn limits_that_admit_more_than_what_is_built_in_are_told() {
    let of = |text: &str| {
        let parsed = Limits::parse(text, "limits.toml", 1, &mut ScopeNames::default()).unwrap();
        limits(&parsed).iter().map(Wider::to_string).collect::<Vec<_>>()
    };
    let same = "[default]\nrate = \"10/s\"\nburst = 100\n[address]\nrate = \"299/m\"\nburst = 1\n[plan.small]\nrate = \"1/d\"\nburst = 1\n";
    assert_eq!(of(same), [""; 0]);
    let wide = "[default]\nrate = \"601/m\"\nburst = 100\n[address]\nrate = \"300/m\"\nburst = 61\n[cold]\nrate = \"7/s\"\nburst = 30\n\
                [plan.scale]\nrate = \"6000/m\"\nburst = 1000\n[account.42]\nrate = \"1/h\"\nburst = 101\n\
                [scope.auth]\nrate = \"9000/m\"\nburst = 9000\nmode = \"shadow\"\n";
    assert_eq!(
        of(wide),
        [
            "limits `account.42`: burst = 101 (default 100): more requests may come at once",
            "limits `address`: burst = 61 (default 60): more requests may come at once",
            "limits `cold`: rate = \"420/m\" (default \"60/m\"): requests come back faster",
            "limits `default`: rate = \"601/m\" (default \"600/m\"): requests come back faster",
            "limits `plan.scale`: rate = \"6000/m\" (default \"600/m\"): requests come back faster",
            "limits `plan.scale`: burst = 1000 (default 100): more requests may come at once",
            "limits `scope.auth`: mode = \"shadow\" (default \"enforce\"): it refuses nobody",
        ]
    );
}
