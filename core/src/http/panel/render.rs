//! Templates into pages. Whatever is filled in is escaped by the library; no template marks anything as safe.

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;
use std::sync::LazyLock;

const TEMPLATES: [(&str, &str); 16] = [
    ("base.html", include_str!("templates/base.html")),
    ("tabs.html", include_str!("templates/tabs.html")),
    ("door.html", include_str!("templates/door.html")),
    ("sign_in.html", include_str!("templates/sign_in.html")),
    ("code.html", include_str!("templates/code.html")),
    ("problem.html", include_str!("templates/problem.html")),
    ("accounts.html", include_str!("templates/accounts.html")),
    ("account.html", include_str!("templates/account.html")),
    ("ledger.html", include_str!("templates/ledger.html")),
    ("audit.html", include_str!("templates/audit.html")),
    ("keys.html", include_str!("templates/keys.html")),
    ("people.html", include_str!("templates/people.html")),
    ("payments.html", include_str!("templates/payments.html")),
    ("payment.html", include_str!("templates/payment.html")),
    ("plans.html", include_str!("templates/plans.html")),
    ("proxies.html", include_str!("templates/proxies.html")),
];

static PAGES: LazyLock<Result<Environment<'static>, String>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, text) in TEMPLATES {
        environment
            .add_template(name, text)
            .map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(environment)
});

/// A page of this template.
///
/// # Errors
/// A template that cannot be read or filled in.
pub fn render(template: &str, body: &Value) -> Result<String, String> {
    let pages = PAGES.as_ref().map_err(Clone::clone)?;
    let page = pages.get_template(template).map_err(|error| error.to_string())?;
    page.render(Serde(body)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_template_can_be_read_and_none_calls_anything_safe_or_runs_a_script() {
        assert!(PAGES.is_ok(), "{:?}", PAGES.as_ref().err());
        for (name, text) in TEMPLATES {
            for forbidden in [
                "|safe",
                "| safe",
                "<script",
                "style=",
                "autoescape",
                "javascript:",
                "onclick",
                "onload",
            ] {
                assert!(!text.contains(forbidden), "{name}: {forbidden}");
            }
        }
    }

    #[test]
    fn what_is_filled_in_is_escaped() {
        let page = render("problem.html", &json!({"title": "<script>", "what": "\"'><b>{{ me }}"})).unwrap();
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(page.contains("{{ me }}"), "{page}");
    }
}
