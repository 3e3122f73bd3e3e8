//! Credits over HTTP: used, set aside, confirmed, released, and looked at.

mod bad_bodies;
mod looked_at;
mod standing;
mod together;

use super::site::{Member, PASSWORD, Server, Site, new_email, on_both};
use igny8_testkit::http::get;
use igny8_testkit::raw::Response;
use serde_json::{Value, json};
use together::at_once;

const CONSUME: &str = "/api/v1/credits/consume/";
const HOLDS: &str = "/api/v1/credits/holds/";
/// The most credits that one request moves.
const MOST: i64 = 1_000_000_000_000_000;

/// Somebody who asks a server for something about credits.
#[derive(Clone, Copy)]
struct Asker<'a> {
    server: &'a Server,
    access: &'a str,
}

impl<'a> Asker<'a> {
    fn new(server: &'a Server, member: &'a Member) -> Self {
        Self {
            server,
            access: &member.access,
        }
    }

    fn post(self, path: &str, body: &Value) -> Response {
        self.server.post(path).bearer(self.access).json(body).send()
    }

    fn keyed(self, path: &str, key: &str, body: &Value) -> Response {
        let request = self.server.post(path).bearer(self.access).field("Idempotency-Key", key);
        request.json(body).send()
    }

    fn get(self, path: &str) -> Response {
        self.server.get(path).bearer(self.access).send()
    }

    fn data(self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()["data"].clone()
    }

    /// Balance, held, available.
    fn credits(self) -> [i64; 3] {
        let data = self.data("/api/v1/credits/");
        ["balance", "held", "available"].map(|name| data[name].as_i64().unwrap())
    }

    fn consume(self, amount: i64) -> Response {
        self.post(CONSUME, &json!({"amount": amount, "description": "words"}))
    }

    fn hold(self, amount: i64) -> Value {
        let answer = self.post(
            HOLDS,
            &json!({"amount": amount, "description": "a draft", "metadata": {"draft": 7}}),
        );
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["data"].clone()
    }

    fn end(self, hold: &Value, what: &str, body: &Value) -> Response {
        self.post(&format!("{HOLDS}{}/{what}/", hold["id"]), body)
    }
}

#[track_caller]
fn assert_refused(answer: &Response, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (status, code),
        "{}",
        answer.text()
    );
}

/// A user of this role beside the owner, signed in.
fn colleague(site: &Site, server: &Server, owner: &Member, role: &str) -> Member {
    let email = new_email();
    site.sql(&format!(
        "INSERT INTO users (account_id, email, password_hash, first_name, last_name, role, is_superuser, is_active, \
         created_at_us, updated_at_us) SELECT account_id, '{email}', password_hash, '', '', '{role}', 0, 1, \
         created_at_us, updated_at_us FROM users WHERE email = '{}'",
        owner.email
    ))
    .unwrap();
    let answer = server.login(&email, PASSWORD);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let data = answer.json()["data"].clone();
    Member {
        email,
        access: data["access"].as_str().unwrap().to_owned(),
        data,
    }
}

#[test]
fn consuming_answers_with_the_entry_and_moves_the_balance() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let asker = Asker::new(&server, &member);
        let body = json!({"amount": 25, "description": "words", "metadata": {"site": "a", "n": [1, 2]}});
        let answer = asker.post(CONSUME, &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let entry = answer.json()["data"].clone();
        assert_eq!(entry["transaction_type"], "consumption");
        assert_eq!((&entry["amount"], &entry["balance_after"]), (&json!(-25), &json!(1975)));
        assert_eq!(entry["description"], "words");
        assert_eq!(entry["metadata"], body["metadata"]);
        let listed = asker.data("/api/v1/credits/transactions/?limit=1");
        assert_eq!(listed["items"], json!([entry]), "what is answered is what is listed");
        assert_eq!(asker.credits(), [1975, 0, 1975]);
        assert_refused(&asker.consume(1976), 402, "insufficient_credits");
        assert_eq!(asker.consume(1975).json()["data"]["balance_after"], 0);
        assert_refused(&asker.consume(1), 402, "insufficient_credits");
        site.is_healthy();
    });
}

#[test]
fn a_hold_sets_credits_aside_until_it_is_confirmed_in_part_or_released() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let asker = Asker::new(&server, &member);
        let hold = asker.hold(1200);
        assert_eq!(
            (&hold["id"], &hold["amount"], &hold["status"]),
            (&json!(1), &json!(1200), &json!("open"))
        );
        assert_eq!(
            (&hold["confirmed_amount"], &hold["ended_at"]),
            (&json!(0), &Value::Null)
        );
        assert_eq!(
            (&hold["description"], &hold["metadata"]),
            (&json!("a draft"), &json!({"draft": 7}))
        );
        assert_eq!(asker.credits(), [2000, 1200, 800]);
        assert_refused(&asker.consume(801), 402, "insufficient_credits");

        assert_refused(
            &asker.end(&hold, "confirm", &json!({"amount": 1201})),
            402,
            "insufficient_credits",
        );
        let confirmed = asker.end(&hold, "confirm", &json!({"amount": 500}));
        assert_eq!(confirmed.status, 200, "{}", confirmed.text());
        let entry = confirmed.json()["data"].clone();
        assert_eq!(
            (&entry["amount"], &entry["balance_after"]),
            (&json!(-500), &json!(1500))
        );
        assert_eq!(entry["transaction_type"], "consumption");
        assert_eq!(
            (&entry["description"], &entry["metadata"]),
            (&json!("a draft"), &json!({"draft": 7, "hold_id": 1}))
        );
        assert_eq!(asker.credits(), [1500, 0, 1500], "the rest is let go of");
        for what in ["confirm", "release"] {
            assert_refused(&asker.end(&hold, what, &json!({})), 409, "hold_ended");
        }
        site.is_healthy();
    });
}

#[test]
fn a_hold_is_released_whole_or_confirmed_whole() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let asker = Asker::new(&server, &member);
        let hold = asker.hold(300);
        let released = asker.end(&hold, "release", &json!({})).json()["data"].clone();
        assert_eq!((&released["id"], &released["status"]), (&json!(1), &json!("released")));
        assert_eq!(released["confirmed_amount"], 0);
        assert!(released["ended_at"].is_string(), "{released}");
        assert_eq!(asker.credits(), [2000, 0, 2000]);

        let hold = asker.hold(1500);
        let path = format!("{HOLDS}{}/confirm/", hold["id"]);
        let whole = server.post(&path).bearer(&member.access).send();
        assert_eq!(
            whole.json()["data"]["amount"],
            -1500,
            "without a body the whole hold is drawn"
        );
        assert_eq!(asker.credits(), [500, 0, 500]);

        let listed = asker.data(HOLDS)["items"].clone();
        let shown: Vec<_> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|hold| (&hold["id"], &hold["status"]))
            .collect();
        let expected = [(json!(2), json!("confirmed")), (json!(1), json!("released"))];
        assert_eq!(
            shown,
            expected.iter().map(|(id, status)| (id, status)).collect::<Vec<_>>()
        );
        assert_eq!(listed[1], released, "what is answered is what is listed");
        assert_eq!(listed[0]["confirmed_amount"], 1500);
        site.is_healthy();
    });
}

#[test]
fn a_hold_of_somebody_else_or_of_nobody_is_not_found() {
    on_both(|site| {
        let server = site.serve();
        let (one, other) = (server.sign_up(), server.sign_up());
        let hold = Asker::new(&server, &one).hold(10);
        let asker = Asker::new(&server, &other);
        for id in [
            hold["id"].to_string(),
            "0".into(),
            "-1".into(),
            "x".into(),
            "99999999999999999999".into(),
        ] {
            for what in ["confirm", "release"] {
                assert_refused(
                    &asker.post(&format!("{HOLDS}{id}/{what}/"), &json!({})),
                    404,
                    "not_found",
                );
            }
        }
        assert_eq!(asker.data(HOLDS), json!({"items": [], "next": null}));
        assert_eq!(Asker::new(&server, &one).credits(), [2000, 10, 1990]);
        site.is_healthy();
    });
}

#[test]
fn a_request_that_comes_again_under_its_key_takes_effect_once() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let asker = Asker::new(&server, &member);
        let body = json!({"amount": 7, "description": "words"});
        let (first, again) = (asker.keyed(CONSUME, "k-1", &body), asker.keyed(CONSUME, "k-1", &body));
        assert_eq!((first.status, again.status), (200, 200));
        assert_eq!(first.json(), again.json());
        assert_eq!(
            (first.field("idempotency-replayed"), again.field("idempotency-replayed")),
            (None, Some("true"))
        );
        let other = json!({"amount": 8, "description": "words"});
        assert_refused(&asker.keyed(CONSUME, "k-1", &other), 409, "idempotency_key_reused");
        assert_eq!(asker.credits(), [1993, 0, 1993]);

        // On another route it is another request, and so it is another user's.
        let held = asker.keyed(HOLDS, "k-1", &body);
        assert_eq!(held.status, 201);
        assert_eq!(asker.keyed(HOLDS, "k-1", &body).json(), held.json());
        let editor = colleague(&site, &server, &member, "editor");
        assert_eq!(Asker::new(&server, &editor).keyed(CONSUME, "k-1", &body).status, 200);
        let confirm = format!("{HOLDS}1/confirm/");
        let (first, again) = (
            asker.keyed(&confirm, "k-1", &json!({})),
            asker.keyed(&confirm, "k-1", &json!({})),
        );
        assert_eq!((first.status, first.json()), (200, again.json()));

        // A refusal changed nothing, so nothing is kept of it.
        let much = json!({"amount": 1980, "description": "words"});
        assert_refused(&asker.keyed(CONSUME, "k-2", &much), 402, "insufficient_credits");
        assert_eq!(
            asker
                .keyed(CONSUME, "k-2", &json!({"amount": 1979, "description": "words"}))
                .status,
            200
        );
        for key in ["", "a b", &"x".repeat(256)] {
            let refused = asker.keyed(CONSUME, key, &body);
            assert_refused(&refused, 422, "validation_failed");
            assert!(refused.json()["fields"]["Idempotency-Key"].is_string());
        }
        assert_eq!(asker.credits(), [0, 0, 0]);
        site.is_healthy();
    });
}

#[test]
fn who_may_only_look_may_not_spend() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        let hold = Asker::new(&server, &owner).hold(5);
        let viewer = colleague(&site, &server, &owner, "viewer");
        let asker = Asker::new(&server, &viewer);
        let spend = json!({"amount": 1, "description": "x"});
        for answer in [
            asker.post(CONSUME, &spend),
            asker.post(CONSUME, &json!({"nonsense": 1})),
            asker.post(HOLDS, &spend),
            asker.end(&hold, "confirm", &json!({})),
            asker.end(&hold, "release", &json!({})),
        ] {
            assert_refused(&answer, 403, "role_required");
        }
        for path in [
            "/api/v1/credits/",
            HOLDS,
            "/api/v1/credits/usage/",
            "/api/v1/credits/transactions/",
        ] {
            assert_eq!(asker.get(path).status, 200, "{path}");
            assert_refused(&server.get(path).send(), 401, "credentials_required");
        }
        for path in [
            CONSUME,
            HOLDS,
            "/api/v1/credits/holds/1/confirm/",
            "/api/v1/credits/holds/1/release/",
        ] {
            assert_refused(&server.post(path).json(&spend).send(), 401, "credentials_required");
        }
        for role in ["admin", "editor"] {
            let colleague = colleague(&site, &server, &owner, role);
            assert_eq!(Asker::new(&server, &colleague).consume(1).status, 200, "{role}");
        }
        assert_eq!(asker.credits(), [1998, 5, 1993]);
        site.is_healthy();
    });
}

#[test]
fn an_account_that_may_not_go_on_is_not_debited_and_can_still_be_looked_at() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let asker = Asker::new(&server, &member);
        for (status, reason, code, refused, looks) in [
            ("suspended", "'trial_ended'", "trial_ended", 402, 200),
            ("suspended", "'payment_overdue'", "payment_required", 402, 200),
            ("past_due", "NULL", "payment_required", 402, 200),
            ("suspended", "'abuse'", "account_suspended", 403, 403),
            ("cancelled", "NULL", "account_cancelled", 403, 403),
        ] {
            site.sql(&format!(
                "UPDATE account SET status = '{status}', suspend_reason = {reason}"
            ))
            .unwrap();
            assert_refused(&asker.consume(1), refused, code);
            assert_refused(
                &asker.post(HOLDS, &json!({"amount": 1, "description": "x"})),
                refused,
                code,
            );
            for path in ["/api/v1/credits/", HOLDS, "/api/v1/credits/usage/"] {
                assert_eq!(asker.get(path).status, looks, "{status} {reason} {path}");
            }
        }
        site.sql("UPDATE account SET status = 'trial', suspend_reason = NULL")
            .unwrap();
        assert_eq!(asker.consume(1).status, 200);
        site.is_healthy();
    });
}

#[test]
fn an_account_that_is_due_is_brought_up_to_the_present_before_it_is_debited() {
    on_both(|site| {
        // No worker: the debit itself must find that the trial is over.
        let server = site.serve_with(&[("IGNY8_CORE__WORKER__ENABLED", "false")]);
        let member = server.sign_up();
        let asker = Asker::new(&server, &member);
        let hold = asker.hold(100);
        assert_eq!(asker.consume(1).status, 200);
        site.sql("UPDATE credit_hold SET expires_at_us = created_at_us + 1")
            .unwrap();
        site.sql("UPDATE account SET due_us = 1").unwrap();
        assert_refused(&asker.end(&hold, "confirm", &json!({})), 409, "hold_ended");
        assert_eq!(asker.data(HOLDS)["items"][0]["status"], "expired");
        let due = site.number("SELECT due_us FROM account");
        assert_eq!(
            due,
            site.number("SELECT end_us FROM subscription_period"),
            "the trial's end comes next"
        );
        // A time that came too early is set right, and the debit goes on.
        site.sql("UPDATE account SET due_us = 1").unwrap();
        let answers = at_once(8, |_| asker.consume(100).status);
        assert_eq!((answers, asker.credits()), (vec![200; 8], [1199, 0, 1199]));
        assert_eq!(site.number("SELECT due_us FROM account"), due);
        site.is_healthy();
    });
}

#[test]
fn a_trial_that_is_over_is_not_debited_even_where_nobody_has_said_so_yet() {
    on_both(|site| {
        let server = site.serve_with(&[("IGNY8_CORE__WORKER__ENABLED", "false")]);
        let member = server.sign_up();
        let asker = Asker::new(&server, &member);
        site.sql(
            "UPDATE subscription_period SET start_us = start_us - 86400000000 * 20, end_us = end_us - 86400000000 * 20",
        )
        .unwrap();
        site.sql("UPDATE account SET due_us = 1").unwrap();
        let answers = at_once(6, |_| asker.consume(1));
        for answer in &answers {
            assert_refused(answer, 402, "trial_ended");
        }
        assert_eq!(
            site.number("SELECT COUNT(*) FROM audit WHERE action = 'subscription.trial_ended'"),
            1
        );
        assert_eq!(asker.credits()[0], 2000);
    });
}

#[test]
fn what_the_committer_does_is_measured() {
    let site = Site::sqlite();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let server = site.serve();
    let member = server.sign_up();
    assert_eq!(Asker::new(&server, &member).consume(1).status, 200);
    let metrics = get(&server.internal, "/metrics").bearer(&server.token).send().text();
    for line in [
        "igny8_core_debit_batch_size_bucket{le=\"1\"} 1",
        "igny8_core_debit_batch_size_bucket{le=\"128\"} 1",
        "igny8_core_debit_commit_seconds_count 1",
    ] {
        assert!(metrics.contains(line), "{line}:\n{metrics}");
    }
}
