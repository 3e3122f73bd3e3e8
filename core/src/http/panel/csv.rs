//! Tables for spreadsheets: RFC 4180, and no cell that a spreadsheet would carry out as a formula.

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

/// A table under this name.
#[must_use]
pub fn answer(name: &str, head: &[&str], rows: &[Vec<String>]) -> Response {
    let mut text = line(head.iter().map(|cell| (*cell).to_owned()));
    for row in rows {
        text.push_str(&line(row.iter().cloned()));
    }
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/csv; charset=utf-8; header=present"),
    );
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|text| cell(&text)).collect();
    format!("{}\r\n", cells.join(","))
}

/// A number stays one; any other text that begins like a formula is kept from being one by an apostrophe.
fn cell(text: &str) -> String {
    let begins_a_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<i64>().is_err();
    let text = if begins_a_formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\r', '\n', '\'']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_what_it_says_and_never_a_formula() {
        for (text, written) in [
            ("Ada", "Ada"),
            ("-5", "-5"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("@sum", "\"'@sum\""),
            ("-2+3", "\"'-2+3\""),
            ("+cmd|x", "\"'+cmd|x\""),
        ] {
            assert_eq!(cell(text), written);
        }
    }
}
