//! What lies in a database, in a form that both engines share.

use super::site::Site;
use igny8_core::storage::copy::ITS_OWN;
use sqlx::Row;
use std::collections::BTreeMap;

/// The columns of every table, each as the SQL that shows it as text.
pub type Columns = BTreeMap<String, Vec<String>>;
/// The rows of every table.
pub type Contents = BTreeMap<String, Vec<String>>;

/// The columns that there are now, but for those of tables that each database has for itself.
pub fn columns(site: &Site) -> Columns {
    let listed = if site.engine == "sqlite" {
        "SELECT m.name, c.name, c.type FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' \
         AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '\\_sqlx%' ESCAPE '\\' ORDER BY m.name, c.name"
    } else {
        "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT), CAST(data_type AS TEXT) \
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%' \
         ORDER BY table_name, CAST(column_name AS TEXT) COLLATE \"C\""
    };
    let mut found = Columns::new();
    for (table, column, kind) in site.rows(listed, |row| {
        let text = |index: usize| row.get::<String, _>(index);
        (text(0), text(1), text(2))
    }) {
        let shown = match kind.as_str() {
            "BLOB" => format!("CASE WHEN {column} IS NULL THEN NULL ELSE hex({column}) END"),
            "bytea" => format!("upper(encode({column}, 'hex'))"),
            _ => format!("CAST({column} AS TEXT)"),
        };
        let cell = format!("'{column}=' || COALESCE({shown}, 'nothing')");
        found.entry(table).or_default().push(cell);
    }
    found.retain(|table, _| !ITS_OWN.contains(&table.as_str()));
    found
}

/// The rows of every table, in these columns, sorted.
pub fn contents(site: &Site, columns: &Columns) -> Contents {
    columns
        .iter()
        .map(|(table, cells)| {
            let shown = format!("SELECT {} FROM {table}", cells.join(" || ' ' || "));
            let mut rows = site.rows(&shown, |row| row.get::<String, _>(0));
            rows.sort();
            (table.clone(), rows)
        })
        .collect()
}

/// Both databases hold the same rows in these columns.
#[track_caller]
pub fn assert_same(one: &Contents, other: &Contents, when: &str) {
    assert_eq!(
        one.keys().collect::<Vec<_>>(),
        other.keys().collect::<Vec<_>>(),
        "{when}"
    );
    for (table, rows) in one {
        assert_eq!(rows, &other[table], "{table} {when}");
    }
}
