//! A receipt as a page that prints well: no script, nothing from elsewhere, and every word escaped.

use super::answer::Refused;
use super::shapes::billing::receipt_name;
use crate::domain::plan::decimal;
use crate::domain::subscription::PaymentMethod;
use crate::storage::receipt::Receipt;
use aws_lc_rs::digest::{SHA256, digest};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

const TEMPLATE: &str = include_str!("receipt_page/receipt.html");
const STYLE: &str = include_str!("receipt_page/receipt.css");

/// The page.
///
/// # Errors
/// `internal` where the template cannot be filled in.
pub fn page(receipt: &Receipt) -> Result<Response, Refused> {
    let html = fill(receipt).map_err(|error| Refused {
        reason: Some(Refusal::Internal),
        cause: Some(error.to_string()),
        ..Refused::default()
    })?;
    let mut response = Html(html).into_response();
    if let Ok(policy) = HeaderValue::from_str(&policy()) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

fn fill(receipt: &Receipt) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let facts = context! {
        style => STYLE,
        name => receipt_name(receipt.number),
        seller => receipt.seller.as_str(),
        account_name => receipt.account_name.as_str(),
        payer_name => receipt.payer_name.as_str(),
        plan_name => receipt.plan_name.as_str(),
        amount => decimal(receipt.amount_minor),
        currency => receipt.currency.as_str(),
        method => in_words(receipt.method),
        external_payment_id => receipt.external_payment_id.as_str(),
        period_start => day(receipt.period_start),
        period_end => day(receipt.period_end),
        issued_on => day(receipt.issued_at),
    };
    environment.render_named_str("receipt.html", TEMPLATE, facts)
}

/// The page's own style is known by its digest; nothing else is loaded, run, framed or sent.
fn policy() -> String {
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

const fn in_words(method: PaymentMethod) -> &'static str {
    match method {
        PaymentMethod::BankTransfer => "Bank transfer",
        PaymentMethod::Stripe => "Card, by Stripe",
        PaymentMethod::Manual => "By agreement",
        PaymentMethod::Trial => "Trial",
    }
}

/// The day in UTC.
fn day(instant: Timestamp) -> String {
    let instant = jiff::Timestamp::from_microsecond(instant.0).unwrap_or(jiff::Timestamp::MAX);
    instant.strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(payer_name: &str) -> Receipt {
        Receipt {
            number: 42,
            seller: String::new(),
            account_name: "Ada & Co".into(),
            payer_name: payer_name.into(),
            plan_name: "Starter".into(),
            amount_minor: 2_999,
            currency: "USD".into(),
            method: PaymentMethod::BankTransfer,
            external_payment_id: "BT-1".into(),
            period_start: Timestamp(0),
            period_end: Timestamp(0).plus_days(30),
            issued_at: Timestamp(0),
        }
    }

    #[test]
    fn a_receipt_says_everything_that_is_on_it() {
        let html = fill(&receipt("Ada Lovelace")).unwrap();
        for words in [
            "R-000042",
            "Ada &amp; Co",
            "Ada Lovelace",
            "Starter",
            "29.99 USD",
            "Bank transfer",
            "BT-1",
            "1970-01-01",
            "1970-01-31",
        ] {
            assert!(html.contains(words), "{words}: {html}");
        }
    }

    #[test]
    fn a_name_that_is_markup_stays_a_name() {
        let html = fill(&receipt("<script>alert(\"1\")</script>{{ style }}'")).unwrap();
        assert!(!html.contains("<script") && html.contains("&lt;script&gt;"), "{html}");
        assert!(html.contains("{{ style }}"), "a name is never read as a template");
    }

    #[test]
    fn a_receipt_shows_who_issued_it_in_lines_or_nothing_of_it() {
        assert!(!fill(&receipt("Ada")).unwrap().contains("Issued by"));
        let issued = Receipt {
            seller: "<b>Igny8</b> & Söhne\n1 High Street{{ style }}\n\nVAT \"1\"'".into(),
            ..receipt("Ada")
        };
        let html = fill(&issued).unwrap();
        let shown = "<dt>Issued by</dt><dd class=\"seller\">&lt;b&gt;Igny8&lt;&#x2f;b&gt; &amp; Söhne\n\
                     1 High Street{{ style }}\n\nVAT &quot;1&quot;&#x27;</dd>\n";
        assert!(html.contains(shown), "{html}");
        assert!(
            STYLE.contains(".seller { white-space: pre-line; }"),
            "its lines stay lines"
        );
        assert_eq!(
            html.replace(shown, ""),
            fill(&receipt("Ada")).unwrap(),
            "all else is as it was"
        );
    }

    #[test]
    fn the_style_that_the_policy_allows_is_the_one_on_the_page() {
        let html = fill(&receipt("Ada")).unwrap();
        let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        assert_eq!(style, STYLE);
        let digest = STANDARD.encode(digest(&SHA256, style.as_bytes()));
        assert!(
            policy().contains(&format!("style-src 'sha256-{digest}'")) && policy().starts_with("default-src 'none'")
        );
    }
}
