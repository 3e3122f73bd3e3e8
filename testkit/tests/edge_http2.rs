//! TLS and HTTP/2 at the real proxy: the same policy as over HTTP/1, certificates that change, and clients without manners.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::edge::{Certificate, http2};
use igny8_testkit::process::run;
use igny8_testkit::wait::wait_until;
use igny8_testkit::watched::Watched;
use serde_json::{Value, json};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// The stack that most tests here share.
fn shared() -> &'static Watched {
    static WATCHED: OnceLock<Watched> = OnceLock::new();
    WATCHED.get_or_init(start)
}

fn start() -> Watched {
    Watched::start("first.example", "2s")
}

/// Asks for one, and gives its answer.
#[track_caller]
fn one(edge: &Watched, fields: &Value, body: &str, end: bool) -> Value {
    edge.ask(&json!([{"headers": fields, "body": body, "end": end}]))
        .remove(0)
}

/// curl, told to accept the certificate.
fn curl(arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--insecure", "--max-time", "15"])
        .args(arguments);
    run(&mut command)
}

fn code(answer: &Value) -> String {
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or_default();
    body["code"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn both_protocols_are_spoken_over_tls_and_the_app_hears_of_https() {
    let edge = shared();
    let bearer = format!("Authorization: Bearer {}", edge.member.access);
    let url = format!("https://{}/api/v1/x?q=%2f", edge.stack.public);
    for (option, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let mark = format!("X-Marker: curl-{version}");
        let printed = curl(&[
            option,
            "-H",
            &bearer,
            "-H",
            &mark,
            "-w",
            "\n%{http_version} %{http_code}",
            &url,
        ]);
        assert!(printed.ends_with(&format!("\n{version} 200")), "{printed}");
        let record = edge.arrived(&format!("curl-{version}")).remove(0);
        assert!(record.signed, "{record:?}");
        assert_eq!(record.headers["x-forwarded-proto"], "https");
        assert_eq!(record.headers["x-account-id"], edge.member.account_id.to_string());
        assert_eq!(
            (record.wire_path.as_str(), record.wire_query.as_str()),
            ("/api/v1/x", "q=%2f")
        );
    }
    let health = curl(&["--http2", &format!("https://{}/healthz", edge.stack.public)]);
    assert_eq!(health, "ok");
    let head = curl(&["--http2", "-I", &format!("https://{}/page", edge.stack.public)]).to_lowercase();
    assert!(head.contains("strict-transport-security: max-age=31536000"), "{head}");
    assert!(head.contains("x-content-type-options: nosniff"), "{head}");
}

#[test]
fn crumbs_are_one_cookie_before_anything_looks_at_them() {
    let edge = shared();
    let crumbs = [
        ("cookie", "a=1"),
        ("cookie", "session"),
        ("cookie", "sessionid=user-session"),
        ("cookie", "b=2"),
    ];
    let page = one(edge, &edge.fields("GET", "/page", "crumbs", &crumbs), "", true);
    assert_eq!(page["status"], 200, "{page}");
    let record = edge.arrived("crumbs").remove(0);
    assert_eq!(record.headers["cookie"], "a=1; b=2");
    let api = one(edge, &edge.fields("GET", "/api/v1/x", "crumbs-api", &crumbs), "", true);
    assert_eq!(
        (api["status"].as_u64(), code(&api).as_str()),
        (Some(403), "session_not_allowed"),
        "{api}"
    );
    let expired = api["headers"]["set-cookie"].as_array().unwrap();
    assert!(
        expired
            .iter()
            .all(|cookie| cookie.as_str().unwrap().ends_with("; Secure")),
        "{expired:?}"
    );
    let root = [("cookie", "x=1"), ("cookie", "sessionid=root-session")];
    let blocked = one(edge, &edge.fields("GET", "/page", "crumbs-root", &root), "", true);
    assert_eq!(blocked["status"], 403, "{blocked}");
    assert!(edge.arrived("crumbs-root").is_empty() && edge.arrived("crumbs-api").is_empty());
}

#[test]
fn a_request_may_name_its_host_in_the_field_alone() {
    let edge = shared();
    let mut fields = edge.fields("GET", "/page", "host-alone", &[("host", &edge.stack.public)]);
    let pairs = fields.as_array_mut().unwrap();
    pairs.retain(|pair| pair[0] != ":authority");
    let answer = one(edge, &fields, "", true);
    assert_eq!(answer["status"], 200, "{answer}");
    let record = edge.arrived("host-alone").remove(0);
    assert!(record.signed, "{record:?}");
    assert_eq!(record.headers["host"], edge.stack.public);
    assert_eq!(record.headers["x-forwarded-proto"], "https");
}

/// What is changed in `GET /page`, and what must become of it: a status, with a code where the proxy gives one, or `reset`
/// where h2 may find it first. `+name=value` adds a field, `name=value` sets one, `-name` takes one away; `\r`, `\n` and
/// `\0` stand for themselves, `{HOST}` for the proxy and `{TOKEN}` for a valid token.
const WRONG: &str = r"
another host                  | +host=127.0.0.1:1                            | 400
two hosts                     | +host={HOST} +host={HOST}                    | 400
a host that is not served     | :authority=evil.example                      | 400 bad_host
no host                       | -:authority                                  | 400
a host alone, not served      | -:authority +host=evil.example               | 400 bad_host
two hosts and no authority    | -:authority +host={HOST} +host={HOST}        | 400
user information              | :authority=a@127.0.0.1                       | 400
another scheme                | :scheme=http                                 | 400 malformed_request
no path                       | -:path                                       | reset
an empty path                 | :path=                                       | reset
no method                     | -:method                                     | reset
two paths                     | +:path=/admin/                               | reset
a pseudo field of an answer   | +:status=200                                 | reset
an unknown pseudo field       | +:x=1                                        | reset
a pseudo field behind others  | -:path +accept=x +:path=/                    | reset
connection                    | +connection=close                            | reset
transfer-encoding             | +transfer-encoding=chunked                   | reset
upgrade                       | +upgrade=websocket                           | reset
keep-alive                    | +keep-alive=5                                | reset
proxy-connection              | +proxy-connection=close                      | reset
te                            | +te=gzip                                     | reset
an upper-case name            | +X-Account-Id=1                              | reset
an underscore                 | +x_account_id=1                              | 400 forbidden_field
a dot                         | +x.account.id=1                              | 400 forbidden_field
a line break in a value       | +x-a=1\r\nx-account-id:9                     | reset
NUL in a value                | +x-a=1\0                                     | reset
white space around a value    | +x-a=\t1                                     | 400 malformed_request
a line break in a name        | +x-a\r\nx-account-id=1                       | reset
a line break in the path      | :path=/page\r\nX-Account-Id:9                | reset
a tab in the path             | :path=/page\tx                               | reset
another origin in the path    | :path=https://evil.example/admin/            | reset
two slashes                   | :path=//admin/                               | 400 malformed_path
an encoded slash              | :path=/admin%2f                              | 400 malformed_path
dots                          | :path=/static/../admin/                      | 400 malformed_path
a protected prefix in capitals| :path=/ADMIN/                                | 400 malformed_path
a star                        | :method=OPTIONS :path=*                      | 400 malformed_path
two tokens     | :path=/api/v1/x +authorization={TOKEN} +authorization={TOKEN} | 401 credentials_ambiguous
no token                      | :path=/api/v1/x                              | 401 credentials_required
a method in lower case        | :method=get                                  | 405 method_not_allowed
TRACE                         | :method=TRACE                                | 405 method_not_allowed
CONNECT                       | :method=CONNECT -:path -:scheme              | 400 malformed_request
a WebSocket                   | :method=CONNECT +:protocol=websocket         | reset
a length without a body       | :method=POST :path=/public/x +content-length=5    | reset
a length with a sign          | :method=POST :path=/public/x +content-length=+0   | reset
a length over the route's     | :method=POST :path=/public/x +content-length=2000 | 413 body_too_large
the same by a browser         | :method=POST :path=/public/x +content-length=2000 +accept=text/html | 413 body_too_large
";

/// `GET /page` with the changes of a row.
fn changed(edge: &Watched, changes: &str) -> Value {
    let mut fields: Vec<(String, String)> = vec![
        (":method".into(), "GET".into()),
        (":scheme".into(), "https".into()),
        (":authority".into(), edge.stack.public.clone()),
        (":path".into(), "/page".into()),
    ];
    for change in changes.split_whitespace() {
        let change = change
            .replace("{HOST}", &edge.stack.public)
            .replace("{TOKEN}", &format!("Bearer {}", edge.member.access));
        let text = [("\\r", "\r"), ("\\n", "\n"), ("\\t", "\t"), ("\\0", "\0")]
            .iter()
            .fold(change, |text, (written, meant)| text.replace(written, meant));
        if let Some(gone) = text.strip_prefix('-') {
            fields.retain(|(name, _)| name != gone);
            continue;
        }
        let (name, value) = text.split_once('=').unwrap();
        match name.strip_prefix('+') {
            Some(added) => fields.push((added.to_owned(), value.to_owned())),
            None => fields.iter_mut().find(|(known, _)| known == name).unwrap().1 = value.to_owned(),
        }
    }
    fields.push(("x-marker".into(), "wrong".into()));
    json!(fields)
}

#[test]
fn what_only_http2_can_say_wrongly_never_reaches_the_app() {
    let edge = shared();
    let rows: Vec<Vec<&str>> = WRONG
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let requests: Value = rows
        .iter()
        .map(|row| json!({"headers": changed(edge, row[1]), "end": !row[2].starts_with("413")}))
        .collect();
    let mut faults = Vec::new();
    for (row, answer) in rows.iter().zip(edge.ask(&requests)) {
        let gone = answer["reset"].is_u64() || answer["goaway"].is_u64() || answer["closed"] == true;
        let told = answer["status"].to_string();
        let met = match row[2].split_once(' ') {
            // Whoever finds it first says so: h2 by a reset, or the policy by a refusal.
            None if row[2] == "reset" => (gone && answer["status"].is_null()) || answer["status"] == 400,
            None => told == row[2],
            Some((status, expected)) => told == status && code(&answer) == expected,
        };
        if !met {
            faults.push(format!("{}: {answer}", row[0]));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(edge.serves());
    assert!(edge.arrived("wrong").is_empty(), "{:?}", edge.arrived("wrong"));
}

#[test]
fn a_body_is_as_long_as_it_was_said_to_be() {
    let edge = shared();
    let post = |mark: &str, more: &[(&str, &str)]| edge.fields("POST", "/public/x", mark, more);
    let whole = one(edge, &post("whole", &[("content-length", "5")]), "abcde", true);
    assert_eq!(whole["status"], 200, "{whole}");
    assert_eq!(edge.arrived("whole")[0].body_length, Some(5));
    let unsaid = one(edge, &post("unsaid", &[]), "abcde", true);
    assert_eq!(unsaid["status"], 200, "{unsaid}");

    let grown = one(edge, &post("grown", &[]), &"x".repeat(2000), true);
    assert_eq!(
        (grown["status"].as_u64(), code(&grown).as_str()),
        (Some(413), "body_too_large"),
        "{grown}"
    );
    for (mark, length) in [("longer", "3"), ("shorter", "9")] {
        let answer = one(edge, &post(mark, &[("content-length", length)]), "abcde", true);
        assert_ne!(answer["status"], 200, "{answer}");
        let arrived = edge.arrived(mark);
        let whole = arrived.iter().any(|record| record.body_length == length.parse().ok());
        assert!(!whole, "{arrived:?}");
    }
    let slow = one(edge, &post("slow", &[]), "ab", false);
    assert!(
        slow["status"] == 408 || slow["reset"].is_u64() || slow["closed"] == true,
        "a body that never ends: {slow}"
    );
}

#[test]
fn floods_are_bounded_and_others_are_served_meanwhile() {
    let edge = shared();
    let before = edge.witness.records().len();
    // Whoever opens and resets in a row gets little work out of us, or is sent away.
    let reset = http2(&edge.stack.public, "reset", "5000", &Value::Null);
    let arrived = edge.witness.records().len() - before;
    assert!(
        arrived < 2_500,
        "{arrived} of 5000 requests that were taken back went on: {reset}"
    );
    assert!(edge.serves());

    let streams = http2(&edge.stack.public, "streams", "300", &Value::Null);
    let refused = streams["frames"]["RstStreamFrame"].as_u64().unwrap_or(0);
    assert!(refused >= 200 || streams["closed"] == true, "{streams}");

    let continuation = http2(&edge.stack.public, "continuation", "20000", &Value::Null);
    assert!(
        continuation["closed"] == true || continuation["goaway"].is_u64(),
        "{continuation}"
    );
    let bomb = http2(&edge.stack.public, "bomb", "2000", &Value::Null);
    assert!(
        bomb["status"] == 431 || bomb["reset"].is_u64() || bomb["closed"] == true,
        "{bomb}"
    );

    // These only cost what they send: every one is answered, or the connection is closed.
    for flood in ["ping", "settings"] {
        let answer = http2(&edge.stack.public, flood, "20000", &Value::Null);
        assert!(answer["sent"].as_u64() <= Some(20_000), "{answer}");
    }
    assert!(edge.serves());
}

#[test]
fn a_connection_that_says_nothing_and_a_stream_that_is_not_read_are_given_up() {
    let edge = shared();
    let silent = http2(&edge.stack.public, "silent", "10", &Value::Null);
    assert_eq!(silent["closed"], true, "{silent}");
    let unread = http2(&edge.stack.public, "unread", "/page", &Value::Null);
    assert!(unread["reset"].is_u64() || unread["closed"] == true, "{unread}");
    assert!(edge.serves());
}

#[test]
fn a_new_certificate_is_shown_without_a_restart_and_a_bad_one_keeps_the_last() {
    let edge = start();
    let shown = || {
        let printed = curl(&["-v", "--stderr", "-", &format!("https://{}/healthz", edge.stack.public)]);
        let subject = printed.lines().find_map(|line| line.split_once("subject: CN="));
        subject.map(|(_, name)| name.to_owned()).unwrap_or_default()
    };
    assert_eq!(shown(), "first.example");
    let replace = |with: &Certificate| {
        std::fs::copy(&with.key, &edge.certificate.key).unwrap();
        std::fs::copy(&with.cert, &edge.certificate.cert).unwrap();
    };
    replace(&Certificate::make(edge.stack.var.as_path(), "second.example"));
    wait_until("the second certificate", Duration::from_secs(10), || {
        (shown() == "second.example").then_some(())
    });

    std::fs::write(&edge.certificate.cert, "no certificate").unwrap();
    wait_until("the proxy to say what is wrong", Duration::from_secs(10), || {
        edge.stack.proxy_log().contains("the last good one stays").then_some(())
    });
    assert_eq!(shown(), "second.example");
    replace(&Certificate::make(edge.stack.var.as_path(), "third.example"));
    wait_until("the third certificate", Duration::from_secs(10), || {
        (shown() == "third.example").then_some(())
    });
}
