//! Migrations: the files of `/migrations`, compiled in, so that the binary brings its schema along.

use super::database::{Database, Engine, Lock};
use super::error::Error;
use super::store::{Connection, connect};
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use std::borrow::Cow;

/// Where sqlx notes which migrations have run.
const TABLE: &str = "_sqlx_migrations";
/// How the comment of a down file begins.
const LOST: &str = "Lost: ";

/// One migration of one engine.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub number: i64,
    /// The name of its files without engine and ending, `0001_plans`.
    pub name: &'static str,
    pub up: &'static str,
    pub down: &'static str,
}

impl Step {
    /// What is lost where this migration is taken back: the comment that its down file begins with.
    #[must_use]
    pub fn lost(&self) -> String {
        let lines = self.down.lines().map_while(|line| line.strip_prefix("-- "));
        let comment = lines.collect::<Vec<_>>().join(" ");
        comment.strip_prefix(LOST).unwrap_or(&comment).to_owned()
    }
}

macro_rules! steps {
    ($($number:literal $name:literal)*) => {
        const SQLITE: &[Step] = &[$(steps!(@one "sqlite" $number $name)),*];
        const POSTGRES: &[Step] = &[$(steps!(@one "postgres" $number $name)),*];
    };
    (@one $engine:literal $number:literal $name:literal) => {
        Step {
            number: $number,
            name: $name,
            up: include_str!(concat!("../../../migrations/", $engine, "/", $name, ".up.sql")),
            down: include_str!(concat!("../../../migrations/", $engine, "/", $name, ".down.sql")),
        }
    };
}

steps! {
    1 "0001_plans"
    2 "0002_accounts_and_users"
    3 "0003_credit_ledger"
    4 "0004_subscriptions_and_periods"
    5 "0005_sign_ins_and_sessions"
    6 "0006_audit_and_outbox"
    7 "0007_account_payment_method"
    8 "0008_subscription_payment_method"
    9 "0009_stripe_subscription_id_nullable"
    10 "0010_pending_payment"
    11 "0011_subscription_terms"
    12 "0012_credit_buckets"
    13 "0013_credit_holds"
    14 "0014_idempotency_keys"
    15 "0015_payments_and_receipts"
    16 "0016_stripe_events"
    17 "0017_test_clock"
    18 "0018_reporting_views"
    19 "0019_stripe_event_age"
    20 "0020_api_keys"
    21 "0021_members"
    22 "0022_refresh_tokens"
    23 "0023_mailed_tokens"
    24 "0024_sign_in_budgets"
    25 "0025_totp"
    26 "0026_change_feed"
    27 "0027_invitation_mail"
    28 "0028_panel_address"
    29 "0029_receipt_seller"
    30 "0030_tiles_and_times"
    31 "0031_grants_of_earlier_periods"
}

/// Every migration of an engine, oldest first.
#[must_use]
pub const fn steps(engine: Engine) -> &'static [Step] {
    match engine {
        Engine::Sqlite => SQLITE,
        Engine::Postgres => POSTGRES,
    }
}

fn migrator(engine: Engine) -> Migrator {
    let migration = |step: &Step, kind, sql: &'static str| {
        Migration::new(step.number, Cow::Borrowed(step.name), kind, sql.into_sql_str(), false)
    };
    let both = |step: &Step| {
        [
            migration(step, MigrationType::ReversibleUp, step.up),
            migration(step, MigrationType::ReversibleDown, step.down),
        ]
    };
    Migrator::with_migrations(steps(engine).iter().flat_map(both).collect())
}

fn told(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) => error.into(),
        other => Error::Setup(format!("migration: {other}")),
    }
}

/// Brings the schema up to date. Safe to run from several machines at once.
///
/// # Errors
/// A database that does not answer, or one whose history is not ours.
pub async fn up(database: &Database, _held: &Lock) -> Result<(), Error> {
    let mut connection = connect(database).await?;
    migrator(database.engine())
        .run_direct(None, &mut connection, false)
        .await
        .map_err(told)
}

/// Where a schema can be taken back to: one of its migrations, or the empty database.
#[derive(Clone, Copy, Debug)]
pub struct Target(i64);

impl Target {
    /// Nothing where there is no migration of this number; 0 is the empty database.
    #[must_use]
    pub fn of(engine: Engine, number: i64) -> Option<Self> {
        let known = number == 0 || steps(engine).iter().any(|step| step.number == number);
        known.then_some(Self(number))
    }
}

/// Takes the schema back.
///
/// # Errors
/// As for [`up`].
pub async fn down(database: &Database, _held: &Lock, to: Target) -> Result<(), Error> {
    let mut connection = connect(database).await?;
    migrator(database.engine())
        .undo(&mut connection, to.0)
        .await
        .map_err(told)
}

/// Every migration and whether it has run.
///
/// # Errors
/// A database that does not answer.
pub async fn status(database: &Database) -> Result<Vec<(Step, bool)>, Error> {
    let mut connection = connect(database).await?;
    let applied = applied(&mut connection).await?;
    Ok(steps(database.engine())
        .iter()
        .map(|step| (*step, applied.contains(&step.number)))
        .collect())
}

async fn applied(connection: &mut Connection) -> Result<Vec<i64>, Error> {
    connection.ensure_migrations_table(TABLE).await.map_err(told)?;
    let applied = connection.list_applied_migrations(TABLE).await.map_err(told)?;
    Ok(applied.into_iter().map(|migration| migration.version).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_down_file_begins_with_what_is_lost() {
        for step in SQLITE.iter().chain(POSTGRES) {
            assert!(step.down.starts_with("-- Lost: "), "{}", step.name);
            assert!(step.lost().ends_with('.'), "{}: {}", step.name, step.lost());
            assert!(!step.lost().contains("Lost: "), "{}: {}", step.name, step.lost());
        }
        let payments = SQLITE.iter().find(|step| step.number == 15).unwrap();
        assert!(
            payments.lost().starts_with("every payment and receipt"),
            "{}",
            payments.lost()
        );
        assert!(
            payments.lost().ends_with("no longer wait for a payment."),
            "all its lines"
        );
    }
}
