//! An HTTP/2 request as the header block that an HTTP/1 client would have sent for it. Pure.
//!
//! There is one reader of requests, [`super::framing`]. What HTTP/2 says in another way is said here in its words, and what
//! only HTTP/2 could say wrongly is refused (RFC 9113, sections 8.2 and 8.3). HPACK and frames have been read by then.

use super::fields::{FieldName, canonical_length, trim};
use bytes::{BufMut, BytesMut};
use http::HeaderMap;
use igny8_contract::refusal::Refusal;

/// What HTTP/2 says outside its fields.
#[derive(Clone, Copy, Debug)]
pub struct Pseudo<'a> {
    pub method: &'a str,
    /// Nothing beside an `authority` means that there was none. Without one it always is: h2 asks for it, finds that no URI
    /// can hold it, and drops it.
    pub scheme: Option<&'a str>,
    pub authority: Option<&'a str>,
    pub path: &'a [u8],
    /// No body follows.
    pub ended: bool,
}

/// Writes the block. Crumbs of `Cookie` are put together with `; ` before anything looks at them.
///
/// # Errors
/// `malformed_path` for bytes that no request line can carry; `bad_host` when `host` contradicts `:authority`;
/// `malformed_request` for another scheme, for fields that belong to a connection, for white space around a value, and
/// for a length where nothing follows.
pub fn write_block(pseudo: &Pseudo<'_>, fields: &HeaderMap, out: &mut BytesMut) -> Result<(), Refusal> {
    match (pseudo.scheme, pseudo.authority) {
        (Some("https"), _) | (None, None) => {}
        (Some(_), _) | (None, Some(_)) => return Err(Refusal::MalformedRequest),
    }
    if pseudo.path.is_empty() || !pseudo.path.iter().all(|byte| *byte > b' ' && *byte != 0x7f) {
        return Err(Refusal::MalformedPath);
    }
    out.put_slice(pseudo.method.as_bytes());
    out.put_u8(b' ');
    out.put_slice(pseudo.path);
    out.put_slice(b" HTTP/1.1\r\n");
    if let Some(authority) = pseudo.authority {
        put(out, b"Host", authority.as_bytes());
    }
    let mut cookies = BytesMut::new();
    let mut has_length = false;
    for (name, value) in fields {
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        if trim(value).len() != value.len() {
            return Err(Refusal::MalformedRequest);
        }
        match FieldName::of(name) {
            FieldName::Host => match pseudo.authority {
                Some(authority) if authority.as_bytes() == value => {}
                Some(_) => return Err(Refusal::BadHost),
                None => put(out, name, value),
            },
            FieldName::Cookie => {
                if !cookies.is_empty() {
                    cookies.put_slice(b"; ");
                }
                cookies.put_slice(value);
            }
            FieldName::ContentLength => {
                has_length = true;
                if pseudo.ended && canonical_length(value) != Some(0) {
                    return Err(Refusal::MalformedRequest);
                }
                put(out, name, value);
            }
            FieldName::Connection | FieldName::Upgrade | FieldName::TransferEncoding => {
                return Err(Refusal::MalformedRequest);
            }
            FieldName::HopByHop => {
                if !is_end_to_end_here(name, value) {
                    return Err(Refusal::MalformedRequest);
                }
            }
            FieldName::Authorization
            | FieldName::ApiKey
            | FieldName::Origin
            | FieldName::Accept
            | FieldName::ContentType
            | FieldName::Expect
            | FieldName::Traceparent
            | FieldName::ForwardedFor
            | FieldName::Owned
            | FieldName::Other => put(out, name, value),
        }
    }
    if !cookies.is_empty() {
        put(out, b"Cookie", &cookies);
    }
    if !pseudo.ended && !has_length {
        put(out, b"Transfer-Encoding", b"chunked");
    }
    out.put_slice(b"\r\n");
    Ok(())
}

/// Fields that HTTP/1 means for one connection and HTTP/2 allows all the same. They go nowhere.
fn is_end_to_end_here(name: &[u8], value: &[u8]) -> bool {
    match name {
        b"te" => value == b"trailers",
        b"trailer" | b"cookie2" | b"proxy-authenticate" | b"proxy-authorization" => true,
        _ => false,
    }
}

fn put(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::super::framing::{self, Body};
    use super::*;
    use http::{HeaderName, HeaderValue};

    const PLAIN: Pseudo<'static> = Pseudo {
        method: "GET",
        scheme: Some("https"),
        authority: Some("a.example"),
        path: b"/x?y=1",
        ended: true,
    };

    fn block(pseudo: &Pseudo<'_>, fields: &[(&'static str, &'static str)]) -> Result<String, Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let mut out = BytesMut::new();
        write_block(pseudo, &map, &mut out)?;
        Ok(String::from_utf8(out.to_vec()).unwrap().replace("\r\n", "\n"))
    }

    #[test]
    fn crumbs_are_one_cookie_and_the_authority_is_the_host() {
        let fields = [
            ("cookie", "a=1"),
            ("accept", "x"),
            ("cookie", "sessionid=2"),
            ("te", "trailers"),
        ];
        assert_eq!(
            block(&PLAIN, &fields).unwrap(),
            "GET /x?y=1 HTTP/1.1\nHost: a.example\naccept: x\nCookie: a=1; sessionid=2\n\n"
        );
        // As h2 hands on a request without `:authority`.
        let hostless = Pseudo {
            authority: None,
            scheme: None,
            ..PLAIN
        };
        assert_eq!(
            block(&hostless, &[("host", "b")]).unwrap(),
            "GET /x?y=1 HTTP/1.1\nhost: b\n\n"
        );
        assert!(!block(&hostless, &[]).unwrap().to_lowercase().contains("host"));
        assert!(block(&PLAIN, &[("host", "a.example")]).is_ok());
        assert_eq!(block(&PLAIN, &[("host", "A.example")]), Err(Refusal::BadHost));
    }

    #[test]
    fn a_body_of_unknown_length_is_a_chunked_one() {
        let open = Pseudo {
            ended: false,
            method: "POST",
            ..PLAIN
        };
        let body = |fields: &[(&'static str, &'static str)]| {
            let text = block(&open, fields).unwrap().replace('\n', "\r\n");
            framing::parse(text.as_bytes()).unwrap().body
        };
        assert_eq!(body(&[]), Body::Chunked);
        assert_eq!(body(&[("content-length", "5")]), Body::Length(5));
        assert!(block(&PLAIN, &[("content-length", "0")]).is_ok());
        assert_eq!(
            block(&PLAIN, &[("content-length", "5")]),
            Err(Refusal::MalformedRequest)
        );
    }

    #[test]
    fn what_belongs_to_a_connection_is_refused() {
        for (name, value) in [
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("keep-alive", "5"),
            ("proxy-connection", "close"),
            ("http2-settings", "x"),
            ("te", "gzip"),
            ("accept", " padded"),
            ("accept", "padded\t"),
        ] {
            assert_eq!(
                block(&PLAIN, &[(name, value)]),
                Err(Refusal::MalformedRequest),
                "{name}"
            );
        }
    }

    #[test]
    fn odd_pseudo_fields_are_refused() {
        for (pseudo, refusal) in [
            (
                Pseudo {
                    scheme: Some("http"),
                    ..PLAIN
                },
                Refusal::MalformedRequest,
            ),
            (
                Pseudo {
                    scheme: Some("http"),
                    authority: None,
                    ..PLAIN
                },
                Refusal::MalformedRequest,
            ),
            (Pseudo { scheme: None, ..PLAIN }, Refusal::MalformedRequest),
            (Pseudo { path: b"", ..PLAIN }, Refusal::MalformedPath),
            (Pseudo { path: b"/a b", ..PLAIN }, Refusal::MalformedPath),
            (
                Pseudo {
                    path: b"/a\r\nX: y",
                    ..PLAIN
                },
                Refusal::MalformedPath,
            ),
        ] {
            assert_eq!(block(&pseudo, &[]), Err(refusal), "{pseudo:?}");
        }
        let connect = Pseudo {
            method: "CONNECT",
            ..PLAIN
        };
        let text = block(&connect, &[]).unwrap().replace('\n', "\r\n");
        assert_eq!(framing::parse(text.as_bytes()).unwrap_err(), Refusal::MethodNotAllowed);
    }
}
