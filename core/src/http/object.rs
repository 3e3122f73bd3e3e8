//! Reading a JSON object strictly: every field known, every value of its kind, none twice; and saying which is not.

use super::answer::Refused;
use crate::app::Fields;
use igny8_contract::refusal::Refusal;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The members of an object in the order they were written, each name once.
struct Members(Vec<(String, Box<RawValue>)>);

/// The name of a member that was written twice.
const TWICE: &str = "written twice: ";

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members: Vec<(String, Box<RawValue>)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(serde::de::Error::custom(format!("{TWICE}{name}")));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// Reads the object in `bytes`.
///
/// # Errors
/// `malformed_body` where it is not JSON in UTF-8; `validation_failed` where it is no object, or with the fields that are
/// unknown, twice, or of another kind.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refused::from(Refusal::MalformedBody))?;
    let members: Members = serde_json::from_str(text).map_err(|error| whole(&error))?;
    serde_json::from_str(text).map_err(|error| {
        let faults = faults::<T>(&members);
        if faults.is_empty() {
            whole(&error)
        } else {
            Refused::invalid(faults)
        }
    })
}

fn whole(error: &serde_json::Error) -> Refused {
    if !error.is_data() {
        return Refusal::MalformedBody.into();
    }
    let sentence = error.to_string();
    if let Some(name) = sentence
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next())
    {
        return Refused::invalid(Fields::from([(shown(name), "It is required.".into())]));
    }
    let Some(twice) = sentence.strip_prefix(TWICE) else {
        return Refused::invalid(Fields::from([("body".into(), "It must be a JSON object.".into())]));
    };
    let name = twice.rsplit_once(" at line").map_or(twice, |(name, _)| name);
    Refused::invalid(Fields::from([(shown(name), "It is written twice.".into())]))
}

/// What is wrong with each member, taken by itself: an object of it alone is either read as far as the next field that is
/// missing, or it is the member's own fault.
fn faults<T: DeserializeOwned>(members: &Members) -> Fields {
    let fault = |(name, value): &(String, Box<RawValue>)| {
        // The name was a JSON string a moment ago and becomes one again.
        let alone = format!("{{{}:{}}}", serde_json::to_string(name).ok()?, value.get());
        let sentence = serde_json::from_str::<T>(&alone).err()?.to_string();
        if sentence.starts_with("missing field") {
            return None;
        }
        if sentence.starts_with("unknown field") {
            return Some((shown(name), "It is not known here.".to_owned()));
        }
        let kind = sentence
            .split_once("expected ")
            .map(|(_, kind)| kind.split(" at line").next().unwrap_or(kind));
        Some((
            shown(name),
            kind.map_or("It is not valid.".to_owned(), |kind| format!("It must be {kind}.")),
        ))
    };
    members.0.iter().filter_map(fault).collect()
}

/// A client's own name for a field, in a length that an answer can carry.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Sample {
        name: String,
        count: Option<i64>,
    }

    fn refused(text: &[u8]) -> (&'static str, Vec<(String, String)>) {
        let refused = read::<Sample>(text).unwrap_err();
        (
            refused.refusal().code(),
            refused.fields.unwrap_or_default().into_iter().collect(),
        )
    }

    #[test]
    fn what_is_not_json_in_utf_8_is_malformed() {
        for text in [
            &b""[..],
            b"{",
            b"{\"name\"}",
            b"{\"name\":\"\xff\"}",
            b"\xef\xbb\xbf{}",
            b"{} {}",
            b"{\"name\":'a'}",
        ] {
            assert_eq!(refused(text), ("malformed_body", vec![]), "{text:?}");
        }
        let deep = format!("{{\"name\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(
            refused(deep.as_bytes()).0,
            "validation_failed",
            "no depth exhausts the stack"
        );
    }

    #[test]
    fn every_field_that_is_wrong_is_named() {
        let (code, fields) = refused(br#"{"name":5,"count":"x","colour":{"a":1}}"#);
        assert_eq!(code, "validation_failed");
        let expected = [
            ("colour", "It is not known here."),
            ("count", "It must be i64."),
            ("name", "It must be a string."),
        ];
        assert_eq!(fields, expected.map(|(name, what)| (name.to_owned(), what.to_owned())));
    }

    #[test]
    fn a_field_written_twice_is_refused() {
        let (code, fields) = refused(br#"{"name":"a","name":"b"}"#);
        assert_eq!((code, fields[0].0.as_str()), ("validation_failed", "name"));
    }

    #[test]
    fn only_an_object_is_a_body() {
        for text in [&b"[]"[..], b"null", b"5", b"\"x\""] {
            let (code, fields) = refused(text);
            assert_eq!((code, fields[0].0.as_str()), ("validation_failed", "body"));
        }
    }

    #[test]
    fn a_field_that_is_missing_is_named() {
        #[derive(Debug, Deserialize)]
        struct Strict {
            #[expect(dead_code, reason = "only its absence matters")]
            name: String,
        }
        let refused = read::<Strict>(b"{}").unwrap_err();
        assert_eq!(refused.fields.unwrap().keys().collect::<Vec<_>>(), ["name"]);
    }

    #[test]
    fn a_good_object_is_read() {
        let sample: Sample = read(br#" {"name":"a"} "#).unwrap();
        assert_eq!(
            sample,
            Sample {
                name: "a".into(),
                count: None
            }
        );
    }
}
