//! Which credential a request presents: at most one, never guessed (RFC 6750; RFC 9110, section 11.6.2). Pure.

use super::framing::Framed;
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

/// Query parameters that clients have been seen to carry tokens in.
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
    if query.is_some_and(names_a_token) {
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

fn names_a_token(query: &str) -> bool {
    query.split('&').any(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        value.as_bytes().starts_with(API_KEY_PREFIX)
            || TOKEN_PARAMETERS
                .iter()
                .any(|parameter| name.eq_ignore_ascii_case(parameter))
    })
}

#[cfg(test)]
mod tests {
    use super::super::framing;
    use super::*;

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
            ("Authorization: Basic YTpi", None, CredentialsRequired),
            ("Authorization: Bearer", None, TokenInvalid),
            ("X-Api-Key: a.b.c", None, ApiKeyInvalid),
            ("Authorization: Bearer igk_a.b", None, ApiKeyInvalid),
        ] {
            assert_eq!(run(fields, query), Err(refusal), "{fields}");
        }
    }
}
