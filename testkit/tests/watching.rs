//! Dashboard, alert rules and the list in docs/operations.md name the metrics that the programs have, and no others.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::process::repository;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

const DASHBOARD: &str = "config/grafana/igny8.json";
const ALERTS: &str = "config/grafana/alerts.yml";
const LIST: &str = "docs/operations.md";

fn read(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn sources(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// Every metric that proxy and core record, by its own name.
fn recorded() -> BTreeSet<String> {
    let mut code = String::new();
    for part in ["proxy/src", "core/src"] {
        sources(&repository().join(part), &mut code);
    }
    let named = Regex::new(r#"(?:counter|gauge|histogram)!\(\s*(?:"([a-z0-9_]+)"|([A-Z_]+))"#).unwrap();
    let names = named.captures_iter(&code).map(|found| match found.get(1) {
        Some(name) => name.as_str().to_owned(),
        None => {
            let constant = Regex::new(&format!(r#"const {}: &str = "([a-z0-9_]+)""#, &found[2])).unwrap();
            constant.captures(&code).unwrap_or_else(|| panic!("{}", &found[2]))[1].to_owned()
        }
    });
    names.filter(|name| name.starts_with("igny8_")).collect()
}

/// The metrics that a text names; the parts of a histogram count as the histogram.
fn named(text: &str, known: &BTreeSet<String>) -> BTreeSet<String> {
    let name = Regex::new(r"\bigny8_[a-z0-9_]+").unwrap();
    let whole = |name: &str| {
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|part| name.strip_suffix(part));
        base.filter(|base| known.contains(*base)).unwrap_or(name).to_owned()
    };
    name.find_iter(text).map(|found| whole(found.as_str())).collect()
}

/// The expressions of the dashboard.
fn expressions(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                match field {
                    Value::String(text) if key == "expr" => into.push(text.clone()),
                    other => expressions(other, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_dashboard_shows_every_metric_and_no_other() {
    let known = recorded();
    assert!(known.len() > 40, "only {} metrics were found: {known:?}", known.len());
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let mut all = Vec::new();
    expressions(&dashboard, &mut all);
    assert_eq!(named(&all.join("\n"), &known), known);
}

#[test]
fn alerts_ask_for_metrics_that_there_are_and_say_what_is_wrong() {
    let known = recorded();
    let alerts: Value = serde_saphyr::from_str(&read(ALERTS)).unwrap();
    let mut names = BTreeSet::new();
    for group in alerts["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            let name = rule["alert"].as_str().unwrap();
            assert!(names.insert(name), "{name} stands there twice");
            let asked = named(rule["expr"].as_str().unwrap(), &known);
            assert!(asked.is_subset(&known), "{name}: {asked:?}");
            assert!(!rule["annotations"]["summary"].as_str().unwrap().is_empty(), "{name}");
            let severity = rule["labels"]["severity"].as_str();
            assert!(matches!(severity, Some("page" | "ticket")), "{name}: {severity:?}");
        }
    }
    let told = read("docs/deploy.md");
    for name in names {
        assert!(
            told.contains(&format!("`{name}`")),
            "docs/deploy.md does not say what to do about {name}"
        );
    }
}

#[test]
fn the_list_of_metrics_is_whole() {
    let known = recorded();
    let list = read(LIST);
    let cells: String = list.lines().filter(|line| line.starts_with("| `igny8_")).collect();
    let listed: BTreeSet<String> = named(&cells, &known).intersection(&known).cloned().collect();
    assert_eq!(listed, known);
}
