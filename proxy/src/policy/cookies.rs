//! Cookies on their way in: the one `Cookie` field that goes upstream is rebuilt from parsed pairs. Pure.
//!
//! Pairs are split at every `;`, whatever quotes stand around it; a pair in whose value a reader that splits at commas or at
//! white space would find a session is dropped. Names are compared as the most lenient reader would: Unicode white space
//! trimmed, escapes decoded, case and PHP's dots folded. What passes, passes byte for byte.

use super::fields::{FieldName, trim};
use super::framing::Framed;
use super::route::{Route, RouteKind};

/// The names that carry a session, and what else the proxy knows of cookies.
#[derive(Clone, Debug)]
pub struct CookieRules {
    names: Vec<SessionName>,
    shortest: usize,
}

/// A name of the drop list.
#[derive(Clone, Debug)]
struct SessionName {
    /// As the operator wrote it: so the app calls it.
    configured: String,
    /// The form in which names are compared.
    folded: String,
}

impl CookieRules {
    /// The drop list, by name, the first [`MAX_NAMES`] of it; prefixed forms are meant as well.
    #[must_use]
    pub fn new(names: &[String]) -> Self {
        let names: Vec<SessionName> = names
            .iter()
            .take(MAX_NAMES)
            .map(|name| SessionName {
                configured: name.clone(),
                folded: fold(name.as_bytes()),
            })
            .collect();
        Self {
            shortest: names.iter().map(|name| name.folded.len()).min().unwrap_or(usize::MAX),
            names,
        }
    }

    /// The session cookie that a name, as any framework might read it, means: its configured name.
    #[must_use]
    pub fn session_name(&self, name: &[u8]) -> Option<&str> {
        self.find(name).map(|(_, session)| session.configured.as_str())
    }

    /// The same with its place in the drop list.
    fn find(&self, name: &[u8]) -> Option<(usize, &SessionName)> {
        // Most cookies are ruled out by their length before anything is decoded.
        if name.len() < self.shortest {
            return None;
        }
        // And of the rest, nearly all are spelled plainly and need no decoding.
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let same: &dyn Fn(&SessionName) -> bool = if name.iter().all(plain) && !name.starts_with(b"__") {
            &|session| session.folded.as_bytes().eq_ignore_ascii_case(name)
        } else {
            let folded = fold(name);
            &move |session| session.folded == folded
        };
        self.names.iter().enumerate().find(|(_, session)| same(session))
    }

    /// The names of the drop list, as they are configured.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| name.configured.as_str())
    }
}

/// How many names a drop list has at most: a bit of a word for each.
pub const MAX_NAMES: usize = u64::BITS as usize;

/// How many session pairs of one request are looked at. A request that brings more of them where they count is refused.
pub const MAX_SESSIONS: usize = 4;

/// What a request's cookies come down to.
#[derive(Debug, Default)]
pub struct Cookies<'a> {
    /// The value of the field that goes upstream; empty when none goes.
    pub forward: Vec<u8>,
    /// Session pairs in their order, at most [`MAX_SESSIONS`], and how many of them there are.
    sessions: [SessionPair<'a>; MAX_SESSIONS],
    session_count: usize,
    /// There were more.
    too_many: bool,
}

impl<'a> Cookies<'a> {
    /// Session pairs in their order, at most [`MAX_SESSIONS`].
    #[must_use]
    pub fn sessions(&self) -> &[SessionPair<'a>] {
        &self.sessions[..self.session_count]
    }

    /// Whether the request brought more sessions than that.
    #[must_use]
    pub const fn has_too_many_sessions(&self) -> bool {
        self.too_many
    }

    /// Lets the one session of the request go on after all, under the name that its source was asked about.
    pub fn pass_session(&mut self) {
        let [session] = &self.sessions[..self.session_count] else {
            return;
        };
        if !self.forward.is_empty() {
            self.forward.extend_from_slice(b"; ");
        }
        self.forward.extend_from_slice(session.name.as_bytes());
        self.forward.push(b'=');
        self.forward.extend_from_slice(session.value);
    }
}

/// A cookie that carries a session.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionPair<'a> {
    /// As it was brought; where that is no plain name, as it is configured.
    pub name: &'a str,
    /// As it is configured.
    configured: &'a str,
    pub value: &'a [u8],
}

impl<'a> SessionPair<'a> {
    fn new(brought: &'a [u8], session: &'a SessionName, value: &'a [u8]) -> Self {
        let configured = session.configured.as_str();
        let plain = (brought != configured.as_bytes() && is_plain_name(brought)).then_some(brought);
        let name = plain.and_then(|name| std::str::from_utf8(name).ok());
        Self {
            name: name.unwrap_or(configured),
            configured,
            value: unquote(value),
        }
    }

    /// The names under which an app may know the session: as it was brought, and as it is configured where that differs.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        std::iter::once(self.name).chain(self.spelled_otherwise().then_some(self.configured))
    }

    /// Whether it was brought under another name than the configured one.
    #[must_use]
    pub fn spelled_otherwise(&self) -> bool {
        self.name != self.configured
    }
}

/// Rebuilds the cookies of a request for its route.
#[must_use]
pub fn rebuild<'a>(framed: &Framed<'a>, route: &Route, rules: &'a CookieRules) -> Cookies<'a> {
    let mut cookies = Cookies::default();
    // The names of the drop list that have come already, by their places: a bit each.
    let mut seen = 0_u64;
    if !framed.has_cookies {
        return cookies;
    }
    for field in framed
        .fields
        .iter()
        .filter(|field| field.name_kind == FieldName::Cookie)
    {
        for pair in field.value.split(|byte| *byte == b';').map(trim) {
            let Some(equals) = memchr::memchr(b'=', pair) else {
                continue;
            };
            let (name, value) = (&pair[..equals], &pair[equals + 1..]);
            let passes = if let Some((place, session)) = rules.find(name) {
                let first = seen & 1 << place == 0;
                seen |= 1 << place;
                if let Some(place) = cookies.sessions.get_mut(cookies.session_count) {
                    *place = SessionPair::new(name, session, trim(value));
                    cookies.session_count += 1;
                } else {
                    cookies.too_many = true;
                }
                first && route.kind == RouteKind::Admin && is_plain_name(name)
            } else {
                is_plain_name(name) && passes(route, name, value)
            };
            if passes && !hides_session(value, rules) {
                if cookies.forward.is_empty() {
                    cookies.forward.reserve(field.value.len());
                } else {
                    cookies.forward.extend_from_slice(b"; ");
                }
                cookies.forward.extend_from_slice(pair);
            }
        }
    }
    cookies
}

/// Whether a pair that carries no session goes upstream. To an API goes what is a single pair to every reader.
fn passes(route: &Route, name: &[u8], value: &[u8]) -> bool {
    match route.kind {
        RouteKind::Admin | RouteKind::Page => true,
        RouteKind::Api | RouteKind::Public => {
            let named = route.cookies_allow.iter().any(|allowed| allowed.as_bytes() == name);
            named && !value.iter().any(ends_value)
        }
    }
}

/// Whether some reader ends a value here: at a comma, as RFC 2965 had it and some servers still do, or at white space, as
/// Python's `http.cookies` does. What is not ASCII may be white space in one encoding or another.
fn ends_value(byte: &u8) -> bool {
    *byte == b',' || !byte.is_ascii_graphic()
}

/// Whether such a reader finds a session behind the value's end.
fn hides_session(value: &[u8], rules: &CookieRules) -> bool {
    // Most values hold nothing that could be a further pair.
    if memchr::memchr(b'=', value).is_none() {
        return false;
    }
    let mut before: &[u8] = b"";
    for (place, word) in value.split(ends_value).enumerate() {
        let name_start = word.iter().take_while(|byte| **byte == b'=').count();
        // White space may stand between the name and its `=`.
        if name_start > 0 && rules.session_name(before).is_some() {
            return true;
        }
        let rest = &word[name_start..];
        let names_session = |equals| rules.session_name(&rest[..equals]).is_some();
        if place > 0 && memchr::memchr(b'=', rest).is_some_and(names_session) {
            return true;
        }
        if !word.is_empty() {
            before = word;
        }
    }
    false
}

/// A name that every reader takes for the same name (RFC 6265, section 4.1.1: a token).
#[must_use]
pub fn is_plain_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| super::fields::is_token(*byte))
}

fn unquote(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

/// The form in which names are compared.
fn fold(name: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [byte, after @ ..] = rest {
        rest = after;
        let escaped = match (byte, rest) {
            (b'%', [high, low, ..]) => char::from(*high).to_digit(16).zip(char::from(*low).to_digit(16)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = &rest[2..];
            }
            None => bytes.push(*byte),
        }
    }
    // A server may read the bytes as UTF-8 or as Latin-1; both have white space that Python's `str.strip` removes.
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    let blank = |c: char| c.is_whitespace() || c.is_control() || c == '"';
    let folded = text.trim_matches(blank).to_lowercase().replace(['.', ' ', '['], "_");
    for prefix in ["__host-", "__secure-"] {
        if let Some(bare) = folded.strip_prefix(prefix) {
            return bare.to_owned();
        }
    }
    folded
}

#[cfg(test)]
mod tests;
