use super::super::cors::tests::rule;
use super::super::route::HostRule;
use super::super::route::tests::route;
use super::*;
use igny8_contract::ids::{AccountId, UserId};

/// Says what it has been told to say.
#[derive(Default)]
struct Told {
    token: Option<Result<Arc<Identity>, Refusal>>,
    sessions: Option<Sessions>,
    admitted: Option<bool>,
}

impl Witness for Told {
    fn token(&self, _token: &[u8]) -> Option<Result<Arc<Identity>, Refusal>> {
        self.token.clone()
    }
    fn key(&self, _key: &[u8]) -> Option<Result<Arc<Grant>, Refusal>> {
        None
    }
    fn client(&self) -> Option<IpAddr> {
        None
    }
    fn sessions(&self, _routed: &Routed<'_>) -> Option<Sessions> {
        self.sessions.clone()
    }
    fn standing(&self, _identity: &Identity) -> Option<Arc<StandingFacts>> {
        None
    }
    fn admitted(&self, _payer: Payer<'_>, _scope: Option<&str>) -> (Option<bool>, String) {
        (self.admitted, "the limits".to_owned())
    }
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
}

fn run(request: &str, witness: &Told) -> (Vec<&'static str>, Outcome) {
    let mut scripted = route("/cors", RouteKind::Api);
    scripted.edge.cors = Some(Arc::new(rule(&["https://a.example"], false, false)));
    let routes = Routes::new(
        vec![HostRule::parse("localhost").unwrap()],
        vec![
            route("/", RouteKind::Page),
            route("/api", RouteKind::Api),
            route("/admin", RouteKind::Admin),
            scripted,
        ],
        None,
    );
    let cookies = CookieRules::new(&["sessionid".into()]);
    let rules = Rules {
        routes: &routes,
        cookies: &cookies,
        upstreams: &["app"],
        logout_path: "/logout",
        asks_key_standing: true,
        secure: false,
    };
    let block = format!("{}\r\n\r\n", request.replace('\n', "\r\n"));
    let (steps, outcome) = walk(block.as_bytes(), rules, witness);
    assert!(steps.iter().all(|step| !step.detail.is_empty()));
    assert!(
        !format!("{steps:?}").contains("secret"),
        "a credential prints: {steps:?}"
    );
    (steps.iter().map(|step| step.name).collect(), outcome)
}

#[test]
fn a_page_goes_through_every_step() {
    let told = Told {
        admitted: Some(true),
        ..Told::default()
    };
    let (steps, outcome) = run("GET /x HTTP/1.1\nHost: localhost\nCookie: a=secret", &told);
    assert_eq!(outcome, Outcome::Passed);
    assert_eq!(
        steps,
        [
            "framing",
            "route",
            "credential found",
            "credential",
            "standing",
            "rate",
            "edits"
        ]
    );
}

#[test]
fn the_first_step_that_refuses_is_the_last() {
    use Refusal::*;
    for (request, last, refusal) in [
        ("GET /x HTTP/1.1\nHost: localhost\nX_Y: 1", "framing", ForbiddenField),
        ("GET //x HTTP/1.1\nHost: localhost", "route", MalformedPath),
        ("GET /x HTTP/1.1\nHost: elsewhere", "route", BadHost),
        (
            "GET /api/x HTTP/1.1\nHost: localhost",
            "credential",
            CredentialsRequired,
        ),
        (
            "GET /api/x HTTP/1.1\nHost: localhost\nCookie: sessionid=secret123",
            "credential",
            SessionNotAllowed,
        ),
        (
            "GET /api/x HTTP/1.1\nHost: localhost\nAuthorization: Bearer secret, Bearer b",
            "credential found",
            CredentialsAmbiguous,
        ),
    ] {
        let (steps, outcome) = run(request, &Told::default());
        assert_eq!(
            (steps.last(), outcome),
            (Some(&last), Outcome::Refused(refusal)),
            "{request}"
        );
    }
}

#[test]
fn what_nobody_knows_is_unknown_and_not_guessed() {
    for (request, last) in [
        (
            "GET /x HTTP/1.1\nHost: localhost\nCookie: sessionid=secret123",
            "session",
        ),
        (
            "GET /api/x HTTP/1.1\nHost: localhost\nAuthorization: Bearer secret",
            "credential",
        ),
        (
            "GET /api/x HTTP/1.1\nHost: localhost\nX-Api-Key: igk_secret",
            "credential",
        ),
        ("GET /x HTTP/1.1\nHost: localhost", "rate"),
    ] {
        let (steps, outcome) = run(request, &Told::default());
        assert_eq!((steps.last(), outcome), (Some(&last), Outcome::Unknown), "{request}");
    }
    let told = Told {
        token: Some(Ok(Arc::new(Identity::of_session(AccountId(7), UserId(9))))),
        ..Told::default()
    };
    let (steps, outcome) = run(
        "GET /api/x HTTP/1.1\nHost: localhost\nAuthorization: Bearer secret",
        &told,
    );
    assert_eq!((steps.last(), outcome), (Some(&"standing"), Outcome::Unknown));
}

#[test]
fn what_the_proxy_answers_itself_goes_no_further() {
    let preflight = |origin: &str| {
        format!("OPTIONS /cors HTTP/1.1\nHost: localhost\nOrigin: {origin}\nAccess-Control-Request-Method: PUT")
    };
    for (request, last, expected) in [
        (
            "HEAD /healthz HTTP/1.1\nHost: elsewhere".to_owned(),
            "health",
            Outcome::Answered,
        ),
        (preflight("https://a.example"), "preflight", Outcome::Answered),
        (
            preflight("https://b.example"),
            "preflight",
            Outcome::Refused(Refusal::OriginRefused),
        ),
    ] {
        let (steps, outcome) = run(&request, &Told::default());
        assert_eq!((steps.last(), outcome), (Some(&last), expected), "{request}");
    }
}

#[test]
fn another_site_signs_nobody_out() {
    let request = "POST /logout HTTP/1.1\nHost: localhost\nOrigin: https://b.example";
    let (steps, outcome) = run(request, &Told::default());
    assert_eq!(
        (steps.last(), outcome),
        (Some(&"session"), Outcome::Refused(Refusal::OriginRefused))
    );
}

#[test]
fn a_known_session_and_a_refused_token_are_judged_as_when_they_come() {
    let superuser = Told {
        sessions: Some(Sessions {
            superuser: true,
            ..Sessions::default()
        }),
        ..Told::default()
    };
    let (_, outcome) = run(
        "GET /x HTTP/1.1\nHost: localhost\nCookie: sessionid=secret123",
        &superuser,
    );
    assert_eq!(outcome, Outcome::Refused(Refusal::SuperuserSessionBlocked));
    let expired = Told {
        token: Some(Err(Refusal::TokenExpired)),
        ..Told::default()
    };
    let (_, outcome) = run(
        "GET /api/x HTTP/1.1\nHost: localhost\nAuthorization: Bearer secret",
        &expired,
    );
    assert_eq!(outcome, Outcome::Refused(Refusal::TokenExpired));
    let (_, outcome) = run(
        "POST /logout/ HTTP/1.1\nHost: localhost\nCookie: sessionid=secret123",
        &Told {
            admitted: Some(true),
            ..Told::default()
        },
    );
    assert_eq!(outcome, Outcome::Passed);
}
