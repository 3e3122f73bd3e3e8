//! Mail by a real SMTP server: sent once, tried again, and not lost with the process that was to send it.

use super::people::{NEW_PASSWORD, join, post};
use super::site::{PASSWORD, Server, Site, new_email, on_both};
use igny8_testkit::edge::Certificate;
use igny8_testkit::smtp::{Smtp, Tls};
use igny8_testkit::wait::wait_until;
use serde_json::json;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

fn serve(site: &Site, smtp: &Smtp) -> Server {
    site.serve_with(&[
        ("IGNY8_CORE__MAIL__SMTP_URL", &smtp.url()),
        ("IGNY8_CORE__MAIL__PUBLIC_URL", "https://app.example.com/"),
        ("IGNY8_CORE__MAIL__FROM", "The house <house@example.com>"),
    ])
}

#[test]
fn mail_goes_out_by_smtp_and_its_links_work() {
    on_both(|site| {
        let smtp = Smtp::start();
        let server = serve(&site, &smtp);
        let (email, _) = join(&server);
        let mail = smtp.wait_for(&email, 1);
        assert_eq!(mail.subject, "Please confirm your e-mail address");
        assert!(
            mail.text.contains("\nhttps://app.example.com/verify-email#token="),
            "{}",
            mail.text
        );
        assert!(mail.message_id.ends_with("@example.com>"), "{}", mail.message_id);
        assert_eq!(
            post(&server, "verify-email/", None, &json!({"token": mail.token()})).status,
            204
        );

        assert_eq!(
            post(&server, "password-reset/", None, &json!({"email": email})).status,
            202
        );
        let mail = smtp.wait_for(&email, 2);
        assert_eq!(mail.subject, "Choose a new password");
        let body = json!({"token": mail.token(), "new_password": NEW_PASSWORD});
        assert_eq!(post(&server, "password-reset/confirm/", None, &body).status, 204);
        assert_eq!(server.login(&email, NEW_PASSWORD).status, 200);
        assert_eq!(
            site.number("SELECT COUNT(*) FROM mailed_token WHERE due_at_us IS NOT NULL"),
            0
        );
        assert!(
            !site.folder.path().join("mail").exists(),
            "nothing is laid down beside it"
        );
    });
}

#[test]
fn mail_that_nobody_takes_now_is_tried_again_and_outlives_its_process() {
    on_both(|site| {
        let mut smtp = Smtp::place();
        let mut server = serve(&site, &smtp);
        let (email, _) = join(&server);
        let tried = || site.number("SELECT MAX(tries) FROM mailed_token");
        wait_until("the first try", PATIENCE, || (tried() >= 1).then_some(()));
        server.child.kill();
        drop(server);
        // Now there is a server, which is busy at first.
        smtp.begin(1);
        site.sql("UPDATE mailed_token SET due_at_us = 1").unwrap();
        let _server = serve(&site, &smtp);
        let mail = smtp.wait_for(&email, 1);
        assert!(mail.text.contains("/verify-email#token="));
        assert!(tried() >= 3, "no server, a busy one, a good one");
        wait_until("its end", PATIENCE, || {
            (site.number("SELECT COUNT(*) FROM mailed_token WHERE sent_at_us IS NOT NULL") == 1).then_some(())
        });
    });
}

#[test]
fn mail_that_is_refused_for_good_is_given_up() {
    on_both(|site| {
        let smtp = Smtp::start();
        let server = serve(&site, &smtp);
        let email = format!("never-{}", new_email());
        let body = json!({"email": email, "password": PASSWORD});
        assert_eq!(server.register(&body).status, 201);
        wait_until("giving up", PATIENCE, || {
            let given_up = "SELECT COUNT(*) FROM mailed_token WHERE due_at_us IS NULL AND sent_at_us IS NULL";
            (site.number(given_up) == 1).then_some(())
        });
        assert_eq!(site.number("SELECT MAX(tries) FROM mailed_token"), 1);
        assert!(smtp.mails().is_empty());
        let name = "igny8_core_mails_total{purpose=\"verify_email\",outcome=\"given_up\"}";
        assert_eq!(server.metric(name), Some(1.0));
    });
}

#[test]
fn several_processes_send_each_mail_once() {
    let site = Site::postgres();
    site.must(&["migrate", "up"]);
    site.must(&["seed-plans"]);
    let smtp = Smtp::start();
    // The same database and the same key; ports and folders of their own.
    let sites: Vec<Site> = (0..3).map(|_| Site::at("postgres", site.url.clone())).collect();
    let key = sites[0].folder.path().join("shared_key").display().to_string();
    let url = smtp.url();
    let environment = [
        ("IGNY8_CORE__MAIL__SMTP_URL", url.as_str()),
        ("IGNY8_CORE__SECRETS__KEY_FILE", key.as_str()),
        ("IGNY8_CORE__WORKER__INTERVAL_MS", "10"),
    ];
    let servers: Vec<Server> = sites.iter().map(|site| site.serve_with(&environment)).collect();
    std::thread::scope(|scope| {
        for server in &servers {
            scope.spawn(|| (0..10).for_each(|_| drop(server.sign_up())));
        }
    });
    wait_until("thirty mails", PATIENCE, || {
        (site.number("SELECT COUNT(*) FROM mailed_token WHERE sent_at_us IS NOT NULL") == 30).then_some(())
    });
    let mut ids: Vec<String> = smtp.mails().into_iter().map(|mail| mail.message_id).collect();
    assert_eq!(ids.len(), 30);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 30, "none is sent twice");
    // And a link that one has mailed is good at another.
    let mail = smtp.mails().pop().unwrap();
    assert_eq!(
        post(&servers[0], "verify-email/", None, &json!({"token": mail.token()})).status,
        204
    );
}

#[test]
fn a_server_that_would_be_told_secrets_in_the_clear_is_refused_at_the_start() {
    let site = Site::sqlite();
    site.must(&["migrate", "up"]);
    let file = site.folder.path().join("smtp_url");
    std::fs::write(&file, "smtp://user:hunter2secret@mail.example.com\n").unwrap();
    let mut command = site.command(&["serve"]);
    command.env("IGNY8_CORE__MAIL__SMTP_URL_FILE", &file);
    let refused = |command: &mut std::process::Command, sentence: &str| {
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{told}");
        assert!(told.contains(sentence) && !told.contains("hunter2"), "{told}");
    };
    refused(&mut command, "chmod 600");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    refused(&mut command, "in the clear");
}

/// A new person's mail is tried once with this URL, and trust in this certificate.
fn try_once(site: &Site, url: &str, trusted: &Certificate) -> (Server, String) {
    let server = site.serve_with(&[
        ("IGNY8_CORE__MAIL__SMTP_URL", url),
        ("SSL_CERT_FILE", &trusted.cert.to_string_lossy()),
    ]);
    let (email, _) = join(&server);
    let tried = format!("SELECT tries FROM mailed_token WHERE recipient = '{email}'");
    wait_until("the first try", PATIENCE, || (site.number(&tried) >= 1).then_some(()));
    (server, email)
}

#[test]
fn mail_goes_under_tls_to_a_server_that_is_trusted_and_to_no_other() {
    for mode in [Tls::FromTheStart, Tls::StartTls] {
        let site = Site::sqlite();
        site.must(&["migrate", "up"]);
        site.must(&["seed-plans"]);
        let made = |name: &str| Certificate::make(site.folder.path(), name);
        let (own, strange) = (made("own"), made("strange"));
        let mut smtp = Smtp::place();
        smtp.begin_guarded(mode, &own);
        let password = Smtp::USER.1;

        let (mut server, first) = try_once(&site, &smtp.guarded_url(mode, password), &strange);
        let log = || std::fs::read_to_string(site.folder.path().join("core.log")).unwrap();
        wait_until("the reason", PATIENCE, || {
            log().contains("the server's TLS could not be trusted").then_some(())
        });
        server.child.kill();
        let (mut server, second) = try_once(&site, &smtp.guarded_url(mode, "wrong-93-password"), &own);
        wait_until("the reason", PATIENCE, || log().contains("(code 535)").then_some(()));
        server.child.kill();
        assert!(smtp.mails().is_empty(), "{mode:?}");

        // Both still wait.
        site.sql("UPDATE mailed_token SET due_at_us = 1").unwrap();
        let (_server, third) = try_once(&site, &smtp.guarded_url(mode, password), &own);
        for email in [&first, &second, &third] {
            let mail = smtp.wait_for(email, 1);
            assert!(mail.text.contains("#token="));
        }
        for secret in [password, "wrong-93-password"] {
            assert!(!log().contains(secret), "{mode:?}");
        }
    }
}
