//! Credentials that prove nothing, or of which there are two.

use super::{Case, OWN_FIELDS, Outcome, Row};
use Outcome::{Harmless, Refused, To};

const REQUIRED: Outcome = Refused(&["credentials_required"]);
const INVALID: Outcome = Refused(&["token_invalid"]);
const AMBIGUOUS: Outcome = Refused(&["credentials_ambiguous"]);
/// Refused for sure; whether as no credential, a bad one or one too many does not matter.
const NOT_PROVEN: Outcome = Refused(&[
    "credentials_required",
    "credentials_ambiguous",
    "token_invalid",
    "token_expired",
    "api_key_invalid",
]);

/// Fields (each with its line end) of `GET /api/v1/x`.
pub(super) const FIELDS: &[Row] = &[
    ("a valid token", b"Authorization: Bearer {TOKEN}\r\n", To("/api/v1/x")),
    ("a valid token, the field in lower case", b"authorization: Bearer {TOKEN}\r\n", To("/api/v1/x")),
    ("a valid token, the scheme in lower case", b"Authorization: bearer {TOKEN}\r\n", Harmless),
    ("nothing", b"", REQUIRED),
    ("an empty field", b"Authorization:\r\n", NOT_PROVEN),
    ("a scheme alone", b"Authorization: Bearer\r\n", NOT_PROVEN),
    ("a scheme and blanks", b"Authorization: Bearer    \r\n", NOT_PROVEN),
    ("a token without its scheme", b"Authorization: {TOKEN}\r\n", NOT_PROVEN),
    ("a token with Basic", b"Authorization: Basic {TOKEN}\r\n", NOT_PROVEN),
    ("a password", b"Authorization: Basic cm9vdDpyb290\r\n", NOT_PROVEN),
    ("a token with the app's own scheme", b"Authorization: Token {TOKEN}\r\n", NOT_PROVEN),
    ("two blanks before the token", b"Authorization: Bearer  {TOKEN}\r\n", Harmless),
    ("a tab before the token", b"Authorization: Bearer\t{TOKEN}\r\n", Harmless),
    ("a list of the same token", b"Authorization: Bearer {TOKEN}, Bearer {TOKEN}\r\n", NOT_PROVEN),
    ("a token and a parameter", b"Authorization: Bearer {TOKEN}, realm=x\r\n", NOT_PROVEN),
    ("two tokens", b"Authorization: Bearer {TOKEN} {TOKEN}\r\n", NOT_PROVEN),
    ("two fields with the same token", b"Authorization: Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}\r\n", AMBIGUOUS),
    ("two fields, the second a password", b"Authorization: Bearer {TOKEN}\r\nAuthorization: Basic cm9vdDpyb290\r\n", AMBIGUOUS),
    ("a token and a key", b"Authorization: Bearer {TOKEN}\r\nX-Api-Key: igk_1234567890\r\n", AMBIGUOUS),
    ("a key that nobody made", b"X-Api-Key: igk_1234567890\r\n", NOT_PROVEN),
    ("a key that nobody made, as a token", b"Authorization: Bearer igk_1234567890\r\n", NOT_PROVEN),
    ("two keys", b"X-Api-Key: igk_1\r\nX-Api-Key: igk_2\r\n", NOT_PROVEN),
    ("a token in the key's field", b"X-Api-Key: {TOKEN}\r\n", NOT_PROVEN),
    ("a token with a letter after it", b"Authorization: Bearer {TOKEN}A\r\n", INVALID),
    ("a token with a part after it", b"Authorization: Bearer {TOKEN}.AAAA\r\n", INVALID),
    ("a token with padding", b"Authorization: Bearer {TOKEN}==\r\n", INVALID),
    ("a token in quotes", b"Authorization: Bearer \"{TOKEN}\"\r\n", NOT_PROVEN),
    ("three words with dots", b"Authorization: Bearer a.b.c\r\n", INVALID),
    ("two dots", b"Authorization: Bearer ..\r\n", INVALID),
    ("one word", b"Authorization: Bearer abc\r\n", INVALID),
    ("null", b"Authorization: Bearer null\r\n", INVALID),
    ("bytes beyond ASCII", b"Authorization: Bearer \xff\xfe\r\n", NOT_PROVEN),
    // {"alg":"none","typ":"at+jwt"} {"iss":"igny8-core","aud":"igny8-api","sub":"1","account_id":1,"role":"owner","exp":9999999999}
    ("a token without a signature", b"Authorization: Bearer eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.eyJpc3MiOiJpZ255OC1jb3JlIiwiYXVkIjoiaWdueTgtYXBpIiwic3ViIjoiMSIsImFjY291bnRfaWQiOjEsInJvbGUiOiJvd25lciIsImV4cCI6OTk5OTk5OTk5OX0.\r\n", INVALID),
    // The same with {"alg":"HS256","typ":"at+jwt"} and a signature that anybody can make.
    ("a token of another algorithm", b"Authorization: Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJpZ255OC1jb3JlIiwiYXVkIjoiaWdueTgtYXBpIiwic3ViIjoiMSIsImFjY291bnRfaWQiOjEsInJvbGUiOiJvd25lciIsImV4cCI6OTk5OTk5OTk5OX0.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n", INVALID),
    // {"alg":"EdDSA","typ":"at+jwt","kid":"../../dev/null"} and the same payload.
    ("a token whose key is a path", b"Authorization: Bearer eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6Ii4uLy4uL2Rldi9udWxsIn0.eyJpc3MiOiJpZ255OC1jb3JlIiwiYXVkIjoiaWdueTgtYXBpIiwic3ViIjoiMSIsImFjY291bnRfaWQiOjEsInJvbGUiOiJvd25lciIsImV4cCI6OTk5OTk5OTk5OX0.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n", INVALID),
    ("a token in a cookie", b"Cookie: access_token={TOKEN}\r\n", NOT_PROVEN),
    ("a token in a cookie with the field's name", b"Cookie: Authorization=Bearer {TOKEN}\r\n", NOT_PROVEN),
    ("a token in X-Authorization", b"X-Authorization: Bearer {TOKEN}\r\n", NOT_PROVEN),
    ("a token in Proxy-Authorization", b"Proxy-Authorization: Bearer {TOKEN}\r\n", NOT_PROVEN),
    ("a token in a field of the proxy's", b"X-Forwarded-Authorization: Bearer {TOKEN}\r\n", NOT_PROVEN),
    ("a token with a bad one in a cookie", b"Authorization: Bearer {TOKEN}\r\nCookie: access_token=a.b.c\r\n", Harmless),
    ("a bad token and a session", b"Authorization: Bearer a.b.c\r\nCookie: sessionid=user1\r\n", INVALID),
    ("a bad token and an administrator's session", b"Authorization: Bearer a.b.c\r\nCookie: sessionid=root-1\r\n", INVALID),
];

/// Targets of a request without a credential in its fields.
const TARGETS: &[Row] = &[
    ("a token in the query", b"/api/v1/x?access_token={TOKEN}", NOT_PROVEN),
    (
        "a token in the query by another name",
        b"/api/v1/x?token={TOKEN}",
        NOT_PROVEN,
    ),
    ("a key in the query", b"/api/v1/x?api_key=igk_1234567890", NOT_PROVEN),
    ("an account in the query", b"/api/v1/x?account_id=666", NOT_PROVEN),
];

/// Targets of a request with a valid token in its field.
const BESIDE_A_TOKEN: &[Row] = &[
    ("the same token", b"/api/v1/x?access_token={TOKEN}", AMBIGUOUS),
    ("a name with an escape", b"/api/v1/x?access%5Ftoken=1", AMBIGUOUS),
    ("after a semicolon", b"/api/v1/x?a=1;access_token=1", AMBIGUOUS),
    ("a token by another name", b"/api/v1/x?a=1&t={TOKEN}", AMBIGUOUS),
    ("a token after its scheme", b"/api/v1/x?t=Bearer%20{TOKEN}", AMBIGUOUS),
    ("a token without a name", b"/api/v1/x?{TOKEN}", AMBIGUOUS),
    ("a key by another name", b"/api/v1/x?t=%69gk_1234567890", AMBIGUOUS),
    ("a parameter of the app's own", b"/api/v1/x?token=abc", To("/api/v1/x")),
];

pub(super) fn add(cases: &mut Vec<Case>) {
    for (name, fields, outcome) in FIELDS {
        let parts: &[&[u8]] = &[b"GET /api/v1/x HTTP/1.1\r\n", OWN_FIELDS, fields, b"\r\n"];
        cases.push(Case::new("credentials", *name, parts, outcome.verdict()));
    }
    for (name, target, outcome) in TARGETS {
        let parts: &[&[u8]] = &[b"GET ", target, b" HTTP/1.1\r\n", OWN_FIELDS, b"\r\n"];
        cases.push(Case::new("credentials", *name, parts, outcome.verdict()));
    }
    for (name, target, outcome) in BESIDE_A_TOKEN {
        let token: &[u8] = b"Authorization: Bearer {TOKEN}\r\n";
        let parts: &[&[u8]] = &[b"GET ", target, b" HTTP/1.1\r\n", OWN_FIELDS, token, b"\r\n"];
        cases.push(Case::new("a credential in the query", *name, parts, outcome.verdict()));
    }
}
