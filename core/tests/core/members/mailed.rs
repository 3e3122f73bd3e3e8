//! Invitations by mail.

use super::super::people::{link, mails};
use super::super::site::{Server, Site, new_email, on_both};
use super::{MEMBERS, accept, access, act, invite, join};
use igny8_testkit::smtp::{Smtp, token};
use igny8_testkit::wait::wait_until;
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const WAITING: &str = "SELECT COUNT(*) FROM mailed_token WHERE purpose = 'invitation' AND due_at_us IS NOT NULL";

fn invited(server: &Server, access: &str, email: &str) -> Value {
    let answer = invite(server, access, email, "editor");
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["data"].clone()
}

fn told(invited: &Value) -> &str {
    invited["token"].as_str().unwrap()
}

#[test]
fn an_invitation_is_mailed_with_the_link_that_its_sender_is_told() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        let email = new_email();
        let invited = invited(&server, &owner.access, &email);
        let mailed = link(&site, &email, "/join#token=", 1);
        assert_eq!(mailed, told(&invited));
        assert_eq!(
            site.number("SELECT COUNT(*) FROM invitation JOIN mailed_token USING (token_hash)"),
            1
        );
        // What is for one purpose opens nothing else.
        for path in ["verify-email/", "password-reset/confirm/"] {
            let body = json!({"token": mailed, "new_password": "harbour-quilt-58-lantern"});
            let body = if path == "verify-email/" {
                json!({"token": mailed})
            } else {
                body
            };
            let answer = server.post(&format!("/api/v1/auth/{path}")).json(&body).send();
            assert_eq!(answer.code(), "link_invalid", "{path}");
        }
        assert_eq!(accept(&server, &mailed).status, 201);
        assert_eq!(accept(&server, &mailed).code(), "invitation_invalid");
        site.is_healthy();
    });
}

#[test]
fn asked_again_under_one_key_one_mail_is_sent() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        let email = new_email();
        for status in [201, 201] {
            let request = server.post("/api/v1/account/members/invite/").bearer(&owner.access);
            let request = request.field("Idempotency-Key", "invite-one");
            assert_eq!(
                request.json(&json!({"email": email, "role": "viewer"})).send().status,
                status
            );
        }
        link(&site, &email, "/join#token=", 1);
        assert_eq!(
            site.number("SELECT COUNT(*) FROM mailed_token WHERE purpose = 'invitation'"),
            1
        );
    });
}

/// A core whose mail nobody takes yet, and the owner of an account there.
fn unsent(site: &Site, smtp: &Smtp) -> Server {
    site.serve_with(&[("IGNY8_CORE__MAIL__SMTP_URL", &smtp.url())])
}

#[test]
fn mail_of_an_invitation_that_is_over_is_not_sent() {
    on_both(|site| {
        let mut smtp = Smtp::place();
        let server = unsent(&site, &smtp);
        let owner = server.sign_up();
        let admin = join(&server, &owner.access, "admin");
        let [accepted, revoked, replaced, orphaned] = [(); 4].map(|()| new_email());
        assert_eq!(
            accept(&server, told(&invited(&server, &owner.access, &accepted))).status,
            201
        );
        let id = invited(&server, &owner.access, &revoked)["id"].clone();
        let path = format!("/api/v1/account/members/invitations/{id}/revoke/");
        let answer = server.post(&path).bearer(&owner.access).json(&json!({})).send();
        assert!(answer.status < 300, "{}", answer.text());
        invited(&server, &owner.access, &replaced);
        let current = invited(&server, &owner.access, &replaced);
        invited(&server, &access(&admin), &orphaned);
        assert_eq!(site.number(WAITING), 2, "the current one, and that of the admin");
        let removed = act(&server, &owner.access, &admin["user"]["id"], "remove", &json!({}));
        assert!(removed.status < 300, "{}", removed.text());
        assert_eq!(site.number(WAITING), 1);

        smtp.begin(0);
        site.sql("UPDATE mailed_token SET due_at_us = 1 WHERE due_at_us IS NOT NULL")
            .unwrap();
        let mail = smtp.wait_for(&replaced, 1);
        assert_eq!(mail.subject, "You are invited to join an account");
        assert_eq!(token(&mail.text), told(&current));
        wait_until("its end", PATIENCE, || (site.number(WAITING) == 0).then_some(()));
        let others = [&accepted, &revoked, &orphaned];
        assert!(smtp.mails().iter().all(|mail| !others.contains(&&mail.to)));
        assert_eq!(smtp.mails().iter().filter(|mail| mail.to == replaced).count(), 1);
        assert_eq!(server.get(MEMBERS).bearer(&owner.access).send().status, 200);
        site.is_healthy();
    });
}

#[test]
fn an_address_that_has_got_enough_mail_is_invited_without_another() {
    on_both(|site| {
        let server = site.serve();
        let owner = server.sign_up();
        let email = new_email();
        let tokens: Vec<String> = (0..7)
            .map(|_| told(&invited(&server, &owner.access, &email)).to_owned())
            .collect();
        assert_eq!(
            site.number("SELECT COUNT(*) FROM mailed_token WHERE purpose = 'invitation'"),
            5
        );
        assert!(mails(&site, &email).len() <= 5);
        assert_eq!(
            accept(&server, &tokens[6]).status,
            201,
            "the answer has the link all the same"
        );
    });
}
