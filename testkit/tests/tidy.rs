//! The rules of taste and structure that a machine can keep, read from the sources, the migrations and cargo's metadata.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::process::{repository, run};
use regex::Regex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders whose sources only compute: no IO, no clock, no chance.
const PURE_ROOMS: [&str; 3] = ["proxy/src/policy", "core/src/domain", "contract/src"];

/// The crates of the workspace's list that a pure room may name: they only compute.
const PURE_CRATES: [&str; 8] = [
    "igny8_contract",
    "bytes",
    "http",
    "jiff",
    "memchr",
    "serde",
    "serde_json",
    "zxcvbn",
];

/// The one file of a pure room that reads the machine's clock: it is where `SystemClock` lives.
const CLOCK_HOME: &str = "contract/src/time.rs";

const LONGEST_FILE: usize = 500;
const LONGEST_FUNCTION: usize = 70;

/// Licences that a dependency may come under.
const LICENCES: [&str; 15] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Every file of the repository with this ending: what is committed, and what is about to be.
fn files(ending: &str) -> Vec<PathBuf> {
    let listed = run(Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(repository()));
    listed
        .lines()
        .filter(|name| name.ends_with(ending))
        .map(PathBuf::from)
        .filter(|name| repository().join(name).is_file())
        .collect()
}

fn read(name: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(repository().join(name)).unwrap()).into_owned()
}

fn is_test_file(name: &Path) -> bool {
    let text = name.to_string_lossy();
    text.contains("/tests/") || text.ends_with("tests.rs")
}

/// A source without its tests, which stand at its end.
fn without_tests(source: &str) -> &str {
    source.find("#[cfg(test)]").map_or(source, |start| &source[..start])
}

/// A source's lines without comments (and so without the examples in them).
fn code_lines(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = source.lines().enumerate().map(|(index, line)| (index + 1, line));
    lines.map(|(number, line)| (number, line.split("//").next().unwrap_or_default()))
}

#[track_caller]
fn assert_none(faults: &[String], rule: &str) {
    assert!(faults.is_empty(), "{rule}:\n{}", faults.join("\n"));
}

fn in_pure_room(name: &Path) -> bool {
    PURE_ROOMS.iter().any(|room| name.starts_with(room)) && !is_test_file(name)
}

#[test]
fn pure_rooms_name_no_crate_that_does_io_and_no_impure_room() {
    let manifest: toml::Table = read(Path::new("Cargo.toml")).parse().unwrap();
    let crates: Vec<_> = manifest["workspace"]["dependencies"]
        .as_table()
        .unwrap()
        .keys()
        .map(|name| name.replace('-', "_"))
        .filter(|name| !PURE_CRATES.contains(&name.as_str()))
        .collect();
    let named = Regex::new(&format!(r"\b({})\b *(::|;|,| as )", crates.join("|"))).unwrap();
    let own_room = Regex::new(r"\bcrate::([a-z_]+)").unwrap();
    let mut faults = Vec::new();
    let mut seen = 0;
    for name in files(".rs").iter().filter(|name| in_pure_room(name)) {
        seen += 1;
        let source = read(name);
        for (number, line) in code_lines(without_tests(&source)) {
            // A crate is named in a path or brought in by `use`; a field or an argument may well be called `http`.
            let in_use = line.trim_start().trim_start_matches("pub ").starts_with("use ");
            for found in named.captures_iter(line).filter(|found| &found[2] == "::" || in_use) {
                let start = found.get(1).map_or(0, |root| root.start());
                if !line[..start].ends_with("::") {
                    faults.push(format!("{}:{number}: {}", name.display(), &found[1]));
                }
            }
            for found in own_room.captures_iter(line) {
                let room = format!("src/{}", &found[1]);
                if !name.starts_with("contract") && !PURE_ROOMS.iter().any(|pure| pure.ends_with(&room)) {
                    faults.push(format!("{}:{number}: crate::{}", name.display(), &found[1]));
                }
            }
        }
    }
    assert!(
        seen > 15,
        "only {seen} files of pure rooms were found: has the house moved?"
    );
    assert_none(
        &faults,
        "a pure room names a crate that is not in PURE_CRATES, or a room that is not pure",
    );
}

#[test]
fn pure_rooms_read_no_clock_no_file_no_environment_and_wait_for_nothing() {
    let impure = Regex::new(
        r"\b(SystemTime|Instant|SystemClock|TcpStream|TcpListener|UdpSocket|ToSocketAddrs|File|OpenOptions|stdin|stdout|stderr|println|eprintln|print|async|await)\b|std::(fs|env|process|thread|io)\b|\bthread_rng\b|\bRandomState\b",
    )
    .unwrap();
    let mut faults = Vec::new();
    for name in files(".rs")
        .iter()
        .filter(|name| in_pure_room(name) && *name != Path::new(CLOCK_HOME))
    {
        let source = read(name);
        for (number, line) in code_lines(without_tests(&source)) {
            if let Some(found) = impure.find(line) {
                faults.push(format!("{}:{number}: {}", name.display(), found.as_str()));
            }
        }
    }
    assert_none(&faults, "a pure room does something");
}

#[test]
fn no_file_and_no_function_grows_too_long() {
    let function = Regex::new(r"^( *)(?:pub(?:\([a-z]+\))? )?(?:const |async |unsafe )*fn ([a-z_0-9]+)").unwrap();
    let mut faults = Vec::new();
    for name in files(".rs") {
        let source = read(&name);
        let own = if is_test_file(&name) {
            source.as_str()
        } else {
            without_tests(&source)
        };
        // A module's tests may lie in a file of their own, and are not counted there either.
        let counted = !name.to_string_lossy().ends_with("tests.rs");
        let length = own.lines().count();
        if counted && length > LONGEST_FILE {
            faults.push(format!("{}: {length} lines", name.display()));
        }
        let lines: Vec<_> = own.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let Some(found) = function.captures(line) else { continue };
            // rustfmt closes a function with a brace as deep as its first line.
            let close = format!("{}}}", &found[1]);
            let Some(body) = lines[index..].iter().position(|line| **line == close) else {
                continue;
            };
            let opens_here = lines[index..=index + body]
                .iter()
                .any(|line| line.trim_end().ends_with('{'));
            if opens_here && body + 1 > LONGEST_FUNCTION {
                faults.push(format!(
                    "{}:{}: {} has {} lines",
                    name.display(),
                    index + 1,
                    &found[2],
                    body + 1
                ));
            }
        }
    }
    assert_none(
        &faults,
        "too long (a file stops at 500 lines without its tests, a function at 70)",
    );
}

#[test]
fn migrations_pair_by_number_and_name_on_both_engines_with_up_and_down() {
    let form = Regex::new(r"^migrations/(sqlite|postgres)/(\d{4}_[a-z0-9_]+)\.(up|down)\.sql$").unwrap();
    let mut found: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    let mut faults = Vec::new();
    for name in files(".sql") {
        let name = name.to_string_lossy().into_owned();
        match form.captures(&name) {
            Some(parts) => {
                found
                    .entry(parts[2].to_owned())
                    .or_default()
                    .insert((parts[1].to_owned(), parts[3].to_owned()));
            }
            None if name.starts_with("migrations/") => {
                faults.push(format!("{name}: not NNNN_name.up.sql or .down.sql"))
            }
            None => {}
        }
    }
    assert!(!found.is_empty(), "no migration was found");
    for (index, (name, parts)) in found.iter().enumerate() {
        if parts.len() != 4 {
            faults.push(format!("{name}: only {parts:?}"));
        }
        if !name.starts_with(&format!("{:04}_", index + 1)) {
            faults.push(format!(
                "{name}: number {:04} is missing before it, or its number is used twice",
                index + 1
            ));
        }
    }
    assert_none(&faults, "migrations");
}

fn metadata(arguments: &[&str]) -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let printed = run(Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(arguments)
        .current_dir(repository()));
    serde_json::from_str(&printed).unwrap()
}

#[test]
fn crates_depend_downwards_only() {
    let metadata = metadata(&["--no-deps"]);
    let mut edges = BTreeSet::new();
    for package in metadata["packages"].as_array().unwrap() {
        for dependency in package["dependencies"].as_array().unwrap() {
            if dependency["path"].is_string() {
                let kind = dependency["kind"].as_str().unwrap_or("normal");
                edges.insert(format!(
                    "{} -> {} ({kind})",
                    package["name"].as_str().unwrap(),
                    dependency["name"].as_str().unwrap()
                ));
            }
        }
    }
    let allowed: BTreeSet<String> = [
        "igny8-proxy -> igny8-contract (normal)",
        "igny8-core -> igny8-contract (normal)",
        "igny8-core -> igny8-testkit (dev)",
        "igny8-proxy -> igny8-testkit (dev)",
        "igny8-testkit -> igny8-contract (dev)",
    ]
    .map(String::from)
    .into();
    let faults: Vec<_> = edges.difference(&allowed).cloned().collect();
    assert!(
        edges.contains("igny8-proxy -> igny8-contract (normal)"),
        "the edges were not found: {edges:?}"
    );
    assert_none(&faults, "an edge that the house does not have");
}

/// Whether an SPDX expression can be met with the allowed licences. `AND` binds tighter than `OR`; an old `/` means `OR`.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let verdict = any_of(&mut words);
    verdict && words.next().is_none()
}

fn any_of<'a>(words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> bool {
    let mut verdict = all_of(words);
    while words.next_if_eq(&"OR").is_some() {
        verdict |= all_of(words);
    }
    verdict
}

fn all_of<'a>(words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> bool {
    let mut verdict = one(words);
    while words.next_if_eq(&"AND").is_some() {
        verdict &= one(words);
    }
    verdict
}

fn one<'a>(words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> bool {
    let Some(first) = words.next() else { return false };
    if first == "(" {
        return any_of(words) & (words.next() == Some(")"));
    }
    let mut licence = first.to_owned();
    if words.next_if_eq(&"WITH").is_some() {
        licence = format!("{licence} WITH {}", words.next().unwrap_or_default());
    }
    LICENCES.contains(&licence.as_str())
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "(MIT OR GPL-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_allowed(good), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR GPL-2.0) AND GPL-3.0",
        "MIT WITH GCC-exception",
        "MIT MIT",
    ] {
        assert!(!is_allowed(bad), "{bad}");
    }
}

#[test]
fn every_dependency_comes_under_an_allowed_licence() {
    let version = run(Command::new("rustc").arg("-vV"));
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = metadata(&["--filter-platform", host]);
    let used: BTreeSet<_> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| &node["id"])
        .map(Value::to_string)
        .collect();
    let mut faults = Vec::new();
    let mut seen = 0;
    for package in metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| used.contains(&package["id"].to_string()))
    {
        seen += 1;
        let licence = package["license"].as_str().unwrap_or_default();
        if !is_allowed(licence) {
            faults.push(format!("{} {}: {licence:?}", package["name"], package["version"]));
        }
    }
    assert!(seen > 100, "only {seen} packages were found");
    assert_none(&faults, "a licence that is not on the list");
}

#[test]
fn nothing_is_left_half_done_or_silenced_and_no_file_knows_a_machine() {
    // Written in pieces, so that this file does not find itself.
    let forbidden = [
        concat!("#[", "allow"),
        concat!("#![", "allow"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
        concat!("XX", "X:"),
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("/ho", "me/"),
    ];
    let mut faults = Vec::new();
    for name in files("") {
        // Generated by cargo and npm, where names are not ours.
        if name
            .file_name()
            .is_some_and(|name| name == "Cargo.lock" || name == "package-lock.json")
        {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(repository().join(&name)) else {
            continue;
        };
        for (index, line) in text.lines().enumerate() {
            for word in forbidden.iter().filter(|word| line.contains(**word)) {
                faults.push(format!("{}:{}: {word}", name.display(), index + 1));
            }
        }
    }
    assert_none(&faults, "words that must not be in the repository");
}

#[test]
fn every_configuration_file_is_toml() {
    let faults: Vec<_> = files(".toml")
        .iter()
        .filter_map(|name| {
            read(name)
                .parse::<toml::Table>()
                .err()
                .map(|error| format!("{}: {error}", name.display()))
        })
        .collect();
    assert_none(&faults, "not TOML");
}
