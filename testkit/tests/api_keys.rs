//! API keys through the real proxy: what they open, what the app receives in their place, and how soon they end.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::config::set;
use igny8_testkit::django::STAFF;
use igny8_testkit::http::{Request, get};
use igny8_testkit::raw::Response;
use igny8_testkit::stack::{App, GENEROUS_LIMITS, Member, Stack};
use igny8_testkit::wait::wait_until;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::OnceLock;
use std::time::Duration;

const KEYS: &str = "/api/v1/account/api-keys/";
const WHOAMI: &str = "/api/v1/whoami/";

/// How soon a revoked key must be refused, and what a busy machine may add.
const SOON: Duration = Duration::from_secs(4);

fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| Stack::builder().start())
}

/// A new key of this role: its text and its number.
fn key(stack: &Stack, member: &Member, role: &str) -> (String, i64) {
    let body = json!({"name": "test", "role": role});
    let answer = stack.post(KEYS).bearer(&member.access).json(&body).send();
    assert_eq!(answer.status, 201, "{}", answer.text());
    let data = answer.json()["data"].clone();
    (data["key"].as_str().unwrap().to_owned(), data["id"].as_i64().unwrap())
}

fn with_key(request: Request, key: &str) -> Request {
    request.field("X-Api-Key", key)
}

fn ask(stack: &Stack, key: &str) -> Response {
    with_key(stack.get(WHOAMI), key).send()
}

#[track_caller]
fn assert_refused(answer: &Response, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (status, code),
        "{}",
        answer.text()
    );
    assert_eq!(
        answer.field("WWW-Authenticate").is_some(),
        status == 401,
        "{:?}",
        answer.fields
    );
}

/// How often proxies have asked this stack's core for a key.
fn resolved(stack: &Stack) -> u64 {
    let token = std::fs::read_to_string(stack.var.join("secrets/internal_token")).unwrap();
    let metrics = get(&stack.internal, "/metrics").bearer(token.trim()).send().text();
    let counts = metrics
        .lines()
        .filter(|line| line.starts_with("igny8_core_requests_total") && line.contains("/internal/v1/keys/resolve"));
    counts
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

#[test]
fn a_key_works_in_either_field_and_the_app_is_told_who_it_acts_for() {
    let member = stack().sign_up();
    let (key, _) = key(stack(), &member, "editor");
    for request in [
        with_key(stack().get(WHOAMI), &key),
        stack().get(WHOAMI).bearer(&key),
        with_key(stack().get(WHOAMI).bearer(&key), &key),
        with_key(stack().get(WHOAMI), &key)
            .field("X-Account-Id", "1")
            .field("X-User-Role", "owner"),
    ] {
        let answer = request.send();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = answer.json();
        assert_eq!(
            (&seen["account_id"], &seen["user_id"]),
            (&json!(member.account_id), &json!(member.user_id))
        );
        assert_eq!((&seen["role"], &seen["is_staff"]), (&json!("editor"), &json!(false)));
    }
    let draft = stack()
        .post("/api/v1/writer/drafts/")
        .bearer(&key)
        .json(&json!({"title": "By key", "words": 5}));
    assert_eq!(draft.send().json()["account_id"], member.account_id);
}

/// An app that answers with the header block that it has received.
fn mirror() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head: Vec<String> = BufReader::new(&stream)
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            let body = head.join("\n");
            let _the_proxy_may_be_gone = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    address
}

/// The one value of a field in a mirrored header block.
fn received<'a>(block: &'a str, name: &str) -> Vec<&'a str> {
    let fields = block.lines().filter_map(|line| line.split_once(": "));
    fields
        .filter(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}

#[test]
fn the_app_receives_a_token_that_opens_the_core_and_never_the_key_and_the_public_edge_refuses_that_token() {
    let stack = Stack::builder().app(App::At(mirror())).start();
    let member = stack.sign_up();
    let (key, id) = key(&stack, &member, "editor");
    let mut token = String::new();
    for request in [
        with_key(stack.get(WHOAMI), &key),
        stack.get(WHOAMI).bearer(&key),
        with_key(stack.get(WHOAMI).bearer(&key), &key),
    ] {
        let block = request.send().text();
        assert!(!block.contains(&key) && !block.contains("igk_"), "{block}");
        assert!(received(&block, "X-Api-Key").is_empty(), "{block}");
        let [authorization] = received(&block, "Authorization")[..] else {
            panic!("{block}")
        };
        token = authorization.strip_prefix("Bearer ").unwrap().to_owned();
        for (name, value) in [
            ("X-Account-Id", member.account_id.to_string()),
            ("X-User-Id", member.user_id.to_string()),
            ("X-User-Role", "editor".to_owned()),
        ] {
            assert_eq!(received(&block, name), [value], "{block}");
        }
    }
    assert_refused(&stack.get(WHOAMI).bearer(&token).send(), 401, "token_invalid");
    assert_refused(
        &stack.get("/api/v1/credits/").bearer(&token).send(),
        401,
        "token_invalid",
    );
    let at_core = get(&stack.core, "/api/v1/credits/").bearer(&token).send();
    assert_eq!(at_core.status, 200, "{}", at_core.text());
    // On a page nobody asks for a key, and none goes on.
    for page in [with_key(stack.get("/x"), &key), stack.get("/x").bearer(&key)] {
        let block = page.send().text();
        assert!(block.starts_with("GET /x") && !block.contains("igk_"), "{block}");
    }
    let revoked = stack.post(&format!("{KEYS}{id}/revoke/")).bearer(&member.access).send();
    assert_eq!(revoked.status, 200);
    let at_core = get(&stack.core, "/api/v1/credits/").bearer(&token).send();
    assert_eq!(at_core.code(), "api_key_invalid", "the core asks the key itself");
}

#[test]
fn a_mistyped_key_never_reaches_the_core_and_an_unknown_one_is_asked_for_once() {
    let stack = Stack::builder().start();
    let member = stack.sign_up();
    let (good, _) = key(&stack, &member, "editor");
    let before = resolved(&stack);
    let mut slip = good.clone();
    let last = slip.pop().unwrap();
    slip.push(if last == '0' { '1' } else { '0' });
    for wrong in [slip.as_str(), "igk_1234567890", "igk_", &good[..60]] {
        assert_refused(&ask(&stack, wrong), 401, "api_key_invalid");
        assert_refused(&stack.get(WHOAMI).bearer(wrong).send(), 401, "api_key_invalid");
    }
    assert_eq!(resolved(&stack), before);
    let unknown = igny8_contract::api_key::compose([1; 8], [2; 32]);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_refused(&ask(&stack, &unknown), 401, "api_key_invalid"));
        }
    });
    let asked = resolved(&stack) - before;
    assert!((1..=3).contains(&asked), "16 requests asked {asked} times");
}

#[test]
fn two_credentials_are_never_weighed_and_no_other_place_holds_a_key() {
    let member = stack().sign_up();
    let ((one, _), (other, _)) = (key(stack(), &member, "viewer"), key(stack(), &member, "owner"));
    let ambiguous = "credentials_ambiguous";
    assert_refused(
        &with_key(stack().get(WHOAMI).bearer(&one), &other).send(),
        401,
        ambiguous,
    );
    assert_refused(
        &with_key(stack().get(WHOAMI).bearer(&member.access), &one).send(),
        401,
        ambiguous,
    );
    assert_refused(
        &with_key(with_key(stack().get(WHOAMI), &one), &one).send(),
        401,
        ambiguous,
    );
    for parameter in ["api_key", "k"] {
        let target = format!("{WHOAMI}?{parameter}={one}");
        assert_refused(&with_key(stack().get(&target), &one).send(), 401, ambiguous);
        assert_refused(&stack().get(&target).send(), 401, "credentials_required");
    }
    let in_cookie = stack().get(WHOAMI).cookie(&format!("api_key={one}")).send();
    assert_refused(&in_cookie, 401, "credentials_required");
    let basic = stack()
        .get(WHOAMI)
        .field("Authorization", &format!("Basic {one}"))
        .send();
    assert_refused(&basic, 401, "credentials_required");
}

#[test]
fn a_key_beside_a_session_decides_alone() {
    let member = stack().sign_up();
    let (key, _) = key(stack(), &member, "viewer");
    let session = stack().django_session(STAFF);
    let seen = with_key(stack().get(WHOAMI), &key).cookie(&session.cookie()).send();
    assert_eq!(seen.status, 200, "{}", seen.text());
    assert_eq!(
        (&seen.json()["account_id"], &seen.json()["cookies"]),
        (&json!(member.account_id), &json!([]))
    );
    let bad = with_key(stack().get(WHOAMI), "igk_1234567890")
        .cookie(&session.cookie())
        .send();
    assert_refused(&bad, 401, "api_key_invalid");
}

#[test]
fn a_revoked_key_is_refused_within_its_second_however_often_it_is_used() {
    let member = stack().sign_up();
    let (key, id) = key(stack(), &member, "editor");
    assert_eq!(ask(stack(), &key).status, 200);
    let revoked = stack()
        .post(&format!("{KEYS}{id}/revoke/"))
        .bearer(&member.access)
        .send();
    assert_eq!(revoked.json()["data"]["status"], "revoked");
    wait_until("the key to be refused", SOON, || {
        (ask(stack(), &key).status == 401).then_some(())
    });
    for _ in 0..20 {
        assert_refused(&ask(stack(), &key), 401, "api_key_invalid");
    }
}

#[test]
fn rotated_keys_overlap_and_the_old_one_ends() {
    let member = stack().sign_up();
    let (old, id) = key(stack(), &member, "editor");
    let rotate = stack().post(&format!("{KEYS}{id}/rotate/")).bearer(&member.access);
    let rotated = rotate.json(&json!({"overlap_seconds": 3})).send();
    let new = rotated.json()["data"]["key"].as_str().unwrap().to_owned();
    assert_eq!((ask(stack(), &old).status, ask(stack(), &new).status), (200, 200));
    wait_until("the old key to end", Duration::from_secs(10), || {
        (ask(stack(), &old).status == 401).then_some(())
    });
    assert_refused(&ask(stack(), &old), 401, "api_key_invalid");
    assert_eq!(ask(stack(), &new).status, 200);
}

#[test]
fn a_keys_role_holds_where_roles_matter_and_a_key_makes_no_keys() {
    let member = stack().sign_up();
    let ((viewer, _), (owner, _)) = (key(stack(), &member, "viewer"), key(stack(), &member, "owner"));
    let consume = |key: &str| {
        let body = json!({"amount": 1, "description": "x"});
        with_key(stack().post("/api/v1/credits/consume/"), key)
            .json(&body)
            .send()
    };
    assert_refused(&consume(&viewer), 403, "role_required");
    assert_eq!(with_key(stack().get("/api/v1/credits/"), &viewer).send().status, 200);
    assert_eq!(consume(&owner).status, 200);
    assert_eq!(ask(stack(), &viewer).json()["role"], "viewer");
    let more = with_key(stack().post(KEYS), &owner).json(&json!({"name": "x"})).send();
    assert_refused(&more, 403, "role_required");
    assert_refused(
        &with_key(stack().get("/api/v1/staff/accounts/"), &owner).send(),
        403,
        "role_required",
    );
}

fn suspend(stack: &Stack, member: &Member) {
    let staff = stack.staff(false);
    let path = format!("/api/v1/staff/accounts/{}/suspend/", member.account_id);
    let answer = stack
        .post(&path)
        .bearer(&staff.access)
        .json(&json!({"reason": "abuse"}))
        .send();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn a_suspended_accounts_key_is_refused_as_its_tokens_are() {
    let member = stack().sign_up();
    let (key, _) = key(stack(), &member, "editor");
    assert_eq!(ask(stack(), &key).status, 200);
    suspend(stack(), &member);
    wait_until("the key to be refused", SOON, || {
        (ask(stack(), &key).status == 403).then_some(())
    });
    assert_refused(&ask(stack(), &key), 403, "account_suspended");
}

#[test]
fn without_its_flag_a_suspended_accounts_key_passes_and_a_revoked_one_does_not() {
    let stack = Stack::builder()
        .core(|file| set(file, "flags.validate_api_key", false))
        .proxy(|file| set(file, "flags.validate_api_key", false))
        .start();
    let member = stack.sign_up();
    let ((key_one, id), (other, _)) = (key(&stack, &member, "editor"), key(&stack, &member, "editor"));
    assert_eq!(ask(&stack, &key_one).status, 200);
    let revoked = stack.post(&format!("{KEYS}{id}/revoke/")).bearer(&member.access).send();
    assert_eq!(revoked.status, 200);
    suspend(&stack, &member);
    wait_until("the token to be refused", SOON, || {
        (stack.get(WHOAMI).bearer(&member.access).send().code() == "account_suspended").then_some(())
    });
    assert_eq!(ask(&stack, &other).status, 200);
    assert_eq!(
        with_key(stack.get("/api/v1/credits/"), &other).send().status,
        200,
        "at the core, too"
    );
    wait_until("the revoked key to be refused", SOON, || {
        (ask(&stack, &key_one).status == 401).then_some(())
    });
    assert!(stack.proxy_log().contains("AN EMERGENCY FLAG IS OFF"));
    assert!(stack.metrics().contains("igny8_flag{flag=\"validate_api_key\"} 0"));
}

#[test]
fn without_core_known_keys_go_on_and_others_wait() {
    let stack = Stack::builder().start();
    let member = stack.sign_up();
    let ((known, _), (stranger, _)) = (key(&stack, &member, "editor"), key(&stack, &member, "editor"));
    assert_eq!(ask(&stack, &known).status, 200);
    stack.kill_core();
    for _ in 0..3 {
        let answer = ask(&stack, &known);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_refused(&ask(&stack, &stranger), 503, "core_unavailable");
    }
    // Longer than a copy is fresh: it is the old one that serves.
    wait_until("the copy to be old", Duration::from_secs(10), || {
        let silent = "igny8_core_silent_total ";
        let count = stack
            .metrics()
            .lines()
            .find_map(|line| line.strip_prefix(silent)?.parse::<u64>().ok());
        (ask(&stack, &known).status == 200 && count.is_some_and(|count| count >= 3)).then_some(())
    });
    stack.start_core();
    wait_until("the stranger to be served", Duration::from_secs(10), || {
        (ask(&stack, &stranger).status == 200).then_some(())
    });
}

#[test]
fn what_is_known_of_a_keys_account_and_maker_holds_for_the_key_when_core_has_gone() {
    let stack = Stack::builder().start();
    let (suspended, owner) = (stack.sign_up(), stack.sign_up());
    let (of_suspended, _) = key(&stack, &suspended, "editor");
    let (makers_token, maker) = join(&stack, &owner, "admin");
    let answer = stack
        .post(KEYS)
        .bearer(&makers_token)
        .json(&json!({"name": "x", "role": "viewer"}));
    let of_removed = answer.send().json()["data"]["key"].as_str().unwrap().to_owned();
    for (token, key) in [(&suspended.access, &of_suspended), (&makers_token, &of_removed)] {
        assert_eq!(stack.get(WHOAMI).bearer(token).send().status, 200);
        assert_eq!(ask(&stack, key).status, 200);
    }
    suspend(&stack, &suspended);
    let path = format!("/api/v1/account/members/{maker}/remove/");
    assert_eq!(stack.post(&path).bearer(&owner.access).send().status, 204);
    // This proxy knows of both; the keys are not used meanwhile.
    wait_until("the tokens to be refused", SOON, || {
        let code = |token: &str| stack.get(WHOAMI).bearer(token).send().code();
        (code(&suspended.access) == "account_suspended" && code(&makers_token) == "token_revoked").then_some(())
    });
    stack.kill_core();
    for _ in 0..3 {
        assert_refused(
            &stack.get(WHOAMI).bearer(&suspended.access).send(),
            403,
            "account_suspended",
        );
        assert_refused(&ask(&stack, &of_suspended), 403, "account_suspended");
        let removed = ask(&stack, &of_removed);
        assert_ne!(removed.status, 200, "{}", removed.text());
    }
}

/// Somebody who joins this account by an invitation: their token and number.
fn join(stack: &Stack, owner: &Member, role: &str) -> (String, i64) {
    let email = igny8_testkit::stack::new_address();
    let invite = stack.post("/api/v1/account/members/invite/").bearer(&owner.access);
    let invited: Value = invite.json(&json!({"email": email, "role": role})).send().json();
    let body = json!({"token": invited["data"]["token"], "password": "correct horse battery staple"});
    let joined = stack.post("/api/v1/auth/invitations/accept/").json(&body).send();
    assert_eq!(joined.status, 201, "{}", joined.text());
    let joined = joined.json()["data"].clone();
    let access = joined["access"].as_str().unwrap().to_owned();
    (access, joined["user"]["id"].as_i64().unwrap())
}

#[test]
fn a_key_meets_its_accounts_limit_and_failed_keys_meet_the_addresss() {
    let limits = format!("{GENEROUS_LIMITS}[plan.free-trial]\nrate = \"1/h\"\nburst = 8\n").replace(
        "[cold]\nrate = \"600000/m\"\nburst = 100000",
        "[cold]\nrate = \"1/h\"\nburst = 12",
    );
    let stack = Stack::builder().limits(&limits).start();
    let member = stack.sign_up();
    let (key, _) = key(&stack, &member, "editor");
    // One was taken to make the key.
    let (by_key, by_token) = (
        (0..4).filter(|_| ask(&stack, &key).status == 200).count(),
        (0..4)
            .filter(|_| stack.get(WHOAMI).bearer(&member.access).send().status == 200)
            .count(),
    );
    assert_eq!((by_key, by_token), (4, 3), "one bucket for both");
    assert_refused(&ask(&stack, &key), 429, "throttled");
    let statuses: Vec<u16> = (0..14).map(|_| ask(&stack, "igk_mistyped").status).collect();
    let refused = statuses.iter().filter(|status| **status == 401).count();
    // The token and the key were cold once each.
    assert_eq!((refused, statuses.last()), (10, Some(&429)), "{statuses:?}");
}

#[test]
fn who_was_invited_joins_through_the_proxy_and_has_their_role_at_the_app() {
    let owner = stack().sign_up();
    let (access, user_id) = join(stack(), &owner, "viewer");
    let seen = stack().get(WHOAMI).bearer(&access).send().json();
    assert_eq!(
        (&seen["account_id"], &seen["role"]),
        (&json!(owner.account_id), &json!("viewer"))
    );
    let path = format!("/api/v1/account/members/{user_id}/remove/");
    assert_eq!(stack().post(&path).bearer(&owner.access).send().status, 204);
    wait_until("the removed member to be refused", SOON, || {
        (stack().get(WHOAMI).bearer(&access).send().code() == "token_revoked").then_some(())
    });
}
