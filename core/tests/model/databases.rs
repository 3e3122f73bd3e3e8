//! Databases for stories: each story has one of its own, copied from one that has the schema and the plans.

use super::catalogue;
use super::world::BEGINNING;
use igny8_core::app::seed_plans::lay_down;
use igny8_core::storage::{Database, Store, migrations};
use igny8_testkit::folder::TestFolder;
use igny8_testkit::postgres::Postgres;
use std::path::{Path, PathBuf};

/// Where databases come from.
pub enum Databases {
    Sqlite { template: PathBuf, folder: Folder },
    Postgres { server: Postgres, template: String },
}

/// A folder in memory where the machine has one: what is tested here outlives no machine.
pub enum Folder {
    InMemory(tempfile::TempDir),
    OnDisk(TestFolder),
}

impl Folder {
    fn new() -> Self {
        match tempfile::tempdir_in("/dev/shm") {
            Ok(folder) => Self::InMemory(folder),
            Err(_) => Self::OnDisk(TestFolder::new()),
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            Self::InMemory(folder) => folder.path(),
            Self::OnDisk(folder) => folder.path(),
        }
    }
}

const TEMPLATE: &str = "template_of_stories";

impl Databases {
    pub async fn sqlite() -> Self {
        let folder = Folder::new();
        let template = folder.path().join(TEMPLATE);
        prepare(&sqlite_at(&template)).await;
        Self::Sqlite { template, folder }
    }

    pub async fn postgres() -> Self {
        let server = Postgres::start();
        let template = server.create_database(TEMPLATE);
        prepare(&Database::parse(&template).unwrap()).await;
        Self::Postgres { server, template }
    }

    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "SQLite",
            Self::Postgres { .. } => "PostgreSQL",
        }
    }

    /// A new database of this name.
    pub fn make(&self, name: &str) -> Database {
        match self {
            Self::Sqlite { template, folder } => {
                let file = folder.path().join(name);
                std::fs::copy(template, &file).unwrap();
                sqlite_at(&file)
            }
            Self::Postgres { server, template } => {
                server.run_sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}"));
                Database::parse(&template.replace(TEMPLATE, name)).unwrap()
            }
        }
    }

    /// Takes it away; nobody is connected to it any more.
    pub fn remove(&self, name: &str) {
        match self {
            Self::Sqlite { folder, .. } => {
                for ending in ["", "-wal", "-shm"] {
                    let _there_or_not = std::fs::remove_file(folder.path().join(format!("{name}{ending}")));
                }
            }
            Self::Postgres { server, .. } => {
                server.run_sql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"));
            }
        }
    }
}

fn sqlite_at(file: &Path) -> Database {
    Database::parse(&format!("sqlite://{}", file.display())).unwrap()
}

async fn prepare(database: &Database) {
    migrations::up(database, &database.lock().unwrap()).await.unwrap();
    let store = Store::open(database).unwrap();
    lay_down(&store, catalogue::terms(), BEGINNING).await.unwrap();
    // The last connection to an SQLite database leaves one whole file.
    store.close().await;
}
