//! Credits looked at: usage by day, pages of holds.

use super::{Asker, HOLDS};
use crate::site::{PASSWORD, Site, new_email, on_both};
use serde_json::{Value, json};

#[test]
fn usage_has_every_day_and_counts_what_was_consumed() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let asker = Asker::new(&server, &member);
        // The first and the last microsecond of a day, and the first of the next.
        let day = 86_400_000_000_i64;
        let of = 20_454 * day; // 2026-01-01
        for (sequence, at, kind, amount) in [
            (2, of, "consumption", -5),
            (3, of + day - 1, "consumption", -7),
            (4, of + day, "consumption", -11),
            (5, of + day, "expiry", -100),
            (6, of + 3 * day, "consumption", -1),
        ] {
            site.sql(&format!(
                "INSERT INTO ledger_entry (account_id, sequence, transaction_type, amount, balance_after, description, \
                 metadata, created_at_us) SELECT id, {sequence}, '{kind}', {amount}, credits + {amount}, 'x', '{{}}', {at} \
                 FROM account"
            ))
            .unwrap();
        }
        let used = |query: &str| {
            let items = asker.data(&format!("/api/v1/credits/usage/{query}"))["items"].clone();
            let number = |item: &Value, name: &str| item[name].as_i64().unwrap();
            let read = |item: &Value| {
                let day = item["day"].as_str().unwrap().to_owned();
                (day, number(item, "consumed"), number(item, "entries"))
            };
            items.as_array().unwrap().iter().map(read).collect::<Vec<_>>()
        };
        let named = |rows: &[(&str, i64, i64)]| {
            rows.iter()
                .map(|(day, consumed, entries)| ((*day).to_owned(), *consumed, *entries))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            used("?from=2025-12-31&to=2026-01-04"),
            named(&[
                ("2025-12-31", 0, 0),
                ("2026-01-01", 12, 2),
                ("2026-01-02", 11, 1),
                ("2026-01-03", 0, 0),
                ("2026-01-04", 1, 1),
            ])
        );
        assert_eq!(used("?from=2026-01-02&to=2026-01-02"), named(&[("2026-01-02", 11, 1)]));
        assert_eq!(used("?to=2026-01-01").len(), 30);
        assert_eq!(used("?from=2025-01-01&to=2026-01-01").len(), 366);

        site.sql("UPDATE credit_bucket SET remaining = (SELECT credits FROM account)")
            .unwrap();
        assert_eq!(asker.consume(9).status, 200);
        let last = used("");
        assert_eq!(
            (last.len(), last[29].1, last[29].2),
            (30, 9, 1),
            "today is the last of thirty days"
        );
        site.is_healthy();
    });
}

#[test]
fn pages_of_holds_are_walked_by_cursor_and_filtered_by_status() {
    on_both(|site| {
        let server = site.serve();
        let member = server.sign_up();
        let asker = Asker::new(&server, &member);
        for index in 1..=7 {
            let hold = asker.hold(index);
            if index % 2 == 0 {
                assert_eq!(asker.end(&hold, "release", &json!({})).status, 200);
            }
        }
        let walk = |filter: &str| {
            let (mut seen, mut query) = (Vec::new(), format!("?limit=2{filter}"));
            loop {
                let data = asker.data(&format!("{HOLDS}{query}"));
                seen.extend(
                    data["items"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|item| item["id"].as_i64().unwrap()),
                );
                let Some(next) = data["next"].as_str() else { return seen };
                query = format!("?limit=2{filter}&cursor={next}");
            }
        };
        assert_eq!(walk(""), [7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(walk("&status=open"), [7, 5, 3, 1]);
        assert_eq!(walk("&status=released"), [6, 4, 2]);
        assert_eq!(walk("&status=confirmed"), Vec::<i64>::new());
        site.is_healthy();
    });
}

/// The trial is over, and with it two holds that were made; nobody has said so yet.
fn time_has_passed(site: &Site) {
    for statement in [
        "UPDATE subscription_period SET start_us = start_us - 86400000000 * 20, end_us = end_us - 86400000000 * 20",
        "UPDATE credit_hold SET expires_at_us = created_at_us + 1",
        "UPDATE account SET due_us = 1",
    ] {
        site.sql(statement).unwrap();
    }
}

/// Paths, where in their data the present shows, and how.
fn the_present() -> [(&'static str, &'static str, Value); 6] {
    [
        ("/api/v1/credits/", "/held", json!(0)),
        (HOLDS, "/items/0/status", json!("expired")),
        ("/api/v1/account/", "/status", json!("suspended")),
        ("/api/v1/account/subscription/", "/status", json!("expired")),
        ("/api/v1/auth/me/", "/account/status", json!("suspended")),
        (
            "/api/v1/credits/transactions/",
            "/items/0/transaction_type",
            json!("expiry"),
        ),
    ]
}

#[test]
fn whoever_looks_sees_the_present_though_no_worker_has_come() {
    on_both(|site| {
        let server = site.serve_with(&[("IGNY8_CORE__WORKER__ENABLED", "false")]);
        for (path, at, expected) in the_present() {
            let member = server.sign_up();
            let asker = Asker::new(&server, &member);
            asker.hold(30);
            // A bonus that has ended leaves an entry.
            let id = member.data["account"]["id"].as_i64().unwrap();
            site.sql(&format!(
                "INSERT INTO ledger_entry (account_id, sequence, transaction_type, amount, balance_after, description, \
                 metadata, created_at_us) VALUES ({id}, 2, 'bonus', 5, 2005, 'x', '{{}}', 1)"
            ))
            .unwrap();
            site.sql(&format!(
                "INSERT INTO credit_bucket (account_id, number, kind, priority, remaining, held, expires_at_us, created_at_us) \
                 VALUES ({id}, 2, 'bonus', 20, 5, 0, 1, 1)"
            ))
            .unwrap();
            site.sql(&format!("UPDATE account SET bucket_count = 2 WHERE id = {id}"))
                .unwrap();
            time_has_passed(&site);
            assert_eq!(asker.data(path).pointer(at), Some(&expected), "{path}");
            let due = format!("SELECT COUNT(*) FROM account WHERE id = {id} AND due_us IS NULL");
            assert_eq!(site.number(&due), 1, "{path}: nothing is left to be done");
        }
    });
}

#[test]
fn whoever_signs_in_or_refreshes_sees_the_present_too() {
    on_both(|site| {
        let server = site.serve_with(&[("IGNY8_CORE__WORKER__ENABLED", "false")]);
        let new = json!({"email": new_email(), "password": PASSWORD, "refresh_delivery": "body"});
        let refresh = server.register(&new).json()["data"]["refresh"].clone();
        let told = |answer: &Value| {
            let data = &answer["data"];
            (
                data["account"]["status"].clone(),
                data["subscription"]["status"].clone(),
            )
        };
        let present = (json!("suspended"), json!("expired"));
        time_has_passed(&site);
        let refreshed = server.post("/api/v1/auth/refresh/").json(&json!({"refresh": refresh}));
        assert_eq!(told(&refreshed.send().json()), present);
        let another = server.sign_up();
        time_has_passed(&site);
        assert_eq!(told(&server.login(&another.email, PASSWORD).json()), present);
    });
}

#[test]
fn where_nothing_can_be_written_everything_can_still_be_looked_at() {
    on_both(|site| {
        let server = site.serve_with(&[("IGNY8_CORE__WORKER__ENABLED", "false")]);
        let member = server.sign_up();
        let asker = Asker::new(&server, &member);
        asker.hold(30);
        time_has_passed(&site);
        site.sql(if site.engine == "sqlite" {
            "CREATE TRIGGER stuck BEFORE UPDATE ON account BEGIN SELECT RAISE(ABORT, 'stuck'); END"
        } else {
            "CREATE TRIGGER stuck BEFORE UPDATE ON account FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        })
        .unwrap();
        for (path, ..) in the_present() {
            assert_eq!(asker.get(path).status, 200, "{path}");
        }
        assert_eq!(asker.credits(), [2000, 30, 1970], "as it was");
    });
}
