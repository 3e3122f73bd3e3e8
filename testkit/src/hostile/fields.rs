//! Field names and values: identities that a client claims, aliases of them, and fields that may not be repeated.

use super::{Case, FORBIDDEN_FIELD, MALFORMED, MALFORMED_REQUEST, OWN_FIELDS, Outcome, Row};
use Outcome::{Harmless, Refused, To};

const REMOVED: Outcome = To("/x");
const NAME: Outcome = Refused(&["forbidden_field", "malformed_request"]);

/// Fields (each with its line end) that only the proxy may speak. They are removed; the request goes on.
pub(super) const OWNED: &[Row] = &[
    ("X-Account-Id", b"X-Account-Id: 666\r\n", REMOVED),
    ("X-Account-Id in lower case", b"x-account-id: 666\r\n", REMOVED),
    ("X-Account-Id in upper case", b"X-ACCOUNT-ID: 666\r\n", REMOVED),
    (
        "X-Account-Id twice",
        b"X-Account-Id: 666\r\nX-Account-Id: 667\r\n",
        REMOVED,
    ),
    ("X-Account-Id with a list", b"X-Account-Id: 666, 667\r\n", REMOVED),
    ("X-Account-Id without a value", b"X-Account-Id:\r\n", REMOVED),
    ("X-Account-Role", b"X-Account-Role: owner\r\n", REMOVED),
    ("X-Account- and nothing", b"X-Account-: 666\r\n", REMOVED),
    ("X-User-Id", b"X-User-Id: 666\r\n", REMOVED),
    ("X-User-Role", b"X-User-Role: owner\r\n", REMOVED),
    ("X-User-Is-Superuser", b"X-User-Is-Superuser: 1\r\n", REMOVED),
    (
        "X-Igny8-Edge",
        b"X-Igny8-Edge: v1;t=1;rule=/admin;sig=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n",
        REMOVED,
    ),
    ("X-Igny8-Edge twice", b"X-Igny8-Edge: a\r\nX-Igny8-Edge: b\r\n", REMOVED),
    ("X-Igny8-Anything", b"X-Igny8-Anything: evil\r\n", REMOVED),
    ("X-Forwarded-For", b"X-Forwarded-For: 6.6.6.6\r\n", REMOVED),
    ("X-Forwarded-Proto", b"X-Forwarded-Proto: https\r\n", REMOVED),
    ("X-Forwarded-Protocol", b"X-Forwarded-Protocol: ssl\r\n", REMOVED),
    ("X-Forwarded-Ssl", b"X-Forwarded-Ssl: on\r\n", REMOVED),
    ("X-Forwarded-Host", b"X-Forwarded-Host: evil.example\r\n", REMOVED),
    ("X-Forwarded-Port", b"X-Forwarded-Port: 666\r\n", REMOVED),
    ("X-Forwarded-Prefix", b"X-Forwarded-Prefix: /admin\r\n", REMOVED),
    ("X-Forwarded-User", b"X-Forwarded-User: evil\r\n", REMOVED),
    (
        "Forwarded",
        b"Forwarded: for=6.6.6.6;host=evil.example;proto=https\r\n",
        REMOVED,
    ),
    ("X-Real-Ip", b"X-Real-Ip: 6.6.6.6\r\n", REMOVED),
    ("X-Original-Url", b"X-Original-Url: /admin/\r\n", REMOVED),
    ("X-Original-Uri", b"X-Original-Uri: /admin/\r\n", REMOVED),
    ("X-Rewrite-Url", b"X-Rewrite-Url: /admin/\r\n", REMOVED),
    ("X-Http-Method-Override", b"X-Http-Method-Override: DELETE\r\n", REMOVED),
    ("X-Method-Override", b"X-Method-Override: DELETE\r\n", REMOVED),
    ("Script-Name", b"Script-Name: /x\r\n", REMOVED),
    ("Path-Info", b"Path-Info: /admin/\r\n", REMOVED),
    ("Remote-User", b"Remote-User: evil\r\n", REMOVED),
    ("Proxy", b"Proxy: http://evil.example\r\n", REMOVED),
];

/// Names that some server reads as one of those, or that are no names.
pub(super) const ALIASES: &[Row] = &[
    ("X_Account_Id", b"X_Account_Id: 666\r\n", FORBIDDEN_FIELD),
    ("X_ACCOUNT_ID", b"X_ACCOUNT_ID: 666\r\n", FORBIDDEN_FIELD),
    ("X-Account_Id", b"X-Account_Id: 666\r\n", FORBIDDEN_FIELD),
    ("X_Account-Id", b"X_Account-Id: 666\r\n", FORBIDDEN_FIELD),
    ("X.Account.Id", b"X.Account.Id: 666\r\n", FORBIDDEN_FIELD),
    ("X~Account~Id", b"X~Account~Id: 666\r\n", FORBIDDEN_FIELD),
    ("X!Account", b"X!Account: 666\r\n", FORBIDDEN_FIELD),
    ("X+Account", b"X+Account: 666\r\n", FORBIDDEN_FIELD),
    ("X|Account", b"X|Account: 666\r\n", FORBIDDEN_FIELD),
    ("X'Account", b"X'Account: 666\r\n", FORBIDDEN_FIELD),
    ("X_Igny8_Edge", b"X_Igny8_Edge: evil\r\n", FORBIDDEN_FIELD),
    ("X_Forwarded_For", b"X_Forwarded_For: 6.6.6.6\r\n", FORBIDDEN_FIELD),
    ("HTTP_X_ACCOUNT_ID", b"HTTP_X_ACCOUNT_ID: 666\r\n", FORBIDDEN_FIELD),
    (
        "SCRIPT_NAME, which gunicorn trusts",
        b"SCRIPT_NAME: /x\r\n",
        FORBIDDEN_FIELD,
    ),
    ("script_name in lower case", b"script_name: /x\r\n", FORBIDDEN_FIELD),
    (
        "PATH_INFO, which gunicorn trusts",
        b"PATH_INFO: /admin/\r\n",
        FORBIDDEN_FIELD,
    ),
    ("REMOTE_USER", b"REMOTE_USER: evil\r\n", FORBIDDEN_FIELD),
    ("CONTENT_LENGTH", b"CONTENT_LENGTH: 5\r\n", FORBIDDEN_FIELD),
    ("Transfer_Encoding", b"Transfer_Encoding: chunked\r\n", FORBIDDEN_FIELD),
    (
        "Cookie with an underscore",
        b"_Cookie: sessionid=root\r\n",
        FORBIDDEN_FIELD,
    ),
    ("an underscore", b"_: 1\r\n", FORBIDDEN_FIELD),
    ("a star", b"*: 1\r\n", FORBIDDEN_FIELD),
    ("a name beyond ASCII", b"X-Acc\xc3\xb6unt-Id: 666\r\n", NAME),
    ("a NUL in the name", b"X-Account\0-Id: 666\r\n", NAME),
    ("a bracket in the name", b"X-Account(Id): 666\r\n", NAME),
    ("a slash in the name", b"X/Account: 666\r\n", NAME),
    ("a blank in the name", b"X-Account Id: 666\r\n", NAME),
    ("a blank before the colon", b"X-Account-Id : 666\r\n", NAME),
    ("a tab before the colon", b"X-Account-Id\t: 666\r\n", NAME),
    ("a blank before the name", b" X-Account-Id: 666\r\n", NAME),
    ("no name", b": 666\r\n", NAME),
    ("no colon", b"X-Account-Id 666\r\n", NAME),
    ("a name in quotes", b"\"X-Account-Id\": 666\r\n", NAME),
];

/// Values, repeated fields, and fields that a connection may not nominate.
const VALUES: &[Row] = &[
    ("a NUL in a value", b"X-A: a\0b\r\n", NAME),
    ("a control character in a value", b"X-A: a\x01b\r\n", NAME),
    ("a delete character in a value", b"X-A: a\x7fb\r\n", NAME),
    ("a bare carriage return in a value", b"X-A: a\rX-Account-Id: 666\r\n", MALFORMED),
    ("a bare line feed in a value", b"X-A: a\nX-Account-Id: 666\r\n", MALFORMED_REQUEST),
    ("bytes beyond ASCII in a value", b"X-A: \xc3\xa9\xff\r\n", Harmless),
    ("no value", b"X-A:\r\n", REMOVED),
    ("tabs around a value", b"X-A:\t b \t\r\n", REMOVED),
    ("no blank before a value", b"X-A:b\r\n", REMOVED),
    ("two Content-Types", b"Content-Type: text/plain\r\nContent-Type: application/json\r\n", NAME),
    ("two Origins", b"Origin: http://a.example\r\nOrigin: http://b.example\r\n", NAME),
    ("Connection nominates X-Account-Id", b"Connection: X-Account-Id\r\n", FORBIDDEN_FIELD),
    ("Connection nominates it after close", b"Connection: close, x-account-id\r\n", FORBIDDEN_FIELD),
    ("Connection nominates the signature", b"Connection: keep-alive, X-Igny8-Edge\r\n", FORBIDDEN_FIELD),
    ("Connection nominates Cookie", b"Connection: Cookie\r\n", FORBIDDEN_FIELD),
    ("Connection nominates Host", b"Connection: host\r\n", FORBIDDEN_FIELD),
    ("Connection nominates Authorization", b"Connection: authorization, keep-alive\r\n", FORBIDDEN_FIELD),
    ("Connection nominates X-Forwarded-For", b"Connection: x-forwarded-for\r\n", FORBIDDEN_FIELD),
    ("Connection nominates what nobody knows", b"Connection: x-foo\r\n", FORBIDDEN_FIELD),
    ("Connection in quotes", b"Connection: \"close\"\r\n", FORBIDDEN_FIELD),
    ("a second Connection nominates", b"Connection: keep-alive\r\nConnection: X-User-Id\r\n", FORBIDDEN_FIELD),
    ("Connection: close", b"Connection: close\r\n", REMOVED),
    ("Connection: Keep-Alive", b"Connection: Keep-Alive\r\n", REMOVED),
    ("Connection: upgrade to nothing", b"Connection: upgrade\r\n", REMOVED),
    ("Connection with empty elements", b"Connection: ,,close,\r\n", Harmless),
    ("Proxy-Connection nominates", b"Proxy-Connection: X-Account-Id\r\n", Harmless),
    ("Keep-Alive", b"Keep-Alive: timeout=5\r\n", REMOVED),
    ("TE", b"TE: trailers\r\n", Harmless),
    ("Upgrade: h2c", b"Connection: upgrade\r\nUpgrade: h2c\r\n", REMOVED),
    ("Upgrade: h2c as clients send it", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", FORBIDDEN_FIELD),
    ("Upgrade: websocket", b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", REMOVED),
    ("Upgrade without Connection", b"Upgrade: websocket\r\n", REMOVED),
    ("Upgrade to two protocols", b"Connection: upgrade\r\nUpgrade: h2c, websocket\r\n", REMOVED),
    ("Max-Forwards", b"Max-Forwards: 0\r\n", Harmless),
];

pub(super) fn add(cases: &mut Vec<Case>) {
    let tables = [
        ("identity fields", OWNED),
        ("field names", ALIASES),
        ("field values", VALUES),
    ];
    for (family, table) in tables {
        for (name, fields, outcome) in table {
            let parts: &[&[u8]] = &[b"GET /x HTTP/1.1\r\n", OWN_FIELDS, fields, b"\r\n"];
            cases.push(Case::new(family, *name, parts, outcome.verdict()));
        }
    }
    // The same claims beside a valid token: the token's identity is the only one that arrives.
    for (name, fields, _) in OWNED {
        let parts: &[&[u8]] = &[
            b"GET /api/v1/x HTTP/1.1\r\n",
            OWN_FIELDS,
            fields,
            b"Authorization: Bearer {TOKEN}\r\n\r\n",
        ];
        cases.push(Case::new(
            "identity fields",
            format!("{name}, beside a token"),
            parts,
            To("/api/v1/x").verdict(),
        ));
    }
    // gunicorn believes these from loopback and cuts them off the path.
    for name in ["SCRIPT_NAME", "Script-Name"] {
        let field = format!("{name}: /static\r\n\r\n");
        let outcome = if name.contains('_') {
            FORBIDDEN_FIELD
        } else {
            To("/static/admin/")
        };
        let parts: &[&[u8]] = &[b"GET /static/admin/ HTTP/1.1\r\n", OWN_FIELDS, field.as_bytes()];
        cases.push(Case::new(
            "field names",
            format!("{name} with a path that it turns into the panel's"),
            parts,
            outcome.verdict(),
        ));
    }
}
