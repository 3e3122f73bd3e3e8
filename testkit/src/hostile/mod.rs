//! Requests that mean harm, what must become of each, and how to see that it did.
//!
//! Every [`Case`] is one connection's bytes with a verdict. [`exchange`] sends it to whatever stands before the
//! [`witness`], a small app under real servers, that writes down each request that reaches it.
//! [`judge`] then holds the two sentences that rule the proxy against what was written down: what the app saw is what was
//! decided on; one request in, at most one out.
//!
//! There are tables, their crossings (every odd path with a session, every odd field on every kind of route, …), and a
//! [`grammar`] that makes as many more as one likes.
//!
//! The same cases run against a plain pass-through, where they must find something: a suite that cannot fail proves
//! nothing.
//!
//! In the bytes, `{HOST}` stands for the address that is talked to, `{TOKEN}` for a valid access token, `{MARK}` for the
//! case's own mark, `{LENGTH}` for the length of what follows the header block, `{HEX}` for the size of the one chunk.

mod bodies;
mod cookies;
mod credentials;
mod crossings;
pub mod exchange;
mod fields;
mod framing;
pub mod grammar;
pub mod judge;
mod lines;
mod paths;
mod pieces;
pub mod witness;

/// One connection's worth of bytes and what must become of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The table that it is from.
    pub family: &'static str,
    /// What it tries, in words; unique within its family.
    pub name: String,
    /// What is sent, with its placeholders.
    pub bytes: Vec<u8>,
    /// What must become of it.
    pub verdict: Verdict,
    /// How many well-formed requests the bytes hold: as many may arrive.
    pub requests: usize,
    /// Whether the bytes break off, so that the sender must close to be answered.
    pub breaks_off: bool,
    /// Whether the hidden request is held back until the first answer has come, or is due.
    pub late: bool,
}

/// What must become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Answered with one of these codes, and never seen by the app.
    Refused(&'static [&'static str]),
    /// Seen by the app exactly once, in this form.
    Forwarded(Arrival),
    /// Answered with 200 by the proxy itself, and never seen by the app.
    AnsweredHere,
    /// Either way, as long as the app sees nothing that it must not.
    Harmless,
}

/// The form in which a request arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// The path in the request line.
    pub path: String,
    /// The cookies as Django reads them, by name; nothing where the case is not about cookies.
    pub cookies: Option<Vec<(String, String)>>,
    /// The length of the body; nothing where the case is not about bodies.
    pub body_length: Option<u64>,
}

impl Arrival {
    /// Arrives with this path; the rest does not matter.
    #[must_use]
    pub fn at(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..Self::default()
        }
    }
}

/// The same rows without a name of their own: (name, bytes, verdict).
type Row = (&'static str, &'static [u8], Outcome);

/// A verdict that fits into a constant table.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Refused(&'static [&'static str]),
    /// Forwarded to this path.
    To(&'static str),
    /// Forwarded to this path with a body of this length.
    Body(&'static str, u64),
    Here,
    Harmless,
}

impl Outcome {
    fn verdict(self) -> Verdict {
        match self {
            Self::Refused(codes) => Verdict::Refused(codes),
            Self::To(path) => Verdict::Forwarded(Arrival::at(path)),
            Self::Body(path, length) => Verdict::Forwarded(Arrival {
                body_length: Some(length),
                ..Arrival::at(path)
            }),
            Self::Here => Verdict::AnsweredHere,
            Self::Harmless => Verdict::Harmless,
        }
    }
}

const MALFORMED_REQUEST: Outcome = Outcome::Refused(&["malformed_request"]);
const MALFORMED_PATH: Outcome = Outcome::Refused(&["malformed_path"]);
const FORBIDDEN_FIELD: Outcome = Outcome::Refused(&["forbidden_field"]);
const BAD_HOST: Outcome = Outcome::Refused(&["bad_host"]);
/// The bytes are malformed in more than one way; which one is named first does not matter.
const MALFORMED: Outcome = Outcome::Refused(&["malformed_request", "forbidden_field", "malformed_path"]);
const METHOD: Outcome = Outcome::Refused(&["method_not_allowed"]);

/// The mark of the request that is sent after all cases: once it has arrived, so has everything before it.
pub const LAST_MARK: &str = "last";

/// The fields with which a request says where it goes and which case it belongs to.
const OWN_FIELDS: &[u8] = b"Host: {HOST}\r\nX-Marker: {MARK}\r\n";

/// A whole request that hides in the bytes of another. Should it ever arrive, its mark tells.
const HIDDEN: &[u8] =
    b"GET /admin/hidden HTTP/1.1\r\nHost: {HOST}\r\nX-Marker: {MARK}-hidden\r\nCookie: sessionid=root-hidden\r\n\r\n";

impl Case {
    fn new(family: &'static str, name: impl Into<String>, parts: &[&[u8]], verdict: Verdict) -> Self {
        Self {
            family,
            name: name.into(),
            bytes: parts.concat(),
            verdict,
            requests: 1,
            breaks_off: false,
            late: false,
        }
    }

    /// `{LENGTH}` and the other placeholders filled in.
    #[must_use]
    pub fn render(&self, mark: &str, host: &str, token: &str) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for (placeholder, value) in [("{HOST}", host), ("{TOKEN}", token), ("{MARK}", mark)] {
            bytes = replace(&bytes, placeholder.as_bytes(), value.as_bytes());
        }
        if let Some(at) = bytes.windows(5).position(|five| five == b"{HEX}") {
            // The chunk lies between the line end after its size and `\r\n0\r\n\r\n`.
            let size = bytes.len() - (at + b"{HEX}\r\n".len()) - b"\r\n0\r\n\r\n".len();
            bytes = replace(&bytes, b"{HEX}", format!("{size:x}").as_bytes());
        }
        let head = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .map_or(bytes.len(), |at| at + 4);
        let length = (bytes.len() - head).to_string();
        replace(&bytes, b"{LENGTH}", length.as_bytes())
    }

    /// The same with its hidden request held back, where it has one.
    fn held_back(&self) -> Option<Self> {
        let hides = self.bytes.windows(HIDDEN.len()).any(|window| window == HIDDEN);
        hides.then(|| Self {
            name: format!("{}, the rest late", self.name),
            late: true,
            ..self.clone()
        })
    }

    /// Where the hidden request begins in rendered bytes.
    fn hidden_at(&self, rendered: &[u8]) -> Option<usize> {
        const START: &[u8] = b"GET /admin/hidden ";
        rendered
            .windows(START.len())
            .position(|window| window == START)
            .filter(|_| self.late)
    }

    /// Whether the case is meant to reach the admin panel.
    #[must_use]
    pub fn is_for_admin(&self) -> bool {
        matches!(&self.verdict, Verdict::Forwarded(arrival) if arrival.path == "/admin" || arrival.path.starts_with("/admin/"))
    }
}

fn replace(bytes: &[u8], placeholder: &[u8], value: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(placeholder.len()).position(|window| window == placeholder) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(value);
        rest = &rest[at + placeholder.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

/// Every case of the tables, some of them twice: at once, and with what hides in them sent late.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    paths::add(&mut cases);
    lines::add(&mut cases);
    fields::add(&mut cases);
    framing::add(&mut cases);
    bodies::add(&mut cases);
    cookies::add(&mut cases);
    credentials::add(&mut cases);
    crossings::add(&mut cases);
    let held_back: Vec<_> = cases.iter().filter_map(Case::held_back).collect();
    cases.extend(held_back);
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_tables_hold_at_least_fifteen_hundred_requests_and_each_has_a_name_of_its_own() {
        let cases = cases();
        let at_once: HashSet<_> = cases.iter().filter(|case| !case.late).map(|case| &case.bytes).collect();
        println!("{} requests, {} exchanges", at_once.len(), cases.len());
        assert!(at_once.len() >= 1_500, "{} requests that differ", at_once.len());
        let names: HashSet<_> = cases.iter().map(|case| (case.family, case.name.as_str())).collect();
        assert_eq!(names.len(), cases.len());
    }

    #[test]
    fn placeholders_are_filled_in_and_the_length_counts_what_follows_the_fields() {
        let case = Case::new(
            "f",
            "n",
            &[b"A {HOST}{MARK} {LENGTH}\r\n\r\n", b"{TOKEN}"],
            Verdict::Harmless,
        );
        assert_eq!(case.render("m", "h:1", "token"), b"A h:1m 5\r\n\r\ntoken");
        let case = Case::new(
            "f",
            "n",
            &[b"\r\n\r\n{HEX}\r\n", b"{TOKEN}678901", b"\r\n0\r\n\r\n"],
            Verdict::Harmless,
        );
        assert_eq!(
            case.render("m", "h:1", "token"),
            b"\r\n\r\nb\r\ntoken678901\r\n0\r\n\r\n"
        );
    }

    #[test]
    fn no_rendered_case_still_holds_a_placeholder() {
        for case in cases() {
            let bytes = String::from_utf8_lossy(&case.render("m", "h", "t")).into_owned();
            for placeholder in ["{HOST}", "{TOKEN}", "{MARK}", "{LENGTH}", "{HEX}"] {
                assert!(!bytes.contains(placeholder), "{} {}", case.family, case.name);
            }
        }
    }
}
