//! Project Wycheproof's cases for JSON Web Signatures and Keys: each with the file's verdict, or a stricter one that stands
//! in the tables below with its reason.
//!
//! The files are read from `WYCHEPROOF_DIR`, or from beside the repository. Without them the tests say so and pass, unless
//! `REQUIRE_VECTORS` is set.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use igny8_proxy::tokens::keys::{Algorithm, KeySet};
use igny8_proxy::tokens::verify::Compact;
use igny8_testkit::process::repository;
use serde_json::{Value, json};
use std::path::PathBuf;

const UNSUPPORTED: &str = "its algorithm is none of the four that issuers may use";
const SHARED_SECRET_SET: &str = "a secret comes from a file of its own, never from a key set";
const NO_CLAIMS: &str = "an empty payload has no claims";
const NOT_CANONICAL: &str = "base64url has one form, without characters of another alphabet";

/// Valid cases of the signature file that are refused here.
const STRICTER_SIGNATURES: [(std::ops::RangeInclusive<u64>, &str); 9] = [
    (259..=259, NO_CLAIMS),
    (264..=267, UNSUPPORTED), // RS384
    (268..=271, UNSUPPORTED), // RS512
    (272..=288, UNSUPPORTED), // PS256
    (320..=323, UNSUPPORTED), // PS384
    (325..=328, UNSUPPORTED), // PS512
    (346..=347, UNSUPPORTED), // PS384, ES512
    (350..=351, UNSUPPORTED), // PS384, ES512
    (372..=373, NOT_CANONICAL),
];

/// Invalid cases whose token is, byte for byte, that of a valid case: nobody can give both verdicts. (The first of the two
/// numbers is the invalid one.) What they were meant to show, padding, is refused; see `tests/jose.rs`.
const CONTRADICTED: [(u64, u64); 2] = [(367, 357), (370, 357)];

/// Valid cases of the key file that are refused here.
const STRICTER_KEYS: [(std::ops::RangeInclusive<u64>, &str); 3] = [
    (2..=2, SHARED_SECRET_SET),
    (13..=13, SHARED_SECRET_SET),
    (14..=15, UNSUPPORTED), // HS384, HS512
];

fn read(name: &str) -> Option<Value> {
    let folder = std::env::var_os("WYCHEPROOF_DIR")
        .map_or_else(|| repository().join("../shared/vectors/wycheproof"), PathBuf::from);
    match std::fs::read(folder.join(name)) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(error) => {
            assert!(
                std::env::var_os("REQUIRE_VECTORS").is_none(),
                "{}: {error}",
                folder.join(name).display()
            );
            eprintln!("skipped: {} is not there", folder.join(name).display());
            None
        }
    }
}

/// The keys of a group as an issuer of ours could have them: public keys and key sets as a key set, one secret as a file.
fn keys(group: &Value) -> Option<KeySet> {
    let written = group.get("public").unwrap_or(&group["private"]);
    if written.get("keys").is_some() {
        return KeySet::parse(written.to_string().as_bytes(), &Algorithm::ALL).ok();
    }
    if written["kty"] == "oct" {
        // Whoever sets up a secret file says its algorithm; only HS256 can be said.
        let secret = URL_SAFE_NO_PAD.decode(written["k"].as_str()?).ok()?;
        return (written["alg"] == "HS256")
            .then(|| KeySet::secret(&secret).ok())
            .flatten();
    }
    let set = json!({"keys": [written]}).to_string();
    KeySet::parse(set.as_bytes(), &Algorithm::ALL).ok()
}

fn accepts(keys: Option<&KeySet>, case: &Value) -> bool {
    // What is in another serialization is no token at all.
    let Some(token) = case["jws"].as_str() else {
        return false;
    };
    let Ok(token) = Compact::parse(token.as_bytes()) else {
        return false;
    };
    keys.is_some_and(|keys| token.verify(keys).is_ok())
}

/// The cases of [`CONTRADICTED`] that this file has, each proven to be what the table says.
fn contradicted(file: &Value) -> Vec<u64> {
    let cases: Vec<&Value> = file["testGroups"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|group| group["type"] == "JsonWebSignature")
        .flat_map(|group| group["tests"].as_array().unwrap())
        .collect();
    let case = |id: u64| cases.iter().find(|case| case["tcId"] == id);
    let table = CONTRADICTED
        .iter()
        .filter_map(|(invalid, valid)| Some((case(*invalid)?, case(*valid)?)));
    table
        .map(|(invalid, valid)| {
            assert_eq!(
                (&invalid["jws"], &valid["result"]),
                (&valid["jws"], &Value::from("valid"))
            );
            invalid["tcId"].as_u64().unwrap()
        })
        .collect()
}

fn check(name: &str, count: usize, stricter: &[(std::ops::RangeInclusive<u64>, &str)]) {
    let Some(file) = read(name) else { return };
    let contradicted = contradicted(&file);
    let (mut seen, mut faults, mut narrowed) = (0, Vec::new(), 0);
    for group in file["testGroups"].as_array().unwrap() {
        let keys = keys(group);
        for case in group["tests"].as_array().unwrap() {
            seen += 1;
            let id = case["tcId"].as_u64().unwrap();
            let valid = case["result"] == "valid" || contradicted.contains(&id);
            let listed = stricter.iter().any(|(range, _)| range.contains(&id));
            let accepted = accepts(keys.as_ref(), case);
            narrowed += usize::from(valid && !accepted);
            if accepted != (valid && !listed) {
                faults.push(format!(
                    "{id} ({}): {} and accepted: {accepted}",
                    case["comment"], case["result"]
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{name}:\n{}", faults.join("\n"));
    assert_eq!(seen, count, "{name} has not as many cases as it had");
    let least = usize::from(!stricter.is_empty());
    assert!(narrowed >= least, "the table lists cases that are not stricter");
}

#[test]
fn every_signature_case_has_the_files_verdict_or_a_stricter_one() {
    check("json_web_signature_test.json", 401, &STRICTER_SIGNATURES);
}

#[test]
fn every_key_case_has_the_files_verdict_or_a_stricter_one() {
    check("json_web_key_test.json", 26, &STRICTER_KEYS);
}

#[test]
fn every_line_of_the_tables_has_its_reason() {
    for (range, reason) in STRICTER_SIGNATURES.iter().chain(&STRICTER_KEYS) {
        assert!(range.start() <= range.end() && reason.len() > 20, "{range:?}");
    }
}
