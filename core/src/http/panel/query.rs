//! The panel's queries: where a list goes on, and what is looked for.

use crate::app::Fields;
use crate::app::customers::Sought;
use crate::http::answer::Refused;
use crate::http::query::{PageQuery, cursor, page_and};
use axum::extract::Query;
use http::Uri;
use igny8_contract::standing::AccountStatus;

/// The longest words that accounts are looked for by.
const WORDS_MOST: usize = 254;

/// Reads the query of a list.
///
/// # Errors
/// `validation_failed`.
pub fn page(uri: &Uri) -> Result<PageQuery, Refused> {
    read(uri, |_, _| None)
}

fn read(uri: &Uri, take: impl FnMut(&str, &str) -> crate::http::query::Taken) -> Result<PageQuery, Refused> {
    let unreadable = |_| Refused::invalid(Fields::from([("query".into(), "It cannot be read.".into())]));
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(unreadable)?;
    page_and(&pairs, take)
}

/// Reads what accounts are looked for by. A filter that is left open, as forms send it, is none.
///
/// # Errors
/// `validation_failed`.
pub fn sought(uri: &Uri) -> Result<(PageQuery, Sought), Refused> {
    let mut sought = Sought::default();
    let page = read(uri, |name, value| {
        let value = value.trim();
        match name {
            "q" if value.chars().count() > WORDS_MOST || value.chars().any(char::is_control) => {
                Some(Err("It must be a line of at most 254 characters."))
            }
            "q" => {
                value.clone_into(&mut sought.words);
                Some(Ok(()))
            }
            "status" if value.is_empty() => Some(Ok(())),
            "status" => {
                sought.status = AccountStatus::parse(value);
                Some(sought.status.map(|_| ()).ok_or("It is no status."))
            }
            "plan" => {
                sought.plan = Some(value.to_owned()).filter(|slug| !slug.is_empty());
                Some(Ok(()))
            }
            _ => None,
        }
    })?;
    Ok((page, sought))
}

/// The query that these accounts are looked for by, from `before` on.
#[must_use]
pub fn again(sought: &Sought, before: Option<i64>) -> String {
    let mut pairs = Vec::new();
    for (name, value) in [
        ("q", sought.words.as_str()),
        ("status", sought.status.map_or("", AccountStatus::as_str)),
        ("plan", sought.plan.as_deref().unwrap_or_default()),
    ] {
        if !value.is_empty() {
            pairs.push(format!("{name}={}", encode(value)));
        }
    }
    pairs.extend(before.map(next));
    pairs.join("&")
}

/// The query of the page before this number.
#[must_use]
pub fn next(before: i64) -> String {
    format!("cursor={}", cursor(before))
}

fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_for_leads_on_to_the_next_page() {
        let uri: Uri = "/admin/?q=%C3%84da+%26&status=trial&plan=free".parse().unwrap();
        let (_, found) = sought(&uri).unwrap();
        assert_eq!(
            (found.words.as_str(), found.plan.as_deref()),
            ("\u{c4}da &", Some("free"))
        );
        let uri: Uri = format!("/admin/?{}", again(&found, Some(7))).parse().unwrap();
        let (page, same) = sought(&uri).unwrap();
        assert_eq!((page.before, same), (7, found));
        for query in ["status=x", "q=a&q=b", "x=1", "cursor=x"] {
            assert!(sought(&format!("/admin/?{query}").parse().unwrap()).is_err(), "{query}");
        }
    }
}
