use super::*;

/// A minimal configuration in a folder of its own, with `more` laid over or added.
pub fn load(more: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "t\n").unwrap();
    std::fs::write(folder.path().join("edge"), format!("{}\n", "ab".repeat(32))).unwrap();
    let text = format!(
        "[upstream.app]\naddress = \"127.0.0.1:1\"\nedge_secret_file = \"{0}/edge\"\n\
         [core]\ninternal = \"http://127.0.0.1:2\"\ntoken_file = \"{0}/token\"\n\
         [[issuer]]\nname = \"core\"\niss = \"i\"\naud = \"a\"\njwks_url = \"http://127.0.0.1:2/k\"\nalgorithms = [\"EdDSA\"]\n\
         {more}",
        folder.path().display()
    );
    let path = folder.path().join("proxy.toml");
    std::fs::write(&path, text).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(&path, environment).map_err(|error| error.to_string())
}

pub const ROUTE: &str = "[[route]]\nprefix = \"/\"\nkind = \"page\"\nupstream = \"app\"\n";

#[test]
fn the_file_that_is_shipped_is_valid_and_says_every_key() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("config/proxy.toml")).unwrap();
    let file: File = load::parse("proxy.toml", &text, std::iter::empty()).unwrap();
    let defaults: File = load::parse(
        "defaults.toml",
        "route = []\nissuer = []\n[upstream.app]\naddress = \"127.0.0.1:8084\"\n[core]\ninternal = \"x\"\ntoken_file = \"x\"",
        std::iter::empty(),
    )
    .unwrap();
    assert_eq!(format!("{:?}", file.server), format!("{:?}", defaults.server));
    assert_eq!(format!("{:?}", file.listen), format!("{:?}", defaults.listen));
    assert_eq!(format!("{:?}", file.flags), format!("{:?}", defaults.flags));
    assert_eq!(format!("{:?}", file.cors), format!("{:?}", defaults.cors));
    assert_eq!(format!("{:?}", file.security), format!("{:?}", defaults.security));
    assert_eq!(format!("{:?}", file.throttle), format!("{:?}", defaults.throttle));
    assert_eq!(file.core.stale_max, defaults.core.stale_max);
    assert_eq!(
        file.upstream["app"].total_timeout,
        defaults.upstream["app"].total_timeout
    );
}

#[test]
fn a_valid_file_becomes_a_configuration() {
    let config = load(ROUTE, &[("IGNY8_PROXY__SERVER__THREADS", "3")]).unwrap();
    assert_eq!(config.threads, 3);
    assert_eq!(config.routes.all().len(), 1);
    assert!(!format!("{config:?}").contains("abab"), "a secret prints");
}

#[test]
fn whatever_is_wrong_is_named() {
    for (more, part) in [
        ("", "route"),
        (
            "[[route]]\nprefix = \"/\"\nkind = \"admin\"\nupstream = \"app\"\n",
            "the root cannot be an admin route",
        ),
        (
            "[[route]]\nprefix = \"/a\"\nkind = \"page\"\nupstream = \"nope\"\n",
            "there is no upstream `nope`",
        ),
        (
            "[[route]]\nprefix = \"a\"\nkind = \"page\"\nupstream = \"app\"\n",
            "route `a`",
        ),
        (
            "[[route]]\nprefix = \"/a/../b\"\nkind = \"page\"\nupstream = \"app\"\n",
            "canonical",
        ),
        (
            "[[route]]\nprefix = \"/a\"\nkind = \"session\"\nupstream = \"app\"\n",
            "unknown variant `session`",
        ),
        (
            &format!("{ROUTE}[[route]]\nprefix = \"/\"\nkind = \"page\"\nupstream = \"app\"\n"),
            "two routes",
        ),
        (&format!("{ROUTE}[server]\nhosts = [\"a b\"]\n"), "server.hosts: `a b`"),
        (
            &format!("{ROUTE}[server]\ntrusted_hops = [\"x\"]\n"),
            "server.trusted_hops",
        ),
        (&format!("{ROUTE}[server]\nheader_timeout = \"10\"\n"), "not a duration"),
        (
            &format!("{ROUTE}[sessions]\ncookies = [\"session id\"]\n"),
            "no cookie can have this name",
        ),
        (
            &format!("{ROUTE}[sessions]\ncookies = [\"__Host-sessionid\"]\n"),
            "__Host-",
        ),
        (&format!("{ROUTE}[flag]\nx = 1\n"), "did you mean `flags`?"),
    ] {
        let error = load(more, &[]).expect_err(more);
        assert!(error.contains(part), "{error}");
    }
    assert!(
        load(ROUTE, &[("TENANCY_STRICT_JWT_ONLY", "maybe")])
            .unwrap_err()
            .contains("TENANCY_STRICT_JWT_ONLY")
    );
}

#[test]
fn the_emergency_flags_are_read_from_both_names_and_told() {
    let config = load(
        ROUTE,
        &[("TENANCY_STRICT_JWT_ONLY", "false"), ("TENANCY_VALIDATE_API_KEY", "0")],
    )
    .unwrap();
    for flag in ["validate_api_key", "strict_jwt_only"] {
        let told = format!("flags.{flag} = false (default true): ");
        let is_told = |wider: &Wider| wider.to_string().starts_with(&told);
        assert!(config.wider.iter().any(is_told), "{told}");
    }
    assert_eq!(config.wider.len(), 2);
    let api = ROUTE.replace("\"/\"", "\"/api\"").replace("page", "api");
    let both = format!("{ROUTE}{api}");
    let rules = |config: &Config| -> Vec<_> { config.routes.all().iter().map(|route| route.sessions).collect() };
    assert_eq!(
        rules(&load(&both, &[]).unwrap()),
        [RouteSessions::Never, RouteSessions::Never]
    );
    let off = load(&both, &[("TENANCY_STRICT_JWT_ONLY", "off")]).unwrap();
    assert_eq!(rules(&off), [RouteSessions::Account, RouteSessions::Never]);
    // Nobody can write down what only the flag may say.
    let error = load(&format!("{ROUTE}sessions = \"account\"\n"), &[]).unwrap_err();
    assert!(error.contains("unknown variant"), "{error}");
    let error = load(&format!("{both}sessions = \"non_superuser\"\n"), &[]).unwrap_err();
    assert!(error.contains("routes of the kind `page`"), "{error}");
}

#[test]
fn a_shared_throttle_needs_its_store_and_a_local_one_has_none() {
    let shared = |url: &str| format!("{ROUTE}[throttle]\nbackend = \"shared\"\n{url}");
    assert!(
        load(&shared("url = \"redis://127.0.0.1:6379/0\"\n"), &[])
            .unwrap()
            .shared_throttle
            .is_some()
    );
    assert!(load(ROUTE, &[]).unwrap().shared_throttle.is_none());
    for (text, part) in [
        (shared(""), "throttle.url"),
        (shared("url = \"http://:hunter2@x\"\n"), "throttle.url"),
        (format!("{ROUTE}[throttle]\nurl = \"redis://x\"\n"), "throttle.url"),
        (format!("{ROUTE}[throttle]\non_store_down = \"open\"\n"), "open"),
    ] {
        let error = load(&text, &[]).unwrap_err();
        assert!(error.contains(part) && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn whatever_is_wrong_at_the_edge_is_named() {
    for (more, part) in [
        (
            "[[route]]\nprefix = \"/admin\"\nkind = \"admin\"\nupstream = \"app\"\ncors = { origins = [\"https://a.b\"] }\n",
            "no other origin's scripts",
        ),
        (
            &format!("{ROUTE}[listen.tls]\ncert = \"/nope\"\nkey = \"/nope\"\n"),
            "listen.tls: /nope",
        ),
        (
            &format!("{ROUTE}[listen.tls]\ncert = \"/nope\"\n"),
            "missing field `key`",
        ),
        (
            &format!("{ROUTE}[cors]\norigins = [\"*\"]\ncredentials = true\n"),
            "credentials never go with",
        ),
        (
            &format!("{ROUTE}[cors]\norigins = [\"*\", \"https://a.b\"]\n"),
            "stands alone",
        ),
        (
            &format!("{ROUTE}[cors]\norigins = [\"https://a.b\"]\nheaders = [\"*\"]\n"),
            "is no name",
        ),
        (
            &format!("{ROUTE}[security]\nframe_options = \"a\\nb\"\n"),
            "security.frame_options",
        ),
        (
            &format!("{ROUTE}networks = [\"10.0.0.0/33\"]\n"),
            "is no address and no network",
        ),
        (
            &format!(
                "{ROUTE}allow = [\"encoded_slash\"]\n[[route]]\nprefix = \"/admin\"\nkind = \"admin\"\nupstream = \"app\"\n"
            ),
            "never on an admin route or above one",
        ),
    ] {
        let error = load(more, &[]).expect_err(more);
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_file_says_where_it_is_wider_than_the_default() {
    assert_eq!(load(ROUTE, &[]).unwrap().wider, []);
    let wide = format!(
        "{ROUTE}websocket = true\nstream = true\nmax_body_bytes = 99999999\nmode = \"shadow\"\nallow = [\"encoded_slash\"]\n\
         cookies_allow = [\"a\"]\nauthorization = \"pass\"\non_superuser_session = \"refuse\"\nstanding = \"auth\"\n\
         cors = {{ origins = [\"https://a.b\"] }}\n[listen]\nops = \"0.0.0.0:1\"\n[flags]\nvalidate_api_key = false\n\
         [server]\nheader_timeout = \"1h\"\nmin_body_rate = 1\ntrusted_hops = [\"10.0.0.1\"]\n[security]\nframe_options = \"\"\n\
         [cors]\norigins = [\"*\"]\n"
    );
    let told: Vec<String> = load(&wide, &[]).unwrap().wider.iter().map(Wider::to_string).collect();
    let told = told.join("\n");
    for part in [
        "listen.ops",
        "server.trusted_hops",
        "server.header_timeout",
        "server.min_body_rate",
        "flags.validate_api_key",
        "cors.origins = [\"*\"]",
        "security.frame_options",
        "websocket",
        "stream",
        "max_body_bytes",
        "shadow",
        "encoded_slash",
        "cookies_allow = [\"a\"]",
        "authorization",
        "on_superuser_session",
        "standing = \"auth\"",
        "route `/`: cors.origins",
    ] {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
}
