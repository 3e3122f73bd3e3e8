//! What a proxy has seen since it began, read out of its metrics: what it let through, what it refused and why, and where it
//! slowed somebody down. The metrics are somebody else's text: a line that cannot be read is passed over.

use std::collections::BTreeMap;

/// How often something happened, by two words each.
pub type Counts = BTreeMap<(String, String), u64>;

/// What a proxy has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub forwarded: u64,
    /// By code and route.
    pub refused: Counts,
    /// What would have been refused, by code and route.
    pub shadowed: Counts,
    /// By limit and mode.
    pub throttled: Counts,
    /// Sessions that were ended at their source.
    pub sessions_ended: u64,
}

impl Seen {
    /// Reads metrics in the text format of Prometheus.
    #[must_use]
    pub fn read(metrics: &str) -> Self {
        let mut seen = Self::default();
        for (name, labels, count) in metrics.lines().filter_map(sample) {
            let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
            let pair = |one: &str, other: &str| (label(one), label(other));
            match name {
                "igny8_requests_total" if label("verdict") == "refused" => {
                    add(&mut seen.refused, pair("code", "route"), count);
                }
                "igny8_requests_total" => seen.forwarded = seen.forwarded.saturating_add(count),
                "igny8_shadowed_total" => add(&mut seen.shadowed, pair("code", "route"), count),
                "igny8_throttle_refused_total" => add(&mut seen.throttled, pair("limit", "mode"), count),
                "igny8_sessions_revoked_total" => seen.sessions_ended = seen.sessions_ended.saturating_add(count),
                _ => {}
            }
        }
        seen
    }

    /// How many requests were refused.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.refused.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

fn add(counts: &mut Counts, key: (String, String), count: u64) {
    let sum = counts.entry(key).or_default();
    *sum = sum.saturating_add(count);
}

/// The counts, the highest first; what has not happened is left out.
#[must_use]
pub fn ranked(counts: &Counts) -> Vec<(&str, &str, u64)> {
    let happened = counts.iter().filter(|(_, count)| **count > 0);
    let mut rows: Vec<_> = happened
        .map(|((one, other), count)| (one.as_str(), other.as_str(), *count))
        .collect();
    // Stable: rows of the same count stay in the order of their words.
    rows.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
    rows
}

/// Name, labels and value of a line; nothing for a comment, or for a value that is no count.
fn sample(line: &str) -> Option<(&str, BTreeMap<String, String>, u64)> {
    let (name, rest) = match line.find(['{', ' ']) {
        Some(at) => line.split_at(at),
        None => return None,
    };
    let (labels, value) = match rest.strip_prefix('{') {
        Some(inner) => labels(inner)?,
        None => (BTreeMap::new(), rest),
    };
    let value = value.split_whitespace().next()?.parse().ok()?;
    Some((name, labels, value))
}

/// The labels up to the closing brace, and what stands behind it.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((labels, behind));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut letters = quoted.char_indices();
        let end = loop {
            match letters.next()? {
                (at, '"') => break at + 1,
                (_, '\\') => match letters.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        labels.insert(name.to_owned(), value);
        rest = &quoted[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const METRICS: &str = "# HELP igny8_requests_total x\n# TYPE igny8_requests_total counter\n\
        igny8_requests_total{route=\"/api/v1\",verdict=\"refused\",code=\"throttled\"} 7\n\
        igny8_requests_total{route=\"/\",verdict=\"refused\",code=\"malformed_path\"} 9\n\
        igny8_requests_total{route=\"/api/v1\",verdict=\"forwarded\",code=\"2xx\"} 40\n\
        igny8_requests_total{route=\"/\",verdict=\"forwarded\",code=\"3xx\"} 2\n\
        igny8_shadowed_total{route=\"/api/v1\",code=\"throttled\"} 3\n\
        igny8_throttle_refused_total{limit=\"plan.free-trial\",mode=\"enforce\"} 7\n\
        igny8_sessions_revoked_total 1\n\
        igny8_request_seconds{route=\"/\",quantile=\"0.5\"} 0.25\n";

    #[test]
    fn refusals_and_throttle_are_read_by_their_words() {
        let seen = Seen::read(METRICS);
        assert_eq!((seen.forwarded, seen.refusals(), seen.sessions_ended), (42, 16, 1));
        assert_eq!(
            ranked(&seen.refused),
            [("malformed_path", "/", 9), ("throttled", "/api/v1", 7)]
        );
        assert_eq!(ranked(&seen.throttled), [("plan.free-trial", "enforce", 7)]);
        assert_eq!(ranked(&seen.shadowed), [("throttled", "/api/v1", 3)]);
    }

    #[test]
    fn a_label_may_hold_anything() {
        let (name, labels, count) = sample(r#"x{a="say \"}\"",b="c\\d\ne"} 5 1700000000"#).unwrap();
        assert_eq!(
            (name, labels["a"].as_str(), labels["b"].as_str(), count),
            ("x", "say \"}\"", "c\\d\ne", 5)
        );
        for line in ["", "x", "# x 5", "x{a=\"b} 5", "x{a=\"b\"}", "x -1", "x 1.5", "x{a} 5"] {
            assert!(sample(line).is_none(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "\\PC{0,200}", tail in "[{}=\",\\\\ 0-9a-z]{0,60}") {
            let _seen = Seen::read(&format!("{text}\nigny8_requests_total{tail}"));
        }
    }
}
