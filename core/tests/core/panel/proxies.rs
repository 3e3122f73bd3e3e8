//! What proxies have seen, as staff are shown it.

use super::Browser;
use crate::site::on_both;
use std::io::{Read, Write};
use std::net::TcpListener;

/// Says this once to whoever asks, and tells where.
fn says(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut asked = [0; 1024];
        let length = client.read(&mut asked).unwrap();
        assert!(asked[..length].starts_with(b"GET /metrics HTTP/1.1"), "{asked:?}");
        client.write_all(answer.as_bytes()).unwrap();
    });
    address
}

#[test]
fn staff_see_what_each_proxy_refused_and_which_one_does_not_tell() {
    on_both(|site| {
        let metrics = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\
             igny8_requests_total{route=\"/api/v1\",verdict=\"forwarded\",code=\"2xx\"} 12345\n\
             igny8_requests_total{route=\"/api/v1/<b>\",verdict=\"refused\",code=\"session_not_allowed\"} 31\n\
             igny8_throttle_refused_total{limit=\"plan.free-trial\",mode=\"enforce\"} 77\n";
        let (telling, silent) = (says(metrics), says("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"));
        let named = format!("{telling}, {silent}");
        let server = site.serve_with(&[("IGNY8_CORE__PANEL__PROXIES", &named)]);
        let mut staff = Browser::of_staff(&site, &server, "developer");
        let page = staff.get("/admin/proxies/").text();
        for told in [
            telling.as_str(),
            "12,345",
            "session_not_allowed",
            "Please use JWT",
            "class=\"number\">31</td>",
            "plan.free-trial",
            "class=\"number\">77</td>",
            silent.as_str(),
            "It does not tell: it answers 500",
        ] {
            assert!(page.contains(told), "{told}: {page}");
        }
        assert!(
            !page.contains("<b>\"") && !page.contains("/<b>"),
            "what a proxy says is escaped: {page}"
        );
        // Both are gone by now: the page is there all the same.
        let page = staff.get("/admin/proxies/");
        assert_eq!(page.status, 200);
        assert_eq!(page.text().matches("It does not tell").count(), 2, "{}", page.text());
    });
}

#[test]
fn where_no_proxy_is_named_the_page_says_how_to() {
    on_both(|site| {
        let server = site.serve();
        let page = Browser::of_staff(&site, &server, "admin").get("/admin/proxies/").text();
        assert!(page.contains("No proxy is named"), "{page}");
    });
}
