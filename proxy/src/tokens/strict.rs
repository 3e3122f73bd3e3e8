//! Reading what an attacker may have written: base64url in its one canonical form, and JSON without duplicate names.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use std::borrow::Cow;
use std::fmt;

/// Decodes base64url without padding (RFC 7515, section 2). Padding, white space, bytes of other alphabets and trailing
/// bits that are not zero are refused: every value has exactly one form.
pub fn base64url(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Parses one JSON object of UTF-8 text. A name that occurs twice in any object, however deep, is refused (RFC 7515,
/// section 4 leaves the choice; two readers that choose differently would see two tokens), and so is anything after the
/// object. White space around it is JSON's own and passes: the signature covers it.
pub fn json_object(bytes: &[u8]) -> Option<Members<'_>> {
    // Judged once as a whole: else every name and every text would be judged by itself.
    match serde_json::from_str(std::str::from_utf8(bytes).ok()?).ok()? {
        Member::Object(members) => Some(members),
        Member::Text(_) | Member::Number(_) | Member::List(_) | Member::Word => None,
    }
}

/// What an object holds. A name or a text is copied only where it has an escape.
#[derive(Debug, PartialEq)]
pub enum Member<'t> {
    Text(Cow<'t, str>),
    Number(Number),
    List(Vec<Self>),
    Object(Members<'t>),
    /// `true`, `false` or `null`: no claim and no part of a key that means anything to us is one.
    Word,
}

impl Member<'_> {
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::List(_) | Self::Object(_) | Self::Word => None,
        }
    }
}

/// An object's members, each name once, in the order of their names.
#[derive(Debug, PartialEq)]
pub struct Members<'t>(Vec<(Cow<'t, str>, Member<'t>)>);

impl<'t> Members<'t> {
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Member<'t>> {
        // Of a few members most are told apart by their length: quicker than a search by order.
        self.0.iter().find(|(known, _)| known == name).map(|(_, member)| member)
    }

    /// The member of a name, where it is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_text()
    }

    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

impl<'de> Deserialize<'de> for Member<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MemberVisitor)
    }
}

struct MemberVisitor;

impl<'de> Visitor<'de> for MemberVisitor {
    type Value = Member<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate names")
    }

    fn visit_unit<E>(self) -> Result<Member<'de>, E> {
        Ok(Member::Word)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Member<'de>, E> {
        Ok(Member::Word)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Member<'de>, E> {
        Ok(Member::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Member<'de>, E> {
        Ok(Member::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Member<'de>, E> {
        Number::from_f64(value)
            .map(Member::Number)
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Member<'de>, E> {
        Ok(Member::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Member<'de>, E> {
        Ok(Member::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Member<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Member::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Member<'de>, A::Error> {
        let mut members = Vec::with_capacity(ORDINARY_MEMBERS);
        while let Some(name) = entries.next_key()? {
            let Member::Text(name) = name else {
                return Err(A::Error::custom("a name that is no text"));
            };
            members.push((name, entries.next_value()?));
        }
        members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(A::Error::custom("duplicate name"));
        }
        Ok(Member::Object(Members(members)))
    }
}

/// Room for the claims of an ordinary token.
const ORDINARY_MEMBERS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_has_one_form_for_every_value() {
        assert_eq!(base64url(b"AA"), Some(vec![0]));
        for text in ["AA==", "AB", "A", "A A", "A+", "A/", "AA\n", " AA", "AAA="] {
            assert_eq!(base64url(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_name_may_occur_once_in_an_object_at_any_depth() {
        assert!(json_object(br#"{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]}"#).is_some());
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"b":{"a":1,"a":2}}"#,
            r#"{"b":[{"a":1,"a":2}]}"#,
            r#"{"a":1}{"a":1}"#,
            r#"{"a":1}x"#,
            r#"{"a":1e999}"#,
            r#"{"a":NaN}"#,
            "[1]",
            "null",
            "",
        ] {
            assert!(json_object(text.as_bytes()).is_none(), "{text}");
        }
        assert!(json_object(b"{\"a\":\"\xff\"}").is_none());
    }
}
