//! One header field at a time: its name, its value, and what both mean to us. Pure.

use igny8_contract::headers;
use igny8_contract::refusal::Refusal;

/// A field that is well-formed. `value` has no white space around it (RFC 9110, section 5.5).
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    pub name: &'a [u8],
    pub value: &'a [u8],
    pub name_kind: FieldName,
}

/// The field names that mean something to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldName {
    Host,
    Authorization,
    ApiKey,
    Origin,
    Accept,
    ContentType,
    ContentLength,
    TransferEncoding,
    Expect,
    Connection,
    Upgrade,
    Cookie,
    Traceparent,
    /// `X-Forwarded-For`: ours like [`Self::Owned`], and read when it comes from a trusted hop.
    ForwardedFor,
    /// A name that only the proxy speaks.
    Owned,
    /// Meant for one connection, not for the app.
    HopByHop,
    Other,
}

impl FieldName {
    /// The kind of a name, in any case.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        // The length and the first letter leave one or two candidates, so that the common case compares once.
        let known = match (name.len(), name[0] | 0x20) {
            (4, b'h') => is("host").then_some(Self::Host),
            (6, b'c') => is("cookie").then_some(Self::Cookie),
            (6, b'a') => is("accept").then_some(Self::Accept),
            (6, b'o') => is("origin").then_some(Self::Origin),
            (6, b'e') => is("expect").then_some(Self::Expect),
            (2, b't') => is("te").then_some(Self::HopByHop),
            (7, b'u') => is("upgrade").then_some(Self::Upgrade),
            (7, b't') => is("trailer").then_some(Self::HopByHop),
            (7, b'c') => is("cookie2").then_some(Self::HopByHop),
            (9, b'x') => is("x-api-key").then_some(Self::ApiKey),
            (10, b'c') => is("connection").then_some(Self::Connection),
            (10, b'k') => is("keep-alive").then_some(Self::HopByHop),
            (11, b't') => is("traceparent").then_some(Self::Traceparent),
            (12, b'c') => is("content-type").then_some(Self::ContentType),
            (12, b'x') => is("x-request-id").then_some(Self::Owned),
            (13, b'a') => is("authorization").then_some(Self::Authorization),
            (14, b'c') => is("content-length").then_some(Self::ContentLength),
            (14, b'h') => is("http2-settings").then_some(Self::HopByHop),
            (15, b'x') => is("x-forwarded-for").then_some(Self::ForwardedFor),
            (16, b'p') => is("proxy-connection").then_some(Self::HopByHop),
            (17, b't') => is("transfer-encoding").then_some(Self::TransferEncoding),
            (18 | 19, b'p') => (is("proxy-authenticate") || is("proxy-authorization")).then_some(Self::HopByHop),
            _ => None,
        };
        match known {
            Some(kind) => kind,
            // Every name of ours starts with one of these letters.
            None if matches!(name[0] | 0x20, b'x' | b'f' | b's' | b'p' | b'r') && headers::is_owned(name) => {
                Self::Owned
            }
            None => Self::Other,
        }
    }
}

const NAME: u8 = 1;
const TOKEN: u8 = 2;

/// Which bytes may stand where.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let c = byte as u8;
        if c.is_ascii_alphanumeric() || c == b'-' {
            classes[byte] |= NAME;
        }
        let mark = matches!(
            c,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        );
        if c.is_ascii_alphanumeric() || mark {
            classes[byte] |= TOKEN;
        }
        byte += 1;
    }
    classes
};

/// Whether a byte may stand in a token (RFC 9110, section 5.6.2).
#[must_use]
pub const fn is_token(byte: u8) -> bool {
    CLASSES[byte as usize] & TOKEN != 0
}

/// Whether a run of `lines` field lines, each of which is known to end in CR and LF, holds no other control byte but tabs.
/// Judged for all lines at once and by counting, this takes a few instructions for sixteen bytes.
#[must_use]
pub fn is_clean(bytes: &[u8], lines: usize) -> bool {
    let is_control = |byte: u8| ((byte < 0x20) & (byte != b'\t')) | (byte == 0x7f);
    // The count of one chunk fits a byte. Checked for overflow, bytes would be counted one by one.
    let in_chunk = |chunk: &[u8]| {
        chunk
            .iter()
            .fold(0_u8, |count, byte| count.wrapping_add(u8::from(is_control(*byte))))
    };
    bytes
        .chunks(128)
        .map(|chunk| usize::from(in_chunk(chunk)))
        .sum::<usize>()
        == 2 * lines
}

/// Without the optional white space around it: spaces and tabs, and nothing else (RFC 9110, section 5.6.3).
#[must_use]
pub fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Reads one line, without its line end. The bytes of its value are judged by [`is_clean`].
///
/// # Errors
/// `malformed_request` for folding, a missing colon or white space in the name;
/// `forbidden_field` for a name outside `[A-Za-z0-9-]`.
pub fn parse_line(line: &[u8]) -> Result<Field<'_>, Refusal> {
    let end = line
        .iter()
        .position(|byte| CLASSES[*byte as usize] & NAME == 0)
        .ok_or(Refusal::MalformedRequest)?;
    let (name, value) = (&line[..end], trim(&line[end + 1..]));
    match line[end] {
        b':' if !name.is_empty() => Ok(Field {
            name,
            value,
            name_kind: FieldName::of(name),
        }),
        other => Err(malformed(line, other)),
    }
}

/// Why a line is no field: it is framing that is wrong, or a name that somebody may read as another name.
fn malformed(line: &[u8], after_name: u8) -> Refusal {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    let blank = |byte: &u8| *byte <= b' ' || *byte == 0x7f;
    if after_name == b':' || name.len() == line.len() || name.iter().any(blank) {
        return Refusal::MalformedRequest;
    }
    Refusal::ForbiddenField
}

/// A `Content-Length` in its one canonical form: digits without a sign, a leading zero or a list.
#[must_use]
pub fn canonical_length(value: &[u8]) -> Option<u64> {
    let canonical = match value {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 18 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    canonical.then(|| value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// What `Connection` may say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionTokens {
    pub close: bool,
    pub keep_alive: bool,
    pub upgrade: bool,
}

/// Reads `Connection`; nothing when it names anything but `close`, `keep-alive` and `upgrade`: a client that nominates
/// a field for removal would decide what the app sees (RFC 9110, section 7.6.1).
#[must_use]
pub fn connection_tokens(value: &[u8]) -> Option<ConnectionTokens> {
    let mut tokens = ConnectionTokens::default();
    for token in value.split(|byte| *byte == b',').map(trim) {
        match token {
            token if token.eq_ignore_ascii_case(b"close") => tokens.close = true,
            token if token.eq_ignore_ascii_case(b"keep-alive") => tokens.keep_alive = true,
            token if token.eq_ignore_ascii_case(b"upgrade") => tokens.upgrade = true,
            _ => return None,
        }
    }
    Some(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_hold_no_control_but_tabs_and_their_line_ends() {
        assert!(is_clean(b"X: a\tb \x80\xff\r\nY: c\r\n", 2));
        for wrong in [
            &b"X: a\x00b\r\n"[..],
            b"X: a\rb\r\n",
            b"X: \x0ba\r\n",
            b"X: a\x0c\r\n",
            b"X: \x7f\r\n",
        ] {
            assert!(!is_clean(wrong, 1), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn names_are_recognised_in_any_case() {
        for (name, kind) in [
            ("HOST", FieldName::Host),
            ("cOOkie", FieldName::Cookie),
            ("X-API-Key", FieldName::ApiKey),
            ("transfer-encoding", FieldName::TransferEncoding),
            ("X-Forwarded-For", FieldName::ForwardedFor),
            ("X-Forwarded-Proto", FieldName::Owned),
            ("x-account-id", FieldName::Owned),
            ("Remote-User", FieldName::Owned),
            ("Proxy-Authorization", FieldName::HopByHop),
            ("Accept-Language", FieldName::Other),
            ("X", FieldName::Other),
        ] {
            assert_eq!(FieldName::of(name.as_bytes()), kind, "{name}");
        }
    }

    #[test]
    fn a_length_has_one_form() {
        assert_eq!(canonical_length(b"0"), Some(0));
        assert_eq!(canonical_length(b"1048576"), Some(1_048_576));
        for wrong in [
            "",
            "00",
            "005",
            "+5",
            "-1",
            "5, 5",
            "5 ",
            "0x5",
            "9999999999999999999999",
        ] {
            assert_eq!(canonical_length(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_client_cannot_nominate_fields_for_removal() {
        assert!(connection_tokens(b"keep-alive, Upgrade").is_some_and(|t| t.keep_alive && t.upgrade && !t.close));
        for wrong in ["close, X-Account-Id", "", "close,", "te"] {
            assert_eq!(connection_tokens(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn every_byte_of_a_name_is_judged() {
        assert!(parse_line(b"X-Ok: v\tw \x80").is_ok());
        for (line, refusal) in [
            (&b"X_Account_Id: 1"[..], Refusal::ForbiddenField),
            (b"X.Account.Id: 1", Refusal::ForbiddenField),
            (b"Host : a", Refusal::MalformedRequest),
            (b" folded: a", Refusal::MalformedRequest),
            (b"no colon", Refusal::MalformedRequest),
            (b": empty", Refusal::MalformedRequest),
        ] {
            assert_eq!(parse_line(line).unwrap_err(), refusal, "{}", line.escape_ascii());
        }
    }
}
