//! Copying a whole database into an empty one, on whichever engine.
//!
//! Rows go table by table, in pages, within one transaction of the target. The target's own guards stay on: accounts arrive
//! empty, and their ledgers, entry by entry, bring their credits. Counts and sums are compared before anything is committed.

use super::bulk::{self, Statement, query};
use super::database::{Database, Engine, Lock};
use super::error::Error;
use super::migrations;
use super::row::{number, text};
use super::store::{Connection, connect};
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Connection as _, Row};

/// How many rows are read at once.
const PAGE: i64 = 1000;

/// A table whose rows are copied.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    pub name: &'static str,
    /// What orders its rows so that each comes after the ones that it builds on.
    pub key: &'static [&'static str],
    /// Whether the database gives its rows their `id`.
    numbered: bool,
}

const fn table(name: &'static str, key: &'static [&'static str]) -> Table {
    let numbered = false;
    Table { name, key, numbered }
}

const fn numbered(name: &'static str, key: &'static [&'static str]) -> Table {
    let numbered = true;
    Table { name, key, numbered }
}

/// Every table with rows of its own, each after those that it refers to.
pub const TABLES: [Table; 24] = [
    numbered("plan", &["id"]),
    numbered("account", &["id"]),
    numbered("users", &["id"]),
    numbered("subscription", &["id"]),
    table("subscription_period", &["subscription_id", "sequence"]),
    numbered("ledger_entry", &["account_id", "sequence"]),
    table("credit_bucket", &["account_id", "number"]),
    table("credit_hold", &["account_id", "number"]),
    table("credit_hold_part", &["account_id", "hold_number", "position"]),
    table("idempotency_key", &["scope"]),
    numbered("payment", &["id"]),
    table("receipt", &["number"]),
    table("stripe_subscription", &["id"]),
    table("stripe_event", &["event_id"]),
    numbered("sign_in", &["id"]),
    table("refresh_token", &["sign_in_id", "generation"]),
    numbered("mailed_token", &["id"]),
    table("totp", &["user_id"]),
    table("totp_recovery_code", &["user_id", "code_hash"]),
    numbered("admin_session", &["id"]),
    numbered("api_key", &["id"]),
    numbered("invitation", &["id"]),
    numbered("audit", &["id"]),
    numbered("outbox", &["id"]),
];

/// Tables whose one row comes with the schema, and the column that is copied.
pub const SINGLE: [(&str, &str); 2] = [("receipt_counter", "last_number"), ("test_clock", "ahead_us")];

/// Tables whose rows are not copied: how many attempts somebody has left begins anew.
pub const NOT_COPIED: [&str; 1] = ["sign_in_budget"];

/// Tables whose rows come with the schema.
pub const OF_THE_SCHEMA: [&str; 1] = ["account_status"];

/// Tables that each database has for itself: proxies that followed the feed of one take a new snapshot of the other.
pub const ITS_OWN: [&str; 3] = ["feed_head", "feed_change", "key_set"];

/// What must come to the same in both databases.
const SUMS: [(&str, &str); 8] = [
    ("credits of accounts", "SELECT SUM(credits) AS total FROM account"),
    (
        "ledger sequences of accounts",
        "SELECT SUM(ledger_sequence) AS total FROM account",
    ),
    (
        "amounts of ledger entries",
        "SELECT SUM(amount) AS total FROM ledger_entry",
    ),
    (
        "credits in buckets",
        "SELECT SUM(remaining) AS total FROM credit_bucket",
    ),
    ("held credits", "SELECT SUM(held) AS total FROM credit_bucket"),
    (
        "lengths of periods",
        "SELECT SUM(end_us - start_us) AS total FROM subscription_period",
    ),
    (
        "confirmed payments",
        "SELECT SUM(amount_minor) AS total FROM payment WHERE status = 'confirmed'",
    ),
    ("amounts of receipts", "SELECT SUM(amount_minor) AS total FROM receipt"),
];

/// Why nothing was copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(transparent)]
    Storage(#[from] Error),
    /// The databases are not what they must be, in a sentence.
    #[error("{0}")]
    Refused(String),
}

impl From<sqlx::Error> for CopyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Storage(error.into())
    }
}

/// How many rows of a table were copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Copied {
    pub table: &'static str,
    pub rows: i64,
}

/// What came to the same in both databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sum {
    pub what: &'static str,
    pub value: i64,
}

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Copy {
    pub tables: Vec<Copied>,
    pub sums: Vec<Sum>,
}

/// How far the copy has come: the table, its rows that were copied, and all that it has.
pub type Progress<'a> = &'a mut (dyn FnMut(&str, i64, i64) + Send);

/// One column of a table.
struct Column {
    name: String,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Number,
    Text,
    Bytes,
}

/// What stands in a column of a row.
enum Value {
    Number(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

impl Value {
    fn read(row: &AnyRow, column: &Column) -> Result<Self, Error> {
        let name = column.name.as_str();
        Ok(match column.kind {
            Kind::Number => Self::Number(row.try_get(name)?),
            Kind::Text => Self::Text(row.try_get(name)?),
            Kind::Bytes => Self::Bytes(row.try_get(name)?),
        })
    }

    fn bind(&self, statement: Statement) -> Statement {
        match self {
            Self::Number(number) => statement.bind(*number),
            Self::Text(text) => statement.bind(text.as_deref()),
            Self::Bytes(bytes) => statement.bind(bytes.clone()),
        }
    }
}

/// Copies everything from one database to another. Both have the whole schema; the target has nothing else. The locks prove
/// that no other process serves either of them; PostgreSQL, which knows no such lock, shows one state of itself.
///
/// # Errors
/// [`CopyError::Refused`] for databases that are not what they must be; what the databases say. The target stays empty.
pub async fn copy(from: (&Database, &Lock), to: (&Database, &Lock), progress: Progress<'_>) -> Result<Copy, CopyError> {
    for (database, name) in [(from.0, "source"), (to.0, "target")] {
        if migrations::status(database).await?.iter().any(|(_, applied)| !applied) {
            return Err(CopyError::Refused(format!(
                "the schema of the {name} is not up to date: run `igny8-core migrate up` on it"
            )));
        }
    }
    let (mut source, mut target) = (connect(from.0).await?, connect(to.0).await?);
    let mut reading = match from.0.engine() {
        Engine::Sqlite => source.begin_with("BEGIN DEFERRED").await?,
        Engine::Postgres => {
            source
                .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .await?
        }
    };
    let mut writing = match to.0.engine() {
        Engine::Sqlite => target.begin_with("BEGIN IMMEDIATE").await?,
        Engine::Postgres => target.begin_with("BEGIN").await?,
    };
    must_be_empty(&mut writing, to.0.engine()).await?;
    let mut tables = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        let rows = copy_table(&mut reading, from.0.engine(), &mut writing, table, progress).await?;
        tables.push(Copied {
            table: table.name,
            rows,
        });
    }
    for (table, column) in SINGLE {
        copy_single(&mut reading, &mut writing, table, column).await?;
    }
    if to.0.engine() == Engine::Postgres {
        number_on(&mut writing).await?;
    }
    let sums = compare(&mut reading, &mut writing).await?;
    writing.commit().await?;
    Ok(Copy { tables, sums })
}

async fn must_be_empty(target: &mut Connection, engine: Engine) -> Result<(), CopyError> {
    for table in TABLES {
        if engine == Engine::Postgres {
            // Nobody puts anything into it before the copy is committed.
            query(format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table.name))
                .execute(&mut *target)
                .await?;
        }
        if count(target, table.name).await? != 0 {
            return Err(CopyError::Refused(format!(
                "the target is not empty: the table {} has rows",
                table.name
            )));
        }
    }
    Ok(())
}

async fn count(connection: &mut Connection, table: &str) -> Result<i64, Error> {
    let row = query(format!("SELECT COUNT(*) AS total FROM {table}"))
        .fetch_one(connection)
        .await?;
    number(&row, "total")
}

async fn columns(source: &mut Connection, engine: Engine, table: &str) -> Result<Vec<Column>, Error> {
    let listed = match engine {
        Engine::Sqlite => "SELECT name, type AS kind FROM pragma_table_info($1) ORDER BY cid",
        Engine::Postgres => {
            "SELECT CAST(column_name AS TEXT) AS name, CAST(data_type AS TEXT) AS kind FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position"
        }
    };
    let rows = sqlx::query(listed).bind(table).fetch_all(source).await?;
    let column = |row| {
        let kind = text(row, "kind")?;
        Ok(Column {
            name: text(row, "name")?,
            kind: match kind.as_str() {
                "INTEGER" | "bigint" => Kind::Number,
                "TEXT" | "text" => Kind::Text,
                "BLOB" | "bytea" => Kind::Bytes,
                _ => return Err(Error::Unexpected(format!("a column of type {kind} in {table}"))),
            },
        })
    };
    rows.iter().map(column).collect()
}

async fn copy_table(
    source: &mut Connection,
    engine: Engine,
    target: &mut Connection,
    table: Table,
    progress: Progress<'_>,
) -> Result<i64, Error> {
    let columns = columns(source, engine, table.name).await?;
    let total = count(source, table.name).await?;
    let (mut copied, mut last) = (0, None);
    loop {
        let page = page(source, table, &columns, last.as_ref()).await?;
        insert(target, table, &columns, &page).await?;
        let read = page.len();
        copied += i64::try_from(read).unwrap_or(i64::MAX);
        progress(table.name, copied, total);
        last = page.into_iter().last();
        if i64::try_from(read).unwrap_or(i64::MAX) < PAGE {
            return Ok(copied);
        }
    }
}

/// The rows after `last`.
async fn page(
    source: &mut Connection,
    table: Table,
    columns: &[Column],
    last: Option<&Vec<Value>>,
) -> Result<Vec<Vec<Value>>, Error> {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let key = table.key.join(", ");
    let placeholders: Vec<String> = (1..=table.key.len()).map(|index| format!("${index}")).collect();
    let beyond = match last {
        Some(_) => format!("WHERE ({key}) > ({})", placeholders.join(", ")),
        None => String::new(),
    };
    let mut select = query(format!(
        "SELECT {} FROM {} {beyond} ORDER BY {key} LIMIT {PAGE}",
        names.join(", "),
        table.name
    ));
    for value in last.into_iter().flat_map(|last| key_of(table, columns, last)) {
        select = value.bind(select);
    }
    let rows = select.fetch_all(source).await?;
    rows.iter()
        .map(|row| columns.iter().map(|column| Value::read(row, column)).collect())
        .collect()
}

fn key_of<'a>(table: Table, columns: &'a [Column], row: &'a [Value]) -> impl Iterator<Item = &'a Value> {
    let place = |name: &&str| columns.iter().position(|column| column.name == *name);
    table.key.iter().filter_map(move |name| row.get(place(name)?))
}

async fn insert(target: &mut Connection, table: Table, columns: &[Column], rows: &[Vec<Value>]) -> Result<(), Error> {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    // The ledger's entries bring an account its credits.
    let nothing = Value::Number(Some(0));
    let comes_with_entries: Vec<bool> = names
        .iter()
        .map(|name| table.name == "account" && matches!(*name, "credits" | "ledger_sequence"))
        .collect();
    let text = format!("INSERT INTO {} ({}) VALUES {{}}", table.name, names.join(", "));
    let placeholders = vec!["?"; names.len()];
    bulk::execute(target, &text, &placeholders, rows, |insert, row| {
        let values = row.iter().zip(&comes_with_entries);
        values.fold(insert, |insert, (value, comes_later)| {
            if *comes_later { &nothing } else { value }.bind(insert)
        })
    })
    .await?;
    Ok(())
}

async fn copy_single(source: &mut Connection, target: &mut Connection, table: &str, column: &str) -> Result<(), Error> {
    let row = query(format!("SELECT {column} AS kept FROM {table} WHERE id = 1"))
        .fetch_one(source)
        .await?;
    query(format!("UPDATE {table} SET {column} = $1 WHERE id = 1"))
        .bind(number(&row, "kept")?)
        .execute(target)
        .await?;
    Ok(())
}

/// PostgreSQL counts identifiers apart from their rows.
async fn number_on(target: &mut Connection) -> Result<(), Error> {
    for table in TABLES.iter().filter(|table| table.numbered) {
        let name = table.name;
        query(format!(
            "SELECT setval(pg_get_serial_sequence('{name}', 'id'), COALESCE(MAX(id), 1), COUNT(*) > 0) FROM {name}"
        ))
        .execute(&mut *target)
        .await?;
    }
    Ok(())
}

async fn compare(source: &mut Connection, target: &mut Connection) -> Result<Vec<Sum>, CopyError> {
    for table in TABLES {
        let (here, there) = (count(source, table.name).await?, count(target, table.name).await?);
        if here != there {
            return Err(differs(&format!("the rows of {}", table.name), here, there));
        }
    }
    let mut sums = Vec::with_capacity(SUMS.len());
    for (what, statement) in SUMS {
        let (here, there) = (sum(source, statement).await?, sum(target, statement).await?);
        if here != there {
            return Err(differs(what, here, there));
        }
        sums.push(Sum { what, value: here });
    }
    Ok(sums)
}

async fn sum(connection: &mut Connection, statement: &str) -> Result<i64, Error> {
    let row = query(format!(
        "SELECT CAST(COALESCE(summed.total, 0) AS BIGINT) AS total FROM ({statement}) AS summed"
    ))
    .fetch_one(connection)
    .await?;
    number(&row, "total")
}

fn differs(what: &str, here: i64, there: i64) -> CopyError {
    CopyError::Storage(Error::Unexpected(format!(
        "another copy than its source: {what} come to {here} and to {there}"
    )))
}
