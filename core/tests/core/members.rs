//! Members and invitations.

mod looked_at;
mod mailed;

use super::site::{PASSWORD, Server, new_email, on_both};
use igny8_testkit::raw::Response;
use serde_json::{Value, json};
use sqlx::Row;

const MEMBERS: &str = "/api/v1/account/members/";

fn invite(server: &Server, access: &str, email: &str, role: &str) -> Response {
    let body = json!({"email": email, "role": role});
    server
        .post("/api/v1/account/members/invite/")
        .bearer(access)
        .json(&body)
        .send()
}

fn accept(server: &Server, token: &str) -> Response {
    let body = json!({"token": token, "password": PASSWORD, "first_name": "Grace"});
    server.post("/api/v1/auth/invitations/accept/").json(&body).send()
}

/// Invites somebody and lets them join: the `data` of their sign-in.
pub fn join(server: &Server, access: &str, role: &str) -> Value {
    let invited = invite(server, access, &new_email(), role);
    assert_eq!(invited.status, 201, "{}", invited.text());
    let joined = accept(server, invited.json()["data"]["token"].as_str().unwrap());
    assert_eq!(joined.status, 201, "{}", joined.text());
    joined.json()["data"].clone()
}

fn access(joined: &Value) -> String {
    joined["access"].as_str().unwrap().to_owned()
}

fn act(server: &Server, access: &str, whom: &Value, what: &str, body: &Value) -> Response {
    let path = format!("{MEMBERS}{whom}/{what}/");
    server.post(&path).bearer(access).json(body).send()
}

fn me(server: &Server, access: &str) -> String {
    server.get("/api/v1/auth/me/").bearer(access).send().code()
}

#[test]
fn an_invited_person_joins_with_the_role_they_were_given() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        let email = new_email();
        let invited = invite(&server, &owner.access, &email.to_uppercase(), "editor").json()["data"].clone();
        let token = invited["token"].as_str().unwrap();
        assert_eq!((&invited["email"], &invited["role"]), (&json!(email), &json!("editor")));
        let waiting = server
            .get("/api/v1/account/members/invitations/")
            .bearer(&owner.access)
            .send();
        assert_eq!(waiting.json()["data"]["items"][0]["id"], invited["id"]);
        assert!(!waiting.text().contains(token));
        let notice = site.rows("SELECT payload FROM outbox WHERE topic = 'member.invited'", |row| {
            row.get::<String, _>(0)
        });
        let notice: Value = serde_json::from_str(&notice[0]).unwrap();
        assert_eq!(
            (&notice["email"], &notice["invitation_id"]),
            (&json!(email), &invited["id"])
        );
        assert!(!notice.to_string().contains(token));

        let joined = accept(&server, token).json()["data"].clone();
        assert_eq!(
            (&joined["user"]["role"], &joined["user"]["first_name"]),
            (&json!("editor"), &json!("Grace"))
        );
        assert_eq!(joined["account"]["id"], owner.data["account"]["id"]);
        assert_eq!(me(&server, &access(&joined)), "");
        assert_eq!(server.login(&email, PASSWORD).status, 200);
        let again = accept(&server, token);
        assert_eq!((again.status, again.code().as_str()), (404, "invitation_invalid"));
        let listed = server.get(MEMBERS).bearer(&access(&joined)).send().json();
        let roles: Vec<&str> = listed["data"]["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["role"].as_str().unwrap())
            .collect();
        assert_eq!(roles, ["owner", "editor"]);
        assert_eq!(
            site.number("SELECT COUNT(*) FROM account"),
            1,
            "no account of their own"
        );
        site.is_healthy();
    });
}

#[test]
fn one_invitation_accepted_twice_at_once_makes_one_member() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        for round in 0..4 {
            let invited = invite(&server, &owner.access, &new_email(), "viewer").json();
            let token = invited["data"]["token"].as_str().unwrap();
            let answers: Vec<Response> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| accept(&server, token))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
            for lost in answers.iter().filter(|answer| answer.status != 201) {
                assert!(
                    matches!(lost.code().as_str(), "invitation_invalid" | "already_member"),
                    "{}",
                    lost.text()
                );
            }
            assert_eq!(site.number("SELECT COUNT(*) FROM users"), 2 + round);
        }
        site.is_healthy();
    });
}

#[test]
fn an_invitation_that_is_old_revoked_replaced_or_unknown_opens_nothing() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        let token = |answer: Response| answer.json()["data"]["token"].as_str().unwrap().to_owned();
        let email = new_email();
        let replaced = token(invite(&server, &owner.access, &email, "viewer"));
        let current = invite(&server, &owner.access, &email, "viewer").json()["data"].clone();
        let revoke = |access: &str| {
            let path = format!("/api/v1/account/members/invitations/{}/revoke/", current["id"]);
            server.post(&path).bearer(access).send()
        };
        assert_eq!(
            revoke(&server.sign_up().access).code(),
            "not_found",
            "another account's"
        );
        assert_eq!((revoke(&owner.access).status, revoke(&owner.access).status), (204, 204));
        let old = token(invite(&server, &owner.access, &new_email(), "viewer"));
        site.sql("UPDATE invitation SET expires_at_us = 1 WHERE revoked_at_us IS NULL")
            .unwrap();
        for dead in [&replaced, current["token"].as_str().unwrap(), &old, "unknown", ""] {
            let answer = accept(&server, dead);
            let expected = if dead.is_empty() {
                (422, "validation_failed")
            } else {
                (404, "invitation_invalid")
            };
            assert_eq!((answer.status, answer.code().as_str()), expected, "{dead}");
        }
        assert_eq!(
            site.number("SELECT COUNT(*) FROM audit WHERE action = 'member.invitation_revoked'"),
            1
        );
        assert_eq!(site.number("SELECT COUNT(*) FROM users"), 2);
    });
}

#[test]
fn one_person_belongs_to_one_account() {
    on_both(|site| {
        let server = site.serve();
        let (owner, other) = (server.sign_up(), server.sign_up());
        assert_eq!(
            invite(&server, &owner.access, &owner.email, "viewer").code(),
            "already_member"
        );
        let elsewhere = invite(&server, &owner.access, &other.email, "viewer");
        assert_eq!((elsewhere.status, elsewhere.code().as_str()), (409, "member_elsewhere"));
        let email = new_email();
        let invited = invite(&server, &owner.access, &email, "viewer").json();
        // Meanwhile they sign up by themselves.
        assert_eq!(
            server.register(&json!({"email": email, "password": PASSWORD})).status,
            201
        );
        let late = accept(&server, invited["data"]["token"].as_str().unwrap());
        assert_eq!((late.status, late.code().as_str()), (409, "member_elsewhere"));
    });
}

#[test]
fn a_weak_password_joins_nobody_and_a_suspended_account_takes_nobody() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        let invited = invite(&server, &owner.access, &new_email(), "viewer").json();
        let token = invited["data"]["token"].as_str().unwrap();
        let body = json!({"token": token, "password": "password"});
        let weak = server.post("/api/v1/auth/invitations/accept/").json(&body).send();
        assert_eq!((weak.status, weak.code().as_str()), (422, "weak_password"));
        site.sql("UPDATE account SET status = 'suspended', suspend_reason = 'abuse'")
            .unwrap();
        assert_eq!(accept(&server, token).code(), "account_suspended");
        site.sql("UPDATE account SET status = 'trial', suspend_reason = NULL")
            .unwrap();
        assert_eq!(accept(&server, token).status, 201);
    });
}

#[test]
fn an_invitation_is_worth_no_more_than_the_word_of_whoever_sent_it() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        let admin = join(&server, &owner.access, "admin");
        let sent = |role: &str| {
            let answer = invite(&server, &access(&admin), &new_email(), role);
            assert_eq!(answer.status, 201, "{}", answer.text());
            answer.json()["data"]["token"].as_str().unwrap().to_owned()
        };
        let (as_admin, as_viewer) = (sent("admin"), sent("viewer"));
        assert_eq!(
            invite(&server, &access(&admin), &new_email(), "owner").code(),
            "role_required"
        );
        act(
            &server,
            &owner.access,
            &admin["user"]["id"],
            "role",
            &json!({"role": "editor"}),
        );
        assert_eq!(accept(&server, &as_admin).code(), "invitation_invalid");
        act(
            &server,
            &owner.access,
            &admin["user"]["id"],
            "role",
            &json!({"role": "admin"}),
        );
        assert_eq!(
            act(&server, &owner.access, &admin["user"]["id"], "remove", &json!({})).status,
            204
        );
        assert_eq!(
            accept(&server, &as_viewer).code(),
            "invitation_invalid",
            "no way back for who was removed"
        );
    });
}

#[test]
fn a_role_that_changes_ends_tokens_and_the_last_owner_stays_one() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        let own = &owner.data["user"]["id"];
        for (what, body) in [("role", json!({"role": "admin"})), ("remove", json!({}))] {
            let answer = act(&server, &owner.access, own, what, &body);
            assert_eq!((answer.status, answer.code().as_str()), (409, "last_owner"), "{what}");
        }
        let editor = join(&server, &owner.access, "editor");
        let id = &editor["user"]["id"];
        assert_eq!(
            act(&server, &access(&editor), own, "remove", &json!({})).code(),
            "role_required"
        );
        let same = act(&server, &owner.access, id, "role", &json!({"role": "editor"}));
        assert_eq!(
            (same.status, me(&server, &access(&editor)).as_str()),
            (200, ""),
            "nothing has changed"
        );
        let raised = act(&server, &owner.access, id, "role", &json!({"role": "owner"}));
        assert_eq!(raised.json()["data"]["role"], "owner");
        assert_eq!(me(&server, &access(&editor)), "token_revoked");
        let stepped_down = act(&server, &owner.access, own, "role", &json!({"role": "viewer"}));
        assert_eq!(stepped_down.status, 200, "{}", stepped_down.text());
        assert_eq!(me(&server, &owner.access), "token_revoked");
        assert_eq!(
            site.number("SELECT COUNT(*) FROM audit WHERE action = 'member.role_changed'"),
            2
        );
        site.is_healthy();
    });
}

#[test]
fn two_owners_who_unmake_each_other_at_once_leave_one() {
    on_both(|site| {
        let server = site.serve();
        let one = server.sign_up();
        let mut first = (one.access.clone(), one.data["user"]["id"].clone());
        for _ in 0..4 {
            let joined = join(&server, &first.0, "owner");
            let second = (access(&joined), joined["user"]["id"].clone());
            let answers = std::thread::scope(|scope| {
                let down = json!({"role": "viewer"});
                let threads = [(&first, &second), (&second, &first)].map(|(by, whom)| {
                    scope.spawn({
                        let (server, down) = (&server, down.clone());
                        move || act(server, &by.0, &whom.1, "role", &down).status
                    })
                });
                threads.map(|thread| thread.join().unwrap())
            });
            assert_eq!(
                answers.iter().filter(|status| **status == 200).count(),
                1,
                "{answers:?}"
            );
            assert_eq!(site.number("SELECT COUNT(*) FROM users WHERE role = 'owner'"), 1);
            first = if answers[0] == 200 { first } else { second };
        }
    });
}

#[test]
fn who_is_removed_is_out_at_once_and_their_address_is_free() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        let joined = join(&server, &owner.access, "admin");
        let (id, email) = (&joined["user"]["id"], joined["user"]["email"].as_str().unwrap());
        let path = format!("{MEMBERS}{id}/");
        let delete = || server.request("DELETE", &path).bearer(&owner.access).send();
        assert_eq!(
            act(&server, &server.sign_up().access, id, "remove", &json!({})).code(),
            "not_found"
        );
        assert_eq!(delete().status, 204);
        assert_eq!(delete().code(), "not_found");
        assert_eq!(me(&server, &access(&joined)), "token_revoked");
        assert_eq!(server.login(email, PASSWORD).code(), "invalid_credentials");
        assert_eq!(
            site.number("SELECT COUNT(*) FROM sign_in WHERE ended_at_us IS NOT NULL"),
            1
        );
        let listed = server.get(MEMBERS).bearer(&owner.access).send().json();
        assert_eq!(listed["data"]["items"].as_array().unwrap().len(), 1);
        let invited = invite(&server, &owner.access, email, "viewer").json();
        let back = accept(&server, invited["data"]["token"].as_str().unwrap());
        assert_eq!(back.json()["data"]["user"]["role"], "viewer", "{}", back.text());
        site.is_healthy();
    });
}

#[test]
fn roles_open_the_accounts_routes_as_the_table_says() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        let people = ["admin", "editor", "viewer"].map(|role| (role, access(&join(&server, &owner.access, role))));
        let consume = json!({"amount": 1, "description": "x"});
        let upgrade = json!({"plan_slug": "starter", "payment_method": "bank_transfer"});
        let calls: [(&str, &str, Value, &[&str]); 6] = [
            ("POST", "/api/v1/credits/consume/", consume, &["admin", "editor"]),
            ("PATCH", "/api/v1/account/", json!({"name": "New"}), &["admin"]),
            ("POST", "/api/v1/account/upgrade/", upgrade, &["admin"]),
            ("POST", "/api/v1/account/cancel/", json!({}), &[]),
            ("POST", "/api/v1/account/api-keys/", json!({"name": "x"}), &["admin"]),
            (
                "POST",
                "/api/v1/account/members/invite/",
                json!({"email": new_email(), "role": "viewer"}),
                &["admin"],
            ),
        ];
        for (method, path, body, allowed) in &calls {
            for (role, access) in &people {
                let answer = server.request(method, path).bearer(access).json(body).send();
                let refused = answer.status == 403 && answer.code() == "role_required";
                assert_eq!(
                    refused,
                    !allowed.contains(role),
                    "{role} {method} {path}: {}",
                    answer.text()
                );
                assert!(
                    refused || answer.status < 300,
                    "{role} {method} {path}: {}",
                    answer.text()
                );
            }
        }
        for (role, access) in &people {
            let audit = server.get("/api/v1/account/audit/").bearer(access).send();
            assert_eq!(audit.status == 200, *role == "admin", "{role}");
        }
    });
}
