//! The throttle in the real proxy: exact admission under threads, nobody exempt, limits that change while it runs.
//!
//! Rates here give one request back an hour, so what is admitted while a test runs is the burst and nothing else.

use igny8_testkit::config::route;
use igny8_testkit::django::SUPERUSER;
use igny8_testkit::raw::Response;
use igny8_testkit::stack::{GENEROUS_LIMITS, Member, Stack};
use igny8_testkit::wait::{Deadline, wait_until};
use serde_json::{Value, json};
use std::time::Duration;

/// How soon a saved limit must hold, and a little for the machine.
const RELOAD: Duration = Duration::from_millis(2_500);

fn limits(plan_burst: u32) -> String {
    format!("{GENEROUS_LIMITS}[plan.free-trial]\nrate = \"1/h\"\nburst = {plan_burst}\n")
}

fn ask(stack: &Stack, member: &Member) -> Response {
    stack.get("/api/v1/whoami/").bearer(&member.access).send()
}

/// Asks until refused, and says how often it was admitted; at most `most` times.
fn admitted_in_a_row(stack: &Stack, member: &Member, most: usize) -> usize {
    (0..most).take_while(|_| ask(stack, member).status == 200).count()
}

#[track_caller]
fn assert_throttled(answer: &Response) {
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (429, "throttled"),
        "{}",
        answer.text()
    );
    let wait = answer
        .field("Retry-After")
        .and_then(|seconds| seconds.parse::<u64>().ok());
    assert!(
        wait.is_some_and(|seconds| (1..=3600).contains(&seconds)),
        "Retry-After: {wait:?}"
    );
    assert!(answer.field("RateLimit").is_some(), "{:?}", answer.fields);
    assert!(answer.field("RateLimit-Policy").is_some(), "{:?}", answer.fields);
}

#[test]
fn exactly_the_burst_is_admitted_from_eight_threads_and_other_accounts_are_unaffected() {
    let stack = Stack::builder().limits(&limits(20)).start();
    let (busy, calm) = (stack.sign_up(), stack.sign_up());
    let answers: Vec<Response> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| (0..10).map(|_| ask(&stack, &busy)).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let (admitted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((admitted.len(), refused.len()), (20, 60));
    refused.iter().for_each(|answer| assert_throttled(answer));
    assert!(
        admitted.iter().all(|answer| answer.field("RateLimit").is_some()),
        "an admitted answer lacks RateLimit"
    );

    assert_eq!(admitted_in_a_row(&stack, &calm, 21), 20, "another account was affected");
    // One bucket for everything that the account does, core's routes included, and every token of it.
    let login = serde_json::json!({"email": busy.email, "password": igny8_testkit::stack::PASSWORD});
    let again = stack.post("/api/v1/auth/login/").json(&login).send().json();
    let fresh = again["data"]["access"].as_str().unwrap().to_owned();
    assert_throttled(&stack.get("/api/v1/credits/").bearer(&fresh).send());
}

#[test]
fn an_administrator_who_is_signed_in_is_limited_like_everybody_else() {
    let stack = Stack::builder().start();
    let session = stack.django_session(SUPERUSER);
    let address = "[default]\nrate = \"1/h\"\nburst = 5\n[address]\nrate = \"1/h\"\nburst = 5\n\
                   [cold]\nrate = \"600000/m\"\nburst = 100000\n[scope.auth]\nrate = \"600000/m\"\nburst = 100000\n";
    stack.save_limits(address);
    let mut admitted = 0;
    let refusal = wait_until("the administrator to be limited", Duration::from_secs(10), || {
        let answer = stack.get("/admin/").cookie(&session.cookie()).send();
        admitted += usize::from(answer.status == 200);
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(refusal.status, 429, "{}", refusal.text());
    assert!(admitted >= 5, "only {admitted} requests were admitted");
    assert!(refusal.field("Retry-After").is_some());
    // It was the request that was refused, not the session that was ended.
    stack.save_limits(GENEROUS_LIMITS);
    wait_until("the limit to be lifted", RELOAD, || {
        (stack.get("/admin/").cookie(&session.cookie()).send().status == 200).then_some(())
    });
}

#[test]
fn a_scope_is_counted_by_address_where_there_is_no_account() {
    let text = GENEROUS_LIMITS.replace(
        "[scope.auth]\nrate = \"600000/m\"\nburst = 100000",
        "[scope.auth]\nrate = \"1/h\"\nburst = 3",
    );
    assert_ne!(text, GENEROUS_LIMITS);
    let stack = Stack::builder().limits(&text).start();
    let statuses: Vec<_> = (0..4)
        .map(|_| stack.try_sign_up(&igny8_testkit::stack::new_address()).status)
        .collect();
    assert_eq!(statuses, [201, 201, 201, 429]);
    assert_eq!(
        stack.get("/api/v1/plans/").send().status,
        200,
        "the scope limits routes that do not refer to it"
    );
}

#[test]
fn a_new_limit_holds_within_two_seconds_and_buckets_are_kept() {
    let stack = Stack::builder().limits(&limits(10)).start();
    let (spent, half, fresh) = (stack.sign_up(), stack.sign_up(), stack.sign_up());
    assert_eq!(admitted_in_a_row(&stack, &spent, 11), 10);
    assert_eq!(admitted_in_a_row(&stack, &half, 3), 3);

    // Raised by five: whoever had spent ten of ten has five left, not fifteen.
    stack.save_limits(&limits(15));
    wait_until("the raised limit", RELOAD, || {
        (ask(&stack, &spent).status == 200).then_some(())
    });
    assert_eq!(admitted_in_a_row(&stack, &spent, 20), 4);

    // Lowered: what was spent stays spent, and no bucket owes more than the new limit knows.
    stack.save_limits(&limits(5));
    wait_until("the lowered limit", RELOAD, || {
        let policy = ask(&stack, &spent)
            .field("RateLimit-Policy")
            .map(str::to_owned)
            .unwrap_or_default();
        policy.contains("q=5").then_some(())
    });
    assert_eq!(admitted_in_a_row(&stack, &half, 10), 2);
    assert_eq!(admitted_in_a_row(&stack, &fresh, 10), 5);

    // One account's own limit goes before its plan's.
    stack.save_limits(&format!(
        "{}[account.{}]\nrate = \"1/h\"\nburst = 8\n",
        limits(5),
        fresh.account_id
    ));
    wait_until("the account's own limit", RELOAD, || {
        (ask(&stack, &fresh).status == 200).then_some(())
    });
    assert_eq!(admitted_in_a_row(&stack, &fresh, 10), 2);
    assert_throttled(&ask(&stack, &half));
}

#[test]
fn a_broken_limits_file_changes_nothing_and_says_so() {
    let stack = Stack::builder().limits(&limits(10)).start();
    let (spent, fresh) = (stack.sign_up(), stack.sign_up());
    assert_eq!(admitted_in_a_row(&stack, &spent, 11), 10);
    for broken in [
        "[default\nrate",
        "[default]\nrate = \"fast\"\nburst = 1\n",
        "[default]\nrat = \"1/s\"\nburst = 1\n",
    ] {
        let before = stack.proxy_log().len();
        stack.save_limits(broken);
        let began = Deadline::after(RELOAD);
        let said = wait_until("the proxy to say that the file is broken", RELOAD, || {
            stack
                .proxy_log()
                .get(before..)
                .filter(|new| new.contains("limits.toml"))
                .map(str::to_owned)
        });
        assert!(
            said.contains("ERROR") || said.contains("WARN"),
            "after {:?}: {said}",
            began.elapsed()
        );
        assert_throttled(&ask(&stack, &spent));
    }
    assert_eq!(
        admitted_in_a_row(&stack, &fresh, 20),
        10,
        "the last good limits no longer hold"
    );
    stack.save_limits(&limits(12));
    wait_until("the mended file", RELOAD, || {
        (ask(&stack, &spent).status == 200).then_some(())
    });
    assert_eq!(admitted_in_a_row(&stack, &spent, 20), 1);
}

/// How many of these requests to a page are admitted, each with an `X-Forwarded-For` of its own.
fn admitted_with(stack: &Stack, addresses: impl Iterator<Item = String>) -> usize {
    addresses
        .filter(|address| {
            stack
                .get("/static/none")
                .field("X-Forwarded-For", address)
                .send()
                .status
                != 429
        })
        .count()
}

fn few_for_an_address() -> String {
    GENEROUS_LIMITS.replace(
        "[address]\nrate = \"600000/m\"\nburst = 100000",
        "[address]\nrate = \"1/h\"\nburst = 5",
    )
}

#[test]
fn a_client_that_rotates_forwarded_addresses_is_one_client() {
    let stack = Stack::builder().limits(&few_for_an_address()).start();
    assert_eq!(admitted_with(&stack, (0..20).map(|last| format!("192.0.2.{last}"))), 5);
}

#[test]
fn behind_a_trusted_hop_each_client_counts_by_itself_and_an_ipv6_network_counts_as_one() {
    let stack = Stack::builder()
        .limits(&few_for_an_address())
        .proxy(|file| igny8_testkit::config::set(file, "server.trusted_hops", vec!["127.0.0.1".to_owned()]))
        .start();
    assert_eq!(
        admitted_with(&stack, (0..20).map(|host| format!("2001:db8:0:1::{host:x}"))),
        5
    );
    assert_eq!(admitted_with(&stack, (0..10).map(|_| "2001:db8:0:2::1".to_owned())), 5);
    // What a client wrote itself stands to the left of what the hop added, and is nobody's address.
    let rotated = (0..20).map(|last| format!("198.51.100.{last}, 192.0.2.7"));
    assert_eq!(admitted_with(&stack, rotated), 5);
    assert_eq!(
        admitted_with(&stack, (0..7).map(|last| format!("192.0.2.{}", 100 + last))),
        7
    );
}

#[test]
fn limits_that_are_reread_under_load_admit_nothing_twice() {
    let stack = Stack::builder().limits(&limits(30)).start();
    let member = stack.sign_up();
    let done = std::sync::atomic::AtomicBool::new(false);
    let admitted: usize = std::thread::scope(|scope| {
        let ask_on = || {
            let mut admitted = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                admitted += usize::from(ask(&stack, &member).status == 200);
            }
            admitted
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask_on)).collect();
        for round in 0..4 {
            let before = stack.proxy_log().matches("limits read again").count();
            stack.save_limits(&format!("{}# round {round}\n", limits(30)));
            wait_until("the limits to be read again", RELOAD, || {
                (stack.proxy_log().matches("limits read again").count() > before).then_some(())
            });
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(admitted, 30);
}

/// Saves these limits and waits until they hold, without a request that would be counted.
fn change_limits(stack: &Stack, text: &str) {
    let read = || stack.proxy_log().matches("limits read again").count();
    let before = read();
    stack.save_limits(text);
    wait_until("the limits to be read again", RELOAD, || {
        (read() > before).then_some(())
    });
}

/// What the access log says of the one request for this path.
#[track_caller]
fn line_of(stack: &Stack, path: &str) -> Value {
    wait_until("the line of a request", Duration::from_secs(10), || {
        let log = stack.proxy_log();
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["path"] == path)
    })
}

/// Suspends somebody's account.
fn suspend(stack: &Stack, member: &Member) {
    let path = format!("/api/v1/staff/accounts/{}/suspend/", member.account_id);
    let staff = stack.staff(false);
    let answer = stack
        .post(&path)
        .bearer(&staff.access)
        .json(&json!({"reason": "abuse"}))
        .send();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn what_a_limit_that_only_watches_would_have_refused_is_logged() {
    let limits = GENEROUS_LIMITS.replace(
        "[scope.auth]\nrate = \"600000/m\"\nburst = 100000",
        "[scope.auth]\nrate = \"1/h\"\nburst = 1\nmode = \"shadow\"",
    );
    let stack = Stack::builder()
        .limits(&limits)
        .proxy(|file| drop(route(file, "/api").insert("scope".into(), "auth".into())))
        .start();
    let member = stack.sign_up();
    for path in ["/api/v1/first/", "/api/v1/second/"] {
        assert_eq!(
            stack.get(path).bearer(&member.access).send().status,
            404,
            "the app knows neither"
        );
    }
    let (first, second) = (line_of(&stack, "/api/v1/first/"), line_of(&stack, "/api/v1/second/"));
    assert_eq!(
        (&first["verdict"], first.get("shadow")),
        (&json!("forwarded"), None),
        "{first}"
    );
    assert_eq!(
        (&second["verdict"], &second["shadow"], &second["code"]),
        (&json!("forwarded"), &json!("throttled"), &json!("")),
        "{second}"
    );
    // A limit on cold work, too, whatever becomes of the request.
    let cold = GENEROUS_LIMITS.replace(
        "[cold]\nrate = \"600000/m\"\nburst = 100000",
        "[cold]\nrate = \"1/h\"\nburst = 1\nmode = \"shadow\"",
    );
    change_limits(&stack, &cold);
    for path in ["/api/v1/third/", "/api/v1/fourth/"] {
        assert_eq!(stack.get(path).bearer("a.b.c").send().status, 401);
    }
    let (third, fourth) = (line_of(&stack, "/api/v1/third/"), line_of(&stack, "/api/v1/fourth/"));
    assert_eq!(
        (third.get("shadow"), &fourth["shadow"]),
        (None, &json!("throttled")),
        "{third} {fourth}"
    );
}

#[test]
fn who_is_refused_after_a_good_signature_is_limited_all_the_same_and_pays_once() {
    let stack = Stack::builder().start();
    let (suspended, left, never_seen) = (stack.sign_up(), stack.sign_up(), stack.sign_up());
    assert_eq!((ask(&stack, &suspended).status, ask(&stack, &left).status), (200, 200));
    for leaver in [&never_seen, &left] {
        let out = stack.post("/api/v1/auth/logout/").bearer(&leaver.access).send();
        assert_eq!(out.status, 204, "{}", out.text());
    }
    suspend(&stack, &suspended);
    wait_until("both to be refused", Duration::from_secs(10), || {
        let codes = [ask(&stack, &suspended).code(), ask(&stack, &left).code()];
        (codes == ["account_suspended", "token_revoked"]).then_some(())
    });
    change_limits(
        &stack,
        &GENEROUS_LIMITS
            .replace(
                "[default]\nrate = \"600000/m\"\nburst = 100000",
                "[default]\nrate = \"1/h\"\nburst = 6",
            )
            .replace(
                "[cold]\nrate = \"600000/m\"\nburst = 100000",
                "[cold]\nrate = \"1/h\"\nburst = 10",
            ),
    );

    // The account's bucket, and nothing of the address's.
    let answers: Vec<Response> = (0..9).map(|_| ask(&stack, &suspended)).collect();
    let codes: Vec<String> = answers.iter().map(Response::code).collect();
    assert_eq!(codes[..6], ["account_suspended"; 6]);
    assert!(answers[0].field("RateLimit").is_some(), "{:?}", answers[0].fields);
    answers[6..].iter().for_each(assert_throttled);

    // The address's: once for a signature that was checked for this, and once for each that was not.
    let twice = || {
        let request = stack.get("/api/v1/whoami/").bearer(&left.access);
        request.field("Authorization", "Bearer x").send().code()
    };
    assert_eq!(ask(&stack, &never_seen).code(), "token_revoked");
    assert_eq!(
        (0..4).map(|_| twice()).collect::<Vec<_>>(),
        ["credentials_ambiguous"; 4]
    );
    assert_eq!(
        (0..5).map(|_| ask(&stack, &left).code()).collect::<Vec<_>>(),
        ["token_revoked"; 5]
    );
    assert_throttled(&ask(&stack, &left));
    assert_eq!(twice(), "throttled");
}

#[test]
fn the_line_of_a_refusal_says_whose_request_it_was_once_that_was_proven() {
    let stack = Stack::builder().start();
    let (suspended, spent) = (stack.sign_up(), stack.sign_up());
    for member in [&suspended, &spent] {
        assert_eq!(ask(&stack, member).status, 200);
    }
    suspend(&stack, &suspended);
    wait_until("the suspension", Duration::from_secs(10), || {
        (ask(&stack, &suspended).status == 403).then_some(())
    });
    let own = format!(
        "{GENEROUS_LIMITS}[account.{}]\nrate = \"1/h\"\nburst = 1\n",
        spent.account_id
    );
    change_limits(&stack, &own);
    assert_eq!(ask(&stack, &spent).status, 200);
    let mut forged = suspended.access.clone();
    forged.replace_range(forged.len() - 6.., "AAAAAA");
    for (path, token, code, member) in [
        (
            "/api/v1/of-suspended/",
            &suspended.access,
            "account_suspended",
            Some(&suspended),
        ),
        ("/api/v1/of-spent/", &spent.access, "throttled", Some(&spent)),
        ("/api/v1/of-forger/", &forged, "token_invalid", None),
    ] {
        assert_eq!(stack.get(path).bearer(token).send().code(), code);
        let line = line_of(&stack, path);
        assert_eq!(
            (&line["verdict"], &line["code"]),
            (&json!("refused"), &json!(code)),
            "{line}"
        );
        let whose = member.map(|member| (json!(member.account_id), json!(member.user_id)));
        let said = line.get("account").cloned().zip(line.get("user").cloned());
        assert_eq!(said, whose, "{line}");
        assert!(line.get("upstream_us").is_none(), "the app was not asked: {line}");
    }
    let path = "/api/v1/whoami/";
    let line = line_of(&stack, path);
    let (took, upstream) = (line["took_us"].as_i64().unwrap(), line["upstream_us"].as_i64().unwrap());
    assert!(0 < upstream && upstream <= took, "{line}");
}
