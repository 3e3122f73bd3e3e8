//! The committed description of the API is the one that the handlers give.

use serde_json::Value;
use std::collections::HashSet;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

fn description() -> Value {
    serde_json::from_str(&igny8_core::http::openapi::text().unwrap()).unwrap()
}

#[test]
fn the_committed_description_is_fresh() {
    let committed = std::fs::read_to_string(COMMITTED).unwrap();
    let fresh = igny8_core::http::openapi::text().unwrap();
    assert!(
        committed == fresh,
        "run `igny8-core openapi > core/openapi.json` and commit it"
    );
}

#[test]
fn the_committed_list_of_refusals_is_fresh() {
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors.md")).unwrap();
    let fresh = igny8_core::http::error_reference::text().unwrap();
    assert!(
        committed == fresh,
        "run `igny8-core openapi --errors > docs/errors.md` and commit it"
    );
}

#[test]
fn every_operation_has_a_name_a_summary_and_its_refusals() {
    let description = description();
    assert_eq!(description["openapi"], "3.1.0");
    let mut names = HashSet::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let place = format!("{method} {path}");
            assert!(
                names.insert(operation["operationId"].as_str().unwrap().to_owned()),
                "{place}"
            );
            assert!(
                operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()),
                "{place}"
            );
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{place}");
            for (status, response) in responses.iter().filter(|(status, _)| !status.starts_with('2')) {
                let content = &response["content"]["application/json"];
                assert_eq!(
                    content["schema"]["$ref"], "#/components/schemas/RefusalAnswer",
                    "{place} {status}"
                );
                assert_eq!(content["example"]["success"], false, "{place} {status}");
            }
            let secured = operation["security"].as_array().is_some_and(|needs| !needs.is_empty());
            let without_token = [
                "/auth/register/",
                "/auth/login/",
                "/auth/refresh/",
                "/auth/invitations/accept/",
                "/auth/password-reset/",
                "/auth/password-reset/confirm/",
                "/auth/verify-email/",
                "/plans/",
                "/webhooks/stripe/",
            ];
            let open = without_token.iter().any(|end| path.ends_with(end));
            assert_ne!(secured, open, "{place}");
        }
    }
    assert_eq!(
        description["components"]["securitySchemes"]["bearer"]["scheme"],
        "bearer"
    );
}

#[test]
fn every_reference_leads_somewhere() {
    let description = description();
    let text = description.to_string();
    let references: HashSet<&str> = text
        .split("\"$ref\":\"#/components/schemas/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(references.len() > 10);
    for reference in references {
        assert!(
            description["components"]["schemas"].get(reference).is_some(),
            "{reference}"
        );
    }
}
