//! What was decided against what was seen.

use super::exchange::{Exchange, is_refused_as};
use super::witness::{Line, Record};
use super::{Arrival, Case, Verdict};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// What must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Harm {
    /// More came out than went in.
    MoreOutThanIn,
    /// A request that hid in another one's bytes arrived.
    HiddenArrived,
    /// A session reached the app on a route that is not the panel's.
    SessionLeaked,
    /// The app served the panel for a request that was not for it.
    PanelReached,
    /// An identity or an origin that the proxy did not give reached the app.
    IdentityForged,
    /// What the app saw is not what was signed.
    Unsigned,
    /// The request was decided on by the rule of another path.
    OtherRule,
    /// The app was offered to leave HTTP.
    UpgradeOffered,
    /// What was to be refused arrived.
    RefusedArrived,
    /// Neither refused nor forwarded as it should have been, though without harm.
    WrongVerdict,
}

/// One way in which a case came out wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    pub harm: Harm,
    pub family: &'static str,
    pub case: String,
    pub details: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {} / {}: {}", self.harm, self.family, self.case, self.details)
    }
}

/// What a request may rightly carry when it arrives.
#[derive(Clone, Debug)]
pub struct Truth {
    /// The prefixes of the routes, any order.
    pub prefixes: Vec<String>,
    /// The token's account, user and role.
    pub identity: [String; 3],
}

/// Everything that is wrong with how the cases came out.
#[must_use]
pub fn judge(cases: &[Case], exchanges: &[Exchange], records: &[Record], truth: &Truth) -> Vec<Finding> {
    let mut by_mark: HashMap<&str, Vec<&Record>> = HashMap::new();
    for record in records.iter().filter(|record| !record.introspection) {
        by_mark.entry(record.marker.as_str()).or_default().push(record);
    }
    let mut findings = Vec::new();
    for (case, exchange) in cases.iter().zip(exchanges) {
        let find = |harm, details: String| Finding {
            harm,
            family: case.family,
            case: case.name.clone(),
            details,
        };
        let seen = |suffix: &str| {
            by_mark
                .get(format!("{}{suffix}", exchange.mark).as_str())
                .cloned()
                .unwrap_or_default()
        };
        let (first, hidden, second) = (seen(""), seen("-hidden"), seen("-second"));
        let mut harms = harms_of(case, exchange, &first, &second);
        for record in &hidden {
            harms.push((Harm::HiddenArrived, record.wire_path.clone()));
        }
        for record in first.iter().chain(&second) {
            harms.extend(wrongs_of(case, record, truth));
        }
        if let Some(wrong) = wrong_verdict(case, exchange, &first) {
            harms.push((Harm::WrongVerdict, wrong));
        }
        findings.extend(harms.into_iter().map(|(harm, details)| find(harm, details)));
    }
    findings.extend(strangers(exchanges, records));
    findings
}

/// Requests that no case sent: their marks were lost or made up on the way.
fn strangers(exchanges: &[Exchange], records: &[Record]) -> Vec<Finding> {
    let marks: HashSet<&str> = exchanges.iter().map(|exchange| exchange.mark.as_str()).collect();
    let known = |marker: &str| {
        let own = marker
            .strip_suffix("-hidden")
            .or_else(|| marker.strip_suffix("-second"))
            .unwrap_or(marker);
        marks.contains(own) || own == super::LAST_MARK
    };
    let strange = records
        .iter()
        .filter(|record| !record.introspection && !known(&record.marker));
    strange
        .map(|record| Finding {
            harm: Harm::MoreOutThanIn,
            family: "no case",
            case: record.marker.clone(),
            details: format!("{} {}", record.method, record.wire_path),
        })
        .collect()
}

/// The same for what nginx took for requests, whatever became of them there: each is a case's own, and each comes once.
#[must_use]
pub fn judge_lines(cases: &[Case], exchanges: &[Exchange], lines: &[Line]) -> Vec<Finding> {
    let mut allowed: HashMap<String, usize> = HashMap::new();
    for (case, exchange) in cases.iter().zip(exchanges) {
        allowed.insert(exchange.mark.clone(), 1);
        allowed.insert(format!("{}-second", exchange.mark), case.requests - 1);
    }
    allowed.insert(super::LAST_MARK.to_owned(), 1);
    let mut findings = Vec::new();
    // The proxy's own questions about sessions carry no mark.
    let asked = lines
        .iter()
        .filter(|line| !line.marker.is_empty() || line.uri != "/internal/session/");
    for line in asked {
        match allowed.get_mut(&line.marker) {
            Some(left) if *left > 0 => *left -= 1,
            _ => findings.push(Finding {
                harm: if line.marker.ends_with("-hidden") {
                    Harm::HiddenArrived
                } else {
                    Harm::MoreOutThanIn
                },
                family: "seen by nginx",
                case: line.marker.clone(),
                details: format!("{} ({})", line.line, line.status),
            }),
        }
    }
    findings
}

fn harms_of(case: &Case, exchange: &Exchange, first: &[&Record], second: &[&Record]) -> Vec<(Harm, String)> {
    let mut harms = Vec::new();
    if first.len() > 1 || first.len() + second.len() > case.requests {
        harms.push((Harm::MoreOutThanIn, format!("{} arrived", first.len() + second.len())));
    }
    if exchange.answers > case.requests {
        harms.push((Harm::MoreOutThanIn, format!("{} answers", exchange.answers)));
    }
    if let (Verdict::Refused(codes), Some(record)) = (&case.verdict, first.first()) {
        harms.push((
            Harm::RefusedArrived,
            format!("{} {} instead of {codes:?}", record.method, record.wire_path),
        ));
    }
    harms
}

/// What is wrong with one request that arrived, whatever became of the case otherwise.
fn wrongs_of(case: &Case, record: &Record, truth: &Truth) -> Vec<(Harm, String)> {
    let mut wrongs = Vec::new();
    let for_admin = is_within(&record.django_path, "/admin");
    // Where nobody signs, nobody decided: then the case itself says where it means to go.
    let decided_on_admin = if record.signed {
        record.rule.as_deref() == Some("/admin")
    } else {
        case.is_for_admin() && is_within(&record.wire_path, "/admin")
    };
    if for_admin && !decided_on_admin {
        wrongs.push((
            Harm::PanelReached,
            format!("{} became {}", record.wire_path, record.django_path),
        ));
    }
    if !for_admin && let Some(session) = record.cookies.get("sessionid") {
        wrongs.push((
            Harm::SessionLeaked,
            format!("sessionid={session} on {}", record.django_path),
        ));
    }
    if !record.signed {
        wrongs.push((
            Harm::Unsigned,
            format!("{} {}?{}", record.method, record.wire_path, record.wire_query),
        ));
    }
    let rule = truth.rule_of(&record.django_path);
    if record.signed && record.rule.as_deref() != rule {
        wrongs.push((
            Harm::OtherRule,
            format!("{:?} decided on {}", record.rule, record.django_path),
        ));
    }
    if record.headers.contains_key("upgrade") {
        wrongs.push((Harm::UpgradeOffered, record.headers["upgrade"].clone()));
    }
    wrongs.extend(
        truth
            .forgeries(case, record)
            .into_iter()
            .map(|forged| (Harm::IdentityForged, forged)),
    );
    wrongs
}

impl Truth {
    /// The longest prefix that holds the path, by whole segments.
    fn rule_of(&self, path: &str) -> Option<&str> {
        let holding = self.prefixes.iter().filter(|prefix| is_within(path, prefix));
        holding.max_by_key(|prefix| prefix.len()).map(String::as_str)
    }

    /// Fields that only the proxy may speak, with values that it cannot have given.
    fn forgeries(&self, case: &Case, record: &Record) -> Vec<String> {
        let with_token = case.bytes.windows(7).any(|window| window == b"{TOKEN}");
        let host = record.headers.get("host").map_or("", String::as_str);
        let right = |name: &str, value: &str| match name {
            "x-account-id" => with_token && value == self.identity[0],
            "x-user-id" => with_token && value == self.identity[1],
            "x-user-role" => with_token && value == self.identity[2],
            "x-igny8-edge" => record.signed,
            "x-forwarded-for" => value == "127.0.0.1",
            "x-forwarded-proto" => value == "http",
            "x-forwarded-host" => value == host,
            _ => !is_owned(name),
        };
        let wrong = record.headers.iter().filter(|(name, value)| !right(name, value));
        let mut forgeries: Vec<_> = wrong.map(|(name, value)| format!("{name}: {value}")).collect();
        if record.scheme != "http" {
            forgeries.push(format!("the scheme {}", record.scheme));
        }
        if record.headers.contains_key("authorization") && !with_token {
            forgeries.push("an Authorization that nobody verified".to_owned());
        }
        forgeries
    }
}

/// Whether the name belongs to the proxy alone (the list of the documentation, written down a second time).
fn is_owned(name: &str) -> bool {
    const NAMES: [&str; 11] = [
        "forwarded",
        "x-real-ip",
        "x-original-url",
        "x-original-uri",
        "x-rewrite-url",
        "x-http-method-override",
        "x-method-override",
        "script-name",
        "path-info",
        "remote-user",
        "proxy",
    ];
    ["x-account-", "x-user-", "x-igny8-", "x-forwarded-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || NAMES.contains(&name)
}

fn is_within(path: &str, prefix: &str) -> bool {
    prefix == "/" || path == prefix || path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))
}

fn wrong_verdict(case: &Case, exchange: &Exchange, arrived: &[&Record]) -> Option<String> {
    let answered = || {
        exchange.answer.as_ref().map_or_else(
            || "no answer".to_owned(),
            |answer| format!("{} {}", answer.status, answer.code()),
        )
    };
    if !exchange.closed {
        return Some(format!("the connection stayed open after: {}", answered()));
    }
    match &case.verdict {
        Verdict::Harmless => None,
        Verdict::AnsweredHere => {
            let is_met = arrived.is_empty() && exchange.answer.as_ref().is_some_and(|answer| answer.status == 200);
            (!is_met).then(|| format!("{}, {} arrived; to be answered here", answered(), arrived.len()))
        }
        Verdict::Refused(codes) => match &exchange.answer {
            Some(answer) if is_refused_as(answer, &case.verdict) => None,
            _ => Some(format!("{} instead of {codes:?}", answered())),
        },
        Verdict::Forwarded(arrival) => match arrived {
            [record] if exchange.answer.as_ref().is_some_and(|answer| answer.status == 200) => {
                wrong_arrival(arrival, record)
            }
            _ => Some(format!(
                "{}, {} arrived; expected at {}",
                answered(),
                arrived.len(),
                arrival.path
            )),
        },
    }
}

fn wrong_arrival(arrival: &Arrival, record: &Record) -> Option<String> {
    if record.wire_path != arrival.path {
        return Some(format!("arrived at {} instead of {}", record.wire_path, arrival.path));
    }
    if arrival.body_length.is_some() && record.body_length != arrival.body_length {
        return Some(format!(
            "a body of {:?} instead of {:?}",
            record.body_length, arrival.body_length
        ));
    }
    let expected = arrival.cookies.as_ref()?;
    let same = expected.len() == record.cookies.len()
        && expected
            .iter()
            .all(|(name, value)| record.cookies.get(name) == Some(value));
    (!same).then(|| format!("the cookies {:?} instead of {expected:?}", record.cookies))
}
