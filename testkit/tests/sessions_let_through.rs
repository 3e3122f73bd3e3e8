//! The exceptions to "no session outside the panel", on the real proxy: pages that sign in by session, API routes while
//! `strict_jwt_only` is off, and superusers, who pass nowhere.

use igny8_testkit::config::{route, set};
use igny8_testkit::echo::Echo;
use igny8_testkit::raw::Response;
use igny8_testkit::stack::{App, GENEROUS_LIMITS, Stack};
use serde_json::json;
use toml::Table;

fn stack(echo: &Echo, limits: &str, edit: impl FnOnce(&mut Table) + 'static) -> Stack {
    Stack::builder()
        .app(App::At(echo.address().to_owned()))
        .limits(limits)
        .proxy(edit)
        .start()
}

/// The cookies that the app received.
fn received(answer: &Response) -> Option<String> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("Cookie: ").map(str::to_owned))
}

fn field(answer: &Response, name: &str) -> Option<String> {
    let text = answer.text();
    text.lines()
        .find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
}

const STAFF: &str = "staffstaff";
const ROOT: &str = "rootroot1";
const ORDINARY: &str = "ordinary1";

fn people(echo: &Echo, account: i64) {
    let person = |staff, superuser| json!({"authenticated": true, "is_staff": staff, "is_superuser": superuser, "user_id": 9, "account_id": account});
    echo.tell(ORDINARY, person(false, false));
    echo.tell(STAFF, person(true, false));
    echo.tell(ROOT, person(true, true));
}

#[test]
fn pages_that_sign_in_by_session_get_an_ordinary_users_and_no_other() {
    let echo = Echo::start();
    people(&echo, 7);
    let stack = stack(&echo, GENEROUS_LIMITS, |file| {
        route(file, "/").insert("sessions".into(), "non_superuser".into());
    });
    let page = |cookies: &str| stack.get("/home").cookie(cookies).send();
    let both = format!("theme=dark; sessionid={ORDINARY}");
    assert_eq!(received(&page(&both)).as_deref(), Some(both.as_str()));
    assert_eq!(field(&page(&both), "X-Account-Id"), None, "a page acts for nobody");
    for other in [STAFF, "nobody-knows-me", "short"] {
        assert_eq!(
            received(&page(&format!("theme=dark; sessionid={other}"))).as_deref(),
            Some("theme=dark")
        );
    }
    // Two of them are one too many, whoever they are.
    assert_eq!(
        received(&page(&format!("sessionid={ORDINARY}; sessionid=another-one"))),
        None
    );
    // An API route is not touched by the pages' rule.
    let api = stack.get("/api/x").cookie(&format!("sessionid={ORDINARY}")).send();
    assert_eq!((api.status, api.code().as_str()), (403, "session_not_allowed"));

    let blocked = page(&format!("sessionid={ROOT}"));
    assert_eq!(blocked.status, 403);
    assert_eq!(echo.ended(), [ROOT]);

    // Signing in on a page sets the cookie; elsewhere none is set.
    echo.set_cookies(&[
        "sessionid=new; Path=/; HttpOnly",
        "__Host-sessionid=x; Path=/; Secure",
        "theme=light",
    ]);
    let names: Vec<String> = stack
        .get("/home")
        .send()
        .cookies()
        .into_iter()
        .map(|cookie| cookie.name)
        .collect();
    assert_eq!(names, ["sessionid", "theme"]);
}

#[test]
fn a_superusers_session_may_be_refused_without_being_ended_and_passes_all_the_same_nowhere() {
    let echo = Echo::start();
    people(&echo, 7);
    let stack = stack(&echo, GENEROUS_LIMITS, |file| {
        for prefix in ["/", "/api"] {
            route(file, prefix).insert("on_superuser_session".into(), "refuse".into());
        }
    });
    let cookie = format!("sessionid={ROOT}");
    let page = stack
        .get("/home")
        .cookie(&cookie)
        .field("Accept", "application/json")
        .send();
    assert_eq!((page.status, page.code().as_str()), (403, "superuser_session_blocked"));
    let api = stack.get("/api/x").cookie(&cookie).send();
    assert_eq!((api.status, api.code().as_str()), (403, "session_not_allowed"));
    assert!(echo.ended().is_empty(), "the session was ended");
    let admin = stack.get("/admin/").cookie(&cookie).send();
    assert_eq!(
        received(&admin).as_deref(),
        Some(cookie.as_str()),
        "the panel lost its session"
    );
}

/// Sessions of anybody but one ordinary user of one account, while `strict_jwt_only` is off.
#[track_caller]
fn assert_nobody_else_passes(stack: &Stack, echo: &Echo, account: i64) {
    let api = |session: &str| stack.get("/api/x").cookie(&format!("sessionid={session}"));
    for (session, facts) in [
        ("nouser-nouser", json!({"authenticated": true, "account_id": account})),
        ("noaccount-noaccount", json!({"authenticated": true, "user_id": 9})),
        (
            "signedout-signedout",
            json!({"authenticated": false, "user_id": 9, "account_id": account}),
        ),
        (
            "stafflike-stafflike",
            json!({"authenticated": true, "is_staff": true, "user_id": 9, "account_id": account}),
        ),
        ("unknown-unknown", json!(null)),
    ] {
        echo.tell(session, facts);
        let answer = api(session).send();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "session_not_allowed"),
            "{session}"
        );
    }
    let gone = "goneaccount";
    echo.tell(
        gone,
        json!({"authenticated": true, "user_id": 9, "account_id": 999_999}),
    );
    let answer = api(gone).send();
    assert_eq!((answer.status, answer.code().as_str()), (403, "account_missing"));
    let answer = api(ROOT).send();
    assert_eq!((answer.status, answer.code().as_str()), (403, "session_not_allowed"));
    assert_eq!(echo.ended(), [ROOT]);
    let two = stack
        .get("/api/x")
        .cookie(&format!("sessionid={ORDINARY}; sessionid={STAFF}"))
        .send();
    assert_eq!((two.status, two.code().as_str()), (403, "session_not_allowed"));
}

#[test]
fn while_strict_jwt_only_is_off_one_ordinary_users_session_acts_for_its_account_and_no_other_does() {
    let echo = Echo::start();
    let limits = format!("{GENEROUS_LIMITS}[plan.free-trial]\nrate = \"1/h\"\nburst = 7\n");
    let stack = stack(&echo, &limits, |file| set(file, "flags.strict_jwt_only", false));
    let (member, other) = (stack.sign_up(), stack.sign_up());
    people(&echo, member.account_id);
    let before = echo.asked();
    let api = |session: &str| stack.get("/api/x").cookie(&format!("theme=dark; sessionid={session}"));

    let answer = api(ORDINARY).send();
    assert_eq!(received(&answer), Some(format!("sessionid={ORDINARY}")));
    assert_eq!(field(&answer, "X-Account-Id"), Some(member.account_id.to_string()));
    assert_eq!(field(&answer, "X-User-Id").as_deref(), Some("9"));
    assert_eq!(field(&answer, "X-User-Role"), None, "a session has no role");
    assert_eq!(received(&api(ORDINARY).send()), Some(format!("sessionid={ORDINARY}")));
    assert_eq!(echo.asked(), before + 2, "an answer about the session was remembered");
    assert!(stack.proxy_log().contains("strict_jwt_only"), "nothing was said");
    assert!(stack.metrics().contains("igny8_flag{flag=\"strict_jwt_only\"} 0"));

    // What another scheme says beside it was never verified and does not go on.
    let basic = api(ORDINARY).field("Authorization", "Basic YWRtaW46YWRtaW4=").send();
    assert_eq!(received(&basic), Some(format!("sessionid={ORDINARY}")));
    assert_eq!(field(&basic, "Authorization"), None);

    // Another site cannot make the browser act.
    let foreign = api(ORDINARY).field("Origin", "https://evil.example").send();
    assert_eq!((foreign.status, foreign.code().as_str()), (403, "origin_refused"));
    let own = api(ORDINARY)
        .field("Origin", &format!("http://{}", stack.public))
        .send();
    assert_eq!(own.status, 200, "{}", own.text());

    assert_nobody_else_passes(&stack, &echo, member.account_id);

    // The account's bucket counts these requests, too: four of seven are gone.
    let admitted = (0..10).take_while(|_| api(ORDINARY).send().status == 200).count();
    assert_eq!(admitted, 3);
    assert_eq!(stack.get("/api/x").bearer(&member.access).send().code(), "throttled");
    assert_eq!(stack.get("/api/x").bearer(&other.access).send().status, 200);
    // A bad token is never mended by the session beside it.
    let bad = api(ORDINARY).bearer("a.b.c").send();
    assert_eq!((bad.status, bad.code().as_str()), (401, "token_invalid"));
}

#[test]
fn a_session_is_asked_about_ended_and_expired_under_its_own_name() {
    for name in ["connect.sid", "JSESSIONID"] {
        let echo = Echo::start();
        let person = |superuser| json!({"authenticated": true, "is_staff": superuser, "is_superuser": superuser, "user_id": 9, "account_id": 7});
        let stack = stack(&echo, GENEROUS_LIMITS, move |file| {
            set(file, "sessions.cookies", vec![name]);
            route(file, "/").insert("sessions".into(), "non_superuser".into());
        });
        let expired = |answer: &Response, wanted: &str| {
            let mut cookies = answer.cookies().into_iter();
            cookies.any(|cookie| cookie.name == wanted && cookie.expires_at_once())
        };
        // A value that is a session under this name alone.
        let root = format!("{name}={ROOT}");
        for (method, target, status) in [
            ("GET", "/home", 403),
            ("GET", "/api/x", 403),
            ("POST", "/api/v1/auth/logout/", 204),
        ] {
            echo.tell(&root, person(true));
            let ended = echo.ended_cookies().len();
            let answer = stack.request(method, target).cookie(&root).send();
            assert_eq!(answer.status, status, "{root} {target}: {}", answer.text());
            assert_eq!(echo.ended_cookies()[ended..], [root.as_str()], "{target}");
            assert!(expired(&answer, name), "{target}: {:?}", answer.cookies());
        }
        for prefix in ["__Secure-", "__Host-"] {
            let prefixed = format!("{prefix}{root}");
            echo.tell(&prefixed, person(true));
            let answer = stack.get("/api/x").cookie(&prefixed).send();
            assert_eq!(answer.code(), "session_not_allowed");
            assert_eq!(echo.ended_cookies().last(), Some(&prefixed));
            assert!(expired(&answer, name) && expired(&answer, &format!("{prefix}{name}")));
        }
        let ordinary = format!("{name}={ORDINARY}");
        echo.tell(&ordinary, person(false));
        let set_cookie = format!("{ordinary}; Path=/");
        echo.set_cookies(&[&set_cookie]);
        let home = stack.get("/home").cookie(&ordinary).send();
        assert_eq!(received(&home).as_deref(), Some(ordinary.as_str()));
        assert_eq!(home.cookies()[0].name, name, "nobody can sign in");
    }
}

#[test]
fn a_silent_app_lets_no_session_pass() {
    let echo = Echo::start();
    people(&echo, 7);
    let stack = stack(&echo, GENEROUS_LIMITS, |file| {
        set(file, "flags.strict_jwt_only", false);
        set(
            file,
            "sessions.app_introspection",
            "http://127.0.0.1:9/internal/session/",
        );
        route(file, "/").insert("sessions".into(), "non_superuser".into());
    });
    let cookie = format!("sessionid={ORDINARY}");
    assert_eq!(received(&stack.get("/home").cookie(&cookie).send()), None);
    let api = stack.get("/api/x").cookie(&cookie).send();
    assert_eq!((api.status, api.code().as_str()), (403, "session_not_allowed"));
}
