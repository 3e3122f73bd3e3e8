use super::*;

const EXAMPLE: &str = include_str!("../../../../config/limits.toml");

fn parse(text: &str) -> Result<Limits, LimitsError> {
    Limits::parse(text, "limits.toml", 1, &mut ScopeNames::default())
}

fn figures(limit: &Limit) -> (&str, u32, u64, Mode) {
    (
        limit.name(),
        limit.quota().burst(),
        limit.quota().window_seconds(),
        limit.mode(),
    )
}

#[test]
fn the_file_that_is_shipped_says_what_the_documentation_says() {
    let limits = parse(EXAMPLE).unwrap();
    assert_eq!(limits.without_limit(&["auth", "writer", "webhooks"]).count(), 0);
    let account = |id, plan| figures(limits.account(AccountId(id), plan));
    assert_eq!(account(1, "growth"), ("default", 100, 10, Mode::Enforce));
    assert_eq!(account(1, "free-trial"), ("plan", 40, 20, Mode::Enforce));
    assert_eq!(account(1, "scale"), ("plan", 1_000, 10, Mode::Enforce));
    assert_eq!(
        account(42, "scale"),
        account(1, "scale"),
        "the override of the example is a comment"
    );
    assert_eq!(figures(limits.address()), ("address", 60, 12, Mode::Enforce));
    assert_eq!(figures(limits.cold()), ("cold", 30, 30, Mode::Enforce));
    let scope = |name| figures(limits.scope(limits.scope_id(name).unwrap()).unwrap());
    assert_eq!(scope("auth"), ("auth", 10, 60, Mode::Enforce));
    assert_eq!(scope("writer"), ("writer", 5, 10, Mode::Shadow));
    assert_eq!(scope("webhooks"), ("webhooks", 100, 10, Mode::Enforce));
}

#[test]
fn the_commented_override_is_valid_once_its_hashes_are_gone() {
    let text = EXAMPLE
        .replace("# [account.42]", "[account.42]")
        .replace("# rate", "rate")
        .replace("# burst", "burst");
    assert_eq!(
        figures(parse(&text).unwrap().account(AccountId(42), "scale")),
        ("account", 2_000, 10, Mode::Enforce)
    );
}

#[test]
fn an_override_goes_before_a_plan_and_a_plan_before_the_default() {
    let text = "[default]\nrate='1/s'\nburst=1\n[plan.p]\nrate='1/s'\nburst=2\n[account.7]\nrate='1/s'\nburst=3\n";
    let limits = parse(text).unwrap();
    let burst = |id, plan| limits.account(AccountId(id), plan).quota().burst();
    assert_eq!(
        (burst(7, "p"), burst(7, ""), burst(8, "p"), burst(8, "q")),
        (3, 3, 2, 1)
    );
    assert_eq!(&**limits.account(AccountId(8), "p").section(), "plan.p");
}

#[test]
fn a_table_that_is_missing_is_the_built_in_one() {
    let limits = parse("[scope.x]\nrate = \"1/s\"\nburst = 1\n").unwrap();
    assert_eq!(
        figures(limits.account(AccountId(1), "scale")),
        ("default", 100, 10, Mode::Enforce)
    );
    assert_eq!(figures(limits.address()), ("address", 60, 12, Mode::Enforce));
    assert_eq!(figures(limits.cold()), ("cold", 30, 30, Mode::Enforce));
}

#[test]
fn every_mistake_is_told_with_its_line_column_and_key() {
    let head = "[default]\nrate = \"600/m\"\nburst = 100\n";
    for (tail, line, column, words) in [
        ("[plan.x]\nrate = \"600\"\nburst = 1\n", 5, 8, "plan.x.rate: a rate is"),
        (
            "[plan.x]\nrate = \"1/s\"\nburst = 0\n",
            6,
            9,
            "plan.x.burst: a burst is",
        ),
        (
            "[plan.x]\nrate = \"1/d\"\nburst = 1000000\n",
            6,
            9,
            "plan.x.burst: at this rate",
        ),
        (
            "[scope.x]\nrate = \"9999999/s\"\nburst = 1\n",
            5,
            8,
            "scope.x.rate: a rate lies",
        ),
        (
            "[scope.\"a b\"]\nrate = \"1/s\"\nburst = 1\n",
            4,
            8,
            "scope.a b: a name is",
        ),
        (
            "[scope.default]\nrate = \"1/s\"\nburst = 1\n",
            4,
            8,
            "scope.default: this name is taken",
        ),
        ("[plan.X]\nrate = \"1/s\"\nburst = 1\n", 4, 7, "plan.X: a name is"),
        (
            "[account.x]\nrate = \"1/s\"\nburst = 1\n",
            4,
            10,
            "account.x: an account is named by its id",
        ),
        (
            "[account.0]\nrate = \"1/s\"\nburst = 1\n",
            4,
            10,
            "account.0: an account",
        ),
        (
            "[account.007]\nrate = \"1/s\"\nburst = 1\n",
            4,
            10,
            "account.007: an account",
        ),
        ("[cold]\nrate = \"1/s\"\nburts = 1\n", 6, 1, "burts"),
        ("[cold]\nrate = \"1/s\"\nburst = \"1\"\n", 6, 9, "invalid type"),
        ("[cold]\nrate = \"1/s\"\nburst = 1\nmode = \"off\"\n", 7, 8, "off"),
        ("[cold]\nrate = \"1/s\"\n", 4, 1, "burst"),
        ("[colt]\nrate = \"1/s\"\nburst = 1\n", 4, 2, "colt"),
        ("[cold\n", 4, 6, ""),
        ("[default]\nrate = \"1/s\"\nburst = 1\n", 4, 2, "duplicate"),
    ] {
        let error = parse(&format!("{head}{tail}")).unwrap_err();
        assert_eq!((error.line, error.column), (line, column), "{tail}: {error}");
        let start = format!("limits.toml:{line}:{column}: ");
        assert!(
            error.to_string().starts_with(&start) && error.to_string().contains(words),
            "{tail}: {error}"
        );
    }
}

#[test]
fn an_empty_file_is_a_mistake() {
    for text in ["", " \n\t\n"] {
        assert_eq!(parse(text).unwrap_err().to_string(), "limits.toml: the file is empty");
    }
}

#[test]
fn a_scope_without_a_table_is_named() {
    let limits = parse(EXAMPLE).unwrap();
    assert_eq!(
        limits.without_limit(&["auth", "reports"]).collect::<Vec<_>>(),
        ["reports"]
    );
}

#[test]
fn a_scope_keeps_its_id_when_others_come_and_go() {
    let mut names = ScopeNames::default();
    let file = |scopes: &[&str]| {
        scopes
            .iter()
            .map(|name| format!("[scope.{name}]\nrate=\"1/s\"\nburst=1\n"))
            .collect::<String>()
    };
    let first = Limits::parse(&file(&["m", "z"]), "f", 1, &mut names).unwrap();
    let second = Limits::parse(&file(&["a", "z"]), "f", 2, &mut names).unwrap();
    assert_eq!(first.scope_id("z"), second.scope_id("z"));
    assert_ne!(first.scope_id("m"), second.scope_id("a"));
    assert!(second.scope(first.scope_id("m").unwrap()).is_none());
    assert_eq!(names.get("m"), first.scope_id("m"));
}

#[test]
fn more_scope_names_than_ids_is_a_mistake() {
    let text: String = (0..=SCOPES_MAX)
        .map(|n| format!("[scope.s{n}]\nrate=\"1/s\"\nburst=1\n"))
        .collect();
    assert!(
        parse(&text)
            .unwrap_err()
            .to_string()
            .contains("more than 256 scope names")
    );
}
