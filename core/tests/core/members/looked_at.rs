//! What is looked at and not changed: the audit of an account, and the accounts that staff look up.

use super::super::site::{Member, Server, on_both, staff};
use super::join;
use serde_json::{Value, json};

fn audit(server: &Server, owner: &Member, query: &str) -> Value {
    let answer = server
        .get(&format!("/api/v1/account/audit/{query}"))
        .bearer(&owner.access)
        .send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"].clone()
}

fn look_up(server: &Server, staff: &str, query: &str) -> Value {
    let answer = server
        .get(&format!("/api/v1/staff/accounts/{query}"))
        .bearer(staff)
        .send();
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()["data"].clone()
}

#[test]
fn staff_find_customers_by_number_name_and_address() {
    on_both(|site| {
        let server = site.serve();
        let people: Vec<Member> = (0..5).map(|_| server.sign_up()).collect();
        let named = &people[2];
        let rename = server.request("PATCH", "/api/v1/account/").bearer(&named.access);
        assert_eq!(rename.json(&json!({"name": "100%_Sure! GmbH"})).send().status, 200);
        let staff = staff(&site, &server);
        let find = |query: &str| look_up(&server, &staff, query);
        let ids = |page: &Value| {
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].as_i64().unwrap())
                .collect::<Vec<_>>()
        };
        let id = named.data["account"]["id"].as_i64().unwrap();
        assert_eq!(ids(&find("")).len(), 5, "the staff's own is none");
        for query in [
            "?q=100%25_sure!",
            "?q=GMBH",
            &format!("?q={}", named.email.to_uppercase()),
        ] {
            assert_eq!(ids(&find(query)), [id], "{query}");
        }
        assert!(ids(&find(&format!("?q={id}"))).contains(&id));
        assert_eq!(ids(&find("?q=nobody%25")), [0_i64; 0]);
        assert_eq!(
            find(&format!("?q={}", named.email))["items"][0]["owners"],
            json!([named.email])
        );
        let (first, mut query) = (find("?limit=2"), String::new());
        let mut walked = ids(&first);
        let mut next = first["next"].as_str().map(str::to_owned);
        while let Some(cursor) = next {
            query = format!("?limit=2&cursor={cursor}");
            let page = find(&query);
            walked.extend(ids(&page));
            next = page["next"].as_str().map(str::to_owned);
        }
        assert_eq!(walked, ids(&find("")), "{query}");
        let answer = server.get("/api/v1/staff/accounts/?who=x").bearer(&staff).send();
        assert_eq!(answer.code(), "validation_failed");
    });
}

#[test]
fn staff_see_a_customer_whole_and_nobody_else_sees_any() {
    on_both(|site| {
        let server = site.serve();
        let (named, other) = (server.sign_up(), server.sign_up());
        let staff = staff(&site, &server);
        let id = named.data["account"]["id"].as_i64().unwrap();
        site.sql(&format!(
            "UPDATE account SET status = 'suspended', suspend_reason = 'trial_ended' WHERE id = {id}"
        ))
        .unwrap();
        let whole = look_up(&server, &staff, &format!("{id}/"));
        assert_eq!(whole["standing"], json!({"reads": null, "writes": "trial_ended"}));
        assert_eq!(whole["credits"], json!({"balance": 2000, "held": 0, "available": 2000}));
        assert_eq!(whole["members"][0]["email"], named.email.as_str());
        assert_eq!(
            (&whole["account"]["plan"]["slug"], &whole["api_keys"]),
            (&json!("free-trial"), &json!(0))
        );
        assert_eq!(whole["subscription"]["status"], "trialing");
        let staffs = site.number("SELECT id FROM account WHERE kind = 'staff'");
        for missing in [staffs, 999] {
            let answer = server
                .get(&format!("/api/v1/staff/accounts/{missing}/"))
                .bearer(&staff)
                .send();
            assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
        }
        for path in [
            "/api/v1/staff/accounts/".to_owned(),
            format!("/api/v1/staff/accounts/{id}/"),
        ] {
            assert_eq!(server.get(&path).bearer(&other.access).send().code(), "role_required");
        }
    });
}

#[test]
fn an_accounts_people_read_who_did_what_and_not_what_staff_wrote_for_themselves() {
    on_both(|site| {
        let server = site.serve();
        let (owner, other) = (server.sign_up(), server.sign_up());
        join(&server, &owner.access, "viewer");
        let staff = staff(&site, &server);
        let id = &owner.data["account"]["id"];
        for (what, body) in [
            ("suspend", json!({"reason": "abuse", "note": "a word among us"})),
            ("reinstate", json!({"note": "another"})),
        ] {
            let path = format!("/api/v1/staff/accounts/{id}/{what}/");
            assert_eq!(
                server.post(&path).bearer(&staff).json(&body).send().status,
                200,
                "{what}"
            );
        }
        let page = audit(&server, &owner, "");
        assert!(!page.to_string().contains("among us") && !page.to_string().contains("another"));
        let lines = page["items"].as_array().unwrap();
        let of = |action: &str| {
            lines
                .iter()
                .find(|line| line["action"] == action)
                .unwrap_or_else(|| panic!("{action}: {page}"))
        };
        assert_eq!(of("member.joined")["actor"]["kind"], "user");
        assert_eq!(of("member.invited")["actor"]["email"], owner.email.as_str());
        let suspended = lines.iter().find(|line| line["actor"]["kind"] == "staff").unwrap();
        assert_eq!(
            (&suspended["actor"]["user_id"], &suspended["actor"]["email"]),
            (&Value::Null, &Value::Null)
        );
        let (mut walked, mut query) = (Vec::new(), "?limit=2".to_owned());
        loop {
            let page = audit(&server, &owner, &query);
            walked.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { break };
            query = format!("?limit=2&cursor={next}");
        }
        assert_eq!(&walked, lines);
        assert!(
            audit(&server, &other, "")["items"]
                .as_array()
                .unwrap()
                .iter()
                .all(|line| line["action"] != "member.joined")
        );
    });
}
