//! Which other origins' scripts may read a route's answers (the Fetch standard's CORS protocol). Pure.
//!
//! Where a route has a rule, the proxy alone speaks for it: what the app says of CORS is taken away. A rule widens what a
//! browser lets others' scripts read; it never replaces a credential.

use super::framing::{Framed, Method};
use http::HeaderValue;

/// A route's rule, checked.
#[derive(Clone, Debug)]
pub struct CorsRule {
    /// Every origin, for answers that need no credential; never together with `credentials`.
    pub any_origin: bool,
    /// Lower-case, in the form in which browsers write them.
    pub origins: Vec<String>,
    /// Whether a browser may send what it knows the user by.
    pub credentials: bool,
    /// The values of the fields that a preflight is answered with.
    pub methods: HeaderValue,
    pub headers: HeaderValue,
    pub max_age: HeaderValue,
    /// The fields that scripts may read beside the usual ones.
    pub expose: HeaderValue,
}

/// A field of an answer.
pub type AnswerField = (&'static str, HeaderValue);

/// What a route's rule says of one request's origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The route has no rule.
    Silent,
    /// Scripts of this origin may read the answer. The value is that of `Access-Control-Allow-Origin`.
    Allowed(HeaderValue),
    /// They may not, or there is no origin; caches must know that another origin may be answered otherwise.
    NotAllowed,
}

impl CorsRule {
    /// Whether scripts of this origin may read answers.
    #[must_use]
    pub fn allows(&self, origin: &[u8]) -> bool {
        self.any_origin
            || self
                .origins
                .iter()
                .any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin))
    }

    /// The fields that an answer to a preflight carries beside those of [`answer_fields`].
    #[must_use]
    pub fn preflight_fields(&self) -> [AnswerField; 3] {
        [
            ("Access-Control-Allow-Methods", self.methods.clone()),
            ("Access-Control-Allow-Headers", self.headers.clone()),
            ("Access-Control-Max-Age", self.max_age.clone()),
        ]
    }
}

/// Judges the origin of a request.
#[must_use]
pub fn judge(rule: Option<&CorsRule>, origin: Option<&[u8]>) -> Verdict {
    let Some(rule) = rule else { return Verdict::Silent };
    match origin.filter(|origin| rule.allows(origin)) {
        Some(_) if rule.any_origin => Verdict::Allowed(HeaderValue::from_static("*")),
        Some(origin) => HeaderValue::from_bytes(origin).map_or(Verdict::NotAllowed, Verdict::Allowed),
        None => Verdict::NotAllowed,
    }
}

/// The fields of any answer on a route with this rule, refusals included.
#[must_use]
pub fn answer_fields(rule: &CorsRule, verdict: &Verdict) -> Vec<AnswerField> {
    let mut fields = Vec::with_capacity(4);
    if !rule.any_origin {
        fields.push(("Vary", HeaderValue::from_static("Origin")));
    }
    if let Verdict::Allowed(origin) = verdict {
        fields.push(("Access-Control-Allow-Origin", origin.clone()));
        if rule.credentials {
            fields.push(("Access-Control-Allow-Credentials", HeaderValue::from_static("true")));
        }
        if !rule.expose.is_empty() {
            fields.push(("Access-Control-Expose-Headers", rule.expose.clone()));
        }
    }
    fields
}

/// Whether a request only asks what a script may send: `OPTIONS` with an origin and a method to ask about.
#[must_use]
pub fn is_preflight(framed: &Framed<'_>) -> bool {
    framed.method == Method::Options
        && framed.origin.is_some()
        && framed
            .fields
            .iter()
            .any(|field| field.name.eq_ignore_ascii_case(b"access-control-request-method"))
}

/// Whether a text is an origin as browsers write it: scheme and authority, and nothing else.
#[must_use]
pub fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let plain = scheme
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'+' | b'-' | b'.'));
    let default_port = match scheme {
        "http" => authority.ends_with(":80"),
        "https" => authority.ends_with(":443"),
        _ => false,
    };
    plain
        && !scheme.is_empty()
        && !default_port
        && super::route::Host::parse(authority.as_bytes()).is_some_and(|host| !host.name.contains('*'))
        && authority == authority.to_ascii_lowercase()
        && !authority.ends_with('.')
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::framing;
    use super::*;

    pub fn rule(origins: &[&str], any_origin: bool, credentials: bool) -> CorsRule {
        CorsRule {
            any_origin,
            origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
            credentials,
            methods: HeaderValue::from_static("GET"),
            headers: HeaderValue::from_static("Authorization"),
            max_age: HeaderValue::from_static("600"),
            expose: HeaderValue::from_static("X-Request-Id"),
        }
    }

    fn names(fields: &[AnswerField]) -> Vec<&str> {
        fields.iter().map(|(name, _)| *name).collect()
    }

    #[test]
    fn only_a_listed_origin_is_named_in_the_answer() {
        let rule = rule(&["https://app.example.com"], false, true);
        let allowed = judge(Some(&rule), Some(b"https://app.example.com"));
        assert_eq!(
            names(&answer_fields(&rule, &allowed)),
            [
                "Vary",
                "Access-Control-Allow-Origin",
                "Access-Control-Allow-Credentials",
                "Access-Control-Expose-Headers"
            ]
        );
        for origin in [
            None,
            Some(&b"null"[..]),
            Some(b"https://app.example.com.evil.com"),
            Some(b"http://app.example.com"),
            Some(b"https://evil.com"),
            Some(b"https://app.example.com:8443"),
        ] {
            let verdict = judge(Some(&rule), origin);
            assert_eq!(verdict, Verdict::NotAllowed);
            assert_eq!(names(&answer_fields(&rule, &verdict)), ["Vary"]);
        }
        assert_eq!(judge(None, Some(b"https://evil.com")), Verdict::Silent);
    }

    #[test]
    fn a_star_comes_without_credentials() {
        let rule = rule(&[], true, false);
        let verdict = judge(Some(&rule), Some(b"https://anybody.example"));
        assert_eq!(verdict, Verdict::Allowed(HeaderValue::from_static("*")));
        assert!(!names(&answer_fields(&rule, &verdict)).contains(&"Access-Control-Allow-Credentials"));
    }

    #[test]
    fn a_preflight_is_options_with_an_origin_and_a_method_to_ask_about() {
        let ask = |block: &str| is_preflight(&framing::parse(block.replace('\n', "\r\n").as_bytes()).unwrap());
        let whole = "OPTIONS /a HTTP/1.1\nHost: h\nOrigin: https://a.b\naccess-control-request-method: PUT\n\n";
        assert!(ask(whole));
        assert!(!ask(&whole.replace("OPTIONS", "GET")));
        assert!(!ask("OPTIONS /a HTTP/1.1\nHost: h\nOrigin: https://a.b\n\n"));
        assert!(!ask(
            "OPTIONS /a HTTP/1.1\nHost: h\nAccess-Control-Request-Method: PUT\n\n"
        ));
    }

    #[test]
    fn an_origin_is_scheme_and_authority() {
        for good in ["https://a.b", "http://localhost:3000", "https://[::1]:8443", "app://x"] {
            assert!(is_origin(good), "{good}");
        }
        for wrong in [
            "",
            "*",
            "null",
            "a.b",
            "https://a.b/",
            "https://A.b",
            "https://*.b",
            "HTTPS://a.b",
            "https://a.b:443",
            "http://a.b:80",
            "https://u@a.b",
            "://a.b",
            "https://",
        ] {
            assert!(!is_origin(wrong), "{wrong}");
        }
    }
}
