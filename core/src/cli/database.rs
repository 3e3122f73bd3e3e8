//! Commands on whole databases: their schema, their health, and copies of them.

use super::Failure;
use super::arguments::{Migrate, Output};
use super::commands::print;
use crate::app::doctor::{self, Report};
use crate::config::Config;
use crate::storage::copy::{self, CopyError};
use crate::storage::migrations::{self, Step, Target};
use crate::storage::{Database, Store};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};

/// Brings the schema up to date or back, or lists where it stands.
pub(super) async fn migrate(config: &Config, command: Migrate) -> Result<(), Failure> {
    let before = migrations::status(&config.database).await?;
    let (output, listing) = match command {
        Migrate::Up { output } => {
            migrations::up(&config.database, &config.database.lock()?).await?;
            (output, false)
        }
        Migrate::Down { to, output } => {
            let to = Target::of(config.database.engine(), to)
                .ok_or_else(|| Failure::No(format!("there is no migration {to}")))?;
            migrations::down(&config.database, &config.database.lock()?, to).await?;
            (output, false)
        }
        Migrate::Status { output } => (output, true),
    };
    let after = migrations::status(&config.database).await?;
    let (mut ups, mut downs, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for ((step, was), (_, is)) in before.iter().zip(&after) {
        let taken_back = !listing && *was && !is;
        rows.push(row(step, *is, taken_back));
        match (listing, was, is) {
            (true, _, true) => ups.push(format!("applied  {}", step.name)),
            (true, _, false) => ups.push(format!("pending  {}", step.name)),
            (false, false, true) => ups.push(format!("up       {}", step.name)),
            (false, true, false) => downs.push(format!("down     {}, lost: {}", step.name, step.lost())),
            (false, true, true) | (false, false, false) => {}
        }
    }
    // In the order in which they ran.
    let mut lines: Vec<String> = downs.into_iter().rev().chain(ups).collect();
    if lines.is_empty() {
        lines.push("nothing to do".into());
    }
    print(output, &lines, &Value::Array(rows))
}

fn row(step: &Step, applied: bool, taken_back: bool) -> Value {
    let mut row = json!({"number": step.number, "name": step.name, "applied": applied});
    if taken_back {
        row["lost"] = json!(step.lost());
    }
    row
}

/// A line on standard error that is written over as the work goes on, where somebody is there to see it.
struct ProgressLine {
    shown: bool,
    anything: bool,
}

impl ProgressLine {
    fn new(output: Output) -> Self {
        Self {
            shown: !output.json && std::io::stderr().is_terminal(),
            anything: false,
        }
    }

    fn show(&mut self, text: &str) {
        if self.shown {
            // Who closes their terminal misses the progress alone.
            let _unseen = write!(std::io::stderr(), "\r\x1b[2K{text}").and_then(|()| std::io::stderr().flush());
            self.anything = true;
        }
    }

    fn end(&mut self) {
        if self.anything {
            self.show("");
        }
    }
}

/// Checks every invariant.
pub(super) async fn examine(config: &Config, output: Output) -> Result<(), Failure> {
    let report = examined(config, &config.database, output).await?;
    print(output, &findings(&report), &json!(report))?;
    verdict(&report)
}

async fn examined(config: &Config, database: &Database, output: Output) -> Result<Report, Failure> {
    let store = Store::open(database)?;
    let mut line = ProgressLine::new(output);
    let mut show = |done: usize, total: i64| line.show(&format!("{done} of {total} accounts checked"));
    let report = doctor::examine(&store, &config.billing, &mut show).await;
    line.end();
    store.close().await;
    Ok(report?)
}

fn findings(report: &Report) -> Vec<String> {
    let mut lines: Vec<String> = report
        .findings
        .iter()
        .map(|finding| match finding.account_id {
            Some(id) => format!("account {id}: {}", finding.what),
            None => finding.what.clone(),
        })
        .collect();
    lines.push(format!(
        "{} accounts, {} findings",
        report.accounts,
        report.findings.len()
    ));
    lines
}

fn verdict(report: &Report) -> Result<(), Failure> {
    if report.findings.is_empty() {
        Ok(())
    } else {
        Err(Failure::No("the database breaks its rules".into()))
    }
}

/// Copies a database, and checks the copy.
pub(super) async fn copy(config: &Config, from: &str, to: &str, output: Output) -> Result<(), Failure> {
    let database = |url: &str, option: &str| {
        // The sentence speaks of the key in the configuration; here it is an option.
        Database::parse(url)
            .map_err(|error| Failure::No(error.to_string().replace("database.url", &format!("--{option}"))))
    };
    let (source, target) = (database(from, "from")?, database(to, "to")?);
    if source.is_same(&target) {
        return Err(Failure::No("--from and --to are the same database".into()));
    }
    if source.is_missing() {
        return Err(Failure::No("--from: there is no such file".into()));
    }
    let (source_lock, target_lock) = (source.lock()?, target.lock()?);
    // A database with nothing of ours in it is what most people copy to.
    if migrations::status(&target).await?.iter().all(|(_, applied)| !applied) {
        migrations::up(&target, &target_lock).await?;
    }
    let mut line = ProgressLine::new(output);
    let mut show = |table: &str, done: i64, total: i64| line.show(&format!("{table}: {done} of {total} rows"));
    let copied = copy::copy((&source, &source_lock), (&target, &target_lock), &mut show).await;
    line.end();
    let copied = copied.map_err(|error| match error {
        CopyError::Refused(sentence) => Failure::No(sentence),
        CopyError::Storage(error) => error.into(),
    })?;
    let report = examined(config, &target, output).await?;
    let mut lines: Vec<String> = copied
        .tables
        .iter()
        .map(|copied| format!("{:20} {:>10} rows", copied.table, copied.rows))
        .chain(copied.sums.iter().map(|sum| format!("{} {}", sum.what, sum.value)))
        .collect();
    lines.extend(findings(&report));
    let value = json!({
        "tables": copied.tables, "sums": copied.sums, "accounts": report.accounts, "findings": report.findings,
    });
    print(output, &lines, &value)?;
    verdict(&report)
}
