//! The rules of the containers, kept by reading what they are made from. `script/test containers` starts them.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use igny8_testkit::process::repository;
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

const COMPOSE: &str = "docker-compose.app.yml";
const DEVELOPMENT: &str = "docker-compose.dev.yml";
/// Our user in every container.
const USER: &str = "10001:10001";
/// Every Dockerfile, and whether npm brings its packages.
const DOCKERFILES: [(&str, bool); 5] = [
    ("Dockerfile", false),
    ("frontend/Dockerfile", true),
    ("frontend/Dockerfile.dev", true),
    ("frontend/Dockerfile.marketing.dev", true),
    ("examples/django-app/Dockerfile", false),
];

fn read(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The services of a compose file, with what `<<` brings already among their keys.
fn services(name: &str) -> Map<String, Value> {
    yaml(name)["services"].as_object().unwrap().clone()
}

fn texts(value: &Value) -> Vec<&str> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).collect()
}

/// A Dockerfile's instructions, each on one line, without comments.
fn instructions(name: &str) -> Vec<String> {
    let text = read(name);
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    joined
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect()
}

/// The instructions of each stage, by its name or number.
fn stages(name: &str) -> Vec<(String, Vec<String>)> {
    let mut stages: Vec<(String, Vec<String>)> = Vec::new();
    for line in instructions(name) {
        if line.starts_with("FROM ") {
            let called = line
                .split_once(" AS ")
                .map_or_else(|| stages.len().to_string(), |(_, called)| called.to_owned());
            stages.push((called, Vec::new()));
        }
        if let Some((_, stage)) = stages.last_mut() {
            stage.push(line);
        }
    }
    stages
}

/// A stage's instructions, those of the stages that it stands on before its own.
fn whole_stage(stages: &[(String, Vec<String>)], called: &str) -> Vec<String> {
    let Some((_, own)) = stages.iter().find(|(name, _)| name == called) else {
        return Vec::new();
    };
    let base = own[0].split_whitespace().nth(1).unwrap();
    let mut whole = whole_stage(stages, base);
    whole.extend(own.iter().cloned());
    whole
}

#[test]
fn the_services_are_those_of_the_house_and_each_is_contained() {
    let services = services(COMPOSE);
    let names: BTreeSet<&str> = services.keys().map(String::as_str).collect();
    let expected = [
        "igny8_app",
        "igny8_core",
        "igny8_frontend",
        "igny8_marketing_dev",
        "igny8_postgres",
        "igny8_proxy",
        "igny8_sites",
        "igny8_valkey",
    ];
    assert_eq!(names, BTreeSet::from(expected));
    for (name, service) in &services {
        assert_eq!(service["user"], USER, "{name}");
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(texts(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(texts(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        assert!(
            !texts(&service["healthcheck"]["test"]).is_empty(),
            "{name}: no health check"
        );
        for key in ["privileged", "network_mode", "pid", "cap_add", "devices", "env_file"] {
            assert!(service.get(key).is_none(), "{name}: {key}");
        }
        assert!(!service.to_string().contains("docker.sock"), "{name}");
        let waited_for = service.get("depends_on").and_then(Value::as_object);
        for (on, how) in waited_for.into_iter().flatten() {
            assert_eq!(how["condition"], "service_healthy", "{name} waits for {on}");
        }
    }
}

#[test]
fn only_the_proxys_port_is_published_and_only_on_loopback_unless_somebody_says_otherwise() {
    for (name, service) in services(COMPOSE).iter().chain(&services(DEVELOPMENT)) {
        let ports = service.get("ports").map(texts).unwrap_or_default();
        if name == "igny8_proxy" {
            assert!(ports.len() <= 1, "{name}: {ports:?}");
            assert!(ports.iter().all(|port| port.contains(":-127.0.0.1:")), "{ports:?}");
        } else {
            assert_eq!(ports, [""; 0], "{name}");
        }
    }
    let published = services(COMPOSE)["igny8_proxy"]["ports"].as_array().unwrap().len();
    assert_eq!(published, 1);
}

#[test]
fn the_app_reaches_neither_the_database_nor_core_s_internal_listener() {
    let services = services(COMPOSE);
    let networks = |name: &str| -> BTreeSet<String> {
        match &services[name]["networks"] {
            Value::Object(named) => named.keys().cloned().collect(),
            listed => texts(listed).into_iter().map(str::to_owned).collect(),
        }
    };
    for name in ["igny8_app", "igny8_frontend", "igny8_marketing_dev", "igny8_sites"] {
        for store in ["igny8_core", "igny8_postgres", "igny8_valkey"] {
            assert!(networks(name).is_disjoint(&networks(store)), "{name} reaches {store}");
        }
    }
    assert!(networks("igny8_proxy").is_disjoint(&networks("igny8_postgres")));
    let core = &services["igny8_core"];
    let at = core["networks"]["core"]["ipv4_address"].as_str().unwrap();
    for listener in ["PUBLIC", "INTERNAL"] {
        let listens = core["environment"][format!("IGNY8_CORE__LISTEN__{listener}")].as_str();
        assert!(
            listens.unwrap().starts_with(at),
            "core listens past the network that it shares with proxies"
        );
    }
}

#[test]
fn secrets_are_files_and_none_is_in_the_environment() {
    let compose = yaml(COMPOSE);
    let secrets = compose["secrets"].as_object().unwrap();
    let made = read("script/secrets");
    for (name, secret) in secrets {
        assert!(
            secret["file"].as_str().unwrap().ends_with(&format!("/{name}")),
            "{name}"
        );
        assert!(
            made.contains(&format!("\nkeep {name} ")),
            "script/secrets does not make {name}"
        );
    }
    let holds_a_password = Regex::new("://[^/@]*:[^/@]*@").unwrap();
    let names_a_secret = Regex::new("PASSWORD|SECRET|TOKEN_FILE|KEY_FILE|PASSFILE").unwrap();
    for (name, service) in compose["services"].as_object().unwrap() {
        let given: BTreeSet<&str> = service
            .get("secrets")
            .map(texts)
            .unwrap_or_default()
            .into_iter()
            .collect();
        for (key, value) in service
            .get("environment")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let value = value.to_string();
            assert!(!holds_a_password.is_match(&value), "{name}: {key} holds a password");
            if names_a_secret.is_match(key) {
                let file = value.trim_matches('"').strip_prefix("/run/secrets/");
                let file = file.unwrap_or_else(|| panic!("{name}: {key} is not a secret's file"));
                assert!(
                    given.contains(file),
                    "{name}: {key} names {file}, which it is not given"
                );
            }
        }
    }
    let ignored = read(".dockerignore");
    for name in [
        ".git",
        "secrets",
        "var",
        "target",
        "**/node_modules",
        "**/dist",
        "**/.vite",
    ] {
        assert!(ignored.lines().any(|line| line == name), ".dockerignore: {name}");
    }
    assert!(read(".gitignore").lines().any(|line| line == "/secrets"));
}

#[test]
fn packages_come_before_the_source_and_caches_of_builds_go_between_them() {
    for (name, _) in DOCKERFILES.iter().filter(|(_, npm)| *npm) {
        let lines = instructions(name);
        let place = |what: &str| {
            let found = lines.iter().position(|line| line.contains(what));
            found.unwrap_or_else(|| panic!("{name} has no `{what}`"))
        };
        let order = [
            place(" package.json package-lock.json"),
            place("npm ci"),
            place("rm -rf dist .vite node_modules/.vite"),
            place(" . ."),
        ];
        assert!(order.is_sorted(), "{name}: {order:?}");
        assert!(!lines.iter().any(|line| line.contains("npm install")), "{name}");
    }
    let ignored = read("frontend/.dockerignore");
    for folder in ["node_modules", "dist", ".vite"] {
        assert!(
            ignored.lines().any(|line| line == folder),
            "{folder} could reach an image"
        );
    }
}

#[test]
fn a_mounted_source_leaves_the_image_its_own_packages() {
    let mut mounted = 0;
    for (name, service) in services(COMPOSE).iter().chain(&services(DEVELOPMENT)) {
        let volumes = service.get("volumes").map(texts).unwrap_or_default();
        if volumes.iter().any(|volume| volume.ends_with(":/app")) {
            mounted += 1;
            assert!(volumes.contains(&"/app/node_modules"), "{name}: {volumes:?}");
        }
    }
    assert_eq!(
        mounted, 2,
        "the development servers of the app and of the marketing site"
    );
    let script = read("frontend/rebuild.sh");
    for word in [
        "set -euo pipefail",
        "build --no-cache",
        "--renew-anon-volumes",
        "rm --stop --force -v",
    ] {
        assert!(script.contains(word), "frontend/rebuild.sh: {word}");
    }
}

#[test]
fn what_runs_is_nobody_and_its_base_is_named_by_an_argument_with_a_version() {
    let compose = read(COMPOSE);
    for (name, _) in DOCKERFILES {
        let lines = instructions(name);
        let stages = stages(name);
        let bases: BTreeSet<&str> = stages.iter().map(|(called, _)| called.as_str()).collect();
        for line in lines.iter().filter(|line| line.starts_with("FROM ")) {
            let base = line.split_whitespace().nth(1).unwrap();
            let known = base == "scratch" || base.starts_with("${") || bases.contains(base);
            assert!(known, "{name}: {line}");
        }
        for line in lines
            .iter()
            .filter(|line| line.starts_with("ARG ") && line.contains("_IMAGE="))
        {
            let (argument, image) = line["ARG ".len()..].split_once('=').unwrap();
            let tag = image.rsplit_once(':').map(|(_, tag)| tag);
            assert!(tag.is_some_and(|tag| tag != "latest"), "{name}: {line}");
            assert!(
                compose.contains(&format!("${{{argument}:-{image}}}")),
                "{COMPOSE} has another {argument} than {name}"
            );
        }
        for line in lines.iter().filter(|line| line.contains("apt-get install")) {
            assert!(
                line.contains("--no-install-recommends") && line.contains("rm -rf /var/lib/apt/lists/*"),
                "{name}: {line}"
            );
        }
        assert!(!lines.iter().any(|line| line.starts_with("ADD ")), "{name}: ADD");
        // What is started: the stages that name a program.
        let mut started = 0;
        for (called, _) in &stages {
            let whole = whole_stage(&stages, called);
            if whole.iter().any(|line| line.starts_with("ENTRYPOINT ")) {
                started += 1;
                let user = whole.iter().rev().find_map(|line| line.strip_prefix("USER "));
                assert_eq!(user, Some(USER), "{name}: {called}");
            }
        }
        assert!(started > 0, "{name} starts nothing");
    }
}

#[test]
fn both_binaries_come_from_one_build_and_dependencies_have_a_layer_of_their_own() {
    let stages = stages("Dockerfile");
    let of = |name: &str| stages.iter().find(|(called, _)| called == name).unwrap().1.clone();
    let (dependencies, build) = (of("dependencies"), of("build"));
    let builds = |lines: &[String]| {
        lines
            .iter()
            .filter(|line| line.contains("cargo build --release --locked"))
            .filter(|line| line.contains("--package igny8-core") && line.contains("--package igny8-proxy"))
            .count()
    };
    assert_eq!((builds(&dependencies), builds(&build)), (1, 1));
    assert!(
        !dependencies
            .iter()
            .any(|line| line.starts_with("COPY") && line.contains("src"))
    );
    assert!(
        dependencies.iter().any(|line| line.contains("cargo clean")),
        "an empty crate could be taken for ours"
    );
    for (binary, stage) in [("igny8-proxy", "proxy"), ("igny8-core", "core")] {
        let copied = format!("COPY --from=build /target/release/{binary} /usr/local/bin/{binary}");
        assert!(of(stage).contains(&copied), "{stage}");
    }
    let toolchain: toml::Table = read("rust-toolchain.toml").parse().unwrap();
    let channel = toolchain["toolchain"]["channel"].as_str().unwrap();
    assert!(
        read("Dockerfile").contains(&format!("ARG RUST_IMAGE=rust:{channel}-")),
        "not the toolchain of the repository"
    );
}

#[test]
fn routes_that_the_compose_files_set_by_number_are_those_that_they_mean() {
    let file: toml::Table = read("config/proxy.toml").parse().unwrap();
    let routes = file["route"].as_array().unwrap();
    let number = Regex::new("^IGNY8_PROXY__ROUTE__([0-9]+)__([A-Z_]+)$").unwrap();
    let mut added = BTreeSet::new();
    for (name, upstream) in [(COMPOSE, Some("/admin")), (DEVELOPMENT, Some("/"))] {
        let services = services(name);
        let environment = services["igny8_proxy"]["environment"].as_object().unwrap();
        for (key, _) in environment {
            let Some(parts) = number.captures(key) else { continue };
            let place: usize = parts[1].parse().unwrap();
            match routes.get(place) {
                Some(route) => assert_eq!(route["prefix"].as_str(), upstream, "{name}: {key}"),
                None => drop(added.insert(place)),
            }
        }
    }
    let expected: BTreeSet<usize> = (routes.len()..routes.len() + 2).collect();
    assert_eq!(added, expected, "/published and /marketing-dev");
}

#[test]
fn the_built_front_end_is_served_under_the_same_rules_as_by_the_core() {
    let server = read("frontend/containers/nginx.conf");
    let core = read("core/src/http/frontend.rs");
    let policy = Regex::new(r#"(?s)const POLICY: &str = "(.*?)";"#)
        .unwrap()
        .captures(&core)
        .unwrap()[1]
        .replace("\\\n", " ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(
        server.contains(&format!("Content-Security-Policy \"{policy}\" always;")),
        "{policy}"
    );
    for field in [
        "Referrer-Policy no-referrer",
        "X-Frame-Options DENY",
        "Cross-Origin-Opener-Policy same-origin",
    ] {
        assert!(server.contains(&format!("add_header {field} always;")), "{field}");
    }
    for said in [
        "public, max-age=31536000, immutable",
        "public, max-age=3600",
        "no-cache",
        "camera=(), geolocation=(), microphone=()",
    ] {
        assert!(core.contains(said) && server.contains(said), "{said}");
    }
}
