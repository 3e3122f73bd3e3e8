//! `db copy`: a whole database into an empty one, in every direction.

use super::contents::{assert_same, columns, contents};
use super::filled::fill;
use super::site::{Site, on_both};
use serde_json::{Value, json};

/// Databases of both engines with their schema and nothing else.
fn empty_ones() -> [Site; 2] {
    let both = [Site::sqlite(), Site::postgres()];
    for site in &both {
        site.must(&["migrate", "up"]);
    }
    both
}

fn copy(from: &Site, to: &Site) -> (Option<i32>, String) {
    let done = from.run(&["db", "copy", "--from", &from.url, "--to", &to.url, "--json"]);
    let text = String::from_utf8_lossy(if done.status.success() {
        &done.stdout
    } else {
        &done.stderr
    });
    (done.status.code(), text.into_owned())
}

#[test]
fn a_copy_holds_the_same_on_whichever_engine_and_goes_on_from_there() {
    on_both(|site| {
        fill(&site);
        more_entries_than_a_page(&site);
        let source = contents(&site, &columns(&site));
        for target in empty_ones() {
            let (code, report) = copy(&site, &target);
            assert_eq!(code, Some(0), "{} to {}: {report}", site.engine, target.engine);
            let report: Value = serde_json::from_str(&report).unwrap();
            assert_eq!((&report["findings"], &report["accounts"]), (&json!([]), &json!(14)));
            let rows = report["tables"].as_array().unwrap().iter();
            for copied in rows {
                let table = copied["table"].as_str().unwrap();
                assert_eq!(copied["rows"], json!(source[table].len()), "{table}");
                assert_ne!(copied["rows"], json!(0), "{table} is filled");
            }
            assert_same(&source, &contents(&target, &columns(&target)), "in the copy");
            target.is_healthy();
            goes_on(&target);
        }
    });
}

/// 2,500 entries that give a credit and take it again.
fn more_entries_than_a_page(site: &Site) {
    let (sequence, balance) = (
        site.number("SELECT ledger_sequence FROM account WHERE id = 1"),
        site.number("SELECT credits FROM account WHERE id = 1"),
    );
    site.sql(&format!(
        "INSERT INTO ledger_entry (account_id, sequence, transaction_type, amount, balance_after, description, metadata, \
         created_at_us) WITH RECURSIVE counted (number) AS \
         (SELECT 1 UNION ALL SELECT number + 1 FROM counted WHERE number < 2500) \
         SELECT 1, {sequence} + number, 'adjustment', CASE WHEN number % 2 = 1 THEN 1 ELSE -1 END, {balance} + number % 2, \
         'x', '{{}}', 0 FROM counted"
    ))
    .unwrap();
}

/// New rows get new identifiers, and receipts go on where they were.
fn goes_on(target: &Site) {
    let highest = |table: &str| target.number(&format!("SELECT MAX(id) FROM {table}"));
    let before = ["account", "users", "ledger_entry", "payment", "audit"].map(|table| (table, highest(table)));
    let receipts = target.number("SELECT MAX(number) FROM receipt");
    {
        let inside = super::inside::Inside::of(target, super::filled::BEGUN.plus_days(200));
        let id = inside.sign_up();
        inside.pay(
            id,
            "starter",
            igny8_core::domain::subscription::PaymentMethod::BankTransfer,
        );
    }
    for (table, highest_before) in before {
        assert!(highest(table) > highest_before, "{table} on {}", target.engine);
    }
    assert_eq!(target.number("SELECT MAX(number) FROM receipt"), receipts + 1);
    target.is_healthy();
}

#[test]
fn a_target_that_is_not_empty_is_refused_by_the_name_of_its_table() {
    on_both(|site| {
        fill(&site);
        for target in empty_ones() {
            target.must(&["seed-plans"]);
            let (code, told) = copy(&site, &target);
            assert_eq!(code, Some(1), "{told}");
            assert!(told.contains("the table plan has rows"), "{told}");
            // Laying the plans down is in the audit; without the plans it is the next one to be named.
            target.sql("DELETE FROM plan").unwrap();
            if target.number("SELECT COUNT(*) FROM audit") > 0 {
                let (code, told) = copy(&site, &target);
                assert_eq!(
                    (code, told.contains("the table audit has rows")),
                    (Some(1), true),
                    "{told}"
                );
            }
            assert_eq!(target.number("SELECT COUNT(*) FROM account"), 0, "nothing was copied");
        }
    });
}

#[test]
fn a_target_without_a_schema_gets_it() {
    let [source, _] = empty_ones();
    source.must(&["seed-plans"]);
    for target in [Site::sqlite(), Site::postgres()] {
        let (code, report) = copy(&source, &target);
        assert_eq!(code, Some(0), "{}: {report}", target.engine);
        let plans = "SELECT COUNT(*) FROM plan";
        assert_eq!(target.number(plans), source.number(plans));
    }
}

#[test]
fn databases_that_are_not_fit_for_a_copy_are_refused() {
    let [sqlite, postgres] = empty_ones();
    let (bare, older) = (Site::sqlite(), [Site::sqlite(), Site::postgres()]);
    for site in &older {
        site.must(&["migrate", "up"]);
        site.must(&["migrate", "down", "--to", "20"]);
    }
    for (from, to, sentence) in [
        (&sqlite, &older[0], "the schema of the target is not up to date"),
        (&sqlite, &older[1], "the schema of the target is not up to date"),
        (&older[0], &postgres, "the schema of the source is not up to date"),
        (&sqlite, &sqlite, "the same database"),
        (&postgres, &postgres, "the same database"),
        (&bare, &sqlite, "there is no such file"),
    ] {
        let (code, told) = copy(from, to);
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains(sentence), "{sentence}: {told}");
    }
    assert!(
        !bare.folder.path().join("db").exists(),
        "asking for a copy makes no file"
    );
    let nonsense = sqlite.run(&["db", "copy", "--from", "mysql://x", "--to", &sqlite.url]);
    assert_eq!(nonsense.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nonsense.stderr).contains("--from begins with sqlite://"));
}

#[test]
fn an_sqlite_database_that_is_served_is_not_copied_and_not_copied_to() {
    let [served, other] = [Site::sqlite(), Site::sqlite()];
    for site in [&served, &other] {
        site.must(&["migrate", "up"]);
    }
    let _server = served.serve();
    for (from, to) in [(&served, &other), (&other, &served)] {
        let (code, told) = copy(from, to);
        assert_eq!(code, Some(4), "{told}");
        assert!(told.contains("is in use"), "{told}");
    }
}

#[test]
fn every_table_of_the_schema_is_copied_or_left_out_by_name_or_comes_with_the_schema() {
    use igny8_core::storage::copy::{NOT_COPIED, OF_THE_SCHEMA, SINGLE, TABLES};
    let known: std::collections::BTreeSet<String> = TABLES
        .iter()
        .map(|table| table.name)
        .chain(SINGLE.map(|(table, _)| table))
        .chain(NOT_COPIED)
        .chain(OF_THE_SCHEMA)
        .map(str::to_owned)
        .collect();
    let [site, _] = empty_ones();
    assert_eq!(
        columns(&site).into_keys().collect::<std::collections::BTreeSet<_>>(),
        known
    );
}
