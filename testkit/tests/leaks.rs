//! What the proxy sees and must not write down: no password, token, key, session or secret is in its log, not even where
//! everything that can be logged is.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::echo::Echo;
use igny8_testkit::http::{get, post};
use igny8_testkit::raw::Response;
use igny8_testkit::stack::{App, Stack, new_address};
use igny8_testkit::wait::wait_until;
use serde_json::json;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
/// Nobody else's, so that finding it means something.
const PASSWORD: &str = "quillwort-93-gazette-lantern";
const SESSION: &str = "s3ss10n-of-somebody-in-the-panel";
const STRANGE_KEY: &str = "igk_0000000000000000000000000000000000000000000000000000000000000000";

/// A token's signature: what it says is no secret.
fn signature(token: &str) -> String {
    token.rsplit_once('.').unwrap().1.to_owned()
}

fn ask(stack: &Stack, field: (&str, &str)) -> Response {
    get(&stack.public, "/api/v1/whoami/").field(field.0, field.1).send()
}

/// Shows the proxy everything that may be shown to it, well and badly, and gives back what was secret of it.
fn show_everything(stack: &Stack) -> Vec<String> {
    let body = json!({"email": new_address(), "password": PASSWORD, "refresh_delivery": "body"});
    let pair = post(&stack.public, "/api/v1/auth/register/").json(&body).send().json();
    let word = |name: &str| pair["data"][name].as_str().unwrap().to_owned();
    let (access, refresh) = (word("access"), word("refresh"));
    let bearer = format!("Bearer {access}");
    assert_eq!(ask(stack, ("Authorization", &bearer)).status, 200);
    assert_eq!(ask(stack, ("Authorization", &format!("{bearer}x"))).status, 401);
    let made = post(&stack.public, "/api/v1/account/api-keys/").bearer(&access);
    let made = made.json(&json!({"name": "import"})).send().json();
    let key = made["data"]["key"].as_str().unwrap().to_owned();
    let answer = ask(stack, ("X-Api-Key", &key));
    assert_eq!(answer.status, 200, "{}", answer.text());
    // The app answers with what it was sent: the token that the key was exchanged for.
    let head = answer.text();
    let exchanged = head.split("Bearer ").nth(1).unwrap().lines().next().unwrap();
    assert_eq!(ask(stack, ("X-Api-Key", STRANGE_KEY)).status, 401);
    let session = ("Cookie", &*format!("sessionid={SESSION}"));
    assert!(ask(stack, session).status >= 400);
    assert_eq!(
        get(&stack.public, "/admin/").field(session.0, session.1).send().status,
        200
    );
    let next = post(&stack.public, "/api/v1/auth/refresh/").json(&json!({"refresh": refresh}));
    let next = next.send().json()["data"]["refresh"].as_str().unwrap().to_owned();
    let cookie = format!("igny8_refresh={next}");
    let origin = format!("http://{}", stack.public);
    let by_cookie = post(&stack.public, "/api/v1/auth/refresh/").field("Cookie", &cookie);
    let by_cookie = by_cookie.field("Origin", &origin).json(&json!({}));
    assert_eq!(by_cookie.send().status, 200);
    let file = |name: &str| std::fs::read_to_string(stack.var.join("secrets").join(name)).unwrap();
    vec![
        PASSWORD.to_owned(),
        signature(&access),
        signature(exchanged),
        refresh[4..].to_owned(),
        next[4..].to_owned(),
        key[12..].to_owned(),
        STRANGE_KEY[12..].to_owned(),
        SESSION.to_owned(),
        file("internal_token").trim().to_owned(),
        file("edge_app").trim().to_owned(),
    ]
}

#[test]
fn no_password_token_key_or_session_is_in_the_proxys_log_not_even_at_trace_level() {
    let app = Echo::start();
    let builder = Stack::builder().app(App::At(app.address().to_owned()));
    let stack = builder.proxy_log("trace").start();
    let secrets = show_everything(&stack);
    // The last request has been logged, and so has everything before it.
    assert_eq!(get(&stack.public, "/api/v1/the-last-one/").send().status, 401);
    wait_until("the log to be written", PATIENCE, || {
        stack.proxy_log().contains("the-last-one").then_some(())
    });
    let log = stack.proxy_log();
    assert!(
        log.contains(" TRACE ") || log.contains(" DEBUG "),
        "everything is logged"
    );
    for secret in secrets {
        assert!(secret.len() >= 16, "{secret}");
        let told = log.lines().find(|line| line.contains(&secret));
        assert_eq!(told, None, "{secret}");
    }
}
