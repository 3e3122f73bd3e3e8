//! The security fields of pages: what an app left out is added, and what it says itself stands. Pure.

use super::route::RouteKind;
use http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The values to add; nothing where a field is switched off.
#[derive(Clone, Debug, Default)]
pub struct SecurityFields {
    pub content_type_options: Option<HeaderValue>,
    pub referrer_policy: Option<HeaderValue>,
    pub frame_options: Option<HeaderValue>,
    /// Told to clients that came by TLS alone (RFC 6797, section 7.2).
    pub strict_transport_security: Option<HeaderValue>,
}

impl SecurityFields {
    /// What an answer on a route of this kind lacks. `secure` says that the client came by TLS.
    #[must_use]
    pub fn missing<'a>(
        &'a self,
        answer: &HeaderMap,
        kind: RouteKind,
        secure: bool,
    ) -> Vec<(HeaderName, &'a HeaderValue)> {
        let mut missing = Vec::new();
        let mut add = |name: HeaderName, value: &'a Option<HeaderValue>| {
            if let Some(value) = value.as_ref().filter(|_| !answer.contains_key(&name)) {
                missing.push((name, value));
            }
        };
        match kind {
            RouteKind::Page | RouteKind::Admin => {
                add(X_CONTENT_TYPE_OPTIONS, &self.content_type_options);
                add(REFERRER_POLICY, &self.referrer_policy);
                if !names_frame_ancestors(answer) {
                    add(X_FRAME_OPTIONS, &self.frame_options);
                }
            }
            RouteKind::Api | RouteKind::Public => {}
        }
        if secure {
            add(STRICT_TRANSPORT_SECURITY, &self.strict_transport_security);
        }
        missing
    }
}

/// Whether the app has said by itself who may frame its page.
fn names_frame_ancestors(answer: &HeaderMap) -> bool {
    const DIRECTIVE: &[u8] = b"frame-ancestors";
    answer.get_all(CONTENT_SECURITY_POLICY).iter().any(|policy| {
        policy
            .as_bytes()
            .windows(DIRECTIVE.len())
            .any(|part| part.eq_ignore_ascii_case(DIRECTIVE))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> SecurityFields {
        SecurityFields {
            content_type_options: Some(HeaderValue::from_static("nosniff")),
            referrer_policy: Some(HeaderValue::from_static("same-origin")),
            frame_options: Some(HeaderValue::from_static("DENY")),
            strict_transport_security: Some(HeaderValue::from_static("max-age=1")),
        }
    }

    fn missing(answer: &[(HeaderName, &'static str)], kind: RouteKind, secure: bool) -> Vec<String> {
        let answer = answer
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        fields()
            .missing(&answer, kind, secure)
            .iter()
            .map(|(name, _)| name.to_string())
            .collect()
    }

    #[test]
    fn a_page_gets_what_its_app_left_out_and_nothing_twice() {
        let all = ["x-content-type-options", "referrer-policy", "x-frame-options"];
        assert_eq!(missing(&[], RouteKind::Page, false), all);
        assert_eq!(missing(&[], RouteKind::Admin, false), all);
        let own = [(REFERRER_POLICY, "no-referrer"), (X_FRAME_OPTIONS, "SAMEORIGIN")];
        assert_eq!(missing(&own, RouteKind::Page, false), ["x-content-type-options"]);
        let policy = [(CONTENT_SECURITY_POLICY, "default-src 'self'; Frame-Ancestors 'self'")];
        assert!(!missing(&policy, RouteKind::Page, false).contains(&"x-frame-options".to_owned()));
        assert!(missing(&[], RouteKind::Api, false).is_empty());
    }

    #[test]
    fn transport_security_is_told_under_tls_alone() {
        assert_eq!(missing(&[], RouteKind::Api, true), ["strict-transport-security"]);
        assert!(!missing(&[], RouteKind::Page, false).contains(&"strict-transport-security".to_owned()));
        let own = [(STRICT_TRANSPORT_SECURITY, "max-age=0")];
        assert!(missing(&own, RouteKind::Api, true).is_empty());
    }
}
