use crate::config::tests::{ROUTE, load};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A file that lives as long as the folder beside it.
fn file(folder: &tempfile::TempDir, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

const SECRET: &str = "a secret of rather more than 32 bytes\n";
const KEYS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn acme(more: &str) -> String {
    format!(
        "{ROUTE}[[issuer]]\nname = \"acme\"\niss = \"https://acme.example/\"\naud = \"a\"\naccount_claim = \"org\"\n{more}"
    )
}

const URL: &str = "jwks_url = \"https://acme.example/keys\"\nalgorithms = [\"RS256\"]\n";

#[test]
fn the_core_comes_first_and_others_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let (secret, keys) = (file(&folder, "s", SECRET, 0o600), file(&folder, "k", KEYS, 0o644));
    let text = acme(&format!(
        "{URL}account_prefix = \"acme-\"\nstale_max = \"1h\"\n\
         [[issuer]]\nname = \"shop\"\niss = \"s\"\naud = \"a\"\naccount_claim = \"t\"\naccount_prefix = \"shop-\"\nstanding = \"none\"\n\
         secret_file = \"{}\"\nalgorithms = [\"HS256\"]\n\
         [[issuer]]\nname = \"filed\"\niss = \"f\"\naud = \"a\"\naccount_claim = \"t\"\naccount_prefix = \"filed.\"\n\
         jwks_file = \"{}\"\nalgorithms = [\"EdDSA\", \"ES256\"]\n",
        secret.display(),
        keys.display()
    ));
    let config = load(&text, &[]).unwrap();
    let names: Vec<_> = config.issuers.iter().map(|issuer| issuer.name.as_str()).collect();
    assert_eq!(names, ["core", "acme", "shop", "filed"]);
    assert_eq!(config.issuers[1].stale_max.as_secs(), 3_600);
    assert!(!format!("{config:?}").contains("rather more"), "a secret prints");
    let wider: Vec<&str> = config.wider.iter().map(|wider| wider.key.as_str()).collect();
    assert_eq!(wider, ["issuer `acme`: stale_max", "issuer `shop`: standing"]);
    let refused: Vec<bool> = config.issuers.iter().map(|issuer| issuer.refuses_all).collect();
    assert_eq!(refused, [false, true, false, true]);
}

/// Acme with a prefix, and more.
fn prefixed(more: &str) -> String {
    acme(&format!("{more}account_prefix = \"acme-\"\n"))
}

#[test]
fn a_file_of_keys_that_is_open_too_short_or_no_key_set_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str, mode| file(&folder, name, text, mode).display().to_string();
    let (good, open, short) = (
        path("good", SECRET, 0o600),
        path("open", SECRET, 0o640),
        path("short", "0123456789012345678901234567890\n", 0o600),
    );
    let (no_keys, many) = (
        path("none", "{\"keys\":[]}", 0o644),
        path("many", &"x".repeat(300_000), 0o644),
    );
    let secret = |file: &str| prefixed(&format!("secret_file = \"{file}\"\nalgorithms = [\"HS256\"]\n"));
    let filed = |file: &str| prefixed(&format!("jwks_file = \"{file}\"\nalgorithms = [\"EdDSA\"]\n"));
    for (text, part) in [
        (secret(&open), "0640"),
        (secret(&short), "32 to 4096"),
        (secret("/does/not/exist"), "/does/not/exist"),
        (filed(&no_keys), "no key"),
        (filed(&many), "larger"),
    ] {
        let error = load(&text, &[]).expect_err(&text);
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(load(&secret(&good), &[]).is_ok());
}

#[test]
fn whatever_is_wrong_with_an_issuer_is_named() {
    for (text, part) in [
        (acme(URL), "account_prefix"),
        (acme(&format!("{URL}account_prefix = \"\"\n")), "account_prefix"),
        (acme(&format!("{URL}account_prefix = \"7-\"\n")), "account_prefix"),
        (acme(&format!("{URL}account_prefix = \"a b\"\n")), "account_prefix"),
        (prefixed(&format!("{URL}user_prefix = \"7\"\n")), "user_prefix"),
        (prefixed(&format!("{URL}typ = \"\"\n")), "typ"),
        (prefixed(&format!("{URL}leeway_seconds = 31\n")), "leeway"),
        (prefixed(&format!("{URL}leeway_seconds = -1\n")), "leeway"),
        (prefixed(&format!("{URL}standing = \"maybe\"\n")), "maybe"),
        (prefixed(&format!("{URL}role_claim = \"\"\n")), "claim"),
        (prefixed("algorithms = [\"RS256\"]\n"), "needs one of"),
        (
            prefixed("jwks_url = \"ftp://x/k\"\nalgorithms = [\"RS256\"]\n"),
            "not an http",
        ),
        (prefixed("jwks_url = \"https://x/k\"\nalgorithms = []\n"), "algorithms"),
        (
            prefixed("jwks_url = \"https://x/k\"\nalgorithms = [\"none\"]\n"),
            "algorithms",
        ),
        (
            prefixed("jwks_url = \"https://x/k\"\nalgorithms = [\"RS256\", \"HS256\"]\n"),
            "stands alone",
        ),
        (
            prefixed("jwks_url = \"https://x/k\"\nalgorithms = [\"HS256\"]\n"),
            "needs one of",
        ),
        (prefixed(&format!("{URL}secret_file = \"/x\"\n")), "needs one of"),
        (prefixed(URL).replace("\"org\"", "\"\""), "account_claim"),
        (
            prefixed(URL).replace("https://acme.example/\"\naud", "i\"\naud"),
            "its iss is that of `core`",
        ),
        (
            prefixed(URL).replace("\"acme\"", "\"core\""),
            "two issuers of this name",
        ),
        (
            format!(
                "{}[[issuer]]\nname = \"b\"\niss = \"b\"\naud = \"a\"\naccount_claim = \"o\"\naccount_prefix = \"acme-2\"\n{URL}",
                prefixed(URL)
            ),
            "start alike",
        ),
        (prefixed(&format!("{URL}jwks = \"x\"\n")), "unknown field"),
    ] {
        let error = load(&text, &[]).expect_err(&text);
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn the_cores_own_claims_cannot_be_bent() {
    for (key, value) in [
        ("standing", "\"none\""),
        ("account_prefix", "\"x\""),
        ("account_claim", "\"x\""),
        ("role_claim", "\"x\""),
        ("typ", "\"JWT\""),
        ("secret_file", "\"/x\""),
    ] {
        let name = format!("IGNY8_PROXY__ISSUER__0__{}", key.to_uppercase());
        let error = load(ROUTE, &[(&name, value.trim_matches('"'))]).unwrap_err();
        assert!(error.contains("issuer `core`"), "{key}: {error}");
    }
    let error = load(ROUTE, &[("IGNY8_PROXY__ISSUER__0__ALGORITHMS", "[\"RS256\"]")]).unwrap_err();
    assert!(error.contains("the core signs with"), "{error}");
    let error = load(ROUTE, &[("IGNY8_PROXY__ISSUER__0__NAME", "other")]).unwrap_err();
    assert!(error.contains("no issuer named `core`"), "{error}");
}
