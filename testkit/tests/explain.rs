//! `explain` and `replay` beside a running proxy: they say what it does, and do nothing themselves.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::django::python_with;
use igny8_testkit::echo::Echo;
use igny8_testkit::ports::PortBlock;
use igny8_testkit::process::{Child, binary, repository, run};
use igny8_testkit::stack::{App, Stack};
use igny8_testkit::wait::wait_until;
use serde_json::{Value, json};
use std::process::{Command, Output};
use std::time::Duration;

const ROOT: &str = "rootroot1";

fn proxy(stack: &Stack, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary("igny8-proxy"));
    command
        .args(arguments)
        .arg("--config")
        .arg(stack.var.join("run/proxy.toml"))
        .current_dir(repository());
    command.output().unwrap()
}

fn explained(stack: &Stack, method: &str, url: &str, fields: &[&str]) -> Value {
    let mut arguments = vec!["explain", method, url, "--json"];
    fields.iter().for_each(|field| arguments.extend(["-H", field]));
    let output = proxy(stack, &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn explain_says_what_the_proxy_does_and_does_nothing() {
    let echo = Echo::start();
    echo.tell(
        ROOT,
        json!({"authenticated": true, "is_staff": true, "is_superuser": true, "user_id": 1}),
    );
    let stack = Stack::builder().app(App::At(echo.address().to_owned())).start();
    let member = stack.sign_up();
    let (bearer, broken) = (
        format!("Authorization: Bearer {}", member.access),
        "Authorization: Bearer a.b.c",
    );
    let cookie = format!("Cookie: sessionid={ROOT}");
    let url = |path: &str| format!("http://{}{path}", stack.public);
    for (method, path, fields, verdict, code) in [
        ("GET", "/", vec![], "forwarded", ""),
        ("GET", "/api/x", vec![bearer.as_str()], "forwarded", ""),
        ("GET", "/api/x", vec![bearer.as_str(), cookie.as_str()], "forwarded", ""),
        ("GET", "/api/x", vec![broken], "refused", "token_invalid"),
        ("GET", "/api/x", vec![], "refused", "credentials_required"),
        ("GET", "/api/x", vec![cookie.as_str()], "refused", "session_not_allowed"),
        (
            "GET",
            "/home",
            vec![cookie.as_str()],
            "refused",
            "superuser_session_blocked",
        ),
        ("GET", "/admin/", vec![cookie.as_str()], "forwarded", ""),
        ("GET", "/API/x", vec![], "refused", "malformed_path"),
        ("GET", "/%2e%2e/x", vec![], "refused", "malformed_path"),
        ("TRACE", "/", vec![], "refused", "method_not_allowed"),
        ("GET", "/", vec!["X_Account_Id: 1"], "refused", "forbidden_field"),
        ("GET", "/", vec!["Host: elsewhere"], "refused", "bad_host"),
    ] {
        let told = explained(&stack, method, &url(path), &fields);
        assert_eq!(
            (&told["verdict"], &told["code"]),
            (&json!(verdict), &json!(code)),
            "{path} {told}"
        );
        assert!(told["steps"].as_array().is_some_and(|steps| !steps.is_empty()));
        assert!(!told.to_string().contains(&member.access), "a token prints");
        assert!(!told.to_string().contains(ROOT), "a session prints");
    }
    assert!(echo.ended().is_empty(), "explain ended a session");

    let text = proxy(&stack, &["explain", "GET", &url("/api/x"), "-H", &bearer]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(
        text.contains("standing") && text.contains("plan free-trial") && text.ends_with("=> forwarded\n"),
        "{text}"
    );
    let offline = proxy(&stack, &["explain", "GET", "/api/x", "-H", &bearer, "--offline"]);
    assert!(String::from_utf8_lossy(&offline.stdout).ends_with("=> unknown\n"));
    // From a file, so that no token shows in the list of processes.
    let file = stack.var.join("run/fields");
    std::fs::write(&file, format!("{bearer}\n")).unwrap();
    let told = explained(&stack, "GET", &url("/api/x"), &[&format!("@{}", file.display())]);
    assert_eq!(told["verdict"], "forwarded", "{told}");
    assert!(
        !proxy(&stack, &["explain", "GET", "/", "-H", "@/does/not/exist"])
            .status
            .success()
    );
}

#[test]
fn a_log_of_the_proxys_own_replays_without_a_change_and_with_one_where_a_route_changes() {
    let echo = Echo::start();
    let stack = Stack::builder().app(App::At(echo.address().to_owned())).start();
    let member = stack.sign_up();
    for path in ["/a", "/b?x=1", "/api/x"] {
        assert_eq!(stack.get(path).bearer(&member.access).send().status, 200, "{path}");
    }
    assert_eq!(stack.get("/api/x").send().status, 401);
    assert_eq!(stack.get("/API").send().status, 400);
    let log = stack.var.join("run/access.log");
    wait_until("the access log", Duration::from_secs(10), || {
        let lines: String = stack
            .proxy_log()
            .lines()
            .filter(|line| line.starts_with("{\"time_us\""))
            .map(|line| format!("{line}\n"))
            .collect();
        lines.contains("\"/API\"").then(|| std::fs::write(&log, lines).unwrap())
    });
    let log = log.to_string_lossy().into_owned();
    let replayed = |stack: &Stack| -> Value {
        let output = proxy(stack, &["replay", &log, "--json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let same = replayed(&stack);
    assert_eq!((&same["changed"], &same["unknown"]), (&json!(0), &json!(0)), "{same}");
    assert!(same["same"].as_u64().is_some_and(|same| same >= 6), "{same}");

    let file = stack.var.join("run/proxy.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        format!("{text}\n[[route]]\nprefix = \"/a\"\nkind = \"admin\"\nupstream = \"app\"\nhosts = [\"elsewhere\"]\n"),
    )
    .unwrap();
    let changed = replayed(&stack);
    assert_eq!(changed["changed"], 1, "{changed}");
    assert_eq!(changed["changes"][0]["after"], "refused no_route", "{changed}");
}

#[test]
fn a_key_set_comes_by_https_from_whom_the_machine_trusts_and_from_nobody_else() {
    let echo = Echo::start();
    let stack = Stack::builder().app(App::At(echo.address().to_owned())).start();
    let jose = repository().join("proxy/tests/jose");
    let python = python_with(&jose.join("requirements.txt"));
    let at = |name: &str| stack.var.join("run").join(name);
    std::fs::write(at("secret"), "a secret of rather more than 32 bytes\n").unwrap();
    let mut make = Command::new(&python);
    make.args(["-W", "ignore"])
        .arg(jose.join("live.py"))
        .arg(at("secret"))
        .arg("igny8-api");
    let tokens: Value = serde_json::from_str(&run(&mut make)).unwrap();
    std::fs::write(at("acme.json"), tokens["jwks"].to_string()).unwrap();
    let ports = PortBlock::claim();
    let address = ports.address(0);
    let mut serve = Command::new(&python);
    serve
        .arg(jose.join("https.py"))
        .arg(address.rsplit(':').next().unwrap())
        .args([at("acme.json"), at("authority.pem"), at("key.pem")]);
    let mut server = Child::start("https", &serve, &at("https.log"));
    server.wait_until("the key set's server", Duration::from_secs(30), || {
        std::net::TcpStream::connect(&address).ok()
    });
    let file = stack.var.join("run/proxy.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let issuer = format!(
        "\n[[issuer]]\nname = \"acme\"\niss = \"https://acme.example/\"\naud = \"igny8-api\"\njwks_url = \"https://{address}/\"\n\
         algorithms = [\"ES256\"]\ntyp = \"JWT\"\naccount_claim = \"org\"\naccount_prefix = \"acme-\"\nstanding = \"none\"\n"
    );
    std::fs::write(&file, text + &issuer).unwrap();
    let verdict = |authorities: Option<std::path::PathBuf>| -> Value {
        let mut command = Command::new(binary("igny8-proxy"));
        let bearer = format!("Authorization: Bearer {}", tokens["ec"].as_str().unwrap());
        command
            .args(["explain", "GET", "/api/x", "--json", "-H", &bearer, "--config"])
            .arg(&file)
            .current_dir(repository());
        if let Some(authorities) = authorities {
            command.env("SSL_CERT_FILE", authorities);
        }
        let output = command.output().unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        told["verdict"].clone()
    };
    assert_eq!(verdict(Some(at("authority.pem"))), "forwarded");
    assert_eq!(verdict(None), "unknown", "a stranger's key set was taken");
}
