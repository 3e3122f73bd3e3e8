//! Reading columns: the few shapes that both engines share.

use super::error::Error;
use igny8_contract::time::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;

/// A whole number.
pub(super) fn number(row: &AnyRow, column: &str) -> Result<i64, Error> {
    Ok(row.try_get(column)?)
}

/// A whole number, or nothing.
pub(super) fn optional_number(row: &AnyRow, column: &str) -> Result<Option<i64>, Error> {
    Ok(row.try_get(column)?)
}

/// A text.
pub(super) fn text(row: &AnyRow, column: &str) -> Result<String, Error> {
    Ok(row.try_get(column)?)
}

/// A text, or nothing.
pub(super) fn optional_text(row: &AnyRow, column: &str) -> Result<Option<String>, Error> {
    Ok(row.try_get(column)?)
}

/// Bytes of a known length.
pub(super) fn bytes<const N: usize>(row: &AnyRow, column: &str) -> Result<[u8; N], Error> {
    let bytes: Vec<u8> = row.try_get(column)?;
    let length = bytes.len();
    bytes
        .try_into()
        .map_err(|_| Error::Unexpected(format!("{length} bytes in {column}")))
}

/// An instant.
pub(super) fn instant(row: &AnyRow, column: &str) -> Result<Timestamp, Error> {
    number(row, column).map(Timestamp)
}

/// A flag, kept as 0 or 1.
pub(super) fn flag(row: &AnyRow, column: &str) -> Result<bool, Error> {
    Ok(number(row, column)? != 0)
}

/// A word of a closed list.
pub(super) fn word<T>(row: &AnyRow, column: &str, parse: fn(&str) -> Option<T>) -> Result<T, Error> {
    let word = text(row, column)?;
    parse(&word).ok_or_else(|| unknown(column, &word))
}

/// A word of a closed list, or nothing.
pub(super) fn optional_word<T>(row: &AnyRow, column: &str, parse: fn(&str) -> Option<T>) -> Result<Option<T>, Error> {
    optional_text(row, column)?
        .map(|word| parse(&word).ok_or_else(|| unknown(column, &word)))
        .transpose()
}

fn unknown(column: &str, word: &str) -> Error {
    Error::Unexpected(format!("the word {word:?} in {column}"))
}
