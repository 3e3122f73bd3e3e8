//! Tokens of other issuers through the real proxy: whose identity the app is told, and what stands between the issuers.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::config::{route, set};
use igny8_testkit::django::python_with;
use igny8_testkit::echo::Echo;
use igny8_testkit::folder::TestFolder;
use igny8_testkit::process::{repository, run};
use igny8_testkit::raw::Response;
use igny8_testkit::stack::{App, GENEROUS_LIMITS, Stack};
use igny8_testkit::wait::wait_until;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use toml::Table;

struct Setting {
    stack: Stack,
    tokens: Value,
    keys: std::path::PathBuf,
    _folder: TestFolder,
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A stack that trusts acme (a key file) and the shop (a secret), before an app that tells what it received.
fn setting(limits: &str, standing: &str) -> Setting {
    let folder = TestFolder::new();
    let (secret, keys) = (folder.path().join("shop_secret"), folder.path().join("acme.json"));
    write(&secret, "a secret of rather more than 32 bytes\n");
    let jose = repository().join("proxy/tests/jose");
    let mut command = Command::new(python_with(&jose.join("requirements.txt")));
    command
        .args(["-W", "ignore"])
        .arg(jose.join("live.py"))
        .arg(&secret)
        .arg("igny8-api");
    let tokens: Value = serde_json::from_str(&run(&mut command)).unwrap();
    write(&keys, &tokens["jwks"].to_string());
    let more: Table = format!(
        "[[issuer]]\nname = \"acme\"\niss = \"https://acme.example/\"\naud = \"igny8-api\"\njwks_file = \"{}\"\n\
         algorithms = [\"RS256\", \"ES256\"]\ntyp = \"JWT\"\naccount_claim = \"org\"\nrole_claim = \"role\"\n\
         account_prefix = \"acme-\"\nstanding = \"{standing}\"\n\
         [[issuer]]\nname = \"shop\"\niss = \"shop\"\naud = \"igny8-api\"\nsecret_file = \"{}\"\nalgorithms = [\"HS256\"]\n\
         typ = \"JWT\"\naccount_claim = \"tenant\"\naccount_prefix = \"shop-\"\nuser_prefix = \"\"\nstanding = \"none\"\n",
        keys.display(),
        secret.display()
    )
    .parse()
    .unwrap();
    let echo = Echo::start();
    let stack = Stack::builder()
        .app(App::At(echo.address().to_owned()))
        .limits(limits)
        .proxy(move |file| {
            let issuers = file["issuer"].as_array_mut().unwrap();
            issuers.extend(more["issuer"].as_array().unwrap().iter().cloned());
            set(file, "server.grace_seconds", 1);
            route(file, "/api").insert("scope".into(), "auth".into());
        })
        .start();
    Setting {
        stack,
        tokens,
        keys,
        _folder: folder,
    }
}

impl Setting {
    fn ask(&self, token: &str) -> Response {
        let token = self.tokens[token].as_str().unwrap();
        self.stack.get("/api/x").bearer(token).send()
    }
}

#[track_caller]
fn assert_told(answer: &Response, account: &str, user: &str, role: Option<&str>) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
    };
    assert_eq!(
        (
            field("X-Account-Id").as_deref(),
            field("X-User-Id").as_deref(),
            field("X-User-Role").as_deref()
        ),
        (Some(account), Some(user), role),
        "{text}"
    );
}

#[test]
fn the_app_is_told_the_prefixed_account_of_every_issuer_and_the_core_goes_on_as_before() {
    let setting = setting(GENEROUS_LIMITS, "none");
    for _cold_then_cached in 0..2 {
        assert_told(&setting.ask("rsa"), "acme-7", "acme-9", Some("editor"));
        assert_told(&setting.ask("ec"), "acme-7", "acme-9", Some("editor"));
        // No staff role of another issuer counts: it is merely an account's owner there.
        assert_told(&setting.ask("staff"), "acme-7", "acme-9", Some("owner"));
        assert_told(&setting.ask("shop"), "shop-7", "9", None);
    }
    let member = setting.stack.sign_up();
    let answer = setting.stack.get("/api/x").bearer(&member.access).send();
    assert_told(
        &answer,
        &member.account_id.to_string(),
        &member.user_id.to_string(),
        Some("owner"),
    );
    for token in ["as_core", "phantom"] {
        let answer = setting.ask(token);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "token_invalid"),
            "{token}"
        );
        assert!(
            answer
                .field("WWW-Authenticate")
                .is_some_and(|challenge| challenge.starts_with("Bearer"))
        );
    }
    // The core believes itself alone.
    let credits = setting
        .stack
        .get("/api/v1/credits/")
        .bearer(setting.tokens["rsa"].as_str().unwrap())
        .send();
    assert_eq!(credits.status, 401, "{}", credits.text());
    // A token ends at its `exp` and its leeway, remembered or not.
    assert_eq!(setting.ask("short").status, 200);
    wait_until("the short token to end", Duration::from_secs(30), || {
        let answer = setting.ask("short");
        (answer.status == 401).then(|| assert_eq!(answer.code(), "token_expired"))
    });
}

#[test]
fn accounts_of_other_issuers_are_limited_each_by_itself() {
    let limits = GENEROUS_LIMITS
        .replace(
            "[default]\nrate = \"600000/m\"\nburst = 100000",
            "[default]\nrate = \"1/h\"\nburst = 4",
        )
        .replace(
            "[scope.auth]\nrate = \"600000/m\"\nburst = 100000",
            "[scope.auth]\nrate = \"1/h\"\nburst = 3",
        );
    let setting = setting(&limits, "none");
    let admitted = |token: &str| (0..6).take_while(|_| setting.ask(token).status == 200).count();
    assert_eq!(admitted("rsa"), 3);
    assert_eq!(admitted("ec"), 0, "another token of the same account");
    assert_eq!(admitted("shop"), 3, "the account 7 of another issuer");
    assert_eq!(setting.ask("ec").code(), "throttled");
}

#[test]
fn an_issuer_whose_accounts_need_a_standing_is_refused_since_the_core_knows_none_of_them() {
    let setting = setting(GENEROUS_LIMITS, "core");
    let answer = setting.ask("rsa");
    assert_eq!((answer.status, answer.code().as_str()), (403, "account_missing"));
    assert_eq!(setting.ask("shop").status, 200);
}

#[test]
fn a_proxy_that_never_synced_refuses_api_routes_to_every_issuers_accounts() {
    let setting = setting(GENEROUS_LIMITS, "none");
    assert_eq!(setting.ask("rsa").status, 200);
    setting.stack.kill_core();
    setting.stack.start_proxy_unready(0);
    for token in ["rsa", "shop"] {
        let answer = setting.ask(token);
        assert_eq!((answer.status, answer.code().as_str()), (503, "core_unavailable"));
    }
    assert_eq!(setting.stack.get("/api/x").send().code(), "credentials_required");
    assert_eq!(
        setting.stack.get("/x").send().status,
        200,
        "a page needs nobody's standing"
    );
    setting.stack.start_core();
    wait_until("the proxy to be told", Duration::from_secs(30), || {
        (setting.ask("rsa").status == 200).then_some(())
    });
}

#[test]
fn a_key_that_is_taken_out_of_the_file_ends_its_tokens_after_a_reread() {
    let setting = setting(GENEROUS_LIMITS, "none");
    assert_eq!(setting.ask("ec").status, 200);
    let mut left = setting.tokens["jwks"].clone();
    left["keys"].as_array_mut().unwrap().remove(1);
    write(&setting.keys, &left.to_string());
    wait_until("the key to go", Duration::from_secs(60), || {
        (setting.ask("ec").status == 401).then_some(())
    });
    assert_eq!(setting.ask("rsa").status, 200, "the other key stays");
}
