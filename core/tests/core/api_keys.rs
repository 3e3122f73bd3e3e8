//! API keys: made, listed, rotated and revoked, what they resolve to, and what their tokens open.

mod ends;

use super::site::{Member, Server, Site, on_both, staff};
use aws_lc_rs::digest::{SHA256, digest};
use igny8_contract::api_key::is_well_formed;
use igny8_testkit::raw::Response;
use igny8_testkit::wait::wait_until;
use serde_json::{Value, json};
use sqlx::Row;
use std::time::Duration;

const KEYS: &str = "/api/v1/account/api-keys/";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn sha256(key: &str) -> String {
    hex(digest(&SHA256, key.as_bytes()).as_ref())
}

fn make(server: &Server, access: &str, body: &Value) -> Response {
    server.post(KEYS).bearer(access).json(body).send()
}

/// A new key: its text and what is told of it.
fn key(server: &Server, access: &str, body: &Value) -> (String, Value) {
    let answer = make(server, access, body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let data = answer.json()["data"].clone();
    (data["key"].as_str().unwrap().to_owned(), data)
}

fn resolve(server: &Server, key: &str) -> Value {
    let answer = server.ask("/internal/v1/keys/resolve", &json!({"sha256": sha256(key)}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["key"].clone()
}

/// The token that a key is exchanged for.
fn token(server: &Server, key: &str) -> String {
    resolve(server, key)["token"]
        .as_str()
        .expect("the key works")
        .to_owned()
}

fn act(server: &Server, access: &str, key: &Value, what: &str, body: &Value) -> Response {
    let path = format!("{KEYS}{}/{what}/", key["id"]);
    server.post(&path).bearer(access).json(body).send()
}

fn claims(token: &str) -> Value {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[test]
fn a_key_is_shown_once_and_kept_as_a_digest_alone() {
    on_both(|site| {
        let server = site.serve_with(&[("RUST_LOG", "trace")]);
        let owner = server.sign_up();
        let (text, told) = key(&server, &owner.access, &json!({"name": " nightly ", "role": "viewer"}));
        assert!(is_well_formed(text.as_bytes()), "{text}");
        assert_eq!(told["prefix"], text[..12]);
        assert_eq!(
            (&told["name"], &told["role"], &told["status"]),
            (&json!("nightly"), &json!("viewer"), &json!("active"))
        );
        let listed = server.get(KEYS).bearer(&owner.access).send();
        assert_eq!(listed.json()["data"]["items"][0]["id"], told["id"]);
        assert!(!listed.text().contains(&text));
        let stored = site.rows("SELECT secret_hash FROM api_key", |row| row.get::<Vec<u8>, _>(0));
        assert_eq!(hex(&stored[0]), sha256(&text));
        for table in ["api_key", "audit", "outbox", "idempotency_key"] {
            let rows = all_text(&site, table);
            assert!(!rows.contains(&text[12..]), "{table}");
        }
        assert!(!server.child.log().contains(&text[12..]));
        assert_eq!(
            site.number("SELECT COUNT(*) FROM audit WHERE action = 'api_key.created'"),
            1
        );
    });
}

fn all_text(site: &Site, table: &str) -> String {
    let columns = super::contents::columns(site);
    let kept = columns.into_iter().filter(|(name, _)| name == table).collect();
    format!("{:?}", super::contents::contents(site, &kept))
}

#[test]
fn a_request_that_comes_again_under_its_key_makes_no_second_key_and_tells_no_secret() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        let ask = |body: &Value| {
            let request = server.post(KEYS).bearer(&owner.access).field("Idempotency-Key", "one");
            request.json(body).send()
        };
        let body = json!({"name": "ci"});
        let (first, again) = (ask(&body), ask(&body));
        assert_eq!((first.status, again.status), (201, 201));
        assert_eq!(again.field("Idempotency-Replayed"), Some("true"));
        let (first, again) = (first.json()["data"].clone(), again.json()["data"].clone());
        assert!(first["key"].is_string());
        assert_eq!((&again["key"], &again["id"]), (&Value::Null, &first["id"]));
        assert_eq!(ask(&json!({"name": "other"})).code(), "idempotency_key_reused");
        assert_eq!(site.number("SELECT COUNT(*) FROM api_key"), 1);
        let secret = &first["key"].as_str().unwrap()[12..];
        assert!(!all_text(&site, "idempotency_key").contains(secret));
    });
}

/// Another person in the account of `owner`.
fn join(server: &Server, owner: &Member, role: &str) -> Value {
    super::members::join(server, &owner.access, role)
}

fn access(joined: &Value) -> String {
    joined["access"].as_str().unwrap().to_owned()
}

#[test]
fn owners_and_admins_manage_keys_and_nobody_gives_more_than_they_have() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        let (admin, editor, viewer) = (
            access(&join(&server, &owner, "admin")),
            access(&join(&server, &owner, "editor")),
            access(&join(&server, &owner, "viewer")),
        );
        for who in [&editor, &viewer] {
            assert_eq!(make(&server, who, &json!({"name": "x"})).code(), "role_required");
            assert_eq!(server.get(KEYS).bearer(who).send().code(), "role_required");
        }
        let refused = make(&server, &admin, &json!({"name": "x", "role": "owner"}));
        assert_eq!((refused.status, refused.code().as_str()), (403, "role_required"));
        assert!(refused.json()["fields"]["role"].is_string());
        let (_, owners) = key(&server, &owner.access, &json!({"name": "x", "role": "owner"}));
        assert_eq!(
            act(&server, &admin, &owners, "rotate", &json!({})).code(),
            "role_required"
        );
        let (_, admins) = key(&server, &admin, &json!({"name": "x"}));
        assert_eq!(admins["role"], "editor", "where nothing is said");

        let stranger = server.sign_up();
        for what in ["rotate", "revoke"] {
            let answer = act(&server, &stranger.access, &owners, what, &json!({}));
            assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{what}");
        }
        assert_eq!(
            server.get(KEYS).bearer(&stranger.access).send().json()["data"]["items"],
            json!([])
        );
        let staff = staff(&site, &server);
        assert_eq!(make(&server, &staff, &json!({"name": "x"})).code(), "role_required");
        assert_eq!(
            act(&server, &admin, &owners, "revoke", &json!({})).status,
            200,
            "whoever manages keys may revoke any"
        );
    });
}

#[test]
fn a_key_resolves_to_its_account_its_maker_and_a_token_for_apps() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        let (text, told) = key(&server, &owner.access, &json!({"name": "x", "role": "viewer"}));
        let facts = resolve(&server, &text);
        assert_eq!(facts["key_id"], told["id"]);
        assert_eq!(facts["account_id"], owner.data["account"]["id"]);
        assert_eq!(facts["user_id"], owner.data["user"]["id"]);
        assert_eq!(
            (&facts["role"], &facts["expires_at_us"]),
            (&json!("viewer"), &Value::Null)
        );
        assert_eq!(facts["standing"]["account"]["status"], "trial");
        assert_eq!(facts["standing"]["sid_active"], true);
        let claims = claims(facts["token"].as_str().unwrap());
        assert_eq!(claims["aud"], "igny8-app");
        assert_eq!(claims["role"], "viewer");
        assert_eq!(claims["sub"], owner.data["user"]["id"].to_string());
        assert_eq!(
            (&claims["api_key_id"], claims.get("platform_role")),
            (&told["id"], None)
        );
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
        assert_eq!(facts["token_exp"], claims["exp"]);
        assert_eq!(resolve(&server, "igk_nobody"), Value::Null);
        for wrong in ["", "zz", &"0F".repeat(32)] {
            let answer = server.ask("/internal/v1/keys/resolve", &json!({"sha256": wrong}));
            assert_eq!(answer.code(), "validation_failed", "{wrong}");
        }
    });
}

#[test]
fn a_keys_token_opens_what_its_role_opens_and_never_keys_people_or_the_staffs_routes() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        let consume = |token: &str| {
            let body = json!({"amount": 1, "description": "x"});
            server.post("/api/v1/credits/consume/").bearer(token).json(&body).send()
        };
        let (viewer, _) = key(&server, &owner.access, &json!({"name": "v", "role": "viewer"}));
        let (owners, told) = key(&server, &owner.access, &json!({"name": "o", "role": "owner"}));
        let (viewer, owners) = (token(&server, &viewer), token(&server, &owners));
        assert_eq!(server.get("/api/v1/credits/").bearer(&viewer).send().status, 200);
        assert_eq!(consume(&viewer).code(), "role_required");
        assert_eq!(consume(&owners).status, 200);
        assert_eq!(server.get("/api/v1/auth/me/").bearer(&owners).send().status, 200);
        for refused in [
            server.get(KEYS).bearer(&owners).send(),
            make(&server, &owners, &json!({"name": "x"})),
            act(&server, &owners, &told, "rotate", &json!({})),
            act(&server, &owners, &told, "revoke", &json!({})),
            server
                .get("/api/v1/account/members/invitations/")
                .bearer(&owners)
                .send(),
            server.get("/api/v1/staff/accounts/").bearer(&owners).send(),
        ] {
            assert_eq!((refused.status, refused.code().as_str()), (403, "role_required"));
        }
        let renamed = server
            .request("PATCH", "/api/v1/account/")
            .bearer(&owners)
            .json(&json!({"name": "By key"}));
        assert_eq!(renamed.send().status, 200);
        let by_key = "SELECT actor_key_id FROM audit WHERE action = 'account.renamed'";
        assert_eq!(json!(site.number(by_key)), told["id"]);
        site.is_healthy();
    });
}

#[test]
fn both_keys_work_while_they_overlap_and_a_key_is_rotated_once() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        let (old, told) = key(&server, &owner.access, &json!({"name": "x", "role": "viewer"}));
        let answer = act(&server, &owner.access, &told, "rotate", &json!({"overlap_seconds": 2}));
        assert_eq!(answer.status, 201, "{}", answer.text());
        let rotated = answer.json()["data"].clone();
        let new = rotated["key"].as_str().unwrap();
        assert_eq!(
            (&rotated["replaces"], &rotated["role"], &rotated["name"]),
            (&told["id"], &told["role"], &told["name"])
        );
        assert!(resolve(&server, &old).is_object() && resolve(&server, new).is_object());
        assert_eq!(
            act(&server, &owner.access, &told, "rotate", &json!({})).code(),
            "api_key_ended"
        );
        let status = || server.get(KEYS).bearer(&owner.access).send().json()["data"]["items"][1]["status"].clone();
        assert_eq!(status(), "replaced");
        wait_until("the overlap to end", Duration::from_secs(10), || {
            resolve(&server, &old).is_null().then_some(())
        });
        // In its last second a key is given no token any more.
        wait_until("its status to say so", Duration::from_secs(10), || {
            (status() == "expired").then_some(())
        });
        assert!(resolve(&server, new).is_object());
        let at_once = act(
            &server,
            &owner.access,
            &rotated,
            "rotate",
            &json!({"overlap_seconds": 0}),
        );
        assert_eq!(at_once.status, 201);
        assert!(resolve(&server, new).is_null());
        for overlap in [-1, 2_592_001] {
            let answer = act(
                &server,
                &owner.access,
                &rotated,
                "rotate",
                &json!({"overlap_seconds": overlap}),
            );
            assert_eq!(answer.code(), "validation_failed");
        }
    });
}

#[test]
fn a_revoked_key_and_its_tokens_open_nothing_from_then_on() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        let (text, told) = key(&server, &owner.access, &json!({"name": "x"}));
        let token = token(&server, &text);
        for _ in 0..2 {
            let answer = act(&server, &owner.access, &told, "revoke", &json!({}));
            assert_eq!(answer.json()["data"]["status"], "revoked", "{}", answer.text());
        }
        let path = format!("{KEYS}{}/", told["id"]);
        assert_eq!(server.request("DELETE", &path).bearer(&owner.access).send().status, 200);
        assert!(resolve(&server, &text).is_null());
        let answer = server.get("/api/v1/credits/").bearer(&token).send();
        assert_eq!((answer.status, answer.code().as_str()), (401, "api_key_invalid"));
        assert_eq!(
            act(&server, &owner.access, &told, "rotate", &json!({})).code(),
            "api_key_ended"
        );
        assert_eq!(
            site.number("SELECT COUNT(*) FROM audit WHERE action = 'api_key.revoked'"),
            1
        );
    });
}

#[test]
fn an_account_has_a_bounded_number_of_keys_that_work() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        many_keys(&site, 99);
        let (_, told) = key(&server, &owner.access, &json!({"name": "x"}));
        let answer = make(&server, &owner.access, &json!({"name": "x"}));
        assert_eq!((answer.status, answer.code().as_str()), (409, "too_many_api_keys"));
        assert_eq!(
            act(&server, &owner.access, &told, "rotate", &json!({})).status,
            201,
            "rotating goes on"
        );
        site.sql("UPDATE api_key SET revoked_at_us = 1 WHERE id <= 2").unwrap();
        assert_eq!(make(&server, &owner.access, &json!({"name": "x"})).status, 201);
        let page = server
            .get(&format!("{KEYS}?limit=30"))
            .bearer(&owner.access)
            .send()
            .json();
        assert_eq!(page["data"]["items"].as_array().unwrap().len(), 30);
        let next = page["data"]["next"].as_str().unwrap();
        let page = server
            .get(&format!("{KEYS}?limit=200&cursor={next}"))
            .bearer(&owner.access)
            .send()
            .json();
        assert_eq!(page["data"]["items"].as_array().unwrap().len(), 102 - 30);
    });
}

/// So many keys of account 1, by the database's own hand: nobody knows them.
fn many_keys(site: &Site, count: usize) {
    let hash = if site.engine == "sqlite" {
        "randomblob(32)"
    } else {
        "sha256(CAST(CAST(number AS TEXT) AS BYTEA))"
    };
    site.sql(&format!(
        "INSERT INTO api_key (account_id, user_id, name, visible, secret_hash, role, created_at_us) \
         WITH RECURSIVE counted (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM counted WHERE number < {count}) \
         SELECT 1, 1, 'many', 'igk_00000000', {hash}, 'viewer', 0 FROM counted"
    ))
    .unwrap();
}

#[test]
fn among_ten_thousand_keys_one_is_found_by_one_step_through_an_index() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        many_keys(&site, 10_000);
        let (text, told) = key_past_the_limit(&site, &server, &owner);
        let literal = if site.engine == "sqlite" {
            format!("x'{}'", sha256(&text))
        } else {
            format!("'\\x{}'::bytea", sha256(&text))
        };
        let statement = igny8_core::storage::api_key::BY_HASH.replace("$1", &literal);
        if site.engine == "sqlite" {
            let plan = site.rows(&format!("EXPLAIN QUERY PLAN {statement}"), |row| {
                row.get::<String, _>(3)
            });
            assert!(plan.iter().all(|step| !step.starts_with("SCAN")), "{plan:?}");
            assert!(plan[0].starts_with("SEARCH api_key USING INDEX"), "{plan:?}");
        } else {
            site.sql("ANALYZE api_key").unwrap();
            let plan = site.rows(
                &format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {statement}"),
                |row| row.get::<String, _>(0),
            );
            let plan = plan.join("\n");
            assert!(!plan.contains("Seq Scan"), "{plan}");
            assert!(!plan.contains("Rows Removed"), "no row is looked at in vain: {plan}");
            assert!(plan.contains("Index Scan using api_key_secret_hash_unique"), "{plan}");
        }
        assert_eq!(resolve(&server, &text)["key_id"], told["id"]);
    });
}

fn key_past_the_limit(site: &Site, server: &Server, owner: &Member) -> (String, Value) {
    site.sql("UPDATE api_key SET revoked_at_us = 1").unwrap();
    let made = key(server, &owner.access, &json!({"name": "the one"}));
    site.sql("UPDATE api_key SET revoked_at_us = NULL").unwrap();
    made
}

#[test]
fn uses_are_noted_together_and_not_with_every_request() {
    on_both(|site| {
        let mut server = site.serve();
        let owner = server.sign_up();
        let (text, _) = key(&server, &owner.access, &json!({"name": "x"}));
        let last_used = || site.number("SELECT COALESCE(MAX(last_used_at_us), 0) FROM api_key");
        assert_eq!(last_used(), 0);
        for _ in 0..50 {
            assert!(resolve(&server, &text).is_object());
        }
        wait_until("the uses to be written", Duration::from_secs(15), || {
            (last_used() > 0).then_some(())
        });
        let listed = server.get(KEYS).bearer(&owner.access).send();
        assert!(listed.json()["data"]["items"][0]["last_used_at"].is_string());
        let before = last_used();
        resolve(&server, &text);
        // What was noted last is written before the process leaves.
        server.child.signal("TERM");
        wait_until("the core to end", Duration::from_secs(20), || server.child.ended());
        assert!(last_used() > before, "{before}");
    });
}

#[test]
fn a_key_that_is_sent_to_the_core_itself_is_refused() {
    let site = Site::sqlite();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let server = site.serve();
    let (text, _) = key(&server, &server.sign_up().access, &json!({"name": "x"}));
    let answer = server.get("/api/v1/credits/").bearer(&text).send();
    assert_eq!((answer.status, answer.code().as_str()), (401, "api_key_invalid"));
    assert_eq!(answer.field("WWW-Authenticate"), Some("Bearer error=\"invalid_token\""));
    let answer = server.get("/api/v1/credits/").field("X-Api-Key", &text).send();
    assert_eq!(answer.code(), "credentials_required");
}
