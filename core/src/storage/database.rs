//! Which database: the URL from the configuration, read once.

use super::error::Error;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The two engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// A database that the core can use. Its URL may hold a password, so it does not print.
#[derive(Clone)]
pub struct Database {
    engine: Engine,
    url: String,
    file: Option<PathBuf>,
}

/// The proof that no other process serves or migrates this SQLite database.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for as long as it lives")] Option<File>);

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("engine", &self.engine)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Reads `sqlite://path/to/file` (relative to the working directory) or `postgres://…`.
    ///
    /// # Errors
    /// A sentence for any other scheme, or for an SQLite URL without a file.
    pub fn parse(url: &str) -> Result<Self, Error> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self {
                engine: Engine::Postgres,
                url: url.to_owned(),
                file: None,
            });
        }
        let path = url
            .strip_prefix("sqlite://")
            .or_else(|| url.strip_prefix("sqlite:"))
            .ok_or_else(|| Error::Setup("database.url begins with sqlite:// or postgres://".into()))?;
        if path.is_empty() || path.contains('?') || path.contains(":memory:") {
            return Err(Error::Setup(
                "database.url: an SQLite database is a file, without parameters".into(),
            ));
        }
        let file = std::path::absolute(path).map_err(|error| Error::Setup(format!("database.url: {error}")))?;
        let escaped: String = file.to_string_lossy().bytes().map(escape).collect();
        Ok(Self {
            engine: Engine::Sqlite,
            url: format!("sqlite://{escaped}?mode=rwc"),
            file: Some(file),
        })
    }

    /// Which engine it is.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// The URL for the driver. Never log it.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Whether both are the same database, as far as their URLs tell.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.file, &other.file) {
            (Some(one), Some(other)) => real(one) == real(other),
            (None, None) => self.url == other.url,
            _ => false,
        }
    }

    /// Whether it is an SQLite database whose file is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.file.as_ref().is_some_and(|file| !file.exists())
    }

    /// Makes the folder (0700) and the file (0600) of an SQLite database where they are missing.
    ///
    /// # Errors
    /// What the file system says.
    pub fn prepare(&self) -> Result<(), Error> {
        let Some(file) = &self.file else { return Ok(()) };
        let told = |error: std::io::Error| Error::Setup(format!("{}: {error}", file.display()));
        if let Some(folder) = file.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(told)?;
        }
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(file)
            .map_err(told)?;
        Ok(())
    }

    /// Takes the lock that a serving process and a migration hold on an SQLite database: one of them at a time. It is
    /// held until the file is dropped or the process ends, however it ends. PostgreSQL locks for itself: nothing there.
    ///
    /// # Errors
    /// A sentence where another process holds it.
    pub fn lock(&self) -> Result<Lock, Error> {
        let Some(file) = &self.file else { return Ok(Lock(None)) };
        self.prepare()?;
        let path = lock_path(file);
        let told = |error: std::io::Error| Error::Setup(format!("{}: {error}", path.display()));
        let lock = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(told)?;
        match lock.try_lock() {
            Ok(()) => Ok(Lock(Some(lock))),
            Err(TryLockError::WouldBlock) => Err(Error::Setup(format!(
                "{} is in use by another igny8-core (serve, migrate or db copy)",
                file.display()
            ))),
            Err(TryLockError::Error(error)) => Err(told(error)),
        }
    }
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn lock_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn escape(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_and_servers_are_databases() {
        let sqlite = Database::parse("sqlite:///var/a b/x.db").unwrap();
        assert_eq!(
            (sqlite.engine(), sqlite.url()),
            (Engine::Sqlite, "sqlite:///var/a%20b/x.db?mode=rwc")
        );
        assert!(
            Database::parse("sqlite://var/db/x.db")
                .unwrap()
                .url()
                .starts_with("sqlite:///")
        );
        assert_eq!(
            Database::parse("postgres://u:p@h/d").unwrap().engine(),
            Engine::Postgres
        );
        for other in ["", "mysql://h/d", "sqlite://", "sqlite::memory:", "sqlite://x?mode=ro"] {
            assert!(Database::parse(other).is_err(), "{other}");
        }
    }

    #[test]
    fn one_database_is_told_from_another() {
        let same = |one: &str, other: &str| {
            let database = |url| Database::parse(url).unwrap();
            database(one).is_same(&database(other))
        };
        assert!(same("sqlite:///nowhere/x.db", "sqlite:/nowhere/x.db"));
        assert!(!same("sqlite:///nowhere/x.db", "sqlite:///nowhere/y.db"));
        assert!(same("postgres://h/d", "postgres://h/d"));
        assert!(!same("postgres://h/d", "postgres://h/e"));
        assert!(!same("postgres://h/d", "sqlite:///h/d"));
        assert!(Database::parse("sqlite:///nowhere/x.db").unwrap().is_missing());
        assert!(!Database::parse("postgres://h/d").unwrap().is_missing());
    }

    #[test]
    fn a_database_with_a_password_does_not_print_it() {
        let database = Database::parse("postgres://user:swordfish@host/name").unwrap();
        assert!(!format!("{database:?}").contains("swordfish"));
    }
}
