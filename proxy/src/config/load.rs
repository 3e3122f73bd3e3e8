//! From text to the typed file: TOML first, so that an error names line and key, then the environment over it.

use serde::de::DeserializeOwned;
use std::ffi::OsString;
use thiserror::Error;
use toml::{Table, Value};

/// The start of every environment variable that sets a key: `IGNY8_PROXY__LISTEN__PUBLIC=127.0.0.1:9000`.
pub const ENVIRONMENT_PREFIX: &str = "IGNY8_PROXY__";

/// Why a configuration was refused. The text is meant for the person who wrote it.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("{path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{path}:{line}:{column}: {message}{hint}")]
    Syntax {
        path: String,
        line: usize,
        column: usize,
        message: String,
        hint: String,
    },
    #[error("environment variable {name}: {message}")]
    Environment { name: String, message: String },
    /// `place` is the file, with the line where it is known.
    #[error("{place}: {key}: {message}")]
    Invalid {
        place: String,
        key: String,
        message: String,
    },
}

/// The names under which operators of the old app know the three flags.
pub const FLAG_NAMES: [&str; 3] = [
    "TENANCY_ENABLE_FREE_TRIAL",
    "TENANCY_VALIDATE_API_KEY",
    "TENANCY_STRICT_JWT_ONLY",
];

/// Those variables of an environment that are ours. What others hold is none of our business, even where it is no text.
///
/// # Errors
/// One of ours that is not UTF-8.
pub fn ours(environment: impl Iterator<Item = (OsString, OsString)>) -> Result<Vec<(String, String)>, ConfigError> {
    let named = environment.map(|(name, value)| (name.to_string_lossy().into_owned(), name, value));
    named
        .filter(|(shown, _, _)| shown.starts_with(ENVIRONMENT_PREFIX) || FLAG_NAMES.contains(&shown.as_str()))
        .map(|(shown, name, value)| match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => Ok((name, value)),
            _ => Err(ConfigError::Environment {
                name: shown,
                message: "is not UTF-8".to_owned(),
            }),
        })
        .collect()
}

/// Parses `text`, the content of `path`, and lays the environment's `IGNY8_PROXY__…` variables over it.
///
/// # Errors
/// The file's own errors are told first, with their line; then those that the environment brings.
pub fn parse<T: DeserializeOwned>(
    path: &str,
    text: &str,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let mut overlay: Vec<(String, String)> = environment
        .filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX))
        .collect();
    let file = toml::from_str::<T>(text).map_err(|error| syntax(path, text, &error));
    if overlay.is_empty() {
        return file;
    }
    overlay.sort_by(|(one, _), (other, _)| in_order(one).cmp(&in_order(other)));
    // A key that the file lacks may come from the environment, so only syntax is judged before the overlay.
    let mut table: Table = text.parse().map_err(|error| syntax(path, text, &error))?;
    for (name, value) in &overlay {
        set(&mut table, &name[ENVIRONMENT_PREFIX.len()..], value).map_err(|message| ConfigError::Environment {
            name: name.clone(),
            message,
        })?;
    }
    T::deserialize(table).map_err(|error| match file {
        Err(with_line) => with_line,
        Ok(_) => ConfigError::Environment {
            name: overlay
                .iter()
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            message: error.message().to_owned(),
        },
    })
}

/// A name by its parts, numbers by their size: elements are added one after the other.
fn in_order(name: &str) -> Vec<(Option<usize>, &str)> {
    name.split("__").map(|part| (part.parse().ok(), part)).collect()
}

/// Sets one key of the table; `__` separates its parts and a number picks an element of an array, or, where it is the number
/// of its elements, adds one.
fn set(table: &mut Table, key: &str, text: &str) -> Result<(), String> {
    let parts: Vec<String> = key.split("__").map(str::to_ascii_lowercase).collect();
    let (last, parents) = parts.split_last().ok_or("names no key")?;
    let mut whole = Value::Table(std::mem::take(table));
    let mut place = &mut whole;
    for part in parents {
        place = step(place, part)?;
    }
    match place {
        Value::Table(inner) => {
            inner.insert(last.clone(), value_of(text));
        }
        _ => return Err(format!("`{}` is not a table", parents.join("."))),
    }
    if let Value::Table(changed) = whole {
        *table = changed;
    }
    Ok(())
}

fn step<'a>(place: &'a mut Value, part: &str) -> Result<&'a mut Value, String> {
    match place {
        Value::Table(table) => Ok(table.entry(part).or_insert_with(|| Value::Table(Table::new()))),
        Value::Array(items) => {
            let count = items.len();
            let index = part.parse::<usize>().ok();
            if index == Some(count) {
                items.push(Value::Table(Table::new()));
            }
            index
                .and_then(|index| items.get_mut(index))
                .ok_or_else(|| format!("`{part}` is not one of the {count} elements, counted from 0"))
        }
        _ => Err(format!("nothing can be set below `{part}`")),
    }
}

/// The value of a variable: TOML where it is TOML (numbers, booleans, arrays), else the text itself.
fn value_of(text: &str) -> Value {
    format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn syntax(path: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start).min(text.len());
    let before = &text.as_bytes()[..start];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = start - before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1) + 1;
    let message = error.message().to_owned();
    let hint = nearest_key(&message).map_or_else(String::new, |key| format!(" (did you mean `{key}`?)"));
    ConfigError::Syntax {
        path: path.to_owned(),
        line,
        column,
        message,
        hint,
    }
}

/// The line, counted from 1, in which a key stands: `section.key`, or ``route `/prefix` `` by its prefix. Nothing where the
/// key is not in the file itself, as when the environment sets it.
pub fn line_of(text: &str, key: &str) -> Option<usize> {
    let lines = || text.lines().map(str::trim).enumerate();
    let says = |line: &str, name: &str| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    if let Some(prefix) = key.strip_prefix("route `") {
        let quoted = format!("\"{}\"", prefix.trim_end_matches('`'));
        return lines()
            .find(|(_, line)| says(line, "prefix") && line.contains(&quoted))
            .map(|(at, _)| at + 1);
    }
    let header = |name: &str| lines().find(|(_, line)| line.starts_with('[') && line.trim_matches(['[', ']']) == name);
    if let Some((at, _)) = header(key) {
        return Some(at + 1);
    }
    let (section, last) = key.rsplit_once('.')?;
    let (start, _) = header(section)?;
    let within = lines().skip(start + 1).take_while(|(_, line)| !line.starts_with('['));
    let found = { within }.find(|(_, line)| says(line, last));
    Some(found.map_or(start, |(at, _)| at) + 1)
}

/// From serde's "unknown field `x`, expected one of `a`, `b`": the expected key that is nearest to the unknown one.
fn nearest_key(message: &str) -> Option<String> {
    let rest = message
        .strip_prefix("unknown field ")
        .or_else(|| message.strip_prefix("unknown variant "))?;
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    quoted
        .map(|key| (distance(unknown, key), key))
        .min()
        .filter(|(away, key)| *away <= key.len().max(unknown.len()) / 2)
        .map(|(_, key)| key.to_owned())
}

/// Levenshtein distance in bytes.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shape {
        listen: Listen,
        #[serde(default)]
        route: Vec<Listen>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Listen {
        public: String,
        #[serde(default)]
        threads: i64,
    }

    fn read(text: &str, environment: &[(&str, &str)]) -> Result<Shape, ConfigError> {
        parse(
            "p.toml",
            text,
            environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
        )
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
        let error = read("[listen]\npublic = \"a\"\nthread = 1\n", &[])
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("p.toml:3:1: unknown field `thread`"), "{error}");
        assert!(error.ends_with("(did you mean `threads`?)"), "{error}");
    }

    #[test]
    fn the_environment_overrides_and_completes_the_file() {
        let shape = read(
            "[[route]]\npublic = \"r\"\n",
            &[
                ("IGNY8_PROXY__LISTEN__PUBLIC", "127.0.0.1:1"),
                ("IGNY8_PROXY__LISTEN__THREADS", "3"),
                ("IGNY8_PROXY__ROUTE__0__PUBLIC", "s"),
                ("OTHER", "x"),
            ],
        )
        .unwrap();
        assert_eq!((shape.listen.public.as_str(), shape.listen.threads), ("127.0.0.1:1", 3));
        assert_eq!(shape.route[0].public, "s");
    }

    #[test]
    fn the_environment_adds_elements_one_after_the_other_and_leaves_no_gap() {
        let nine = "[[route]]\npublic = \"r\"\n".repeat(9);
        let text = format!("[listen]\npublic = \"a\"\n{nine}");
        let (ninth, tenth) = (
            ("IGNY8_PROXY__ROUTE__9__PUBLIC", "s"),
            ("IGNY8_PROXY__ROUTE__10__PUBLIC", "t"),
        );
        let shape = read(&text, &[tenth, ninth]).unwrap();
        let added: Vec<_> = shape.route[9..].iter().map(|route| route.public.as_str()).collect();
        assert_eq!(added, ["s", "t"]);
        let error = read(&text, &[tenth]).unwrap_err().to_string();
        assert!(error.contains("`10` is not one of the 9 elements"), "{error}");
    }

    #[test]
    fn a_key_is_found_by_its_section_and_a_route_by_its_prefix() {
        let text = "[listen]\nops = 1\n\n[listen.tls]\nkey = 2\n[[route]]\nkind = 3\nprefix = \"/a\"\n";
        for (key, line) in [
            ("listen.ops", Some(2)),
            ("listen.tls", Some(4)),
            ("listen.tls.key", Some(5)),
            ("listen.other", Some(1)),
            ("route `/a`", Some(8)),
            ("route `/b`", None),
            ("server.hosts", None),
        ] {
            assert_eq!(line_of(text, key), line, "{key}");
        }
    }

    #[test]
    fn a_variable_that_is_no_text_is_named_where_it_is_ours_and_nobodys_business_otherwise() {
        use std::os::unix::ffi::OsStringExt;
        let odd = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        let read = |name: &[u8], value: &[u8]| {
            let plain = (OsString::from("TENANCY_STRICT_JWT_ONLY"), OsString::from("on"));
            ours([(odd(name), odd(value)), plain].into_iter()).map_err(|error| error.to_string())
        };
        let flag = ("TENANCY_STRICT_JWT_ONLY".to_owned(), "on".to_owned());
        assert_eq!(read(b"FOO", b"\xff"), Ok(vec![flag.clone()]));
        assert_eq!(read(b"F\xffO", b"x"), Ok(vec![flag.clone()]));
        let own = ("IGNY8_PROXY__A".to_owned(), "\u{e9}".to_owned());
        assert_eq!(read(b"IGNY8_PROXY__A", "\u{e9}".as_bytes()), Ok(vec![own, flag]));
        for name in [&b"IGNY8_PROXY__LISTEN__PUBLIC"[..], b"TENANCY_VALIDATE_API_KEY"] {
            let error = read(name, b"\xff").unwrap_err();
            let named = String::from_utf8_lossy(name).into_owned();
            assert_eq!(error, format!("environment variable {named}: is not UTF-8"));
        }
        let error = read(b"IGNY8_PROXY__\xff", b"x").unwrap_err();
        assert!(error.ends_with("is not UTF-8"), "{error}");
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let text = "[listen]\npublic = \"a\"\n";
        for (name, value) in [
            ("IGNY8_PROXY__LISTEN__TREADS", "1"),
            ("IGNY8_PROXY__LISTEN__THREADS", "many"),
            ("IGNY8_PROXY__ROUTE__7__PUBLIC", "x"),
            ("IGNY8_PROXY__LISTEN__PUBLIC__DEEPER", "x"),
        ] {
            let error = read(text, &[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
