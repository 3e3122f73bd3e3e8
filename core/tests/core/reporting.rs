//! The views for people and their tools on PostgreSQL.

use super::filled::fill;
use super::site::Site;
use sqlx::Row;

/// The columns of the views: view, column, type.
fn columns(site: &Site) -> Vec<[String; 3]> {
    site.rows(
        "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT), CAST(data_type AS TEXT) \
         FROM information_schema.columns WHERE table_schema = 'reporting'",
        |row| [0, 1, 2].map(|index| row.get::<String, _>(index)),
    )
}

#[test]
fn every_view_shows_rows_with_times_flags_and_money_as_people_read_them() {
    let site = Site::postgres();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    fill(&site);
    let columns = columns(&site);
    let views = [
        "plans",
        "accounts",
        "users",
        "ledger",
        "subscriptions",
        "periods",
        "payments",
        "audit",
    ];
    for view in views {
        assert!(columns.iter().any(|[of, _, _]| of == view), "{view}");
        let rows = site.number(&format!(
            "SELECT COUNT(*) FROM (SELECT * FROM reporting.{view}) AS seen"
        ));
        assert!(rows > 0, "{view}");
    }
    for [view, column, kind] in &columns {
        assert!(views.contains(&view.as_str()), "{view} is tested");
        let expected = match column.as_str() {
            time if time.ends_with("_at") => "timestamp with time zone",
            flag if flag.starts_with("is_") => "boolean",
            "calendar_anchor" | "by_agreement" | "cancel_at_period_end" => "boolean",
            "price" | "amount" if view != "ledger" => "numeric",
            "metadata" | "detail" => "jsonb",
            _ => continue,
        };
        assert_eq!(kind, expected, "{view}.{column}");
    }
}

#[test]
fn the_views_show_what_lies_in_the_tables_to_the_microsecond_and_the_cent() {
    let site = Site::postgres();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    fill(&site);
    site.sql("UPDATE account SET created_at_us = 7258118399999999 WHERE id = 1")
        .unwrap();
    for (what, wrong) in [
        (
            "times",
            "SELECT COUNT(*) FROM reporting.accounts AS seen JOIN account ON account.id = seen.id \
             WHERE CAST(EXTRACT(EPOCH FROM seen.created_at) * 1000000 AS BIGINT) <> account.created_at_us",
        ),
        (
            "money",
            "SELECT COUNT(*) FROM reporting.payments AS seen JOIN payment ON payment.id = seen.id \
             WHERE seen.amount * 100 <> payment.amount_minor OR (payment.status = 'confirmed') <> (seen.receipt_number IS NOT NULL)",
        ),
        (
            "credits",
            "SELECT ABS((SELECT CAST(SUM(amount) AS BIGINT) FROM reporting.ledger) - \
             (SELECT CAST(SUM(credits) AS BIGINT) FROM reporting.accounts))",
        ),
    ] {
        assert_eq!(site.number(wrong), 0, "{what}");
    }
    let grants = "SELECT COUNT(*) FROM reporting.ledger WHERE metadata ->> 'plan_slug' = 'yearly'";
    assert_eq!(
        site.number(grants),
        5 + 6,
        "of one account, and of one that has paid ahead"
    );
}
