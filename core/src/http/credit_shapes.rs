//! What clients send and see of credits.

use super::shapes::{LedgerEntry, rfc_3339};
use crate::app::StoryError;
use crate::config::MAX_HOLD_SECONDS;
use crate::storage::hold::StoredHold;
use crate::storage::ledger::{self, Entry};
use garde::Validate;
use igny8_contract::time::MICROS_PER_DAY;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The most credits that one request moves.
const MOST_CREDITS: i64 = 1_000_000_000_000_000;
/// The longest description.
const DESCRIPTION_MAX_CHARACTERS: usize = 500;
/// The longest metadata, as JSON text without white space.
const METADATA_MAX_BYTES: usize = 4096;

/// How much is used, and what for.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ConsumeBody {
    #[schema(required = true, value_type = i64, minimum = 1, maximum = 1_000_000_000_000_000_i64, example = 25)]
    #[serde(default)]
    #[garde(custom(is_given_amount))]
    pub amount: Option<i64>,
    #[schema(required = true, min_length = 1, max_length = 500, example = "Draft of 1,200 words")]
    #[serde(default)]
    #[garde(custom(is_description))]
    pub description: String,
    /// An object of your own, up to 4 KiB; it comes back with the entry.
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    #[garde(custom(is_metadata))]
    pub metadata: Option<Value>,
}

/// How much is set aside, and what for.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct HoldBody {
    #[schema(required = true, value_type = i64, minimum = 1, maximum = 1_000_000_000_000_000_i64, example = 100)]
    #[serde(default)]
    #[garde(custom(is_given_amount))]
    pub amount: Option<i64>,
    #[schema(required = true, min_length = 1, max_length = 500, example = "Article under way")]
    #[serde(default)]
    #[garde(custom(is_description))]
    pub description: String,
    /// An object of your own, up to 4 KiB; it comes back with the hold and its entry.
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    #[garde(custom(is_metadata))]
    pub metadata: Option<Value>,
    /// After how many seconds it lets go by itself, up to 30 days; 15 minutes where nothing else is configured.
    #[schema(minimum = 1, maximum = 2_592_000, example = 900)]
    #[serde(default)]
    #[garde(custom(is_hold_time))]
    pub expires_in_seconds: Option<i64>,
}

/// How much of a hold is drawn.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ConfirmBody {
    /// All of it where this is left out. The rest is let go of.
    #[schema(minimum = 1, maximum = 1_000_000_000_000_000_i64, example = 80)]
    #[serde(default)]
    #[garde(custom(is_amount))]
    pub amount: Option<i64>,
}

/// Nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseBody {}

fn is_amount(amount: &Option<i64>, (): &()) -> garde::Result {
    if amount.is_none_or(|amount| (1..=MOST_CREDITS).contains(&amount)) {
        return Ok(());
    }
    Err(garde::Error::new(format!("It must be from 1 to {MOST_CREDITS}.")))
}

fn is_given_amount(amount: &Option<i64>, context: &()) -> garde::Result {
    if amount.is_none() {
        return Err(garde::Error::new("It is required."));
    }
    is_amount(amount, context)
}

fn is_hold_time(seconds: &Option<i64>, (): &()) -> garde::Result {
    if seconds.is_none_or(|seconds| (1..=MAX_HOLD_SECONDS).contains(&seconds)) {
        return Ok(());
    }
    Err(garde::Error::new(format!("It must be from 1 to {MAX_HOLD_SECONDS}.")))
}

fn is_description(text: &str, (): &()) -> garde::Result {
    if text.trim().is_empty() {
        return Err(garde::Error::new("It is required."));
    }
    if text.chars().count() > DESCRIPTION_MAX_CHARACTERS {
        return Err(garde::Error::new(format!(
            "It must have at most {DESCRIPTION_MAX_CHARACTERS} characters."
        )));
    }
    let is_foreign = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    if text.chars().any(is_foreign) {
        return Err(garde::Error::new("It must not hold control characters."));
    }
    Ok(())
}

fn is_metadata(metadata: &Option<Value>, (): &()) -> garde::Result {
    let Some(metadata) = metadata else { return Ok(()) };
    if !metadata.is_object() {
        return Err(garde::Error::new("It must be an object."));
    }
    if metadata.to_string().len() > METADATA_MAX_BYTES {
        return Err(garde::Error::new(format!(
            "It must have at most {METADATA_MAX_BYTES} bytes."
        )));
    }
    // PostgreSQL keeps no NUL in JSON either, and people read metadata there.
    if has_nul(metadata) {
        return Err(garde::Error::new("It must not hold the character NUL."));
    }
    Ok(())
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Metadata as it is stored: an object's JSON text.
#[must_use]
pub fn stored_metadata(metadata: Option<Value>) -> String {
    metadata.unwrap_or_else(|| Value::Object(Map::new())).to_string()
}

/// Credits that are set aside.
#[derive(Debug, Serialize, ToSchema)]
pub struct Hold {
    /// 1 for the first hold of an account, then one more each time.
    #[schema(example = 1)]
    pub id: i64,
    /// What was set aside.
    #[schema(example = 100)]
    pub amount: i64,
    /// `open`, `confirmed`, `released` or `expired`.
    #[schema(example = "open")]
    pub status: &'static str,
    /// What was drawn; 0 unless it was confirmed.
    #[schema(example = 0)]
    pub confirmed_amount: i64,
    pub description: String,
    #[schema(value_type = Object)]
    pub metadata: Value,
    #[schema(format = "date-time", example = "2026-01-01T00:15:00.000000Z")]
    pub expires_at: String,
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub created_at: String,
    /// Null while it is open.
    #[schema(format = "date-time")]
    pub ended_at: Option<String>,
}

impl From<&StoredHold> for Hold {
    fn from(hold: &StoredHold) -> Self {
        Self {
            id: hold.number,
            amount: hold.amount.0,
            status: hold.status(),
            confirmed_amount: hold.confirmed.0,
            description: hold.description.clone(),
            metadata: serde_json::from_str(&hold.metadata).unwrap_or_default(),
            expires_at: rfc_3339(hold.expires_at),
            created_at: rfc_3339(hold.created_at),
            ended_at: hold.ended_at.map(rfc_3339),
        }
    }
}

/// An entry as the `data` of an answer.
///
/// # Errors
/// None that an entry can meet.
pub fn show_entry(entry: &Entry) -> Result<Value, StoryError> {
    shown(LedgerEntry::from(entry))
}

/// A hold as the `data` of an answer.
///
/// # Errors
/// None that a hold can meet.
pub fn show_hold(hold: &StoredHold) -> Result<Value, StoryError> {
    shown(Hold::from(hold))
}

fn shown(shape: impl Serialize) -> Result<Value, StoryError> {
    serde_json::to_value(shape).map_err(|error| StoryError::Fault(error.to_string()))
}

/// What was used on one day.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsedOn {
    /// In UTC.
    #[schema(format = "date", example = "2026-01-01")]
    pub day: String,
    /// The sum of what consumption drew.
    #[schema(example = 25)]
    pub consumed: i64,
    /// How many entries drew it.
    #[schema(example = 1)]
    pub entries: i64,
}

impl From<&ledger::DayUsage> for UsedOn {
    fn from(usage: &ledger::DayUsage) -> Self {
        let midnight = jiff::Timestamp::from_microsecond(usage.day.saturating_mul(MICROS_PER_DAY));
        Self {
            // Days come from a query, which takes no other.
            day: midnight
                .unwrap_or(jiff::Timestamp::MAX)
                .strftime("%Y-%m-%d")
                .to_string(),
            consumed: usage.consumed.0,
            entries: usage.entries,
        }
    }
}

/// What was used, day by day.
#[derive(Debug, Serialize, ToSchema)]
pub struct Usage {
    /// Every day that was asked for, the first one first.
    pub items: Vec<UsedOn>,
}

/// The days since 1970-01-01 of a day as `2026-01-01`; nothing for any other text, or for a day that is not in the calendar.
#[must_use]
pub fn read_day(text: &str) -> Option<i64> {
    let has_form = text.len() == 10
        && text.bytes().zip(*b"dddd-dd-dd").all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            _ => byte == form,
        });
    let date = Date::strptime("%Y-%m-%d", text).ok().filter(|_| has_form)?;
    let midnight = Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
    Some(midnight.as_microsecond().div_euclid(MICROS_PER_DAY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use igny8_contract::credits::Credits;
    use serde_json::json;

    fn faults(body: Value) -> Vec<String> {
        let body: HoldBody = serde_json::from_value(body).unwrap();
        let report = body.validate().err().map(|report| {
            let paths = report.iter().map(|(path, _)| path.to_string());
            paths.collect()
        });
        report.unwrap_or_default()
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let good = json!({"amount": 1, "description": "a\n\tb", "metadata": {"a": [1, null]}, "expires_in_seconds": 1});
        assert_eq!(faults(good), Vec::<String>::new());
        let most = json!({"amount": MOST_CREDITS, "description": "ä".repeat(500), "expires_in_seconds": 2_592_000});
        assert_eq!(faults(most), Vec::<String>::new());
        for (name, value) in [
            ("amount", json!(null)),
            ("amount", json!(0)),
            ("amount", json!(-5)),
            ("amount", json!(MOST_CREDITS + 1)),
            ("description", json!("")),
            ("description", json!(" \n")),
            ("description", json!("a\u{0}b")),
            ("description", json!("x".repeat(501))),
            ("metadata", json!([])),
            ("metadata", json!("{}")),
            ("metadata", json!({"a": ["x\u{0}"]})),
            ("metadata", json!({"a\u{0}": 1})),
            ("metadata", json!({"a": "x".repeat(4089)})),
            ("expires_in_seconds", json!(0)),
            ("expires_in_seconds", json!(2_592_001)),
        ] {
            let mut body = json!({"amount": 1, "description": "x"});
            body[name] = value.clone();
            assert_eq!(faults(body), [name], "{value}");
        }
    }

    #[test]
    fn four_kibibytes_of_metadata_are_taken_and_no_byte_more() {
        let of = |length: usize| json!({"amount": 1, "description": "x", "metadata": {"a": "x".repeat(length)}});
        assert_eq!(faults(of(4096 - r#"{"a":""}"#.len())), Vec::<String>::new());
        assert_eq!(faults(of(4097 - r#"{"a":""}"#.len())), ["metadata"]);
    }

    #[test]
    fn a_day_is_read_and_written_the_same() {
        for (text, day) in [("1970-01-01", 0), ("2026-02-28", 20_512), ("2024-02-29", 19_782)] {
            assert_eq!(read_day(text), Some(day), "{text}");
            let usage = ledger::DayUsage {
                day,
                consumed: Credits::ZERO,
                entries: 0,
            };
            assert_eq!(UsedOn::from(&usage).day, text);
        }
        for text in [
            "",
            "2026-02-29",
            "2026-2-1",
            "20260201",
            "2026-13-01",
            "01-02-2026",
            "+02026-1-1",
            "2026-01-01T",
        ] {
            assert_eq!(read_day(text), None, "{text}");
        }
    }
}
