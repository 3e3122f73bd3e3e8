use super::*;
use proptest::prelude::*;

fn block(lines: &str) -> Vec<u8> {
    format!("{}\r\n\r\n", lines.replace('\n', "\r\n")).into_bytes()
}

fn refusal(lines: &str) -> Option<Refusal> {
    parse(&block(lines)).err()
}

#[test]
fn an_ordinary_request_is_read_whole() {
    let bytes = block("POST /a?b HTTP/1.1\nHost: h\nContent-Length: 5\nConnection: close\nCookie: a=b");
    let framed = parse(&bytes).unwrap();
    assert_eq!(
        (framed.method, framed.target, framed.http10),
        (Method::Post, &b"/a?b"[..], false)
    );
    assert_eq!(
        (framed.body, framed.close, framed.has_cookies),
        (Body::Length(5), true, true)
    );
    assert_eq!(framed.host, Some(&b"h"[..]));
}

#[test]
fn every_form_of_doubtful_framing_is_refused() {
    use Refusal::*;
    for (lines, expected) in [
        (
            "GET / HTTP/1.1\nContent-Length: 1\nTransfer-Encoding: chunked",
            MalformedRequest,
        ),
        (
            "GET / HTTP/1.1\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked",
            MalformedRequest,
        ),
        ("GET / HTTP/1.1\nTransfer-Encoding: gzip, chunked", MalformedRequest),
        ("GET / HTTP/1.1\nTransfer-Encoding: Chunked", MalformedRequest),
        ("GET / HTTP/1.1\nTransfer-Encoding: identity", MalformedRequest),
        ("GET / HTTP/1.0\nTransfer-Encoding: chunked", MalformedRequest),
        ("GET / HTTP/1.1\nContent-Length: 5\nContent-Length: 5", MalformedRequest),
        ("GET / HTTP/1.1\nContent-Length: 5, 5", MalformedRequest),
        ("GET / HTTP/1.1\nContent-Length: 005", MalformedRequest),
        ("GET / HTTP/1.1\nContent-Length: +5", MalformedRequest),
        ("GET / HTTP/1.1\nX: a\n b", MalformedRequest),
        ("GET / HTTP/2.0", MalformedRequest),
        ("GET  / HTTP/1.1", MalformedRequest),
        ("GET / HTTP/1.1 ", MalformedRequest),
        ("GET / x HTTP/1.1", MalformedRequest),
        ("GET /", MalformedRequest),
        ("GET", MalformedRequest),
        (" GET / HTTP/1.1", MalformedRequest),
        ("get / HTTP/1.1", MethodNotAllowed),
        ("CONNECT h:1 HTTP/1.1", MethodNotAllowed),
        ("TRACE / HTTP/1.1", MethodNotAllowed),
        ("BREW / HTTP/1.1", MethodNotAllowed),
        ("GET / HTTP/1.1\nExpect: 200-ok", ExpectationFailed),
        ("GET / HTTP/1.1\nHost: a\nHost: a", BadHost),
        (
            "GET / HTTP/1.1\nAuthorization: a\nAuthorization: a",
            CredentialsAmbiguous,
        ),
        ("GET / HTTP/1.1\nX-Api-Key: a\nX-Api-Key: b", CredentialsAmbiguous),
        ("GET / HTTP/1.1\nOrigin: a\nOrigin: a", ForbiddenField),
        ("GET / HTTP/1.1\nContent-Type: a\nContent-Type: a", ForbiddenField),
        ("GET / HTTP/1.1\nConnection: close, X-Account-Id", ForbiddenField),
        ("GET / HTTP/1.1\nX_Account_Id: 1", ForbiddenField),
    ] {
        assert_eq!(refusal(lines), Some(expected), "{lines:?}");
    }
}

#[test]
fn a_control_byte_in_any_value_is_refused() {
    for value in ["a\x00b", "a\rb", "\x0bchunked", "chunked\x0c", "\x7f"] {
        let lines = format!("GET / HTTP/1.1\nX-A: ok\nTransfer-Encoding-X: {value}\nHost: h");
        assert_eq!(refusal(&lines), Some(Refusal::MalformedRequest), "{value:?}");
    }
}

#[test]
fn a_bare_line_feed_is_refused_before_the_block_is_whole() {
    assert_eq!(
        lint_unfinished(b"GET / HTTP/1.1\nHost", 0),
        Err(Refusal::MalformedRequest)
    );
    assert_eq!(lint_unfinished(b"\r\nGET", 0), Err(Refusal::MalformedRequest));
    assert_eq!(lint_unfinished(b"GET / HTTP/1.1\r\nHo", 0), Ok(()));
    assert_eq!(
        lint_unfinished(&vec![b'a'; MAX_BLOCK_BYTES + 1], 0),
        Err(Refusal::FieldsTooLarge)
    );
}

#[test]
fn the_hundred_and_first_field_is_one_too_many() {
    let fields = |count: usize| format!("GET / HTTP/1.1{}", "\nX: y".repeat(count));
    assert_eq!(refusal(&fields(100)), None);
    assert_eq!(refusal(&fields(101)), Some(Refusal::FieldsTooLarge));
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes);
        let _ = lint_unfinished(&bytes, 0);
    }

    #[test]
    fn what_is_accepted_has_one_reading(
        head in "(GET|POST) /[a-z]{0,5} HTTP/1\\.[01]",
        fields in proptest::collection::vec("(Content-Length|Transfer-Encoding|Host|X-A): ?(chunked|[0-9]{1,3}|gzip|, )", 0..5),
    ) {
        let bytes = block(&std::iter::once(head).chain(fields.clone()).collect::<Vec<_>>().join("\n"));
        if let Ok(framed) = parse(&bytes) {
            let lengths = fields.iter().filter(|f| f.starts_with("Content-Length")).count();
            let codings = fields.iter().filter(|f| f.starts_with("Transfer-Encoding")).count();
            prop_assert!(lengths + codings <= 1);
            prop_assert_eq!(framed.body == Body::Chunked, codings == 1);
        }
    }
}
