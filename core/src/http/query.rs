//! Queries: what is asked of a list, above all where to go on, and how much.

use super::Service;
use super::answer::Refused;
use crate::app::Fields;
use axum::extract::{FromRequestParts, Query};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;

/// Items of a page where the query says nothing.
const DEFAULT_LIMIT: usize = 50;
/// The most items of a page.
const MAX_LIMIT: usize = 200;

/// Which page of a list that runs from the newest to the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageQuery {
    /// Items before this sequence.
    pub before: i64,
    pub limit: usize,
}

impl FromRequestParts<Service> for PageQuery {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &Service) -> Result<Self, Refused> {
        let unreadable = |_| Refused::invalid(Fields::from([("query".into(), "It cannot be read.".into())]));
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map_err(unreadable)?;
        page(&pairs)
    }
}

/// The cursor of the page before this sequence. Opaque to clients.
#[must_use]
pub fn cursor(before: i64) -> String {
    URL_SAFE_NO_PAD.encode(before.to_be_bytes())
}

fn before(cursor: &str) -> Option<i64> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    Some(i64::from_be_bytes(bytes.try_into().ok()?)).filter(|before| *before > 0)
}

/// What is wrong with a parameter's value, in a sentence; nothing at all for a name that is not known.
pub type Taken = Option<Result<(), &'static str>>;

/// Reads a query: `take` is given each name with its value, once.
///
/// # Errors
/// `validation_failed` with what is unknown, twice or not valid.
pub fn read(pairs: &[(String, String)], mut take: impl FnMut(&str, &str) -> Taken) -> Result<(), Refused> {
    let mut fields = Fields::new();
    for (index, (name, value)) in pairs.iter().enumerate() {
        let fault = if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
            Some("It is written twice.")
        } else {
            take(name, value).map_or(Some("It is not known here."), Result::err)
        };
        fields.extend(fault.map(|fault| (name.chars().take(64).collect(), fault.to_owned())));
    }
    if fields.is_empty() {
        Ok(())
    } else {
        Err(Refused::invalid(fields))
    }
}

/// Reads the query of a list.
///
/// # Errors
/// As for [`read`].
pub fn page(pairs: &[(String, String)]) -> Result<PageQuery, Refused> {
    page_and(pairs, |_, _| None)
}

/// Reads the query of a list that knows further parameters, which `take` is given.
///
/// # Errors
/// As for [`read`].
pub fn page_and(pairs: &[(String, String)], mut take: impl FnMut(&str, &str) -> Taken) -> Result<PageQuery, Refused> {
    let mut query = PageQuery {
        before: i64::MAX,
        limit: DEFAULT_LIMIT,
    };
    read(pairs, |name, value| match name {
        "cursor" => Some(match before(value) {
            Some(before) => {
                query.before = before;
                Ok(())
            }
            None => Err("It is not a cursor from `next`."),
        }),
        "limit" => Some(
            match value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit)) {
                Some(limit) => {
                    query.limit = limit;
                    Ok(())
                }
                None => Err("It must be a number from 1 to 200."),
            },
        ),
        _ => take(name, value),
    })?;
    Ok(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<PageQuery, Vec<String>> {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        page(&pairs).map_err(|refused| refused.fields.unwrap_or_default().into_keys().collect())
    }

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        assert_eq!(
            read(&[("cursor", &cursor(77)), ("limit", "5")]),
            Ok(PageQuery { before: 77, limit: 5 })
        );
        assert_eq!(
            read(&[]),
            Ok(PageQuery {
                before: i64::MAX,
                limit: 50
            })
        );
    }

    #[test]
    fn what_is_not_a_page_is_refused_by_name() {
        for pair in [
            ("cursor", ""),
            ("cursor", "x"),
            ("cursor", "AAAAAAAAAAA"),
            ("limit", "0"),
            ("limit", "201"),
            ("limit", "-1"),
            ("page", "2"),
        ] {
            assert_eq!(read(&[pair]), Err(vec![pair.0.to_owned()]), "{pair:?}");
        }
        assert_eq!(read(&[("limit", "1"), ("limit", "2")]), Err(vec!["limit".to_owned()]));
    }
}
