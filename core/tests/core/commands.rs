//! The commands: what they print, what they change, how they end.

use super::site::{PASSWORD, Site, on_both};
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;

fn create(site: &Site, email: &str, password: &str, more: &[&str]) -> std::process::Output {
    let mut arguments = vec!["staff", "create", "--email", email, "--password-stdin", "--json"];
    arguments.extend(more);
    let mut command = site.command(&arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(format!("{password}\n").as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn staff_are_made_listed_and_shut_out_by_command() {
    on_both(|site| {
        let made = create(
            &site,
            "Root@Example.com",
            PASSWORD,
            &["--platform-role", "admin", "--superuser"],
        );
        assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
        let user: Value = serde_json::from_slice(&made.stdout).unwrap();
        assert_eq!(
            (&user["email"], &user["platform_role"]),
            (&json!("root@example.com"), &json!("admin"))
        );
        assert_eq!(
            create(&site, "dev@example.com", PASSWORD, &["--platform-role", "developer"])
                .status
                .code(),
            Some(0)
        );
        for (email, password, what) in [
            ("root@example.com", PASSWORD, "taken"),
            ("x@example.com", "password1", "weak"),
            ("nobody", PASSWORD, "no address"),
            ("y@example.com", "", "no password"),
        ] {
            let refused = create(&site, email, password, &["--platform-role", "admin"]);
            assert_eq!(refused.status.code(), Some(1), "{what}");
            assert!(!String::from_utf8_lossy(&refused.stderr).contains(PASSWORD));
        }
        let list: Value = serde_json::from_str(&site.must(&["staff", "list", "--json"])).unwrap();
        let listed: Vec<_> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["is_superuser"].clone())
            .collect();
        assert_eq!(listed, [json!(true), json!(false)]);
        assert_eq!(site.number("SELECT COUNT(*) FROM account WHERE kind = 'staff'"), 1);

        let server = site.serve();
        let signed_in = server.login("root@example.com", PASSWORD).json()["data"].clone();
        assert_eq!(signed_in["user"]["is_superuser"], true);
        assert_eq!(
            (&signed_in["account"]["plan"], &signed_in["subscription"]),
            (&json!(null), &json!(null))
        );
        let token = signed_in["access"].as_str().unwrap();
        assert_eq!(server.get("/api/v1/auth/me/").bearer(token).send().status, 200);
        // While the core serves.
        site.must(&["staff", "disable", "--email", "root@example.com"]);
        assert_eq!(
            server.get("/api/v1/auth/me/").bearer(token).send().code(),
            "token_revoked"
        );
        assert_eq!(server.login("root@example.com", PASSWORD).code(), "invalid_credentials");
        let member = server.sign_up();
        assert_eq!(
            site.run(&["staff", "disable", "--email", &member.email]).status.code(),
            Some(1),
            "no staff"
        );
        assert_eq!(site.number("SELECT COUNT(*) FROM audit WHERE action LIKE 'staff.%'"), 3);
        site.is_healthy();
    });
}

#[test]
fn plans_are_laid_down_once_and_what_staff_changed_stays() {
    on_both(|site| {
        site.sql("UPDATE plan SET price_minor = 3499 WHERE slug = 'starter'")
            .unwrap();
        let again: Value = serde_json::from_str(&site.must(&["create-free-trial-plan", "--json"])).unwrap();
        assert!(
            again.as_array().unwrap().iter().all(|plan| plan["added"] == false),
            "{again}"
        );
        assert_eq!(site.number("SELECT price_minor FROM plan WHERE slug = 'starter'"), 3499);
        assert_eq!(site.number("SELECT COUNT(*) FROM plan"), 6);
        site.sql("DELETE FROM plan WHERE slug = 'growth'").unwrap();
        assert!(site.must(&["seed-plans"]).contains("growth: added"));
        assert_eq!(
            site.run(&["seed-plans", "--file", "/nowhere.toml"]).status.code(),
            Some(3)
        );
    });
}

#[test]
fn the_doctor_finds_what_is_broken_account_by_account() {
    on_both(|site| {
        {
            let server = site.serve();
            (0..2).for_each(|_| drop(server.sign_up()));
        }
        site.is_healthy();
        // Only by taking the schema's own guards away can anything break.
        let unguard: &[&str] = if site.engine == "sqlite" {
            &[
                "DROP TRIGGER ledger_entry_no_update",
                "DROP TRIGGER subscription_period_no_delete",
            ]
        } else {
            &[
                "DROP TRIGGER ledger_entry_no_update ON ledger_entry",
                "DROP TRIGGER subscription_period_no_delete ON subscription_period",
            ]
        };
        for statement in unguard {
            site.sql(statement).unwrap();
        }
        site.sql("UPDATE ledger_entry SET amount = 1999 WHERE account_id = 2")
            .unwrap();
        site.sql("DELETE FROM subscription_period WHERE subscription_id = 1")
            .unwrap();
        let found = site.run(&["doctor", "--json"]);
        assert_eq!(found.status.code(), Some(1));
        let report: Value = serde_json::from_slice(&found.stdout).unwrap();
        let told = |account: i64, sentence: &str| {
            let findings = report["findings"].as_array().unwrap();
            let fits = |finding: &Value| {
                finding["account_id"] == account && finding["what"].as_str().unwrap().contains(sentence)
            };
            assert!(findings.iter().any(fits), "{account} {sentence}: {report}");
        };
        told(1, "subscription 1: there is no period");
        told(2, "ledger entry 1 does not continue");
        told(2, "it has 2000 credits and its ledger comes to 1999");
        let lines = String::from_utf8(site.run(&["doctor"]).stdout).unwrap();
        assert!(lines.contains("account 2: it has 2000 credits"), "{lines}");
        assert!(lines.contains("2 accounts, "), "{lines}");
    });
}

#[test]
fn every_command_explains_itself_with_an_example_and_ends_as_documented() {
    let site = Site::sqlite();
    for arguments in [
        &["serve"][..],
        &["migrate", "up"],
        &["migrate", "down"],
        &["migrate", "status"],
        &["seed-plans"],
        &["staff", "create"],
        &["staff", "list"],
        &["staff", "disable"],
        &["staff", "reset-totp"],
        &["keys", "rotate"],
        &["keys", "list"],
        &["doctor"],
        &["db", "copy"],
        &["openapi"],
    ] {
        let help = site.must(&[arguments, &["--help"]].concat());
        assert!(help.contains("Example: igny8-core"), "{arguments:?}: {help}");
    }
    assert!(site.must(&["--help"]).contains("Exit codes"));
    assert_eq!(site.run(&["no-such-command"]).status.code(), Some(2));
    let mut command = site.command(&["doctor"]);
    command.env("IGNY8_CORE__LISTEN__PUBLIK", "x");
    let wrong = command.output().unwrap();
    assert_eq!(wrong.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("PUBLIK"));
    let nowhere = Site::at("postgres", "postgres://igny8@127.0.0.1:1/nothing".into());
    assert_eq!(nowhere.run(&["doctor"]).status.code(), Some(4));
}
