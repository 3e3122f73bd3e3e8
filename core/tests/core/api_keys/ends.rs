//! When a key opens nothing any more: its own end, its maker's, and its account's standing.

use super::super::site::on_both;
use super::{KEYS, access, join, key, make, resolve, token};
use igny8_testkit::wait::wait_until;
use serde_json::json;
use std::time::Duration;

#[test]
fn a_key_ends_by_itself_and_its_token_does_not_outlive_it() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        for wrong in ["2020-01-01T00:00:00Z", "soon", "2999-01-01T00:00:00Z", "2027-01-01"] {
            let answer = make(&server, &owner.access, &json!({"name": "x", "expires_at": wrong}));
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (422, "validation_failed"),
                "{wrong}"
            );
            assert!(answer.json()["fields"]["expires_at"].is_string(), "{wrong}");
        }
        let (text, _) = key(
            &server,
            &owner.access,
            &json!({"name": "x", "expires_at": "2030-01-01T00:00:00Z"}),
        );
        let soon = "(SELECT MAX(created_at_us) FROM api_key) + 5000000";
        site.sql(&format!("UPDATE api_key SET expires_at_us = {soon}")).unwrap();
        let facts = resolve(&server, &text);
        assert_eq!(
            facts["token_exp"].as_i64().unwrap(),
            facts["expires_at_us"].as_i64().unwrap() / 1_000_000
        );
        let token = facts["token"].as_str().unwrap();
        assert_eq!(server.get("/api/v1/credits/").bearer(token).send().status, 200);
        wait_until("the key to end", Duration::from_secs(15), || {
            let answer = server.get("/api/v1/credits/").bearer(token).send();
            (answer.code() == "api_key_invalid" && resolve(&server, &text).is_null()).then_some(())
        });
    });
}

#[test]
fn a_key_follows_its_maker_down_and_out() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        let admin = join(&server, &owner, "admin");
        let (text, _) = key(&server, &access(&admin), &json!({"name": "x", "role": "admin"}));
        let user = &admin["user"]["id"];
        assert_eq!(resolve(&server, &text)["role"], "admin");
        let role = format!("/api/v1/account/members/{user}/role/");
        let lowered = server
            .post(&role)
            .bearer(&owner.access)
            .json(&json!({"role": "viewer"}))
            .send();
        assert_eq!(lowered.status, 200, "{}", lowered.text());
        assert_eq!(resolve(&server, &text)["role"], "viewer");
        let token = token(&server, &text);
        site.sql(&format!("UPDATE users SET is_active = 0 WHERE id = {user}"))
            .unwrap();
        assert!(resolve(&server, &text).is_null(), "switched off");
        assert_eq!(
            server.get("/api/v1/credits/").bearer(&token).send().code(),
            "api_key_invalid"
        );
        site.sql(&format!("UPDATE users SET is_active = 1 WHERE id = {user}"))
            .unwrap();
        let removed = server
            .post(&format!("/api/v1/account/members/{user}/remove/"))
            .bearer(&owner.access)
            .send();
        assert_eq!(removed.status, 204, "{}", removed.text());
        assert!(resolve(&server, &text).is_null(), "removed");
        let listed = server.get(KEYS).bearer(&owner.access).send();
        assert_eq!(listed.json()["data"]["items"][0]["status"], "revoked");
    });
}

#[test]
fn the_standing_of_the_account_holds_for_keys_unless_the_flag_is_off() {
    on_both(|site| {
        let flag = "TENANCY_VALIDATE_API_KEY";
        let (text, owner) = {
            let server = site.serve();
            let owner = server.sign_up();
            let (text, _) = key(&server, &owner.access, &json!({"name": "x"}));
            site.sql("UPDATE account SET status = 'suspended', suspend_reason = 'abuse'")
                .unwrap();
            let facts = resolve(&server, &text);
            assert_eq!(facts["standing"]["account"]["reason"], "abuse", "told, not judged");
            let answer = server
                .get("/api/v1/credits/")
                .bearer(facts["token"].as_str().unwrap())
                .send();
            assert_eq!(answer.code(), "account_suspended");
            (text, owner)
        };
        let server = site.serve_with(&[(flag, "off")]);
        let token = token(&server, &text);
        assert_eq!(server.get("/api/v1/credits/").bearer(&token).send().status, 200);
        let person = server.get("/api/v1/credits/").bearer(&owner.access).send();
        assert_eq!(person.code(), "account_suspended", "the flag is for keys alone");
        site.sql("UPDATE api_key SET revoked_at_us = 1").unwrap();
        assert_eq!(
            server.get("/api/v1/credits/").bearer(&token).send().code(),
            "api_key_invalid"
        );
    });
}
