//! The one canonical path: what the rules see is what goes upstream. Pure.
//!
//! A target that two servers could read as two paths is refused (see RFC 3986, sections 3.3 and 6.2.2). What is left is
//! normalised once: escaped unreserved characters are decoded, every other escape stays, in upper-case hex.

use igny8_contract::refusal::Refusal;
use std::borrow::Cow;

/// A request target in its canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canonical<'a> {
    /// Starts with `/`; ASCII.
    pub path: Cow<'a, str>,
    /// Without its `?`, byte for byte; nothing when there is no `?`.
    pub query: Option<&'a str>,
}

const PLAIN: u8 = 0;
const SLASH: u8 = 1;
const ESCAPE: u8 = 2;
const REFUSED: u8 = 3;

/// What each byte of a path is (RFC 3986 `pchar`, without `;`).
const CLASSES: [u8; 256] = {
    let mut classes = [REFUSED; 256];
    let mut byte = 0;
    while byte < 256 {
        let c = byte as u8;
        let sub = matches!(
            c,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@'
        );
        if unreserved(c) || c == b'.' || sub {
            classes[byte] = PLAIN;
        }
        byte += 1;
    }
    classes[b'/' as usize] = SLASH;
    classes[b'%' as usize] = ESCAPE;
    classes
};

/// The characters whose escapes mean the character itself. The dot is one by RFC 3986; its escape is refused before.
const fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~')
}

/// Brings a request target into its canonical form.
///
/// # Errors
/// `malformed_path` for everything that two readers could read as two paths.
pub fn canonicalize(target: &[u8]) -> Result<Canonical<'_>, Refusal> {
    read(target, false)
}

/// The same for a target that may hold `%2F`: it stays escaped, and the path is sound with it decoded, too.
///
/// # Errors
/// `malformed_path`, as for [`canonicalize`].
pub fn canonicalize_with_slash(target: &[u8]) -> Result<Canonical<'_>, Refusal> {
    read(target, true)
}

fn read(target: &[u8], slash: bool) -> Result<Canonical<'_>, Refusal> {
    let end = memchr::memchr(b'?', target).unwrap_or(target.len());
    let (raw, query) = (&target[..end], target.get(end + 1..));
    let query = query.map(visible).transpose()?;
    let mut escapes = false;
    let mut segment = 0;
    let mut previous = PLAIN;
    for (at, byte) in raw.iter().enumerate() {
        let class = CLASSES[*byte as usize];
        match class {
            SLASH => {
                if previous == SLASH || (at > 0 && dots(&raw[segment..at])) {
                    return Err(Refusal::MalformedPath);
                }
                segment = at + 1;
            }
            ESCAPE => escapes = true,
            REFUSED => return Err(Refusal::MalformedPath),
            _ => {}
        }
        previous = class;
    }
    if raw.first() != Some(&b'/') || dots(&raw[segment..]) {
        return Err(Refusal::MalformedPath);
    }
    let path = if escapes {
        Cow::Owned(normalize(raw, slash)?)
    } else {
        Cow::Borrowed(std::str::from_utf8(raw).map_err(|_| Refusal::MalformedPath)?)
    };
    Ok(Canonical { path, query })
}

fn dots(segment: &[u8]) -> bool {
    matches!(segment, b"." | b"..")
}

/// Visible ASCII without `#`, as text.
fn visible(bytes: &[u8]) -> Result<&str, Refusal> {
    if bytes.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#') {
        std::str::from_utf8(bytes).map_err(|_| Refusal::MalformedPath)
    } else {
        Err(Refusal::MalformedPath)
    }
}

/// Judges and normalises the escapes of a path whose other bytes have been judged.
fn normalize(raw: &[u8], slash: bool) -> Result<String, Refusal> {
    let mut path = String::with_capacity(raw.len());
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            path.push(char::from(*byte));
            decoded.push(*byte);
            continue;
        }
        let value = escaped(rest).ok_or(Refusal::MalformedPath)?;
        rest = &rest[2..];
        // NUL, controls, separators and dots have no business in an escape.
        if value < 0x20 || matches!(value, b'\\' | b'.' | 0x7f) || (value == b'/' && !slash) {
            return Err(Refusal::MalformedPath);
        }
        decoded.push(value);
        if unreserved(value) {
            path.push(char::from(value));
        } else {
            path.push('%');
            path.push(hex(value >> 4));
            path.push(hex(value & 15));
        }
    }
    // A doubled escape is decoded twice by somebody; it may show only now that its digits have been decoded.
    if path
        .split("%25")
        .skip(1)
        .any(|after| escaped(after.as_bytes()).is_some())
    {
        return Err(Refusal::MalformedPath);
    }
    let decoded = std::str::from_utf8(&decoded).map_err(|_| Refusal::MalformedPath)?;
    let blank_end = |segment: &str| segment.starts_with(char::is_whitespace) || segment.ends_with(char::is_whitespace);
    let unsound = |segment: &str| dots(segment.as_bytes()) || blank_end(segment);
    if decoded.split('/').any(unsound) || decoded.contains("//") {
        Err(Refusal::MalformedPath)
    } else {
        Ok(path)
    }
}

/// The value of two hex digits at the start of `bytes`.
pub(super) fn escaped(bytes: &[u8]) -> Option<u8> {
    let [high, low, ..] = bytes else { return None };
    let value = char::from(*high).to_digit(16)? * 16 + char::from(*low).to_digit(16)?;
    u8::try_from(value).ok()
}

fn hex(nibble: u8) -> char {
    char::from(b"0123456789ABCDEF"[usize::from(nibble & 15)])
}

/// Whether `segment` is `prefix` in every respect but its case, as any framework would fold it.
#[must_use]
pub fn differs_only_in_case(segment: &str, prefix: &str) -> bool {
    if segment.len() == prefix.len() && segment.eq_ignore_ascii_case(prefix) {
        return segment != prefix;
    }
    // What is escaped here is UTF-8 (see above): the Kelvin sign and the long s fold to ASCII letters.
    segment.as_bytes().contains(&b'%') && fold_escaped(segment) == prefix.to_lowercase()
}

fn fold_escaped(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        match (*byte, escaped(rest)) {
            (b'%', Some(value)) => {
                bytes.push(value);
                rest = &rest[2..];
            }
            _ => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(target: &str) -> Option<String> {
        canonicalize(target.as_bytes())
            .ok()
            .map(|canonical| canonical.path.into_owned())
    }

    #[test]
    fn unreserved_escapes_are_decoded_and_others_are_kept_in_upper_case() {
        assert_eq!(path("/%61pi/x").as_deref(), Some("/api/x"));
        assert_eq!(path("/a%c3%a9").as_deref(), Some("/a%C3%A9"));
        assert_eq!(path("/a%20b").as_deref(), Some("/a%20b"));
        assert_eq!(path("/100%25").as_deref(), Some("/100%25"));
        assert_eq!(path("/").as_deref(), Some("/"));
        assert_eq!(path("/a/...").as_deref(), Some("/a/..."));
    }

    #[test]
    fn the_query_goes_on_untouched() {
        let canonical = canonicalize(b"/a?x=%2F..%00&//=;%zz?").unwrap();
        assert_eq!(canonical.query, Some("x=%2F..%00&//=;%zz?"));
        assert_eq!(canonicalize(b"/a?").unwrap().query, Some(""));
        assert_eq!(canonicalize(b"/a").unwrap().query, None);
    }

    #[test]
    fn whatever_two_servers_could_read_as_two_paths_is_refused() {
        for target in [
            "",
            "*",
            "admin",
            "foo:/admin/",
            "http:/admin/",
            "\\\\admin/",
            "http://h/admin/",
            "//admin/",
            "/a//b",
            "/./a",
            "/a/.",
            "/a/..",
            "/..",
            "/a/../admin/",
            "/a\\b",
            "/a;b",
            "/a;/b",
            "/a#b",
            "/a?b#c",
            "/%00",
            "/a%2fb",
            "/admin%2F",
            "/%5c",
            "/%2e%2e/admin",
            "/%2E",
            "/%252e",
            "/%25%36%31dmin/",
            "/%2561",
            "/%25%32%65",
            "/%",
            "/%6",
            "/%zz",
            "/%c0%af",
            "/%ff",
            "/a%0d%0ab",
            "/a%20",
            "/a%20/b",
            "/%20admin",
            "/admin%C2%A0/",
            "/admin%E2%80%83",
            "/a b",
            "/\x01",
            "/\x7f",
            "/a\"b",
            "/é",
            "/a?é",
            "/<a>",
            "/a|b",
            "/a^b",
            "/`a",
            "/{a}",
        ] {
            assert_eq!(path(target), None, "{target:?}");
        }
        assert!(canonicalize(b"/\xe9").is_err());
    }

    #[test]
    fn a_prefix_in_another_case_is_recognised() {
        for segment in ["API", "Api", "%41PI"] {
            assert!(differs_only_in_case(segment, "api"), "{segment}");
        }
        assert!(differs_only_in_case("as%C5%BFets", "assets"));
        assert!(!differs_only_in_case("api", "api"));
        assert!(!differs_only_in_case("apix", "api"));
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(target in "/([a-zA-Z0-9._~%/ -]|%[0-9a-fA-F]{2}){0,24}") {
            if let Some(once) = path(&target) {
                prop_assert_eq!(path(&once), Some(once));
            }
        }

        #[test]
        fn no_bytes_make_it_panic_or_leave_its_alphabet(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(canonical) = canonicalize(&bytes) {
                prop_assert!(canonical.path.starts_with('/') && !canonical.path.contains("//"));
                prop_assert!(canonical.path.bytes().all(|b| b.is_ascii_graphic() && !b"\\;#?".contains(&b)));
            }
        }
    }
}
