//! The pieces of which the [`grammar`](super::grammar) puts requests together. What stands in a list more than once comes more often.

pub(super) const METHODS: &[&[u8]] = &[
    b"GET", b"GET", b"GET", b"POST", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS",
];

pub(super) const ODD_METHODS: &[&[u8]] = &[
    b"get", b"Post", b"TRACE", b"CONNECT", b"BREW", b"GET\t", b"G:T", b"", b"GET\0", b"PRI", b"X_GET",
];

pub(super) const ODD_VERSIONS: &[&[u8]] = &[
    b"HTTP/1.0",
    b"HTTP/1.0",
    b"HTTP/1.2",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"http/1.1",
    b"HTTP/1.1 ",
    b"HTTP/11",
    b"",
    b"HTTP/1.1\t",
];

pub(super) const PREFIXES: &[&[u8]] = &[b"", b"", b"/admin", b"/api/v1", b"/public", b"/static"];

pub(super) const ODD_PREFIXES: &[&[u8]] = &[
    b"/ADMIN",
    b"/Api",
    b"/%61dmin",
    b"/adm%69n",
    b"/public/..",
    b"/api/%2e%2e",
    b"/",
    b"//",
    b"/internal/session",
    b"http://{HOST}",
    b"foo:",
    b"/%EF%BD%81dmin",
    b"/adm%C4%B1n",
    b"/a%C5%BFsets",
    b"/\\",
    b"/;",
    b"/admin;",
    b"/admin%20",
    b"/%09",
    b"/admin%2f",
    b"*",
];

pub(super) const PARTS: &[&[u8]] = &[
    b"x",
    b"admin",
    b"api",
    b"static",
    b"a.b",
    b"...",
    b"..",
    b".",
    b"%2e",
    b"%2E%2e",
    b"%61",
    b"%41",
    b"%2f",
    b"%5c",
    b"%00",
    b"%0d%0a",
    b"%25",
    b"%252f",
    b"%2561",
    b"%c3%a9",
    b"%E2%82%AC",
    b"%C2%A0",
    b"%ff",
    b"%c0%af",
    b"%",
    b"%6",
    b";",
    b";x=1",
    b":",
    b"@",
    b"\\",
    b"~",
    b"!$&'()*+,=",
    b"%20",
    b"%3b",
    b"%3f",
    b"%23",
    b"#",
    b"\xc3\xa9",
    b"\x01",
    b"|",
    b"\"",
    b"%7f",
    b"%u0061",
    b"session",
];

pub(super) const QUERIES: &[&[u8]] = &[
    b"?",
    b"?a=b",
    b"?next=/admin/",
    b"?/../admin//;",
    b"?%zz%",
    b"?a?b",
    b"?access_token={TOKEN}",
    b"?a=%0d%0a",
    b"?a#b",
    b"?\xff",
    b"?a b",
    b"?api_key=igk_1",
];

pub(super) const ODD_HOSTS: &[&[u8]] = &[
    b"localhost",
    b"LOCALHOST",
    b"localhost.",
    b"evil.example",
    b"",
    b"localhost:x",
    b"a@localhost",
    b"[::1]",
    b"localhost, evil.example",
    b"localhost/admin/",
    b"127.1",
];

pub(super) const OWNED: &[&[u8]] = &[
    b"X-Account-Id",
    b"X-User-Id",
    b"X-User-Role",
    b"X-User-Is-Superuser",
    b"X-Igny8-Edge",
    b"X-Forwarded-For",
    b"X-Forwarded-Proto",
    b"X-Forwarded-Host",
    b"X-Forwarded-Prefix",
    b"Forwarded",
    b"X-Real-Ip",
    b"X-Original-Url",
    b"X-Rewrite-Url",
    b"X-Http-Method-Override",
    b"Script-Name",
    b"Path-Info",
    b"Remote-User",
    b"Proxy",
    b"X-Request-Id",
];

pub(super) const OWNED_VALUES: &[&[u8]] = &[
    b"666",
    b"owner",
    b"https",
    b"/admin/",
    b"evil.example",
    b"",
    b"v1;t=1;rule=/admin;sig=AAAA",
    b"6.6.6.6, 127.0.0.1",
];

pub(super) const CREDENTIALS: &[&[u8]] = &[
    b"Authorization: Bearer {TOKEN}",
    b"Authorization: Bearer {TOKEN}",
    b"Authorization: Bearer {TOKEN}",
    b"authorization: bearer {TOKEN}",
    b"Authorization: Bearer a.b.c",
    b"Authorization: Basic cm9vdDpyb290",
    b"Authorization: Bearer {TOKEN}, Bearer {TOKEN}",
    b"Authorization:",
    b"X-Api-Key: igk_123",
    b"X-Api-Key: {TOKEN}",
    b"Authorization: Bearer  {TOKEN}",
    b"Authorization: Bearer {TOKEN}x",
];

pub(super) const CONNECTIONS: &[&[u8]] = &[
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: upgrade",
    b"Connection: X-Account-Id",
    b"Connection: close, x-igny8-edge",
    b"Connection: ,",
    b"Upgrade: h2c",
    b"Upgrade: websocket",
    b"Connection: Upgrade, HTTP2-Settings",
    b"HTTP2-Settings: AAMAAABkAAQAAP__",
    b"TE: trailers",
    b"Trailer: X-Account-Id",
    b"Keep-Alive: timeout=5",
    b"Proxy-Connection: keep-alive",
    b"Expect: 100-continue",
    b"Expect: x",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

pub(super) const ORDINARY: &[&[u8]] = &[
    b"Accept: application/json",
    b"Accept: text/html",
    b"Content-Type: application/json",
    b"Content-Type: text/plain",
    b"Origin: http://{HOST}",
    b"Origin: http://evil.example",
    b"Origin: null",
    b"User-Agent: x",
    b"traceparent: 00-00000000000000000000000000000001-0000000000000001-01",
    b"Accept-Encoding: gzip",
    b"X-A: b",
    b"Via: 1.1 x",
    b"Referer: http://{HOST}/admin/",
    b"X-A: \xc3\xa9",
    b"X-A:",
];

pub(super) const BLANKS: &[&[u8]] = &[
    b"",
    b"",
    b"",
    b" ",
    b"\t",
    b"\xc2\xa0",
    b"\xa0",
    b"\x85",
    b"\xe2\x80\x83",
    b"\xe3\x80\x80",
];

pub(super) const COOKIE_NAMES: &[&[u8]] = &[
    b"sessionid",
    b"sessionid",
    b"sessionid",
    b"a",
    b"csrftoken",
    b"SESSIONID",
    b"__Host-sessionid",
    b"__Secure-sessionid",
    b"\"sessionid\"",
    b"xsessionid",
    b"sess%69onid",
    b"sessionid[]",
    b"$Version",
    b"",
];

pub(super) const COOKIE_VALUES: &[&[u8]] = &[
    b"user1",
    b"root-{MARK}",
    b"1",
    b"",
    b"\"",
    b"\"user1\"",
    b"\"1; sessionid=user1\"",
    b"a=b",
    b"\"\\073 sessionid=user1\"",
];

/// A whole request after the first, which may arrive by itself.
pub(super) const SECOND: &[&[u8]] = &[
    b"GET /x HTTP/1.1\r\nHost: {HOST}\r\nX-Marker: {MARK}-second\r\n\r\n",
    b"GET /api/v1/x HTTP/1.1\r\nHost: {HOST}\r\nX-Marker: {MARK}-second\r\nCookie: sessionid=root-{MARK}\r\n\r\n",
    b"GET /admin/ HTTP/1.1\r\nHost: {HOST}\r\nX-Marker: {MARK}-second\r\nCookie: sessionid=root1\r\n\r\n",
    b"GET /x HTTP/1.1\r\nHost: {HOST}\r\nX-Marker: {MARK}-second\r\nX-Account-Id: 666\r\nCookie: a=1; sessionid=user1\r\n\r\n",
];

pub(super) const CHUNKS: &[&[u8]] = &[
    b"5\r\nhello\r\n0\r\n\r\n",
    b"0\r\n\r\n",
    b"5;a=b\r\nhello\r\n0\r\nX-Account-Id: 666\r\n\r\n",
    b"00005\r\nhello\r\n00\r\n\r\n",
];
