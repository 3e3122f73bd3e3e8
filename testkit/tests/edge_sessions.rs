//! What the real proxy lets through of cookies and sessions, spelled as only a hostile client would: hidden in other values,
//! too long, too many, under several names.

use igny8_testkit::config::set;
use igny8_testkit::echo::Echo;
use igny8_testkit::edge::add_route;
use igny8_testkit::raw::Response;
use igny8_testkit::stack::{App, GENEROUS_LIMITS, Stack};
use serde_json::{Value, json};
use std::sync::OnceLock;
use toml::Table;

/// One stack for every test here, and its app.
struct Edge {
    stack: Stack,
    app: Echo,
}

fn routes(file: &mut Table) {
    set(file, "sessions.cookies", vec!["sessionid", "remember_token"]);
    for keys in [
        "prefix = \"/open\"\nkind = \"public\"\nupstream = \"app\"\ncookies_allow = [\"locale\"]",
        "prefix = \"/signed-in\"\nkind = \"page\"\nupstream = \"app\"\nsessions = \"non_superuser\"",
    ] {
        add_route(file, keys);
    }
}

fn edge() -> &'static Edge {
    static EDGE: OnceLock<Edge> = OnceLock::new();
    EDGE.get_or_init(|| {
        let app = Echo::start();
        let builder = Stack::builder().app(App::At(app.address().to_owned()));
        let stack = builder.proxy(routes).start();
        Edge { stack, app }
    })
}

fn person(superuser: bool) -> Value {
    json!({"authenticated": true, "is_staff": superuser, "is_superuser": superuser, "user_id": 9, "account_id": 7})
}

/// The cookies that the app received.
#[track_caller]
fn received(answer: &Response) -> Option<String> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    text.lines()
        .find_map(|line| line.strip_prefix("Cookie: ").map(str::to_owned))
}

#[test]
fn no_session_and_no_unnamed_cookie_reaches_the_app_inside_another_value() {
    let stack = &edge().stack;
    for cookies in [
        "a=1 sessionid=rootroot1",
        "a=\"1\" sessionid=rootroot1",
        "a=1\tsessionid = rootroot1",
        "a=1, sessionid=rootroot1",
    ] {
        let page = stack.get("/home").cookie(cookies).send();
        assert_eq!(received(&page), None, "{cookies}");
    }
    let ordinary = "a=the quick brown fox; b=1, 2";
    let page = stack.get("/home").cookie(ordinary).send();
    assert_eq!(received(&page).as_deref(), Some(ordinary));
    for cookies in ["locale=x sessionid=rootroot1", "locale=x, jwt=abc", "locale=x\tjwt=abc"] {
        let public = stack.get("/open/x").cookie(cookies).send();
        assert_eq!(received(&public), None, "{cookies}");
    }
    let public = stack.get("/open/x").cookie("locale=de; jwt=abc").send();
    assert_eq!(received(&public).as_deref(), Some("locale=de"));
}

#[test]
fn a_long_session_is_looked_up_like_any_other() {
    let Edge { stack, app } = edge();
    for length in [257, 4096] {
        let root = "r".repeat(length);
        for path in ["/home", "/open/x", "/api/x"] {
            app.tell(&root, person(true));
            let answer = stack.get(path).cookie(&format!("sessionid={root}")).send();
            assert_eq!(answer.status, 403, "{path} {length}");
            assert!(app.ended().contains(&root), "{path} {length}: the session lives");
        }
    }
}

#[test]
fn more_sessions_than_are_looked_at_are_refused_before_anybody_is_asked() {
    let Edge { stack, app } = edge();
    app.tell("hidden-root", person(true));
    let four: Vec<String> = (1..=4)
        .map(|number| format!("sessionid=nobody-{number}-nobody"))
        .collect();
    let five = format!("{}; sessionid=hidden-root", four.join("; "));
    for (method, path) in [
        ("GET", "/home"),
        ("GET", "/open/x"),
        ("GET", "/api/x"),
        ("POST", "/api/v1/auth/logout/"),
    ] {
        let request = stack.request(method, path).field("Accept", "application/json");
        let answer = request.cookie(&five).send();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "malformed_request"),
            "{path}"
        );
        // A browser that has gathered so many is well again at its next request.
        assert!(
            answer
                .cookies()
                .iter()
                .any(|cookie| cookie.name == "sessionid" && cookie.expires_at_once())
        );
    }
    assert!(!app.ended().contains(&"hidden-root".to_owned()));
    assert!(!app.asked_about("hidden-root") && !app.asked_about("nobody-1-nobody"));
    // Where a token decides, no session counts, however many there are; four of them are looked at.
    let member = stack.sign_up();
    let answer = stack.get("/api/x").bearer(&member.access).cookie(&five).send();
    assert_eq!(received(&answer), None);
    assert_eq!(received(&stack.get("/home").cookie(&four.join("; ")).send()), None);
}

#[test]
fn the_panel_gets_the_first_cookie_of_each_session_name() {
    let stack = &edge().stack;
    for (sent, wanted) in [
        ("remember_token=remember1; sessionid=panel-session", None),
        ("sessionid=panel-session; remember_token=remember1; x=1", None),
        (
            "sessionid=panel-session; sessionid=other; remember_token=remember1; remember_token=other",
            Some("sessionid=panel-session; remember_token=remember1"),
        ),
    ] {
        let answer = stack.get("/admin/").cookie(sent).send();
        assert_eq!(received(&answer).as_deref(), Some(wanted.unwrap_or(sent)));
    }
}

#[test]
fn a_logout_ends_the_session_though_every_bucket_of_its_address_is_empty() {
    let app = Echo::start();
    let once = "rate = \"1/h\"\nburst = 1\n";
    let others = GENEROUS_LIMITS
        .replace("[address]", "[plan.none]")
        .replace("[cold]", "[plan.no]");
    let limits = format!("{others}[address]\n{once}[cold]\n{once}");
    let builder = Stack::builder().app(App::At(app.address().to_owned())).limits(&limits);
    let stack = builder.proxy(routes).start();
    // Remembered as nobody's.
    assert_eq!(received(&stack.get("/home").cookie("sessionid=ordinary1").send()), None);
    assert!(app.asked_about("ordinary1"));
    let forged = || stack.get("/api/x").bearer("a.b.c").send().code();
    assert!(
        (0..3).any(|_| forged() == "throttled"),
        "the bucket of cold work has no end"
    );
    assert!(
        (0..3).any(|_| stack.get("/home").send().status == 429),
        "the address has no end"
    );

    for session in ["rootroot1", "ordinary1"] {
        app.tell(session, person(session == "rootroot1"));
        let request = stack
            .post("/api/v1/auth/logout/")
            .cookie(&format!("sessionid={session}"));
        let answer = request.send();
        assert_eq!(answer.status, 204, "{}", answer.text());
        assert!(app.ended().contains(&session.to_owned()), "{session} lives");
        assert!(
            answer
                .cookies()
                .iter()
                .any(|cookie| cookie.name == "sessionid" && cookie.expires_at_once())
        );
    }
    let foreign = stack
        .post("/api/v1/auth/logout/")
        .field("Origin", "https://evil.example");
    assert_eq!(foreign.send().code(), "origin_refused");
    assert_eq!(stack.get("/home").send().status, 429, "a logout filled the bucket");
}

#[test]
fn whoever_becomes_a_superuser_is_stopped_at_the_next_request() {
    let Edge { stack, app } = edge();
    let cookie = "sessionid=soon-a-superuser";
    let page = || stack.get("/signed-in/x").cookie(cookie).send();
    app.tell("soon-a-superuser", person(false));
    for _ in 0..2 {
        assert_eq!(received(&page()).as_deref(), Some(cookie));
    }
    app.tell("soon-a-superuser", json!({"authenticated": true, "is_staff": true}));
    assert_eq!(
        received(&page()),
        None,
        "a member of staff passed by what was remembered"
    );
    app.tell("soon-a-superuser", person(true));
    assert_eq!(page().status, 403, "a superuser passed by what was remembered");
    assert!(app.ended().contains(&"soon-a-superuser".to_owned()));
}

#[test]
fn who_is_known_is_asked_about_again_for_nothing_and_who_is_not_pays() {
    let app = Echo::start();
    let others = GENEROUS_LIMITS.replace("[cold]", "[plan.no]");
    let limits = format!("{others}[cold]\nrate = \"2/h\"\nburst = 2\n");
    let builder = Stack::builder().app(App::At(app.address().to_owned())).limits(&limits);
    // Remembered for longer than the test takes.
    let stack = builder
        .proxy(|file| {
            routes(file);
            set(file, "sessions.cache", "60s");
        })
        .start();
    let page = |cookie: &str| stack.get("/signed-in/x").cookie(cookie).send();
    app.tell("somebody-1", person(false));
    for _ in 0..12 {
        assert_eq!(
            received(&page("sessionid=somebody-1")).as_deref(),
            Some("sessionid=somebody-1")
        );
    }
    assert_eq!(
        received(&page("sessionid=made-up-1")),
        None,
        "the second look-up is paid for"
    );
    assert_eq!(page("sessionid=made-up-1").status, 429, "who is nobody pays each time");
    app.tell("somebody-1", person(true));
    assert_eq!(page("sessionid=somebody-1").status, 403, "and is still asked about");
}

#[test]
fn a_token_beside_another_in_the_query_is_refused_and_an_apps_own_parameter_passes() {
    let stack = &edge().stack;
    let member = stack.sign_up();
    let ask = |query: &str| stack.get(&format!("/api/x?{query}")).bearer(&member.access).send();
    let jwt = &member.access;
    let escaped = jwt.replace('.', "%2E").replacen('e', "%65", 1);
    for query in [
        "access_token=x".to_owned(),
        "access%5Ftoken=x".to_owned(),
        "a=1;access_token=x".to_owned(),
        format!("token={jwt}"),
        format!("a=1&t={escaped}"),
        "t=%69gk_1234567890".to_owned(),
    ] {
        let answer = ask(&query);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "credentials_ambiguous"),
            "{query}"
        );
    }
    for query in ["token=abc", "auth_token=x", "file=a.b.c", ""] {
        assert_eq!(ask(query).status, 200, "{query}");
    }
    // Pages and public routes have no credential: what is in their queries is the app's.
    assert_eq!(stack.get(&format!("/home?token={jwt}")).send().status, 200);
}
