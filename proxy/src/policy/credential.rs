//! Which credential a request presents: at most one, never guessed (RFC 6750; RFC 9110, section 11.6.2). Pure.

use super::framing::Framed;
use super::path;
use igny8_contract::refusal::Refusal;

/// How API keys start.
pub const API_KEY_PREFIX: &[u8] = igny8_contract::api_key::PREFIX.as_bytes();

/// What a request proves identity with; unverified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    Nothing,
    /// What follows `Bearer`; whether it is a token at all is for its verification to say.
    Bearer(&'a [u8]),
    ApiKey(&'a [u8]),
}

/// Query parameters that clients have been seen to carry tokens in (RFC 6750, section 2.3, has the first).
const TOKEN_PARAMETERS: [&str; 5] = ["access_token", "bearer_token", "jwt", "api_key", "apikey"];

/// Finds the credential of a request.
///
/// # Errors
/// `credentials_ambiguous` for a list, for two credentials that disagree, or for one in the query beside one in a field;
/// `token_invalid` for an empty token, `api_key_invalid` for what cannot be a key; `credentials_required` for other schemes than Bearer.
pub fn presented<'a>(framed: &Framed<'a>, query: Option<&str>) -> Result<Presented<'a>, Refusal> {
    if framed.authorization.is_none() && framed.api_key.is_none() {
        return Ok(Presented::Nothing);
    }
    let authorization = framed.authorization.map(bearer).transpose()?;
    let api_key = match framed.api_key {
        Some(value) => Some(api_key(value).ok_or(Refusal::ApiKeyInvalid)?),
        None => None,
    };
    if query.is_some_and(holds_credential) {
        return Err(Refusal::CredentialsAmbiguous);
    }
    match (authorization, api_key) {
        (Some(Presented::ApiKey(one)), Some(other)) if one == other => Ok(Presented::ApiKey(other)),
        (Some(_), Some(_)) => Err(Refusal::CredentialsAmbiguous),
        (Some(credential), None) => Ok(credential),
        (None, Some(key)) => Ok(Presented::ApiKey(key)),
        (None, None) => Ok(Presented::Nothing),
    }
}

fn bearer(value: &[u8]) -> Result<Presented<'_>, Refusal> {
    let space = memchr::memchr(b' ', value).unwrap_or(value.len());
    let (scheme, token) = (&value[..space], value.get(space + 1..).unwrap_or_default());
    if memchr::memchr(b',', value).is_some() {
        return Err(Refusal::CredentialsAmbiguous);
    }
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(Refusal::CredentialsRequired);
    }
    if token.starts_with(API_KEY_PREFIX) {
        return api_key(token).map(Presented::ApiKey).ok_or(Refusal::ApiKeyInvalid);
    }
    if token.is_empty() {
        Err(Refusal::TokenInvalid)
    } else {
        Ok(Presented::Bearer(token))
    }
}

fn api_key(value: &[u8]) -> Option<&[u8]> {
    let plain = value.starts_with(API_KEY_PREFIX)
        && value.len() <= 128
        && value
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    plain.then_some(value)
}

/// Whether a query carries a credential: a parameter of such a name, or, under any name, what looks like a JWT or one of our
/// keys. Everything is read as the app would: escapes decoded once, parted at `&` and at `;`.
#[must_use]
pub fn holds_credential(query: &str) -> bool {
    query.as_bytes().split(|byte| matches!(byte, b'&' | b';')).any(|pair| {
        let equals = memchr::memchr(b'=', pair);
        let (name, value) = equals.map_or((pair, pair), |equals| (&pair[..equals], &pair[equals + 1..]));
        TOKEN_PARAMETERS.iter().any(|parameter| is_named(name, parameter)) || looks_like_credential(value)
    })
}

/// Whether a name is this one, in whatever case.
fn is_named(name: &[u8], parameter: &str) -> bool {
    name.len() >= parameter.len()
        && decoded(name)
            .map(|byte| byte.to_ascii_lowercase())
            .eq(parameter.bytes())
}

/// Whether one of a value's words looks like a JWT (RFC 7519, section 3: three parts; its header is an object, so it begins with
/// `{"`) or like one of our keys. A scheme may stand before it.
fn looks_like_credential(value: &[u8]) -> bool {
    let mut word = Word::default();
    for byte in decoded(value) {
        if matches!(byte, b' ' | b'+') {
            if word.looks_like_credential() {
                return true;
            }
            word = Word::default();
        } else {
            word.take(byte);
        }
    }
    word.looks_like_credential()
}

/// The bytes of a part of a query, its escapes decoded once.
fn decoded(text: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (first, after) = rest.split_first()?;
        let escaped = if *first == b'%' { path::escaped(after) } else { None };
        rest = if escaped.is_some() { &after[2..] } else { after };
        Some(escaped.unwrap_or(*first))
    })
}

/// A word of a value, looked at byte by byte.
#[derive(Default)]
struct Word {
    length: usize,
    dots: usize,
    /// A byte has come that does not stand in a key there, or in a JWT.
    no_key: bool,
    no_jwt: bool,
}

impl Word {
    fn take(&mut self, byte: u8) {
        let differs = |start: &[u8]| start.get(self.length).is_some_and(|expected| *expected != byte);
        self.no_key |= differs(API_KEY_PREFIX);
        self.no_jwt |= differs(b"eyJ") || !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        self.dots += usize::from(byte == b'.');
        self.length += 1;
    }

    const fn looks_like_credential(&self) -> bool {
        (!self.no_key && self.length >= API_KEY_PREFIX.len()) || (!self.no_jwt && self.dots == 2)
    }
}

#[cfg(test)]
mod tests {
    use super::super::framing;
    use super::*;
    use proptest::prelude::*;

    fn run(fields: &str, query: Option<&str>) -> Result<String, Refusal> {
        let block = format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n");
        let framed = framing::parse(block.as_bytes())?;
        presented(&framed, query).map(|found| match found {
            Presented::Nothing => "nothing".to_owned(),
            Presented::Bearer(token) => format!("bearer {}", token.escape_ascii()),
            Presented::ApiKey(key) => format!("key {}", key.escape_ascii()),
        })
    }

    #[test]
    fn one_credential_is_found() {
        assert_eq!(run("Authorization: Bearer a.b.c", None).unwrap(), "bearer a.b.c");
        assert_eq!(run("Authorization: bEARER a.b.c", None).unwrap(), "bearer a.b.c");
        assert_eq!(run("Authorization: Bearer igk_1", None).unwrap(), "key igk_1");
        assert_eq!(run("X-Api-Key: igk_1", None).unwrap(), "key igk_1");
        assert_eq!(
            run("X-Api-Key: igk_1\r\nAuthorization: Bearer igk_1", None).unwrap(),
            "key igk_1"
        );
        assert_eq!(run("Accept: x", Some("access_token=1")).unwrap(), "nothing");
    }

    #[test]
    fn two_credentials_are_never_weighed() {
        use Refusal::*;
        for (fields, query, refusal) in [
            (
                "X-Api-Key: igk_1\r\nAuthorization: Bearer a.b.c",
                None,
                CredentialsAmbiguous,
            ),
            (
                "X-Api-Key: igk_1\r\nAuthorization: Bearer igk_2",
                None,
                CredentialsAmbiguous,
            ),
            ("Authorization: Bearer a.b.c, Bearer d.e.f", None, CredentialsAmbiguous),
            (
                "Authorization: Bearer a.b.c",
                Some("x=1&access_token=d"),
                CredentialsAmbiguous,
            ),
            ("X-Api-Key: igk_1", Some("k=igk_1"), CredentialsAmbiguous),
            ("X-Api-Key: igk_1", Some("access%5Ftoken=x"), CredentialsAmbiguous),
            ("Authorization: Basic YTpi", None, CredentialsRequired),
            ("Authorization: Bearer", None, TokenInvalid),
            ("X-Api-Key: a.b.c", None, ApiKeyInvalid),
            ("Authorization: Bearer igk_a.b", None, ApiKeyInvalid),
        ] {
            assert_eq!(run(fields, query), Err(refusal), "{fields}");
        }
    }

    #[test]
    fn a_credential_in_the_query_is_found_under_any_name_and_however_it_is_escaped() {
        for query in [
            "access_token=x",
            "access%5Ftoken=x",
            "%61ccess_token=x",
            "ACCESS_TOKEN",
            "a=1;access_token=x",
            "a=1&jwt=x",
            "api%5fkey=1",
            "token=eyJhbGciOiJFZERTQSJ9.e30.c2ln",
            "a=1&x=eyJhbGciOiJub25lIn0.e30.",
            "x=%65yJhbGciOiJFZERTQSJ9%2Ee30%2ec2ln",
            "authorization=Bearer+eyJhbGciOiJFZERTQSJ9.e30.c2ln",
            "authorization=Bearer%20eyJhbGciOiJFZERTQSJ9.e30.c2ln",
            "eyJhbGciOiJFZERTQSJ9.e30.c2ln",
            "a=1;x=eyJhbGciOiJFZERTQSJ9.e30.c2ln;b=2",
            "x=igk_1",
            "x=%69gk%5F1",
            "igk_1",
        ] {
            assert!(holds_credential(query), "{query}");
        }
        for query in [
            "",
            "token=abc",
            "auth_token=x",
            "access_tokens=x",
            "x=access_token",
            "access%255Ftoken=x",
            "file=a.b.c",
            "x=eyJhbGciOiJFZERTQSJ9.e30",
            "x=eyJhbGciOiJFZERTQSJ9.e30.c2ln.more.parts",
            "x=eyJh!.e30.c2ln",
            "x=1eyJhbGciOiJFZERTQSJ9.e30.c2ln",
            "x=a_igk_1",
            "x=%6",
            "x=igk",
        ] {
            assert!(!holds_credential(query), "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_escape_hides_a_token_in_the_query(
            name in "[a-z]{0,6}", parts in ["eyJ[A-Za-z0-9_-]{1,8}", "[A-Za-z0-9_-]{1,8}", "[A-Za-z0-9_-]{0,8}"], escapes: u64
        ) {
            let token = parts.join(".");
            let value: String = token
                .bytes()
                .enumerate()
                .map(|(place, byte)| match escapes >> (place % 64) & 1 {
                    1 => format!("%{byte:02x}"),
                    _ => char::from(byte).to_string(),
                })
                .collect();
            let query = format!("a=1&{name}={value}&b=2");
            prop_assert!(holds_credential(&query), "{}", query);
        }

        #[test]
        fn no_query_breaks_the_reading(query in ".{0,60}") {
            let _ = holds_credential(&query);
        }
    }
}
