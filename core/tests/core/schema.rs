//! Both engines have one schema, at every migration, on the way up and on the way down.

use super::contents::{Columns, Contents, assert_same as assert_same_contents, columns, contents};
use super::filled::{ANNUAL, BEGUN, BUSY, PAST_DUE, fill};
use super::inside::Inside;
use super::site::{Site, on_both};
use igny8_contract::ids::AccountId;
use igny8_core::storage::{Engine, migrations};
use sqlx::Row;
use std::collections::BTreeSet;

/// A schema in a form that both engines share: one line for each thing that there is.
fn normal_form(site: &Site) -> BTreeSet<String> {
    if site.engine == "sqlite" {
        of_sqlite(site)
    } else {
        of_postgres(site)
    }
}

fn lines(site: &Site, sql: &str) -> BTreeSet<String> {
    site.rows(sql, |row| row.get::<String, _>(0)).into_iter().collect()
}

fn of_sqlite(site: &Site) -> BTreeSet<String> {
    let ours = "m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '\\_sqlx%' ESCAPE '\\'";
    let mut all = lines(
        site,
        &format!(
            "SELECT m.name || '.' || c.name || ' ' || c.type || CASE WHEN c.\"notnull\" = 1 OR c.pk > 0 THEN ' not null' \
             ELSE '' END FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE {ours}"
        ),
    );
    // Every index, those of PRIMARY KEY and UNIQUE included; a lone INTEGER PRIMARY KEY is the row's own number.
    all.extend(lines(
        site,
        &format!(
            "SELECT m.name || CASE WHEN i.\"unique\" = 1 THEN ' unique (' ELSE ' index (' END || \
             (SELECT group_concat(x.name, ',') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno) x) || ')' \
             || CASE WHEN i.partial = 1 THEN ' partial' ELSE '' END \
             FROM sqlite_master m JOIN pragma_index_list(m.name) i WHERE {ours}"
        ),
    ));
    all.extend(lines(
        site,
        &format!(
            "SELECT m.name || ' unique (' || c.name || ')' FROM sqlite_master m JOIN pragma_table_info(m.name) c \
             WHERE {ours} AND c.pk = 1 AND c.type = 'INTEGER' \
             AND NOT EXISTS (SELECT 1 FROM pragma_table_info(m.name) o WHERE o.pk > 1)"
        ),
    ));
    all.extend(lines(
        site,
        &format!(
            "SELECT m.name || ' (' || group_concat(f.\"from\", ',') || ') -> ' || f.\"table\" || ' (' || \
             group_concat(f.\"to\", ',') || ')' FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f \
             WHERE {ours} GROUP BY m.name, f.id"
        ),
    ));
    all.extend(lines(
        site,
        "SELECT 'trigger ' || name || ' on ' || tbl_name FROM sqlite_master WHERE type = 'trigger'",
    ));
    for text in lines(
        site,
        &format!("SELECT m.name || ' ' || m.sql FROM sqlite_master m WHERE {ours}"),
    ) {
        let table = text.split(' ').next().unwrap();
        let checks = text
            .split("CONSTRAINT ")
            .skip(1)
            .filter(|rest| rest.split_whitespace().nth(1) == Some("CHECK"));
        all.extend(checks.map(|rest| format!("{table} check {}", rest.split_whitespace().next().unwrap())));
    }
    all
}

fn of_postgres(site: &Site) -> BTreeSet<String> {
    let ours = "n.nspname = 'public' AND t.relkind = 'r' AND t.relname NOT LIKE '\\_sqlx%'";
    let from = "FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace";
    let columns = |of: &str, numbers: &str| {
        format!(
            "(SELECT string_agg(a.attname::text, ',' ORDER BY k.ord) FROM unnest({numbers}) WITH ORDINALITY AS k(num, ord) \
             JOIN pg_attribute a ON a.attrelid = {of} AND a.attnum = k.num)"
        )
    };
    let mut all = lines(
        site,
        &format!(
            "SELECT t.relname::text || '.' || a.attname::text || ' ' || CASE a.atttypid::regtype::text \
             WHEN 'bigint' THEN 'INTEGER' WHEN 'text' THEN 'TEXT' WHEN 'bytea' THEN 'BLOB' ELSE '?' END || \
             CASE WHEN a.attnotnull THEN ' not null' ELSE '' END {from} JOIN pg_attribute a ON a.attrelid = t.oid \
             WHERE {ours} AND a.attnum > 0 AND NOT a.attisdropped"
        ),
    );
    all.extend(lines(
        site,
        &format!(
            "SELECT t.relname::text || CASE WHEN i.indisunique THEN ' unique (' ELSE ' index (' END || {} || ')' || \
             CASE WHEN i.indpred IS NULL THEN '' ELSE ' partial' END {from} JOIN pg_index i ON i.indrelid = t.oid WHERE {ours}",
            columns("t.oid", "i.indkey::int2[]")
        ),
    ));
    all.extend(lines(
        site,
        &format!(
            "SELECT t.relname::text || ' (' || {} || ') -> ' || o.relname::text || ' (' || {} || ')' {from} \
             JOIN pg_constraint c ON c.conrelid = t.oid JOIN pg_class o ON o.oid = c.confrelid \
             WHERE {ours} AND c.contype = 'f'",
            columns("t.oid", "c.conkey"),
            columns("o.oid", "c.confkey")
        ),
    ));
    // SQLite knows no TRUNCATE, so nothing there needs to refuse it.
    all.extend(lines(
        site,
        &format!(
            "SELECT 'trigger ' || g.tgname::text || ' on ' || t.relname::text {from} JOIN pg_trigger g ON g.tgrelid = t.oid \
             WHERE {ours} AND NOT g.tgisinternal AND g.tgname NOT LIKE '%\\_no\\_truncate'"
        ),
    ));
    all.extend(lines(
        site,
        &format!(
            "SELECT t.relname::text || ' check ' || c.conname::text {from} JOIN pg_constraint c ON c.conrelid = t.oid \
             WHERE {ours} AND c.contype = 'c'"
        ),
    ));
    all
}

#[track_caller]
fn assert_same(sqlite: &Site, postgres: &Site, at: &str) -> BTreeSet<String> {
    let (one, other) = (normal_form(sqlite), normal_form(postgres));
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| one.difference(other).cloned().collect::<Vec<_>>();
    assert_eq!(
        (only(&one, &other), only(&other, &one)),
        (vec![], vec![]),
        "only on one engine at {at}"
    );
    one
}

/// Every migration that there is something above, and the empty schema, from the lowest on.
fn below_the_top(engine: Engine) -> Vec<i64> {
    let numbers = migrations::steps(engine).iter().map(|step| step.number);
    let mut all: Vec<i64> = std::iter::once(0).chain(numbers).collect();
    all.pop();
    all
}

#[test]
fn both_schemas_are_one_at_every_migration_up_and_down() {
    let (sqlite, postgres) = (Site::sqlite(), Site::postgres());
    for site in [&sqlite, &postgres] {
        site.must(&["migrate", "up"]);
    }
    let whole = assert_same(&sqlite, &postgres, "the top");
    assert!(whole.contains("account.credits INTEGER not null"), "{whole:?}");
    assert!(whole.contains("ledger_entry unique (account_id,sequence)"), "{whole:?}");
    assert!(
        whole.contains("trigger ledger_entry_no_update on ledger_entry"),
        "{whole:?}"
    );
    assert!(whole.contains("account check account_payment_method_word"), "{whole:?}");
    for to in below_the_top(Engine::Sqlite).into_iter().rev() {
        for site in [&sqlite, &postgres] {
            site.must(&["migrate", "down", "--to", &to.to_string()]);
        }
        let below = assert_same(&sqlite, &postgres, &format!("migration {to}"));
        assert_eq!(below.is_empty(), to == 0, "{below:?}");
    }
    for site in [&sqlite, &postgres] {
        site.must(&["migrate", "up"]);
        assert_eq!(normal_form(site), whole, "up again on {}", site.engine);
    }
}

#[test]
fn migrations_of_both_engines_pair_by_number_and_name_and_lie_in_the_folder() {
    let (sqlite, postgres) = (migrations::steps(Engine::Sqlite), migrations::steps(Engine::Postgres));
    let names = |steps: &[migrations::Step]| steps.iter().map(|step| (step.number, step.name)).collect::<Vec<_>>();
    assert_eq!(names(sqlite), names(postgres));
    assert!(sqlite.is_sorted_by(|one, next| one.number < next.number));
    for step in sqlite {
        assert!(step.name.starts_with(&format!("{:04}_", step.number)), "{}", step.name);
    }
    for engine in ["sqlite", "postgres"] {
        let folder = format!("{}/../migrations/{engine}", env!("CARGO_MANIFEST_DIR"));
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let expected = sqlite
            .iter()
            .flat_map(|step| ["up", "down"].map(|way| format!("{}.{way}.sql", step.name)))
            .collect();
        assert_eq!(files, expected, "{engine}: every file is compiled in");
    }
}

/// What is lost by going down to a migration, done by hand to the schema as it is: the rest must stay.
fn lose(site: &Site, to: i64) {
    if to < 31 {
        let earlier =
            "UPDATE subscription SET grants = 1, granting_sequence = NULL WHERE granting_sequence IS NOT NULL";
        assert_eq!(site.sql(earlier).unwrap(), 1, "one was renewed early");
    }
    if to < 15 {
        site.sql(
            "UPDATE account SET status = 'suspended', suspend_reason = 'trial_ended' WHERE status = 'pending_payment'",
        )
        .unwrap();
    }
    if to < 13 {
        site.sql("UPDATE account SET due_us = 0 WHERE id IN (SELECT account_id FROM credit_bucket WHERE held > 0)")
            .unwrap();
        site.sql("UPDATE credit_bucket SET held = 0").unwrap();
    }
}

/// The columns of each schema, from the empty one to the newest but one.
fn columns_of_each(engine: Engine) -> Vec<Columns> {
    let site = if engine == Engine::Sqlite {
        Site::sqlite()
    } else {
        Site::postgres()
    };
    site.must(&["migrate", "up"]);
    let mut each: Vec<Columns> = below_the_top(engine)
        .into_iter()
        .rev()
        .map(|to| {
            site.must(&["migrate", "down", "--to", &to.to_string()]);
            let mut columns = columns(&site);
            // Its words are the schema's own.
            columns.remove("account_status");
            columns
        })
        .collect();
    each.reverse();
    each
}

#[test]
fn down_from_a_filled_database_keeps_what_the_older_schema_can_hold_and_up_again_it_is_sound() {
    for filled in [Site::sqlite(), Site::postgres()] {
        filled.must(&["migrate", "up"]);
        filled.must(&["seed-plans"]);
        fill(&filled);
        let engine = if filled.engine == "sqlite" {
            Engine::Sqlite
        } else {
            Engine::Postgres
        };
        for (to, columns) in below_the_top(engine).into_iter().zip(columns_of_each(engine)) {
            let site = filled.twin();
            lose(&site, to);
            let kept = contents(&site, &columns);
            site.must(&["migrate", "down", "--to", &to.to_string()]);
            let when = format!("at migration {to} on {}", site.engine);
            assert_same_contents(&kept, &contents(&site, &columns), &when);
            site.must(&["migrate", "up"]);
            up_again(&site, to, &columns, &kept, &when);
        }
    }
}

fn up_again(site: &Site, to: i64, columns: &Columns, kept: &Contents, when: &str) {
    // Below the ledger it begins anew, and with it the sequence of its entries.
    if to != 2 {
        assert_same_contents(kept, &contents(site, columns), &format!("up again, {when}"));
    }
    let credits = "SELECT CAST(COALESCE(SUM(credits), 0) AS BIGINT) FROM account";
    let ledger = "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM ledger_entry";
    let buckets = "SELECT CAST(COALESCE(SUM(remaining), 0) AS BIGINT) FROM credit_bucket";
    assert_eq!(site.number(credits), site.number(ledger), "{when}");
    assert_eq!(site.number(credits), site.number(buckets), "{when}");
    match to {
        8.. => site.is_healthy(),
        // How it was paid is lost.
        6 | 7 => assert!(
            site.findings().iter().all(|(_, what)| what.contains("paid by")),
            "{when}: {:?}",
            site.findings()
        ),
        // Subscriptions without their ledger and audit: whatever is found, none of it is about credits.
        _ => assert!(
            site.findings().iter().all(|(_, what)| !what.contains("credits and")),
            "{when}"
        ),
    }
}

#[test]
fn what_an_account_had_of_its_plan_and_what_it_bought_is_told_apart_again() {
    on_both(|site| {
        fill(&site);
        let (annual, busy) = (ANNUAL, BUSY);
        let held = site.number(&format!("SELECT credits FROM account WHERE id = {busy}"));
        site.must(&["migrate", "down", "--to", "10"]);
        site.must(&["migrate", "up"]);
        let kinds = site.rows(
            &format!("SELECT kind, remaining FROM credit_bucket WHERE account_id = {busy} ORDER BY number"),
            |row| (row.get::<String, _>(0), row.get::<i64, _>(1)),
        );
        let expected = [("plan".to_owned(), 5000), ("purchased".to_owned(), held - 5000)];
        assert_eq!(kinds, expected);
        let grants = format!("SELECT grants FROM subscription WHERE account_id = {annual}");
        assert_eq!(site.number(&grants), 5, "no grant is made a second time");
        let grace = format!("SELECT COUNT(*) FROM subscription WHERE account_id = {PAST_DUE} AND grace_end_us > 0");
        assert_eq!(site.number(&grace), 1);
        Inside::of(&site, BEGUN.plus_days(31)).tick(AccountId(PAST_DUE));
        let status = format!("SELECT COUNT(*) FROM account WHERE id = {PAST_DUE} AND status = 'past_due'");
        assert_eq!(site.number(&status), 1, "the grace goes on");
        let due = format!("SELECT due_us FROM account WHERE id = {PAST_DUE}");
        assert!(
            site.number(&due) > BEGUN.plus_days(31).0,
            "every account is looked at at once"
        );
        site.is_healthy();
    });
}

#[test]
fn going_down_tells_what_is_lost_step_by_step() {
    on_both(|site| {
        // Whatever has come since.
        site.must(&["migrate", "down", "--to", "18"]);
        let told = site.must(&["migrate", "down", "--to", "14"]);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 4, "{told}");
        assert!(
            lines[0].starts_with("down     0018_reporting_views, lost: nothing."),
            "{told}"
        );
        assert!(
            lines[3].starts_with("down     0015_payments_and_receipts, lost: every payment and receipt"),
            "{told}"
        );
        let told: serde_json::Value =
            serde_json::from_str(&site.must(&["migrate", "down", "--to", "12", "--json"])).unwrap();
        let lost: Vec<(i64, &str)> = told
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|step| Some((step["number"].as_i64().unwrap(), step.get("lost")?.as_str().unwrap())))
            .collect();
        assert_eq!(lost[0], (13, "every hold. What was set aside can be used again."));
        assert_eq!(lost[1].0, 14);
        assert_eq!(lost.len(), 2, "{told}");
        let up: serde_json::Value = serde_json::from_str(&site.must(&["migrate", "up", "--json"])).unwrap();
        assert!(
            up.as_array().unwrap().iter().all(|step| step.get("lost").is_none()),
            "{up}"
        );
    });
}

#[test]
fn the_status_tells_what_has_run() {
    on_both(|site| {
        site.must(&["migrate", "down", "--to", "9"]);
        let status: serde_json::Value = serde_json::from_str(&site.must(&["migrate", "status", "--json"])).unwrap();
        let applied: Vec<bool> = status
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["applied"].as_bool().unwrap())
            .collect();
        assert_eq!(applied.iter().filter(|applied| **applied).count(), 9);
        let rest: String = migrations::steps(Engine::Sqlite)[9..]
            .iter()
            .map(|step| format!("up       {}\n", step.name))
            .collect();
        assert!(rest.starts_with("up       0010_pending_payment\n"), "{rest}");
        assert_eq!(site.must(&["migrate", "up"]), rest);
        assert_eq!(site.must(&["migrate", "up"]), "nothing to do\n");
        assert_eq!(site.run(&["migrate", "down", "--to", "99"]).status.code(), Some(1));
        let behind = site.must(&["migrate", "down", "--to", "8"]);
        assert!(behind.contains("down     0009"), "{behind}");
        let refused = site.run(&["serve"]);
        assert_eq!(refused.status.code(), Some(4));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("migrate up"));
    });
}

#[test]
fn a_core_on_postgresql_serves_on_while_a_migration_runs() {
    let site = Site::postgres();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let server = site.serve();
    // Every connection has prepared its statements by now.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..3).for_each(|_| drop(server.sign_up())));
        }
    });
    // To below the newest columns and up again: they now stand at other places of their tables.
    site.must(&["migrate", "down", "--to", "6"]);
    site.must(&["migrate", "up"]);
    for _ in 0..20 {
        let member = server.sign_up();
        for path in ["/api/v1/auth/me/", "/api/v1/plans/", "/api/v1/credits/transactions/"] {
            assert_eq!(server.get(path).bearer(&member.access).send().status, 200, "{path}");
        }
    }
    site.is_healthy();
}
