//! Many rows in one statement. Rows are cut into groups of 64, 32, … 1, so that there are few texts to prepare.
//!
//! A text has `{}` where its rows stand. Both engines name the columns of a `VALUES` list column1, column2, … by themselves.

use super::error::Error;
use super::store::Connection;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

/// The most rows of one statement. SQLite takes 32766 values in one, PostgreSQL 65535: enough for 511 columns.
const MOST_ROWS: usize = 64;

/// A text with the values that are bound to it.
pub(super) type Statement = Query<'static, Any, AnyArguments>;

/// Executes `text` for all rows, and says how many rows of the database it touched. `columns` are as for [`values`];
/// `bind` binds those of one row.
pub(super) async fn execute<T>(
    connection: &mut Connection,
    text: &str,
    columns: &[&str],
    rows: &[T],
    bind: impl Fn(Statement, &T) -> Statement,
) -> Result<u64, Error> {
    let mut touched = 0;
    for group in groups(rows) {
        let statement = statement(text, &values(group.len(), columns), group, &bind);
        touched += statement.execute(&mut *connection).await?.rows_affected();
    }
    Ok(touched)
}

/// The same of a text that gives rows back: group by group, and within a group as the text and the engine like.
pub(super) async fn fetch<T>(
    connection: &mut Connection,
    text: &str,
    columns: &[&str],
    rows: &[T],
    bind: impl Fn(Statement, &T) -> Statement,
) -> Result<Vec<AnyRow>, Error> {
    let mut fetched = Vec::new();
    for group in groups(rows) {
        let statement = statement(text, &values(group.len(), columns), group, &bind);
        fetched.append(&mut statement.fetch_all(&mut *connection).await?);
    }
    Ok(fetched)
}

/// What a text finds by keys, `… IN {}`: group by group, as [`fetch`] gives them.
pub(super) async fn find<K>(
    connection: &mut Connection,
    text: &str,
    keys: &[K],
    bind: impl Fn(Statement, &K) -> Statement,
) -> Result<Vec<AnyRow>, Error> {
    let mut found = Vec::new();
    for group in groups(keys) {
        let statement = statement(text, &values(1, &vec!["?"; group.len()]), group, &bind);
        found.append(&mut statement.fetch_all(&mut *connection).await?);
    }
    Ok(found)
}

fn statement<T>(text: &str, list: &str, group: &[T], bind: impl Fn(Statement, &T) -> Statement) -> Statement {
    group.iter().fold(query(text.replace("{}", list)), bind)
}

/// `rows` in groups whose sizes are powers of two.
fn groups<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = MOST_ROWS.min(1_usize << rows.len().checked_ilog2()?);
        let (group, rest) = rows.split_at(size);
        rows = rest;
        Some(group)
    })
}

/// A `VALUES` list: `($1, $2), ($3, $4)`. Each column says how its value is written, with `?` for a placeholder; one
/// without `?` is the same in every row.
fn values(rows: usize, columns: &[&str]) -> String {
    let mut placeholder = 0;
    let mut cell = |form: &&str| match form.split_once('?') {
        Some((before, after)) => {
            placeholder += 1;
            format!("{before}${placeholder}{after}")
        }
        None => (*form).to_owned(),
    };
    let mut row = || format!("({})", columns.iter().map(&mut cell).collect::<Vec<_>>().join(", "));
    (0..rows).map(|_| row()).collect::<Vec<_>>().join(", ")
}

/// A query of a text that was put together from constants and placeholders alone.
pub(super) fn query(text: String) -> Statement {
    sqlx::query(AssertSqlSafe(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_into_powers_of_two_and_none_is_lost() {
        let rows: Vec<usize> = (0..141).collect();
        let sizes: Vec<usize> = groups(&rows).map(<[usize]>::len).collect();
        assert_eq!(sizes, [64, 64, 8, 4, 1]);
        assert_eq!(groups(&rows).flatten().copied().collect::<Vec<_>>(), rows);
        assert_eq!(groups::<usize>(&[]).count(), 0);
    }

    #[test]
    fn placeholders_are_numbered_row_by_row() {
        assert_eq!(
            values(2, &["?", "'open'", "CAST(? AS BIGINT)"]),
            "($1, 'open', CAST($2 AS BIGINT)), ($3, 'open', CAST($4 AS BIGINT))"
        );
    }
}
