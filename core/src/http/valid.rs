//! What the fields of a body must be like, in sentences for people.

use super::answer::Refused;
use crate::app::Fields;
use garde::Validate;
use igny8_contract::claims::AccountRole;
use igny8_contract::time::Timestamp;

/// The longest name of a person or an account.
pub(super) const NAME_MAX_CHARACTERS: usize = 100;

/// Refuses a body with every field that is not valid.
///
/// # Errors
/// `validation_failed`.
pub(super) fn valid<T: Validate<Context = ()>>(body: &T) -> Result<(), Refused> {
    body.validate().map_err(|report| {
        let fields: Fields = report
            .iter()
            .map(|(path, error)| (path.to_string(), error.to_string()))
            .collect();
        Refused::invalid(fields)
    })
}

/// A text without white space around it; nothing where nothing is left.
pub(super) fn trimmed(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Something is written.
pub(super) fn is_not_empty(text: &str, (): &()) -> garde::Result {
    if text.trim().is_empty() {
        Err(garde::Error::new("It is required."))
    } else {
        Ok(())
    }
}

fn is_short<const MOST: usize>(text: &str) -> garde::Result {
    if text.chars().count() > MOST {
        return Err(garde::Error::new(format!("It must have at most {MOST} characters.")));
    }
    if text.chars().any(char::is_control) {
        return Err(garde::Error::new("It must not hold control characters."));
    }
    Ok(())
}

/// A name, if one is written.
pub(super) fn is_name(name: &Option<String>, (): &()) -> garde::Result {
    is_optional_line::<NAME_MAX_CHARACTERS>(name, &())
}

/// A line of at most so many characters, if one is written.
pub(super) fn is_optional_line<const MOST: usize>(line: &Option<String>, (): &()) -> garde::Result {
    line.as_deref().map_or(Ok(()), is_short::<MOST>)
}

/// A line of at most so many characters.
pub(super) fn is_line<const MOST: usize>(line: &str, context: &()) -> garde::Result {
    is_not_empty(line, context)?;
    is_short::<MOST>(line)
}

/// A number that could be an account's. One that is left out reads as 0.
pub(super) fn is_account(id: &i64, (): &()) -> garde::Result {
    if *id > 0 {
        Ok(())
    } else {
        Err(garde::Error::new("It must be the number of an account."))
    }
}

const ROLES: &str = "It must be owner, admin, editor or viewer.";

/// The word of an account role.
pub(super) fn is_account_role(word: &str, (): &()) -> garde::Result {
    AccountRole::parse(word)
        .map(drop)
        .ok_or_else(|| garde::Error::new(ROLES))
}

/// The account role of the field `role`.
///
/// # Errors
/// `validation_failed`.
pub(super) fn role_of(word: &str) -> Result<AccountRole, Refused> {
    AccountRole::parse(word).ok_or_else(|| Refused::invalid(Fields::from([("role".into(), ROLES.into())])))
}

/// The instant that a field says in the form of RFC 3339.
///
/// # Errors
/// `validation_failed`.
pub(super) fn instant(field: &str, text: &str) -> Result<Timestamp, Refused> {
    let sentence = "It must be a time like 2027-01-01T00:00:00Z.";
    text.parse::<jiff::Timestamp>()
        .map(|instant| Timestamp(instant.as_microsecond()))
        .map_err(|_| Refused::invalid(Fields::from([(field.to_owned(), sentence.to_owned())])))
}
