//! The repository's configuration files as tables that a test can change before a process reads them.

use crate::process::repository;
use toml::{Table, Value};

/// A file of `config/`, parsed.
///
/// # Panics
/// When it cannot be read or is not TOML.
#[must_use]
pub fn read(name: &str) -> Table {
    let path = repository().join("config").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Sets a key such as `server.hosts` or `issuer.0.jwks_url`; tables on the way are made.
///
/// # Panics
/// When the way leads through something that is neither a table nor an element of an array.
pub fn set(table: &mut Table, key: &str, value: impl Into<Value>) {
    let (parents, last) = key.rsplit_once('.').unwrap_or(("", key));
    let mut whole = Value::Table(std::mem::take(table));
    let mut place = &mut whole;
    for part in parents.split('.').filter(|part| !part.is_empty()) {
        place = match place {
            Value::Table(inner) => inner.entry(part).or_insert_with(|| Value::Table(Table::new())),
            Value::Array(items) => {
                let item = part.parse().ok().and_then(|index: usize| items.get_mut(index));
                item.unwrap_or_else(|| panic!("{key}: there is no element {part}"))
            }
            other => panic!("{key}: {part} lies in {other}, which is no table"),
        };
    }
    match place {
        Value::Table(inner) => inner.insert(last.to_owned(), value.into()),
        other => panic!("{key} lies in {other}, which is no table"),
    };
    if let Value::Table(changed) = whole {
        *table = changed;
    }
}

/// The route of `proxy.toml` with this prefix.
///
/// # Panics
/// When there is none.
pub fn route<'a>(proxy: &'a mut Table, prefix: &str) -> &'a mut Table {
    let routes = proxy
        .get_mut("route")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten();
    routes
        .filter_map(Value::as_table_mut)
        .find(|route| route.get("prefix").and_then(Value::as_str) == Some(prefix))
        .unwrap_or_else(|| panic!("proxy.toml has no route {prefix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_set_in_tables_and_in_arrays_of_tables() {
        let mut table: Table = "[[issuer]]\nname = 'core'".parse().unwrap();
        set(&mut table, "issuer.0.aud", "x");
        set(&mut table, "server.grace_seconds", 3);
        set(&mut table, "top", true);
        let expected: Table = "top = true\n[[issuer]]\nname = 'core'\naud = 'x'\n[server]\ngrace_seconds = 3"
            .parse()
            .unwrap();
        assert_eq!(table, expected);
    }
}
