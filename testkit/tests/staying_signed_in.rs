//! Staying signed in through the proxy: where core's refresh cookie goes, and where it does not.

use igny8_testkit::raw::{Response, SetCookie};
use igny8_testkit::stack::{App, PASSWORD, Stack, new_address};
use serde_json::{Value, json};
use std::sync::OnceLock;

/// The app has no part in this. What is in front of the proxy may speak TLS.
fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let builder = Stack::builder().app(App::At("127.0.0.1:9".into()));
        let hops = toml::Value::Array(vec!["127.0.0.1/32".into()]);
        builder
            .proxy(move |file| igny8_testkit::config::set(file, "server.trusted_hops", hops))
            .start()
    })
}

fn post(path: &str, fields: &[(&str, &str)], body: &Value) -> Response {
    let request = stack().post(&format!("/api/v1/auth/{path}")).json(body);
    let request = request.field("X-Forwarded-For", "203.0.113.7");
    fields
        .iter()
        .fold(request, |request, (name, value)| request.field(name, value))
        .send()
}

fn cookie(answer: &Response, name: &str) -> SetCookie {
    let mut cookies = answer.cookies().into_iter();
    let found = cookies.find(|cookie| cookie.name == name && !cookie.expires_at_once());
    found.unwrap_or_else(|| panic!("no {name}: {} {:?}", answer.text(), answer.fields))
}

fn sign_up(fields: &[(&str, &str)]) -> Response {
    let answer = post(
        "register/",
        fields,
        &json!({"email": new_address(), "password": PASSWORD}),
    );
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer
}

#[test]
fn a_browser_stays_signed_in_by_its_cookie_and_signs_out_with_it() {
    for (fields, name) in [
        (&[][..], "igny8_refresh"),
        (&[("X-Forwarded-Proto", "https")], "__Host-igny8_refresh"),
    ] {
        let first = cookie(&sign_up(fields), name);
        let with = |cookie: &SetCookie| format!("theme=dark; {name}={}", cookie.value);
        let sent = with(&first);
        let fields_with = |sent: &str| {
            let own: Vec<(String, String)> = fields
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect();
            own.into_iter()
                .chain([("Cookie".to_owned(), sent.to_owned())])
                .collect::<Vec<_>>()
        };
        let refresh = |sent: &str| {
            let all = fields_with(sent);
            let all: Vec<(&str, &str)> = all
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            post("refresh/", &all, &json!({}))
        };
        let answer = refresh(&sent);
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let access = answer.json()["data"]["access"].as_str().unwrap().to_owned();
        let me = || {
            let request = stack().get("/api/v1/auth/me/").bearer(&access);
            request.field("X-Forwarded-For", "203.0.113.7").send().status
        };
        assert_eq!(me(), 200);
        let second = cookie(&answer, name);
        assert_ne!(first.value, second.value);

        let all = fields_with(&with(&second));
        let all: Vec<(&str, &str)> = all
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(post("logout/", &all, &json!({})).status, 204);
        assert_eq!(refresh(&with(&second)).code(), "token_revoked");
        igny8_testkit::wait::wait_until("the end to be felt", std::time::Duration::from_secs(5), || {
            (me() == 401).then_some(())
        });
    }
}

#[test]
fn the_cookie_goes_to_no_other_call() {
    let given = cookie(&sign_up(&[]), "igny8_refresh");
    let sent = format!("igny8_refresh={}", given.value);
    // Core would end the sign-in that a sign-up brings, if it saw it.
    sign_up(&[("Cookie", &sent)]);
    let answer = post("refresh/", &[("Cookie", &sent)], &json!({}));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn a_page_of_another_origin_neither_refreshes_nor_signs_out() {
    let given = cookie(&sign_up(&[]), "igny8_refresh");
    let sent = format!("igny8_refresh={}", given.value);
    for path in ["refresh/", "logout/"] {
        let answer = post(
            path,
            &[("Cookie", &sent), ("Origin", "https://evil.example")],
            &json!({}),
        );
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "origin_refused"),
            "{path}"
        );
    }
    let own = format!("http://{}", stack().public);
    assert_eq!(
        post("refresh/", &[("Cookie", &sent), ("Origin", &own)], &json!({})).status,
        200
    );
}

#[test]
fn what_needs_a_token_is_reached_with_one_and_not_without() {
    let answer = sign_up(&[]);
    let access = answer.json()["data"]["access"].as_str().unwrap().to_owned();
    let sessions = |bearer: Option<&str>| {
        let request = stack()
            .get("/api/v1/auth/sessions/")
            .field("X-Forwarded-For", "203.0.113.7");
        bearer
            .into_iter()
            .fold(request, |request, bearer| request.bearer(bearer))
            .send()
    };
    let listed = sessions(Some(&access));
    assert_eq!(listed.status, 200, "{}", listed.text());
    assert_eq!(
        listed.json()["data"]["items"][0]["address"],
        "203.0.113.7",
        "the client's address, not the proxy's"
    );
    assert_eq!(sessions(None).status, 401);
    let bearer = format!("Bearer {access}");
    let body = json!({"current_password": PASSWORD, "new_password": "harbour-quilt-58-lantern"});
    assert_eq!(
        post("change-password/", &[("Authorization", &bearer)], &body).status,
        200
    );
    assert_eq!(post("change-password/", &[], &body).status, 401);
    assert_eq!(
        post("password-reset/", &[], &json!({"email": new_address()})).status,
        202
    );
}
