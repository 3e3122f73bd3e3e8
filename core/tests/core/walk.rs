//! Every route of the description is walked: without a credential, with one that is not good, in a role that may not, for an
//! object of somebody else, and again under its key. A route that is not in the table fails the test, so a new one cannot
//! forget any of it. Bad bodies are `bad_input`'s.

use super::site::{Member, Server, Site, on_both};
use igny8_testkit::http::Request;
use igny8_testkit::raw::Response;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Whose credential a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Anybody,
    Customer,
    Staff,
}

/// How a request that sends the same twice is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// It only reads, or says nothing that could take effect twice.
    Harmless,
    /// By its `Idempotency-Key`.
    Keyed,
    /// The same, but the secret that it made is in the first answer alone.
    KeyedSecret,
}

/// One route, and a request to it that is good.
struct Row {
    route: &'static str,
    who: Who,
    again: Again,
    /// The path's number and the body; called anew for each request that is to succeed.
    ask: fn(&World<'_>) -> (i64, Value),
}

/// A customer with everything that can be asked for, another one, and staff.
struct World<'a> {
    site: &'a Site,
    server: &'a Server,
    owner: Member,
    other: Member,
    staff: String,
}

impl World<'_> {
    fn account(&self) -> i64 {
        self.owner.data["account"]["id"].as_i64().unwrap()
    }

    fn hold(&self) -> i64 {
        let body = json!({"amount": 1, "description": "a job"});
        let answer = self.server.post("/api/v1/credits/holds/").bearer(&self.owner.access);
        answer.json(&body).send().json()["data"]["id"].as_i64().unwrap()
    }

    fn user(&self) -> i64 {
        self.owner.data["user"]["id"].as_i64().unwrap()
    }

    /// The number of what a request makes for the owner.
    fn made(&self, path: &str, body: &Value) -> i64 {
        let answer = self.server.post(path).bearer(&self.owner.access).json(body).send();
        assert_eq!(answer.status, 201, "{path}: {}", answer.text());
        answer.json()["data"]["id"].as_i64().unwrap()
    }

    fn api_key(&self) -> i64 {
        self.made("/api/v1/account/api-keys/", &json!({"name": "walked"}))
    }

    fn invitation(&self) -> i64 {
        let body = json!({"email": super::site::new_email(), "role": "viewer"});
        self.made("/api/v1/account/members/invite/", &body)
    }

    /// Somebody who has joined the owner's account as a viewer: their access token.
    fn viewer(&self) -> String {
        let body = json!({"email": super::site::new_email(), "role": "viewer"});
        let invited = self
            .server
            .post("/api/v1/account/members/invite/")
            .bearer(&self.owner.access);
        let token = invited.json(&body).send().json()["data"]["token"]
            .as_str()
            .unwrap()
            .to_owned();
        let accepted = self.server.post("/api/v1/auth/invitations/accept/");
        let answer = accepted
            .json(&json!({"token": token, "password": super::site::PASSWORD}))
            .send();
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["data"]["access"].as_str().unwrap().to_owned()
    }

    /// A payment that is confirmed, and the number of its receipt.
    fn receipt(&self) -> i64 {
        let numbers = "SELECT COALESCE(MAX(number), 0) FROM receipt";
        let body = json!({"account_id": self.account(), "external_payment_id": "walked", "amount": "29.99",
            "payer_name": "Ada", "plan_slug": "starter"});
        let path = "/api/v1/billing/confirm-bank-transfer/";
        let answer = self.server.post(path).bearer(&self.staff).json(&body).send();
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.site.number(numbers)
    }
}

const fn row(route: &'static str, who: Who, again: Again, ask: fn(&World<'_>) -> (i64, Value)) -> Row {
    Row { route, who, again, ask }
}

fn nothing(_: &World<'_>) -> (i64, Value) {
    (0, Value::Null)
}

/// In an order in which each can succeed after the ones before it.
fn rows() -> Vec<Row> {
    let mut rows = open_to_anybody();
    rows.extend(own_sign_in());
    rows.extend(people());
    rows.extend(credits());
    rows.extend(money());
    rows.extend(staff_alone());
    rows
}

fn open_to_anybody() -> Vec<Row> {
    let open = |route| row(route, Who::Anybody, Again::Harmless, nothing);
    vec![
        open("POST /api/v1/auth/register/"),
        open("POST /api/v1/auth/login/"),
        open("POST /api/v1/auth/refresh/"),
        open("POST /api/v1/auth/logout/"),
        open("POST /api/v1/auth/password-reset/"),
        open("POST /api/v1/auth/password-reset/confirm/"),
        open("POST /api/v1/auth/verify-email/"),
        open("POST /api/v1/auth/invitations/accept/"),
        open("GET /api/v1/plans/"),
        open("POST /api/v1/billing/webhooks/stripe/"),
    ]
}

fn own_sign_in() -> Vec<Row> {
    use Again::Harmless;
    use Who::{Customer, Staff};
    vec![
        row("GET /api/v1/auth/me/", Customer, Harmless, nothing),
        row("GET /api/v1/auth/sessions/", Customer, Harmless, nothing),
        row("DELETE /api/v1/auth/sessions/", Customer, Harmless, nothing),
        row("DELETE /api/v1/auth/sessions/{id}/", Customer, Harmless, |world| {
            let numbers = format!("SELECT MAX(id) FROM sign_in WHERE user_id = {}", world.user());
            (world.site.number(&numbers), Value::Null)
        }),
        row("POST /api/v1/auth/change-password/", Customer, Harmless, nothing),
        row("POST /api/v1/auth/verify-email/resend/", Customer, Harmless, nothing),
        row("GET /api/v1/auth/totp/", Staff, Harmless, nothing),
        row("POST /api/v1/auth/totp/", Staff, Harmless, nothing),
        row("POST /api/v1/auth/totp/confirm/", Staff, Harmless, nothing),
        row("DELETE /api/v1/auth/totp/", Staff, Harmless, nothing),
    ]
}

fn people() -> Vec<Row> {
    use Again::{Harmless, KeyedSecret};
    use Who::Customer;
    vec![
        row("GET /api/v1/account/", Customer, Harmless, nothing),
        row("PATCH /api/v1/account/", Customer, Harmless, |_| {
            (0, json!({"name": "Walked"}))
        }),
        row("GET /api/v1/account/subscription/", Customer, Harmless, nothing),
        row("GET /api/v1/account/audit/", Customer, Harmless, nothing),
        row("GET /api/v1/account/api-keys/", Customer, Harmless, nothing),
        row("POST /api/v1/account/api-keys/", Customer, KeyedSecret, |_| {
            (0, json!({"name": "ours"}))
        }),
        row(
            "POST /api/v1/account/api-keys/{id}/rotate/",
            Customer,
            KeyedSecret,
            |world| (world.api_key(), json!({})),
        ),
        row(
            "POST /api/v1/account/api-keys/{id}/revoke/",
            Customer,
            Harmless,
            |world| (world.api_key(), json!({})),
        ),
        row("DELETE /api/v1/account/api-keys/{id}/", Customer, Harmless, |world| {
            (world.api_key(), Value::Null)
        }),
        row("GET /api/v1/account/members/", Customer, Harmless, nothing),
        row("GET /api/v1/account/members/invitations/", Customer, Harmless, nothing),
        row("POST /api/v1/account/members/invite/", Customer, KeyedSecret, |_| {
            (0, json!({"email": super::site::new_email(), "role": "viewer"}))
        }),
        row(
            "POST /api/v1/account/members/invitations/{id}/revoke/",
            Customer,
            Harmless,
            |world| (world.invitation(), json!({})),
        ),
        row("POST /api/v1/account/members/{id}/role/", Customer, Harmless, |world| {
            (world.user(), json!({"role": "editor"}))
        }),
        row(
            "POST /api/v1/account/members/{id}/remove/",
            Customer,
            Harmless,
            |world| (world.user(), json!({})),
        ),
        row("DELETE /api/v1/account/members/{id}/", Customer, Harmless, |world| {
            (world.user(), Value::Null)
        }),
    ]
}

fn credits() -> Vec<Row> {
    use Again::{Harmless, Keyed};
    use Who::Customer;
    vec![
        row("GET /api/v1/credits/", Customer, Harmless, nothing),
        row("GET /api/v1/credits/transactions/", Customer, Harmless, nothing),
        row("GET /api/v1/credits/usage/", Customer, Harmless, nothing),
        row("POST /api/v1/credits/consume/", Customer, Keyed, |_| {
            (0, json!({"amount": 1, "description": "a draft"}))
        }),
        row("GET /api/v1/credits/holds/", Customer, Harmless, nothing),
        row("POST /api/v1/credits/holds/", Customer, Keyed, |_| {
            (0, json!({"amount": 1, "description": "a job"}))
        }),
        row("POST /api/v1/credits/holds/{id}/confirm/", Customer, Keyed, |world| {
            (world.hold(), json!({"amount": 1}))
        }),
        row("POST /api/v1/credits/holds/{id}/release/", Customer, Keyed, |world| {
            (world.hold(), json!({}))
        }),
    ]
}

fn money() -> Vec<Row> {
    use Again::{Harmless, Keyed};
    use Who::{Customer, Staff};
    vec![
        row("POST /api/v1/account/upgrade/", Customer, Keyed, |_| {
            (0, json!({"plan_slug": "starter", "payment_method": "bank_transfer"}))
        }),
        row("GET /api/v1/billing/pending/", Staff, Harmless, nothing),
        row("POST /api/v1/billing/confirm-bank-transfer/", Staff, Keyed, |world| {
            (
                0,
                json!({"account_id": world.account(), "external_payment_id": "BT-1", "amount": "29.99", "payer_name": "Ada"}),
            )
        }),
        row("GET /api/v1/account/payments/", Customer, Harmless, nothing),
        row("GET /api/v1/account/receipts/", Customer, Harmless, nothing),
        row("GET /api/v1/account/receipts/{number}/", Customer, Harmless, |world| {
            (world.receipt(), Value::Null)
        }),
        row(
            "GET /api/v1/account/receipts/{number}/print/",
            Customer,
            Harmless,
            |world| (world.receipt(), Value::Null),
        ),
        row("POST /api/v1/account/cancel/", Customer, Keyed, |_| (0, json!({}))),
        row("POST /api/v1/account/resume/", Customer, Keyed, |_| (0, json!({}))),
    ]
}

fn staff_alone() -> Vec<Row> {
    use Again::{Harmless, Keyed};
    use Who::Staff;
    vec![
        row("POST /api/v1/billing/renew/", Staff, Keyed, |world| {
            (0, json!({"account_id": world.account(), "reason": "a gift"}))
        }),
        row("POST /api/v1/billing/adjust-credits/", Staff, Keyed, |world| {
            (
                0,
                json!({"account_id": world.account(), "amount": 5, "reason": "a thank-you"}),
            )
        }),
        row("POST /api/v1/billing/assign-plan/", Staff, Keyed, |world| {
            (
                0,
                json!({"account_id": world.account(), "plan_slug": "enterprise", "reason": "agreed"}),
            )
        }),
        row("POST /api/v1/staff/accounts/{id}/suspend/", Staff, Keyed, |world| {
            (world.account(), json!({"reason": "abuse"}))
        }),
        row("POST /api/v1/staff/accounts/{id}/reinstate/", Staff, Keyed, |world| {
            (world.account(), json!({}))
        }),
        row("GET /api/v1/staff/accounts/", Staff, Harmless, nothing),
        row("GET /api/v1/staff/accounts/{id}/", Staff, Harmless, |world| {
            (world.account(), Value::Null)
        }),
        row("GET /api/v1/staff/clock/", Staff, Harmless, nothing),
        row("POST /api/v1/staff/clock/", Staff, Harmless, |_| {
            (0, json!({"advance_seconds": 1}))
        }),
    ]
}

fn description() -> Value {
    serde_json::from_str(&igny8_core::http::openapi::text().unwrap()).unwrap()
}

/// The request of a row: with this number in its path and this body.
fn request(world: &World<'_>, route: &str, number: i64, body: &Value) -> Request {
    let (method, path) = route.split_once(' ').unwrap();
    let segment = |segment: &str| {
        if segment.starts_with('{') {
            number.to_string()
        } else {
            segment.to_owned()
        }
    };
    let path: Vec<String> = path.split('/').map(segment).collect();
    let request = world.server.request(method, &path.join("/"));
    if body.is_null() { request } else { request.json(body) }
}

fn refused(request: Request, verdict: (u16, &str), what: &str) {
    let answer = request.send();
    assert_eq!(
        (answer.status, answer.code().as_str()),
        verdict,
        "{what}: {}",
        answer.text()
    );
}

fn with_world(test: impl Fn(&World<'_>)) {
    on_both(|site| {
        let server = site.serve_with(&[super::test_clock::ON]);
        let world = World {
            owner: server.sign_up(),
            other: server.sign_up(),
            staff: super::site::staff(&site, &server),
            site: &site,
            server: &server,
        };
        test(&world);
        site.is_healthy();
    });
}

#[test]
fn every_route_is_in_the_table_and_its_key_in_the_description() {
    let description = description();
    let mut described = BTreeSet::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let route = format!("{} {path}", method.to_uppercase());
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let keyed = parameters
                .clone()
                .any(|parameter| parameter["name"] == "Idempotency-Key");
            let row = rows().into_iter().find(|row| row.route == route);
            let row = row.unwrap_or_else(|| panic!("{route} is not walked: add it to the table"));
            assert_eq!(keyed, row.again != Again::Harmless, "{route}: Idempotency-Key");
            let open = operation["security"]
                .as_array()
                .is_none_or(|needs| needs.contains(&json!({})));
            assert_eq!(open, row.who == Who::Anybody, "{route}: its credential");
            described.insert(route);
        }
    }
    assert_eq!(
        described.len(),
        rows().len(),
        "the table knows a route that is not there"
    );
}

#[test]
fn nothing_is_answered_without_a_good_credential_of_the_right_role() {
    with_world(|world| {
        let before = world.site.counts();
        for row in rows().iter().filter(|row| row.who != Who::Anybody) {
            // Whatever stands in the path and the body: who asks is asked first.
            let ask = || request(world, row.route, 1, &json!({}));
            refused(ask(), (401, "credentials_required"), row.route);
            refused(ask().bearer("a.b.c"), (401, "token_invalid"), row.route);
            let forged = format!("{}x", world.owner.access);
            refused(ask().bearer(&forged), (401, "token_invalid"), row.route);
            refused(ask().bearer("igk_00000000"), (401, "api_key_invalid"), row.route);
            if row.who == Who::Staff {
                refused(ask().bearer(&world.owner.access), (403, "role_required"), row.route);
            }
        }
        assert_eq!(world.site.counts(), before);
    });
}

#[test]
fn an_object_of_another_account_is_not_there() {
    with_world(|world| {
        for row in rows().iter().filter(|row| row.route.contains('{')) {
            let (number, body) = (row.ask)(world);
            let (token, number) = match row.who {
                Who::Customer => (&world.other.access, number),
                // To staff everybody's is there: but not what nobody has.
                Who::Staff => (&world.staff, 99_999),
                Who::Anybody => panic!("{}: an object that is anybody's", row.route),
            };
            let before = world.site.counts();
            let ask = || request(world, row.route, number, &body).bearer(token);
            refused(ask(), (404, "not_found"), row.route);
            if row.again != Again::Harmless {
                refused(ask().field("Idempotency-Key", "probe"), (404, "not_found"), row.route);
            }
            assert_eq!(world.site.counts(), before, "{}", row.route);
        }
    });
}

#[test]
fn what_is_sent_again_under_its_key_takes_effect_once_and_is_answered_the_same() {
    with_world(|world| {
        for row in rows().iter().filter(|row| row.again != Again::Harmless) {
            let (number, body) = (row.ask)(world);
            let token = if row.who == Who::Staff {
                &world.staff
            } else {
                &world.owner.access
            };
            let ask = |body: &Value| {
                request(world, row.route, number, body)
                    .bearer(token)
                    .field("Idempotency-Key", "once")
            };
            let first = ask(&body).send();
            assert!((200..300).contains(&first.status), "{}: {}", row.route, first.text());
            let after = world.site.counts();
            let again = ask(&body).send();
            assert_eq!(again.status, first.status, "{}: {}", row.route, again.text());
            if row.again == Again::Keyed {
                assert_eq!(again.text(), first.text(), "{}", row.route);
            } else {
                let id = |answer: &Response| answer.json()["data"]["id"].clone();
                assert_eq!(id(&again), id(&first), "{}", row.route);
                assert_ne!(again.text(), first.text(), "{}: the secret is shown again", row.route);
            }
            assert_eq!(again.field("idempotency-replayed"), Some("true"), "{}", row.route);
            assert_eq!(world.site.counts(), after, "{}", row.route);
            let mut other = body.clone();
            other["description"] = json!("another");
            let answer = ask(&other).send();
            assert!(
                matches!(
                    (answer.status, answer.code().as_str()),
                    (409, "idempotency_key_reused") | (422, "validation_failed")
                ),
                "{}: {}",
                row.route,
                answer.text()
            );
            assert_eq!(world.site.counts(), after, "{}", row.route);
        }
    });
}

/// What a program's API key opens nothing of: there the role is refused that a person of any role has.
const OF_PEOPLE: [&str; 6] = [
    "GET /api/v1/auth/sessions/",
    "DELETE /api/v1/auth/sessions/",
    "DELETE /api/v1/auth/sessions/{id}/",
    "POST /api/v1/auth/change-password/",
    "POST /api/v1/auth/verify-email/resend/",
    "GET /api/v1/auth/me/",
];

#[test]
fn a_viewer_is_refused_wherever_a_role_is_asked_for() {
    let description = description();
    with_world(|world| {
        let viewer = world.viewer();
        let mut walked = 0;
        for row in rows()
            .iter()
            .filter(|row| row.who == Who::Customer && !OF_PEOPLE.contains(&row.route))
        {
            let (method, path) = row.route.split_once(' ').unwrap();
            let forbidden = &description["paths"][path][method.to_lowercase()]["responses"]["403"]["x-codes"];
            if !forbidden
                .as_array()
                .is_some_and(|codes| codes.contains(&json!("role_required")))
            {
                continue;
            }
            let (number, body) = (row.ask)(world);
            let before = world.site.counts();
            refused(
                request(world, row.route, number, &body).bearer(&viewer),
                (403, "role_required"),
                row.route,
            );
            assert_eq!(world.site.counts(), before, "{}", row.route);
            walked += 1;
        }
        assert!(walked >= 15, "{walked}");
    });
}
