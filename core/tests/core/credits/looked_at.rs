//! Credits looked at: usage by day, pages of holds.

use super::{Asker, HOLDS};
use crate::site::on_both;
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
