//! What a form sends: `application/x-www-form-urlencoded`, as the URL standard reads it, but strictly.

use std::collections::BTreeMap;

/// The most fields of a form.
const MOST_FIELDS: usize = 32;

/// A form's fields, each once.
pub type Values = BTreeMap<String, String>;

/// Reads a form; nothing where it is none, or names a field twice.
#[must_use]
pub fn read(body: &[u8]) -> Option<Values> {
    let mut values = Values::new();
    for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let middle = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (decode(&pair[..middle])?, decode(&pair[middle + 1..])?);
        if values.len() == MOST_FIELDS || values.insert(name, value).is_some() {
            return None;
        }
    }
    Some(values)
}

fn decode(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
                u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let values = read(b"a=1&name=%C3%84da+%26+Co%2B&empty=").unwrap();
        assert_eq!(values["name"], "\u{c4}da & Co+");
        assert_eq!((values["a"].as_str(), values["empty"].as_str()), ("1", ""));
        assert_eq!(read(b""), Some(Values::new()));
    }

    #[test]
    fn what_is_no_form_is_not_read() {
        let many = "a0=&".repeat(2);
        for body in [
            &b"a"[..],
            b"a=%",
            b"a=%4",
            b"a=%zz",
            b"a=%ff",
            b"a=1&a=2",
            many.as_bytes(),
        ] {
            assert_eq!(read(body), None, "{}", body.escape_ascii());
        }
        let many: Vec<String> = (0..=MOST_FIELDS).map(|number| format!("a{number}=")).collect();
        assert_eq!(read(many.join("&").as_bytes()), None);
    }
}
