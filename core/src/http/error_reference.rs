//! `docs/errors.md`: every code, and which route of the core answers it. Generated, so that it is never behind.

use igny8_contract::refusal::Refusal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The member of a response in the description that lists its codes.
pub(super) const CODES: &str = "x-codes";

/// The page as Markdown.
///
/// # Errors
/// What the serialiser says.
pub fn text() -> Result<String, serde_json::Error> {
    let routes = routes(&serde_json::to_value(super::routes::public().into_openapi())?);
    let mut page = String::from(
        "# Refusals\n\nMade by `igny8-core openapi --errors`; a test keeps it fresh.\n\nEvery refusal is \
         `{\"success\": false, \"error\", \"code\", \"request_id\"}` with the status below, and `fields` where single fields are \
         wrong. Switch on `code`: it stays; the sentence may change. 401 carries `WWW-Authenticate: Bearer`, 429 `Retry-After`. \
         On pages a browser gets the same as HTML.\n\n## Every code\n\n| code | status | sentence |\n| --- | --- | --- |\n",
    );
    for refusal in Refusal::ALL {
        line(
            &mut page,
            &[&code(refusal.code()), &refusal.status().to_string(), refusal.sentence()],
        );
    }
    page.push_str("\n## By the proxy\n\nBefore a request reaches the core or an app, the proxy may refuse it, by route and configuration, with any code above of credentials and standing, and with these, which no route of the core answers:\n\n");
    let of_proxy = Refusal::ALL
        .iter()
        .filter(|refusal| !routes.values().flatten().any(|code| code == refusal.code()));
    let of_proxy: Vec<String> = of_proxy.map(|refusal| code(refusal.code())).collect();
    page.push_str(&of_proxy.join(" · "));
    page.push_str("\n\n## By route of the core\n\nWith any of them: `internal` (500), and `no_route` or `method_not_allowed` for what is not listed.\n\n| route | codes |\n| --- | --- |\n");
    for (route, codes) in &routes {
        let codes: Vec<String> = codes.iter().map(|name| code(name)).collect();
        line(&mut page, &[&code(route), &codes.join(" ")]);
    }
    Ok(page)
}

/// Which codes each operation answers, by status.
fn routes(description: &Value) -> BTreeMap<String, Vec<String>> {
    let mut routes = BTreeMap::new();
    for (path, operations) in description["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            let responses = operation["responses"].as_object().into_iter().flatten();
            let codes = responses.flat_map(|(_, response)| response[CODES].as_array().into_iter().flatten());
            let codes = codes.filter_map(|code| code.as_str().map(str::to_owned)).collect();
            routes.insert(format!("{} {path}", method.to_uppercase()), codes);
        }
    }
    routes
}

fn code(name: &str) -> String {
    format!("`{name}`")
}

fn line(page: &mut String, cells: &[&str]) {
    // Writing to a string cannot fail.
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}
