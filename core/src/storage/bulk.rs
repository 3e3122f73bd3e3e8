//! Many rows in one statement. Rows are cut into groups of 64, 32, … 1, so that there are few texts to prepare.

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

/// The most rows of one statement.
const MOST_ROWS: usize = 64;

/// `rows` in groups whose sizes are powers of two.
pub(super) fn groups<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = MOST_ROWS.min(1_usize << rows.len().checked_ilog2()?);
        let (group, rest) = rows.split_at(size);
        rows = rest;
        Some(group)
    })
}

/// A `VALUES` list: `($1, $2), ($3, $4)`. Each column says how its value is written, with `?` for a placeholder; one
/// without `?` is the same in every row.
pub(super) fn values(rows: usize, columns: &[&str]) -> String {
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
pub(super) fn query<'q>(text: String) -> Query<'q, Any, AnyArguments> {
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
