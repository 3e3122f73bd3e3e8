use super::*;
use crate::config::Config;

/// A configuration whose routes are these.
fn config(routes: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("token", "t\n");
    write(
        "proxy.toml",
        &format!(
            "[upstream.app]\naddress = \"127.0.0.1:1\"\n[core]\ninternal = \"http://127.0.0.1:2\"\ntoken_file = \"{}/token\"\n\
             [[issuer]]\nname = \"core\"\niss = \"i\"\naud = \"a\"\njwks_url = \"http://127.0.0.1:2/k\"\nalgorithms = [\"EdDSA\"]\n{routes}",
            folder.path().display()
        ),
    );
    Config::load(&folder.path().join("proxy.toml"), std::iter::empty()).unwrap()
}

fn route(prefix: &str, kind: &str) -> String {
    format!("[[route]]\nprefix = \"{prefix}\"\nkind = \"{kind}\"\nupstream = \"app\"\n")
}

fn line(path: &str, verdict: &str, code: &str, brought: &str, more: &str) -> String {
    format!(
        "{{\"method\":\"GET\",\"host\":\"localhost\",\"path\":\"{path}\",\"route\":\"/\",\"verdict\":\"{verdict}\",\"code\":\"{code}\",\
         \"brought\":\"{brought}\",\"status\":200{more}}}\n"
    )
}

const MEMBER: &str = ",\"account\":7,\"user\":9";

/// (lines, same, changed, unknown)
fn counts(config: &Config, log: &str) -> (u64, u64, u64, u64) {
    let findings = replay(config, log.as_bytes()).unwrap();
    (findings.lines, findings.same, findings.changed(), findings.unknown)
}

#[test]
fn a_log_against_the_same_rules_changes_nothing() {
    let same = config(&(route("/", "page") + &route("/api", "api") + &route("/admin", "admin")));
    let log = [
        line("/", "forwarded", "", "", ""),
        line("/api/x", "forwarded", "", "bearer", MEMBER),
        line(
            "/api/x",
            "forwarded",
            "",
            "bearer",
            ",\"account\":\"acme-7\",\"user\":\"acme-9\"",
        ),
        line("/api/x", "refused", "token_expired", "bearer", ""),
        line("/api/x", "refused", "credentials_required", "", ""),
        line("/api/x", "refused", "session_not_allowed", "session", ""),
        line("/x", "refused", "superuser_session_blocked", "session", ""),
        line("/admin/", "forwarded", "", "session", ""),
        line("//x", "refused", "malformed_path", "", ""),
    ]
    .concat();
    assert_eq!(counts(&same, &log), (9, 9, 0, 0));
}

#[test]
fn a_route_that_becomes_another_kind_changes_the_verdicts_that_follow_from_the_log() {
    let new = config(&(route("/", "page") + &route("/reports", "api")));
    let log = line("/reports/1", "forwarded", "", "", "")
        + &line("/reports/2", "forwarded", "", "", "")
        + &line("/reports/1", "forwarded", "", "session", "")
        + &line("/x", "forwarded", "", "", "");
    let findings = replay(&new, log.as_bytes()).unwrap();
    assert_eq!((findings.same, findings.changed(), findings.unknown), (1, 3, 0));
    let text = findings.as_text();
    assert!(
        text.contains("GET /reports/1: forwarded -> refused session_not_allowed (1 times, first in line 3)"),
        "{text}"
    );
    assert!(text.ends_with("4 lines: 1 as before, 3 changed, 0 unknown\n"), "{text}");
    let json: Value = serde_json::from_str(&findings.as_json()).unwrap();
    assert_eq!(
        (&json["changed"], json["changes"].as_array().unwrap().len()),
        (&json!(3), 3)
    );
}

#[test]
fn a_line_that_says_too_little_is_unknown() {
    let new = config(&(route("/", "page") + &route("/api", "api")));
    let log = [
        "not json\n".to_owned(),
        "{\"method\":\"GET\",\"path\":\"/\",\"verdict\":\"forwarded\",\"code\":\"\"}\n".to_owned(),
        line("/x", "refused", "malformed_request", "", ""),
        line("/x", "refused", "throttled", "", ""),
        line("/x", "forwarded", "", "session", ""),
        line("/api/x", "forwarded", "", "bearer", ""),
        line(&format!("/{}", "x".repeat(LOGGED_BYTES)), "forwarded", "", "", ""),
        line("/api/x", "refused", "account_suspended", "bearer", ""),
    ]
    .concat();
    assert_eq!(counts(&new, &log), (8, 0, 0, 8));
    assert_eq!(counts(&new, "\n\n"), (0, 0, 0, 0));
}

#[test]
fn a_key_that_was_good_stays_good_and_a_network_that_is_new_shuts_out() {
    let new =
        config(&(route("/", "page") + &route("/api", "api") + &route("/in", "page") + "networks = [\"10.0.0.0/8\"]\n"));
    let log = [
        line("/api/x", "forwarded", "", "key", MEMBER),
        line("/api/x", "refused", "api_key_invalid", "key", ""),
        line("/in", "forwarded", "", "", ",\"client\":\"10.1.2.3\""),
        line("/in", "forwarded", "", "", ",\"client\":\"192.0.2.1\""),
        line("/in", "forwarded", "", "", ""),
    ]
    .concat();
    assert_eq!(counts(&new, &log), (5, 3, 1, 1));
}

#[test]
fn what_hung_on_the_hour_is_unknown_against_the_rules_that_wrote_the_log() {
    let same = config(&(route("/", "page") + &route("/api", "api")));
    const OTHERS: &str = ",\"account\":\"acme-7\",\"user\":\"acme-9\"";
    let log = [
        line("/", "refused", "upstream_unreachable", "", ""),
        line("/x", "refused", "upstream_timeout", "", ""),
        line("/x", "refused", "internal", "", ""),
        line("/api/x", "refused", "upstream_unreachable", "bearer", MEMBER),
        line("/api/x", "refused", "upstream_unreachable", "key", MEMBER),
        line("/api/x", "refused", "upstream_unreachable", "bearer", OTHERS),
        line("/ws", "forwarded", "token_revoked", "bearer", MEMBER),
        line("/api/ws", "forwarded", "token_revoked", "bearer", MEMBER),
        line("/api/ws", "forwarded", "account_suspended", "key", MEMBER),
        line("/x", "refused", "malformed_path", "", ""),
        line("/api/x", "refused", "credentials_ambiguous", "", ""),
        line("/api/x", "refused", "credentials_ambiguous", "bearer", ""),
        line("/api/x", "refused", "throttled", "", ""),
        line("/api/x", "refused", "core_unavailable", "bearer", MEMBER),
        line("/api/x", "refused", "session_source_unavailable", "session", ""),
        line("/x", "refused", "session_source_unavailable", "session", ""),
        // Whose it was is told, and what they may do is not.
        line("/api/x", "refused", "account_suspended", "bearer", MEMBER),
        line("/api/x", "refused", "account_suspended", "key", MEMBER),
        line("/api/x", "refused", "account_missing", "bearer", OTHERS),
        line("/api/x", "refused", "throttled", "bearer", MEMBER),
        line("/api/x", "refused", "throttled", "key", MEMBER),
        line("/api/x", "refused", "throttled", "bearer", OTHERS),
    ]
    .concat();
    assert_eq!(counts(&same, &log), (22, 0, 0, 22));
    let known = [
        line("/api/x", "refused", "credentials_ambiguous", "bearer,key", ""),
        line("/api/x", "refused", "token_revoked", "bearer", MEMBER),
        line("/API", "refused", "malformed_path", "", ""),
        line("/a%2fb", "refused", "malformed_path", "", ""),
    ]
    .concat();
    assert_eq!(counts(&same, &known), (4, 4, 0, 0));
}

#[test]
fn what_hung_on_the_hour_changes_where_the_new_rules_refuse_it_before() {
    let new = config(&(route("/x", "page") + "allow = [\"encoded_slash\"]\n"));
    let log = [
        line("/gone", "refused", "upstream_unreachable", "", ""),
        line("/gone", "forwarded", "token_revoked", "bearer", MEMBER),
        line("/x%2fy", "refused", "malformed_path", "", ""),
        line("/x/a%2fb", "refused", "malformed_path", "", ""),
    ]
    .concat();
    let findings = replay(&new, log.as_bytes()).unwrap();
    assert_eq!((findings.changed(), findings.unknown), (4, 0), "{}", findings.as_text());
    assert!(
        findings
            .as_text()
            .contains("/gone: refused upstream_unreachable -> refused no_route")
    );
}
