//! Core's own panel behind the proxy: its session opens the panel, and nothing else.

use igny8_testkit::http::{get, post};
use igny8_testkit::panel::{hidden, session, sign_in};
use igny8_testkit::raw::Response;
use igny8_testkit::stack::{PASSWORD, Stack};
use std::sync::OnceLock;

fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| Stack::builder().core_panel().start())
}

/// A new member of staff who is signed in to the panel: the cookie.
#[track_caller]
fn seated(superuser: bool) -> String {
    let staff = stack().staff(superuser);
    let answer = sign_in(&stack().public, &staff.email, PASSWORD);
    assert_eq!(
        (answer.status, answer.field("location")),
        (303, Some("/admin/")),
        "{}",
        answer.text()
    );
    let cookie = session(&answer).unwrap_or_else(|| panic!("no session: {:?}", answer.fields));
    assert_eq!(cookie.attribute("path"), Some("/admin/"));
    assert_eq!(cookie.attribute("samesite"), Some("Strict"));
    assert!(cookie.attribute("httponly").is_some(), "{cookie:?}");
    format!("sessionid={}", cookie.value)
}

fn panel(cookie: &str) -> Response {
    stack().get("/admin/").cookie(cookie).send()
}

#[test]
fn staff_sign_in_through_the_proxy_and_out_again() {
    let cookie = seated(false);
    let page = panel(&cookie);
    assert_eq!(page.status, 200, "{}", page.text());
    // Nothing of the panel's dress is lost or softened on the way.
    assert_eq!(page.field("x-frame-options"), Some("DENY"));
    assert_eq!(page.field("cache-control"), Some("no-store"));
    assert!(
        page.field("content-security-policy")
            .is_some_and(|policy| policy.starts_with("default-src 'none'"))
    );
    let form = format!("csrf={}&once={}", hidden(&page, "csrf"), hidden(&page, "once"));
    let out = |fields: &[(&str, &str)]| {
        let mut request = post(&stack().public, "/admin/sign-out/").cookie(&cookie);
        for (name, value) in fields {
            request = request.field(name, value);
        }
        request
            .body("application/x-www-form-urlencoded", form.clone().into_bytes())
            .send()
    };
    assert_eq!(out(&[("Origin", "http://evil.example")]).status, 403);
    assert_eq!(panel(&cookie).status, 200);
    let left = out(&[("Origin", &format!("http://{}", stack().public))]);
    assert_eq!((left.status, left.field("location")), (303, Some("/admin/sign-in/")));
    assert_eq!(panel(&cookie).field("location"), Some("/admin/sign-in/"));
}

#[test]
fn a_superusers_session_of_the_panel_answers_no_api_route_and_ends_where_it_is_tried() {
    for path in ["/api/v1/account/", "/api/v1/staff/accounts/", "/api/v1/whoami/"] {
        let cookie = seated(true);
        let answer = stack().get(path).cookie(&cookie).send();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "session_not_allowed"),
            "{path}: {}",
            answer.text()
        );
        let forgotten = answer.cookies();
        assert!(
            forgotten
                .iter()
                .any(|cookie| cookie.name == "sessionid" && cookie.expires_at_once())
        );
        let page = panel(&cookie);
        assert_eq!(
            (page.status, page.field("location")),
            (303, Some("/admin/sign-in/")),
            "{path}: it lives on"
        );
    }
}

#[test]
fn a_session_of_staff_who_are_no_superusers_is_refused_on_the_api_and_lives_on() {
    let cookie = seated(false);
    let answer = stack().get("/api/v1/staff/accounts/").cookie(&cookie).send();
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (403, "session_not_allowed"),
        "{}",
        answer.text()
    );
    assert_eq!(panel(&cookie).status, 200);
}

#[test]
fn beside_a_token_the_panels_session_is_left_out() {
    let cookie = seated(false);
    let member = stack().sign_up();
    let me = get(&stack().public, "/api/v1/auth/me/")
        .bearer(&member.access)
        .cookie(&cookie)
        .send();
    assert_eq!(
        me.json()["data"]["user"]["email"],
        member.email.as_str(),
        "{}",
        me.text()
    );
    let staff_route = get(&stack().public, "/api/v1/staff/accounts/")
        .bearer(&member.access)
        .cookie(&cookie)
        .send();
    assert_eq!(staff_route.code(), "role_required", "the session lent its role");
}
