//! Refusals as answers: one code, one status, one sentence, as JSON for programs and as a page for people.

use crate::policy::route::RouteKind;
use crate::throttle;
use http::HeaderValue;
use igny8_contract::refusal::Refusal;
use pingora::http::ResponseHeader;

/// Everything an answer of the proxy's own needs to know.
#[derive(Debug)]
pub struct Answer<'a> {
    pub refusal: Refusal,
    pub request_id: &'a str,
    /// For people rather than programs.
    pub html: bool,
    /// Full `Set-Cookie` values.
    pub cookies: Vec<String>,
    /// Further fields, such as the throttle's.
    pub fields: Vec<(&'static str, HeaderValue)>,
    /// `HEAD` was asked: the fields of a body without the body.
    pub head_only: bool,
}

/// Whether a refusal is told to people (HTML) or to programs (JSON): by the route's kind, then by `Accept`.
#[must_use]
pub fn wants_html(kind: Option<RouteKind>, accept: Option<&[u8]>) -> bool {
    let accepts = |media: &str| {
        accept.is_some_and(|accept| {
            accept
                .windows(media.len())
                .any(|part| part.eq_ignore_ascii_case(media.as_bytes()))
        })
    };
    match kind {
        Some(kind) if kind.answers_json() => false,
        Some(_) => accepts("text/html") || !accepts("application/json"),
        None => accepts("text/html"),
    }
}

impl Answer<'_> {
    fn content_type(&self) -> &'static str {
        if self.html {
            "text/html; charset=utf-8"
        } else {
            "application/json"
        }
    }

    /// The body in full, also where `HEAD` leaves it out.
    #[must_use]
    pub fn body(&self) -> String {
        if self.html {
            return page(self.refusal, self.request_id);
        }
        // The envelope holds only strings and a boolean, so it always serialises.
        serde_json::to_string(&self.refusal.body::<()>(self.request_id, None)).unwrap_or_default()
    }

    /// The challenge of a 401 (RFC 6750, section 3).
    fn challenge(&self) -> Option<&'static str> {
        match self.refusal {
            Refusal::CredentialsRequired | Refusal::InvalidCredentials => Some("Bearer realm=\"igny8\""),
            Refusal::TokenExpired => Some(
                "Bearer realm=\"igny8\", error=\"invalid_token\", error_description=\"The access token has expired\"",
            ),
            Refusal::CredentialsAmbiguous => Some("Bearer realm=\"igny8\", error=\"invalid_request\""),
            other if other.status() == 401 => Some("Bearer realm=\"igny8\", error=\"invalid_token\""),
            _ => None,
        }
    }

    /// Every field but those that frame the body, in order.
    fn fields(&self) -> Vec<(&'static str, HeaderValue)> {
        let mut fields = vec![
            ("Content-Type", HeaderValue::from_static(self.content_type())),
            ("Cache-Control", HeaderValue::from_static("no-store")),
            ("X-Content-Type-Options", HeaderValue::from_static("nosniff")),
        ];
        if let Ok(id) = HeaderValue::from_str(self.request_id) {
            fields.push(("X-Request-Id", id));
        }
        if let Some(challenge) = self.challenge() {
            fields.push(("WWW-Authenticate", HeaderValue::from_static(challenge)));
        }
        if self.html {
            let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";
            fields.push(("Content-Security-Policy", HeaderValue::from_static(policy)));
        }
        if self.refusal == Refusal::MethodNotAllowed {
            fields.push((
                "Allow",
                HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            ));
        }
        let passes_soon = matches!(
            self.refusal,
            Refusal::CoreUnavailable | Refusal::SessionSourceUnavailable | Refusal::Throttled
        );
        // Who was throttled without a rate, as when the shared store is down, has nothing yet that says when to come back.
        let says_when = self.fields.iter().any(|(name, _)| *name == throttle::RETRY_AFTER);
        if passes_soon && !says_when {
            fields.push((throttle::RETRY_AFTER, HeaderValue::from_static("1")));
        }
        fields.extend(self.fields.iter().cloned());
        let cookies = self
            .cookies
            .iter()
            .filter_map(|cookie| HeaderValue::from_str(cookie).ok());
        fields.extend(cookies.map(|cookie| ("Set-Cookie", cookie)));
        fields
    }

    /// The answer as HTTP/1.1 bytes; `close` says that no further request is read from the connection.
    #[must_use]
    pub fn to_bytes(&self, close: bool) -> Vec<u8> {
        let body = self.body();
        let status = http::StatusCode::from_u16(self.refusal.status()).unwrap_or_default();
        let mut bytes = Vec::with_capacity(body.len() + 512);
        let reason = status.canonical_reason().unwrap_or("");
        bytes.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).as_bytes());
        for (name, value) in self.fields() {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(if close { b"Connection: close\r\n\r\n" } else { b"\r\n" });
        if !self.head_only {
            bytes.extend_from_slice(body.as_bytes());
        }
        bytes
    }

    /// The answer's head for a request that has already reached pingora.
    ///
    /// # Errors
    /// Only what pingora itself would refuse to write.
    pub fn to_head(&self, body_length: usize) -> pingora::Result<ResponseHeader> {
        let mut head = ResponseHeader::build(self.refusal.status(), Some(12))?;
        for (name, value) in self.fields() {
            head.append_header(name, value)?;
        }
        head.insert_header("Content-Length", body_length.to_string())?;
        Ok(head)
    }
}

/// A small page that says what happened and how to go on. It needs nothing else to show.
fn page(refusal: Refusal, request_id: &str) -> String {
    let (title, text, action) = match refusal {
        Refusal::SuperuserSessionBlocked => (
            "You were signed out",
            "An administrator session was open in this browser, and this part of the site never runs with one. \
             It has been ended. Nothing else was changed: continue as a visitor, or sign in to the admin panel again.",
            "<a href=\"\">Continue</a>",
        ),
        Refusal::Throttled => ("Too many requests", refusal.sentence(), "<a href=\"\">Try again</a>"),
        Refusal::NoRoute | Refusal::NotFound => {
            ("Not found", refusal.sentence(), "<a href=\"/\">To the start page</a>")
        }
        Refusal::UpstreamUnreachable | Refusal::UpstreamTimeout | Refusal::CoreUnavailable => {
            ("Back in a moment", refusal.sentence(), "<a href=\"\">Try again</a>")
        }
        _ => ("This request was refused", refusal.sentence(), ""),
    };
    let status = refusal.status();
    let code = refusal.code();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{title}</title><style>\
:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center}}\
main{{max-width:32rem;padding:2rem}}h1{{font-size:1.5rem;margin:0 0 .5rem}}a{{display:inline-block;margin:.5rem 0;padding:.5rem 1rem;\
border-radius:.5rem;background:#0b57d0;color:#fff;text-decoration:none}}small{{opacity:.75}}</style></head><body><main>\
<h1>{title}</h1><p>{text}</p>{action}<p><small>{status} {code} · request {request_id}</small></p></main></body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(refusal: Refusal, html: bool) -> Answer<'static> {
        Answer {
            refusal,
            request_id: "r1",
            html,
            cookies: vec!["a=; Path=/".into()],
            fields: Vec::new(),
            head_only: false,
        }
    }

    #[test]
    fn programs_get_the_envelope_and_people_a_page() {
        let text = String::from_utf8(answer(Refusal::SessionNotAllowed, false).to_bytes(true)).unwrap();
        assert!(
            text.starts_with("HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n"),
            "{text}"
        );
        assert!(text.contains("\r\nSet-Cookie: a=; Path=/\r\n") && text.contains("\r\nConnection: close\r\n"));
        assert!(text.ends_with(&answer(Refusal::SessionNotAllowed, false).body()));
        assert!(
            answer(Refusal::SuperuserSessionBlocked, true)
                .body()
                .contains("Continue")
        );
    }

    #[test]
    fn whoever_is_throttled_is_told_once_when_to_come_back_whatever_else_is_told() {
        let told = |refusal, fields: &[(&'static str, &'static str)]| {
            let fields = fields
                .iter()
                .map(|(name, value)| (*name, HeaderValue::from_static(value)))
                .collect();
            let answer = Answer {
                fields,
                ..answer(refusal, false)
            };
            let text = String::from_utf8(answer.to_bytes(true)).unwrap();
            let lines = text.lines().filter_map(|line| line.strip_prefix("Retry-After: "));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let strict = ("Strict-Transport-Security", "max-age=31536000");
        for (refusal, fields, seconds) in [
            (Refusal::Throttled, &[][..], &["1"][..]),
            (Refusal::Throttled, &[("Vary", "Origin"), strict], &["1"]),
            (Refusal::Throttled, &[("Retry-After", "7"), strict], &["7"]),
            (Refusal::CoreUnavailable, &[strict], &["1"]),
            (Refusal::CoreUnavailable, &[("Retry-After", "7")], &["7"]),
            (Refusal::SessionSourceUnavailable, &[], &["1"]),
            (Refusal::SessionNotAllowed, &[], &[]),
        ] {
            assert_eq!(told(refusal, fields), seconds, "{refusal:?} {fields:?}");
        }
    }

    #[test]
    fn a_head_request_gets_the_length_and_no_body() {
        let text = String::from_utf8(
            Answer {
                head_only: true,
                ..answer(Refusal::NoRoute, false)
            }
            .to_bytes(false),
        )
        .unwrap();
        assert!(
            text.ends_with("\r\n\r\n") && !text.contains("Content-Length: 0"),
            "{text}"
        );
    }

    #[test]
    fn every_401_is_challenged_and_nothing_else_is() {
        for refusal in Refusal::ALL {
            let challenged = answer(*refusal, false).challenge().is_some();
            assert_eq!(challenged, refusal.status() == 401, "{refusal:?}");
        }
    }

    #[test]
    fn who_reads_the_answer_follows_from_the_route_then_from_accept() {
        assert!(!wants_html(Some(RouteKind::Api), Some(b"text/html")));
        assert!(wants_html(Some(RouteKind::Page), None));
        assert!(wants_html(Some(RouteKind::Page), Some(b"*/*")));
        assert!(!wants_html(Some(RouteKind::Page), Some(b"application/json")));
        assert!(!wants_html(None, None));
        assert!(wants_html(None, Some(b"text/html,*/*")));
    }
}
