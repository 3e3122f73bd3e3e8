//! Connections and transactions.

use super::database::{Database, Engine};
use super::error::Error;
use super::fail_point::{Place, reach};
use sqlx::any::AnyPoolOptions;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Connection as _, Executor, Transaction};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How long a story waits for a connection before it answers `storage_unavailable`.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for SQLite's one writer, where a burst of stories stands in line and a slow disk flushes for each.
const SQLITE_WRITER_TIMEOUT: Duration = Duration::from_secs(15);
/// How often a transaction that lost against another is tried again.
const MAX_TRIES: u32 = 8;
/// Connections of a PostgreSQL pool, and readers of an SQLite file.
const MAX_CONNECTIONS: u32 = 16;
/// Connections for those who follow the feed.
const FOLLOWER_CONNECTIONS: u32 = 2;
/// PostgreSQL's connections for lines, each of which has one transaction under way.
const LINE_CONNECTIONS: u32 = 2;

/// How long a connection may have rested and be believed to be alive all the same: a question costs a way to the database and
/// back, for every story.
const BELIEVED: Duration = Duration::from_secs(1);

/// `synchronous = FULL` together with the write-ahead log makes an answered commit outlive a power cut.
const SQLITE_SETUP: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                            PRAGMA busy_timeout = 5000;";
const POSTGRES_SETUP: &str = "SET synchronous_commit = on; SET statement_timeout = '15s'; SET lock_timeout = '5s'; \
                              SET idle_in_transaction_session_timeout = '30s'; SET timezone = 'UTC';";

/// A connection within a transaction.
pub type Connection = AnyConnection;

/// What a story's own error must be able to do, so that [`Store::write`] can try again.
pub trait Aborts: From<Error> {
    /// Whether the transaction lost against another one and may be tried again.
    fn is_conflict(&self) -> bool;
}

impl Aborts for Error {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::Raced)
    }
}

/// The steps of a story within its transaction.
pub type StoryFuture<'c, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>;

/// An open database.
#[derive(Clone, Debug)]
pub struct Store {
    engine: Engine,
    readers: AnyPool,
    /// SQLite has one writer at a time: a queue of our own is fairer than its busy handler.
    writers: AnyPool,
    /// Those who follow the feed never wait behind everybody else.
    followers: AnyPool,
    /// Nor do lines. Statements for many rows have many forms, too: few connections have soon prepared each of them.
    lines: AnyPool,
    /// Told after each commit that may have changed somebody's standing.
    committed: Arc<Notify>,
}

impl Store {
    /// Opens the database. It is not asked anything yet; see [`Store::ping`].
    ///
    /// # Errors
    /// A URL or file that cannot be used.
    pub fn open(database: &Database) -> Result<Self, Error> {
        sqlx::any::install_default_drivers();
        database.prepare()?;
        let engine = database.engine();
        let readers = pool(database, MAX_CONNECTIONS, ACQUIRE_TIMEOUT)?;
        let writers = match engine {
            Engine::Sqlite => pool(database, 1, SQLITE_WRITER_TIMEOUT)?,
            Engine::Postgres => readers.clone(),
        };
        let lines = match engine {
            Engine::Sqlite => writers.clone(),
            Engine::Postgres => pool(database, LINE_CONNECTIONS, ACQUIRE_TIMEOUT)?,
        };
        Ok(Self {
            engine,
            readers,
            writers,
            lines,
            followers: pool(database, FOLLOWER_CONNECTIONS, ACQUIRE_TIMEOUT)?,
            committed: Arc::default(),
        })
    }

    /// The same database for a line that carries many requests in one transaction, one transaction after the other.
    #[must_use]
    pub fn of_line(&self) -> Self {
        Self {
            writers: self.lines.clone(),
            ..self.clone()
        }
    }

    /// Which engine it runs on.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// A connection for single statements that read.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn read(&self) -> Result<PoolConnection<Any>, Error> {
        Ok(self.readers.acquire().await?)
    }

    /// The same for those who follow the feed.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn follower(&self) -> Result<PoolConnection<Any>, Error> {
        Ok(self.followers.acquire().await?)
    }

    /// A transaction that reads one state of the database, whatever others write meanwhile.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn snapshot(&self) -> Result<Transaction<'static, Any>, Error> {
        self.snapshot_of(&self.readers).await
    }

    /// [`Store::snapshot`] for those who follow the feed.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn followers_snapshot(&self) -> Result<Transaction<'static, Any>, Error> {
        self.snapshot_of(&self.followers).await
    }

    async fn snapshot_of(&self, pool: &AnyPool) -> Result<Transaction<'static, Any>, Error> {
        let begin = match self.engine {
            Engine::Sqlite => "BEGIN DEFERRED",
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        Ok(pool.begin_with(begin).await?)
    }

    /// Wakes whoever waits for it after each commit of this process by [`Store::write`].
    #[must_use]
    pub fn committed(&self) -> &Notify {
        &self.committed
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn ping(&self) -> Result<(), Error> {
        let mut connection = self.read().await?;
        sqlx::query("SELECT 1").execute(&mut *connection).await?;
        Ok(())
    }

    /// Runs `story` in one transaction: committed when it answers, rolled back whole when it does not. It runs again,
    /// from the start and with the same `given`, where the engine says that it lost against another transaction; so it
    /// must not do anything but ask and tell the database.
    ///
    /// # Errors
    /// What the story refuses, or what the database says.
    pub async fn write<A, T, E, S>(&self, given: &A, story: S) -> Result<T, E>
    where
        A: Sync,
        E: Aborts,
        S: for<'c> Fn(&'c mut AnyConnection, &'c A) -> StoryFuture<'c, T, E>,
    {
        let answered = self.write_quietly(given, story).await;
        if answered.is_ok() {
            self.committed.notify_waiters();
        }
        answered
    }

    /// [`Store::write`] for stories that are told many times a second and never change anybody's standing. Where one did all
    /// the same, those who follow the feed would learn of it a moment later.
    ///
    /// # Errors
    /// As for [`Store::write`].
    pub async fn write_quietly<A, T, E, S>(&self, given: &A, story: S) -> Result<T, E>
    where
        A: Sync,
        E: Aborts,
        S: for<'c> Fn(&'c mut AnyConnection, &'c A) -> StoryFuture<'c, T, E>,
    {
        for _ in 1..MAX_TRIES {
            match self.try_write(given, &story).await {
                Err(error) if error.is_conflict() => tracing::debug!("a transaction is tried again"),
                answered => return answered,
            }
        }
        self.try_write(given, &story).await
    }

    async fn try_write<A, T, E, S>(&self, given: &A, story: &S) -> Result<T, E>
    where
        E: Aborts,
        S: for<'c> Fn(&'c mut AnyConnection, &'c A) -> StoryFuture<'c, T, E>,
    {
        let begin = match self.engine {
            Engine::Sqlite => "BEGIN IMMEDIATE",
            Engine::Postgres => "BEGIN",
        };
        let mut connection = self.writers.acquire().await.map_err(Error::from)?;
        let (answer, sound) = in_transaction(&mut connection, begin, given, story).await;
        if !sound {
            // SQLite ends a transaction by itself where a disk fails it, and the driver counts it as open for ever.
            connection.close_on_drop();
        }
        answer
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.followers.close().await;
        self.readers.close().await;
        self.writers.close().await;
        self.lines.close().await;
    }
}

/// Runs a story between begin and commit; and whether the connection is as good as before.
async fn in_transaction<A, T, E, S>(
    connection: &mut AnyConnection,
    begin: &'static str,
    given: &A,
    story: &S,
) -> (Result<T, E>, bool)
where
    E: Aborts,
    S: for<'c> Fn(&'c mut AnyConnection, &'c A) -> StoryFuture<'c, T, E>,
{
    let mut transaction = match connection.begin_with(begin).await {
        Ok(transaction) => transaction,
        Err(error) => return (Err(Error::from(error).into()), false),
    };
    match story(&mut transaction, given).await {
        Ok(answer) => {
            reach(Place::BeforeCommit);
            if let Err(error) = transaction.commit().await {
                return (Err(Error::from(error).into()), false);
            }
            reach(Place::AfterCommit);
            (Ok(answer), true)
        }
        Err(refused) => {
            let rolled_back = transaction.rollback().await;
            (Err(refused), rolled_back.is_ok())
        }
    }
}

fn pool(database: &Database, max_connections: u32, acquire_timeout: Duration) -> Result<AnyPool, Error> {
    let setup = match database.engine() {
        Engine::Sqlite => SQLITE_SETUP,
        Engine::Postgres => POSTGRES_SETUP,
    };
    let options = AnyPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, rest| {
            Box::pin(async move {
                if rest.idle_for > BELIEVED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(sqlx::raw_sql(setup)).await?;
                Ok(())
            })
        });
    options
        .connect_lazy(database.url())
        .map_err(|error| Error::Setup(format!("database.url: {error}")))
}

/// A connection of its own with the engine's setup, for migrations.
pub(super) async fn connect(database: &Database) -> Result<AnyConnection, Error> {
    use sqlx::Connection;
    sqlx::any::install_default_drivers();
    database.prepare()?;
    let mut connection = AnyConnection::connect(database.url()).await?;
    if database.engine() == Engine::Sqlite {
        connection.execute(sqlx::raw_sql(SQLITE_SETUP)).await?;
    }
    Ok(connection)
}
