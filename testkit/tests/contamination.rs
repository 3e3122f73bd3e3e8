//! The fault and its end, on the real Django app: an administrator's session answers the app's API as the superuser; with
//! the proxy before it, it cannot, on any route, and the session ends at its source.
//!
//! The app of this file also answers who comes past the proxy, so that the fault is shown with the same process, the same
//! database and the same cookie that the proxy then refuses.

use igny8_testkit::django::{self, STAFF, SUPERUSER, Session};
use igny8_testkit::http::get;
use igny8_testkit::raw::{Response, SetCookie};
use igny8_testkit::stack::Stack;
use serde_json::{Value, json};
use std::sync::OnceLock;

const SENTENCE: &str = "Session authentication not allowed for API routes. Please use JWT.";

fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| Stack::builder().app_environment("IGNY8_EDGE_REQUIRED", "0").start())
}

/// Who Django takes the owner of these cookies for when the request comes past the proxy.
fn who_django_believes_past_the_proxy(cookies: &str) -> Value {
    let answer = get(&stack().app, "/api/v1/whoami/").cookie(cookies).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[track_caller]
fn assert_alive(session: &Session) {
    assert_ne!(
        who_django_believes_past_the_proxy(&session.cookie())["user"],
        Value::Null,
        "the session has ended"
    );
}

/// Asks Django itself, past the proxy: the row is gone from its session table.
#[track_caller]
fn assert_gone_at_django(session: &Session) {
    assert_eq!(
        who_django_believes_past_the_proxy(&session.cookie())["user"],
        Value::Null,
        "the session lives on"
    );
}

/// The cookie `sessionid` is expired where a browser may hold it: at `/` and at the admin prefix.
#[track_caller]
fn assert_session_cookie_expired(answer: &Response) {
    let expired: Vec<SetCookie> = answer
        .cookies()
        .into_iter()
        .filter(|cookie| cookie.name == "sessionid")
        .collect();
    assert!(expired.iter().all(SetCookie::expires_at_once), "{expired:?}");
    for path in ["/", "/admin/"] {
        assert!(
            expired.iter().any(|cookie| cookie.attribute("path") == Some(path)),
            "not at {path}: {expired:?}"
        );
    }
}

#[track_caller]
fn assert_envelope(answer: &Response, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["code"], code, "{body}");
    assert_eq!(body["success"], false);
    assert!(body["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{body}");
}

#[test]
fn without_the_proxy_a_superusers_session_answers_the_api_as_the_superuser() {
    let session = django::sign_in(&stack().app, SUPERUSER, "");
    let believed = who_django_believes_past_the_proxy(&session.cookie());
    assert_eq!(believed["user"], SUPERUSER);
    assert_eq!(believed["is_superuser"], true);
    assert_eq!(believed["authenticated_by"], "session");
    assert_eq!(
        get(&stack().app, "/api/v1/planner/keywords/")
            .cookie(&session.cookie())
            .send()
            .status,
        200
    );
}

#[test]
fn a_superusers_session_on_an_api_route_is_refused_and_ended_at_django() {
    let session = stack().django_session(SUPERUSER);
    assert_alive(&session);
    assert!(stack().django.has_session(&session));
    let answer = stack()
        .get("/api/v1/planner/keywords/")
        .cookie(&session.cookie())
        .send();
    assert_eq!(answer.status, 403);
    let body = answer.json();
    let expected =
        json!({"success": false, "error": SENTENCE, "code": "session_not_allowed", "request_id": body["request_id"]});
    assert_eq!(body, expected);
    assert!(body["request_id"].as_str().is_some_and(|id| !id.is_empty()));
    assert_session_cookie_expired(&answer);
    assert_gone_at_django(&session);
    assert!(
        !stack().django.has_session(&session),
        "the row is still in Django's session table"
    );

    let again = stack().django_session(SUPERUSER);
    let admin = stack().get("/admin/").cookie(&again.cookie()).send();
    assert_eq!(admin.status, 200, "the administrator cannot sign in again");
}

#[test]
fn every_method_of_every_kind_of_api_path_refuses_the_session() {
    for (method, path) in [
        ("GET", "/api/v1/whoami/"),
        ("HEAD", "/api/v1/whoami/"),
        ("POST", "/api/v1/writer/drafts/"),
        ("PUT", "/api/v1/sites/1/"),
        ("PATCH", "/api/v1/sites/1/"),
        ("DELETE", "/api/v1/sites/1/"),
        ("GET", "/api"),
        ("GET", "/api/v1/account/"),
        ("GET", "/api/v1/auth/me/"),
        ("GET", "/%61pi/v1/whoami/"),
    ] {
        let session = stack().django_session(SUPERUSER);
        let answer = stack().request(method, path).cookie(&session.cookie()).send();
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text());
        if method != "HEAD" {
            assert_eq!(answer.code(), "session_not_allowed", "{method} {path}");
        }
        assert_session_cookie_expired(&answer);
        assert_gone_at_django(&session);
    }
}

#[test]
fn a_superusers_session_on_a_page_is_ended_and_people_are_told_in_html() {
    let session = stack().django_session(SUPERUSER);
    let browser = |cookies: &str| {
        let request = stack()
            .get("/")
            .field("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        if cookies.is_empty() {
            request.send()
        } else {
            request.cookie(cookies).send()
        }
    };
    let answer = browser(&session.cookie());
    assert_eq!(answer.status, 403);
    assert!(
        answer
            .field("Content-Type")
            .is_some_and(|kind| kind.starts_with("text/html")),
        "{:?}",
        answer.fields
    );
    let page = answer.text();
    assert!(
        page.contains("administrator session"),
        "the page does not say what happened: {page}"
    );
    assert!(
        page.contains("href=") || page.contains("<form"),
        "the page does not offer to go on: {page}"
    );
    assert_session_cookie_expired(&answer);
    assert_gone_at_django(&session);

    let next = browser("");
    assert_eq!(next.status, 200, "the next load does not work");
    assert!(
        next.text().contains("nobody: no session came with the request"),
        "{}",
        next.text()
    );
}

#[test]
fn a_program_that_asks_for_a_page_with_a_superusers_session_is_told_in_json() {
    let session = stack().django_session(SUPERUSER);
    let answer = stack()
        .get("/sites")
        .field("Accept", "application/json")
        .cookie(&session.cookie())
        .send();
    assert_envelope(&answer, 403, "superuser_session_blocked");
    assert_session_cookie_expired(&answer);
    assert_gone_at_django(&session);
}

#[test]
fn a_superusers_session_on_a_public_api_path_is_ended_as_well() {
    let session = stack().django_session(SUPERUSER);
    let answer = stack().get("/api/v1/plans/").cookie(&session.cookie()).send();
    assert_envelope(&answer, 403, "superuser_session_blocked");
    assert_session_cookie_expired(&answer);
    assert_gone_at_django(&session);
}

#[test]
fn staff_who_are_no_superusers_are_refused_on_the_api_and_keep_their_session() {
    let session = stack().django_session(STAFF);
    let answer = stack().get("/api/v1/whoami/").cookie(&session.cookie()).send();
    assert_envelope(&answer, 403, "session_not_allowed");
    assert_eq!(answer.json()["error"], SENTENCE);
    assert_session_cookie_expired(&answer);
    assert_alive(&session);
}

#[test]
fn staff_who_are_no_superusers_see_pages_as_nobody() {
    let session = stack().django_session(STAFF);
    let past = get(&stack().app, "/").cookie(&session.cookie()).send();
    assert!(
        past.text().contains(&format!("{STAFF} (by session)")),
        "the fault is not there to be ended"
    );
    let answer = stack().get("/").cookie(&session.cookie()).send();
    assert_eq!(answer.status, 200);
    assert!(
        answer.text().contains("nobody: no session came with the request"),
        "{}",
        answer.text()
    );
    assert_alive(&session);
}

#[test]
fn a_session_that_nobody_knows_is_refused_on_the_api_and_dropped_on_pages() {
    let cookie = "sessionid=abcdefghijklmnopqrstuvwxyz012345";
    let answer = stack().get("/api/v1/whoami/").cookie(cookie).send();
    assert_envelope(&answer, 403, "session_not_allowed");
    assert_session_cookie_expired(&answer);
    assert_eq!(stack().get("/").cookie(cookie).send().status, 200);
}

#[test]
fn logging_out_is_let_through_and_ends_the_session_at_its_source() {
    let session = stack().django_session(SUPERUSER);
    let answer = stack().post("/api/v1/auth/logout/").cookie(&session.cookie()).send();
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_session_cookie_expired(&answer);
    assert_gone_at_django(&session);
}

#[test]
fn logging_out_needs_no_session_at_all() {
    assert_eq!(stack().post("/api/v1/auth/logout/").send().status, 204);
    assert_eq!(
        stack()
            .post("/api/v1/auth/logout")
            .cookie("sessionid=unknown; other=1")
            .send()
            .status,
        204
    );
}

#[test]
fn another_sites_page_cannot_log_anybody_out() {
    let session = stack().django_session(STAFF);
    let answer = stack()
        .post("/api/v1/auth/logout/")
        .field("Origin", "https://evil.example")
        .cookie(&session.cookie())
        .send();
    assert_envelope(&answer, 403, "origin_refused");
    assert_alive(&session);
    let own = format!("http://{}", stack().public);
    let answer = stack()
        .post("/api/v1/auth/logout/")
        .field("Origin", &own)
        .cookie(&session.cookie())
        .send();
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_gone_at_django(&session);
}

#[test]
fn with_a_valid_token_django_sees_the_tokens_account_and_no_session() {
    let member = stack().sign_up();
    let session = stack().django_session(SUPERUSER);
    let cookies = format!("theme=dark; {}; lang=en", session.cookie());
    let answer = stack()
        .get("/api/v1/whoami/")
        .bearer(&member.access)
        .cookie(&cookies)
        .send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let believed = answer.json();
    assert_eq!(believed["authenticated_by"], "edge");
    assert_eq!(believed["account_id"], member.account_id);
    assert_eq!(believed["user_id"], member.user_id);
    assert_eq!(believed["role"], "owner");
    assert_eq!(believed["is_superuser"], false);
    assert_eq!(believed["cookies"], json!([]), "a cookie reached an API route");
    assert_eq!(believed["headers"]["X-Account-Id"], member.account_id.to_string());
    assert_alive(&session);
}

#[test]
fn a_bad_token_is_401_whatever_the_cookie_says() {
    let session = stack().django_session(SUPERUSER);
    let answer = stack()
        .get("/api/v1/whoami/")
        .bearer("not.a.token")
        .cookie(&session.cookie())
        .send();
    assert_envelope(&answer, 401, "token_invalid");
    assert!(
        answer
            .field("WWW-Authenticate")
            .is_some_and(|challenge| challenge.starts_with("Bearer"))
    );
    assert_alive(&session);
}

#[test]
fn nobody_can_send_the_identity_that_the_proxy_gives() {
    let member = stack().sign_up();
    let answer = stack()
        .get("/api/v1/whoami/")
        .bearer(&member.access)
        .field("X-Account-Id", "999999")
        .field("X-User-Role", "admin")
        .field("X-Igny8-Edge", "v1;t=1;rule=/api;sig=x")
        .field("X-Forwarded-For", "10.0.0.1")
        .send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let believed = answer.json();
    assert_eq!(believed["account_id"], member.account_id);
    assert_eq!(believed["role"], "owner");
    assert_eq!(believed["headers"]["X-Forwarded-For"], "127.0.0.1");
}

#[test]
fn a_request_without_a_credential_is_asked_for_one() {
    let answer = stack().get("/api/v1/whoami/").send();
    assert_envelope(&answer, 401, "credentials_required");
    assert!(
        answer
            .field("WWW-Authenticate")
            .is_some_and(|challenge| challenge.starts_with("Bearer"))
    );
}

#[test]
fn on_admin_the_session_works_and_its_cookie_comes_back_scoped_to_admin() {
    let session = stack().django_session(SUPERUSER);
    let set = session.answer.cookies();
    let scoped: Vec<_> = set
        .iter()
        .filter(|cookie| cookie.name == "sessionid" && !cookie.expires_at_once())
        .collect();
    assert_eq!(scoped.len(), 1, "{set:?}");
    assert_eq!(scoped[0].attribute("path"), Some("/admin/"));
    assert_eq!(scoped[0].attribute("domain"), None);
    assert_eq!(scoped[0].attribute("httponly"), Some(""));
    assert!(
        scoped[0]
            .attribute("samesite")
            .is_some_and(|same| ["Lax", "Strict"].contains(&same)),
        "{scoped:?}"
    );
    let at_root = |cookie: &SetCookie| cookie.name == "sessionid" && cookie.attribute("path") == Some("/");
    assert!(
        set.iter().any(|cookie| at_root(cookie) && cookie.expires_at_once()),
        "not expired at `/`: {set:?}"
    );

    let admin = stack().get("/admin/").cookie(&session.cookie()).send();
    assert_eq!(admin.status, 200);
    assert!(admin.text().contains("Site administration"), "{}", admin.text());
}

#[test]
fn an_older_session_cookie_at_the_root_does_not_shadow_the_admins() {
    // The browser holds a cookie at `/` from before the proxy stood there, and signs in with one that has run out.
    let older = django::sign_in(&stack().app, STAFF, "");
    let session = django::sign_in(&stack().public, SUPERUSER, "sessionid=abcdefghijklmnopqrstuvwxyz012345");
    // A browser sends the cookie with the longer path first; Django alone would keep the last of two.
    let both = format!("{}; {}", session.cookie(), older.cookie());
    let past = who_django_believes_past_the_proxy(&both);
    assert_eq!(past["user"], STAFF, "Django would have been shadowed");
    let admin = stack().get("/admin/").cookie(&both).send();
    assert_eq!(admin.status, 200);
    assert!(
        admin.text().contains(SUPERUSER) && !admin.text().contains(STAFF),
        "{}",
        admin.text()
    );
}

#[test]
fn the_introspection_path_is_closed_to_the_public() {
    let session = stack().django_session(SUPERUSER);
    for method in ["GET", "DELETE"] {
        for path in ["/internal/session/", "/internal/session", "/%69nternal/session/"] {
            let member = stack().sign_up();
            let answer = stack().request(method, path).bearer(&member.access).send();
            assert_envelope(&answer, 404, "no_route");
        }
    }
    assert_alive(&session);
}

#[test]
fn behind_a_trusted_hop_a_refusal_is_told_to_the_client_and_not_to_the_hop() {
    let stack = Stack::builder()
        .proxy(|file| {
            let server = file["server"].as_table_mut().unwrap();
            server.insert("trusted_hops".into(), toml::Value::from(vec!["127.0.0.0/8"]));
        })
        .start();
    let answer = stack
        .get("/api/v1/whoami/")
        .cookie("sessionid=anything-at-all")
        .field("X-Forwarded-For", "203.0.113.9")
        .field("X-Forwarded-Proto", "https")
        .send();
    assert_eq!((answer.status, answer.code().as_str()), (403, "session_not_allowed"));
    let cookies = answer.all("Set-Cookie");
    assert!(
        !cookies.is_empty() && cookies.iter().all(|cookie| cookie.contains("; Secure")),
        "{cookies:?}"
    );
    igny8_testkit::wait::wait_until("the refusal to be logged", std::time::Duration::from_secs(10), || {
        stack
            .proxy_log()
            .lines()
            .any(|line| line.contains("session_not_allowed") && line.contains("203.0.113.9"))
            .then_some(())
    });
}
