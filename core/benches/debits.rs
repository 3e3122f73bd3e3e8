//! What group commit is worth, on SQLite and on a PostgreSQL that syncs to disk: debits a second as a ratio to one commit for
//! each debit, on one account and on a thousand; a debit on a long ledger against one on a short one; and how near sign-up
//! comes to what Argon2 allows. Everything is a ratio of two measurements of the same run, taken by turns; the median of the
//! rounds counts. `script/bench core` runs it; docs/performance.md says how to read it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement fails by panicking"
)]

use igny8_contract::credits::Credits;
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::time::{Clock, SystemClock};
use igny8_core::app::change::Ask;
use igny8_core::app::committer::MOST;
use igny8_core::app::debits::{Command, Debit, Spend};
use igny8_core::app::leaving::Brought;
use igny8_core::app::register::{Registration, register};
use igny8_core::app::sign_in::Visitor;
use igny8_core::app::{Committer, Core, seed_plans};
use igny8_core::config::Config;
use igny8_core::http::credit_shapes::show_entry;
use igny8_core::serve;
use igny8_core::storage::trail::Actor;
use igny8_core::storage::{Engine, migrations};
use igny8_testkit::folder::TestFolder;
use igny8_testkit::postgres::Postgres;
use igny8_testkit::process::repository;
use rustix::time::{ClockId, clock_gettime};
use secrecy::SecretString;
use sqlx::{AnyConnection, Connection};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Requests under way at once.
const CLIENTS: usize = 256;
/// How many connections commit at once where each debit has a commit of its own: as many as a pool has.
const CONNECTIONS: usize = 16;
/// How often both sides of a ratio are measured.
const ROUNDS: usize = 5;
/// The same for sign-ups against hashes, so many of each at a time: what a hash costs drifts within seconds by more than the
/// rest of a sign-up is, and short slices drift alike.
const SLICES: usize = 100;
const SLICE: usize = 32;
/// Accounts of the wide measurement; the first of them is the hot one.
const ACCOUNTS: i64 = 1000;
const SHORT: (AccountId, i64) = (AccountId(ACCOUNTS + 1), 100);
const LONG: (AccountId, i64) = (AccountId(ACCOUNTS + 2), 1_000_000);
/// What every account begins with.
const FUNDS: i64 = 1_000_000_000_000;
/// Passwords of 10 to 24 characters: to judge one costs by the square of its length.
const PASSWORDS: [&str; 4] = [
    "Quoit7marl",
    "plover-93-tan",
    "tannin.gazette.93",
    "plover-tannin-93-gazette",
];

/// A ratio, and what is promised of it.
struct Row {
    what: String,
    ours: String,
    theirs: String,
    ratio: f64,
    bound: Bound,
}

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// Told, and not promised.
    None,
}

impl Bound {
    fn holds(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(bound) => ratio >= bound,
            Self::AtMost(bound) => ratio <= bound,
            Self::None => true,
        }
    }
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let rows = runtime.block_on(async {
        let folder = TestFolder::new();
        let file = format!("sqlite://{}", folder.path().join("bench.sqlite3").display());
        let mut rows = on(&file, &folder).await;
        let postgres = Postgres::start_durable();
        rows.extend(on(&postgres.create_database("bench"), &TestFolder::new()).await);
        rows
    });
    println!(
        "\n{:<44} {:>18} {:>18} {:>8} {:>8}",
        "what", "ours", "against", "ratio", "bound"
    );
    for row in &rows {
        let (bound, verdict) = match row.bound {
            Bound::AtLeast(bound) => (format!("≥ {bound}"), row.bound.holds(row.ratio)),
            Bound::AtMost(bound) => (format!("≤ {bound}"), row.bound.holds(row.ratio)),
            Bound::None => (String::new(), true),
        };
        let mark = if verdict { "" } else { "  broken" };
        println!(
            "{:<44} {:>18} {:>18} {:>8.3} {bound:>8}{mark}",
            row.what, row.ours, row.theirs, row.ratio
        );
    }
    if rows.iter().all(|row| row.bound.holds(row.ratio)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Whether a measurement is asked for: all are where none is named.
fn is_wanted(name: &str) -> bool {
    // cargo itself adds an option.
    let mut named = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .peekable();
    named.peek().is_none() || named.any(|argument| argument == name)
}

/// Everything that is measured on one engine.
async fn on(url: &str, folder: &TestFolder) -> Vec<Row> {
    let config = configuration(url, folder);
    migrations::up(&config.database, &config.database.lock().unwrap())
        .await
        .unwrap();
    let core = serve::core(&config, true).unwrap();
    let text = std::fs::read_to_string(repository().join("config/plans.toml")).unwrap();
    let plans = seed_plans::parse(&text).unwrap();
    seed_plans::lay_down(&core.store, plans, core.now()).await.unwrap();
    fill(url).await;
    let engine = match core.store.engine() {
        Engine::Sqlite => "SQLite",
        Engine::Postgres => "PostgreSQL",
    };
    let wide: Vec<AccountId> = (1..=ACCOUNTS).map(AccountId).collect();
    // PostgreSQL flushes for many connections at once by itself: with a thousand accounts there is nothing to win but work.
    let wide_bound = Bound::AtLeast(if core.store.engine() == Engine::Sqlite {
        5.0
    } else {
        1.0
    });
    let mut rows = Vec::new();
    if is_wanted("one-account") {
        rows.push(
            grouped(
                &core,
                &format!("{engine}, one account"),
                &wide[..1],
                Bound::AtLeast(5.0),
            )
            .await,
        );
    }
    if is_wanted("many-accounts") {
        rows.push(grouped(&core, &format!("{engine}, 1,000 accounts"), &wide, wide_bound).await);
    }
    if is_wanted("long-ledger") {
        rows.push(long_ledger(&core, engine).await);
    }
    if is_wanted("sign-up") {
        rows.extend(sign_up(&core, engine).await);
    }
    core.store.close().await;
    rows
}

fn configuration(url: &str, folder: &TestFolder) -> Config {
    let place = folder.path().display();
    let text = format!(
        "[database]\nurl = \"{url}\"\n[tokens]\nkeys_dir = \"{place}/keys\"\n[internal]\ntoken_file = \"{place}/token\"\n\
         [secrets]\nkey_file = \"{place}/core_key\"\n[mail]\nfolder = \"{place}/mail\"\n"
    );
    Config::read("bench", &text, std::iter::empty()).unwrap()
}

/// Lays accounts down: each with its funds in one bucket, two with a ledger of their own length.
async fn fill(url: &str) {
    let ledgers: &[(AccountId, i64)] = if is_wanted("long-ledger") { &[SHORT, LONG] } else { &[] };
    let mut connection = AnyConnection::connect(url).await.unwrap();
    let upto =
        |count: i64| format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})");
    let mut statements = vec![
        format!(
            "{} INSERT INTO account (kind, name, status, plan_id, bucket_count, created_at_us, updated_at_us) \
             SELECT 'customer', 'bench', 'active', (SELECT MIN(id) FROM plan), 1, 0, 0 FROM n",
            upto(ACCOUNTS + 2)
        ),
        format!(
            "INSERT INTO ledger_entry (account_id, sequence, transaction_type, amount, balance_after, description, metadata, \
             created_at_us) SELECT id, 1, 'purchase', {FUNDS}, {FUNDS}, 'funds', '{{}}', 0 FROM account"
        ),
    ];
    for (account, entries) in ledgers {
        statements.push(format!(
            "{} INSERT INTO ledger_entry (account_id, sequence, transaction_type, amount, balance_after, description, \
             metadata, created_at_us) SELECT {account}, i + 1, 'purchase', 1, {FUNDS} + i, 'more', '{{}}', i FROM n ORDER BY i",
            upto(entries - 1)
        ));
    }
    statements.push(
        "INSERT INTO credit_bucket (account_id, number, kind, priority, remaining, held, created_at_us) \
         SELECT id, 1, 'purchased', 30, credits, 0, 0 FROM account"
            .into(),
    );
    statements.push("ANALYZE".into());
    for statement in statements {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut connection)
            .await
            .unwrap();
    }
    connection.close().await.unwrap();
}

fn debit(account_id: AccountId) -> Command {
    Command {
        ask: Ask {
            account_id,
            actor: Actor::User(UserId(1)),
            request_id: "bench".into(),
            key: None,
        },
        debit: Debit::Consume {
            spend: Spend {
                amount: Credits(1),
                description: "Draft of 1,200 words".into(),
                metadata: r#"{"site":"example","draft":1}"#.into(),
            },
            show: show_entry,
        },
    }
}

/// Committers that carry at most `most` debits in a transaction.
fn committers(core: &Core, count: usize, most: usize) -> Arc<[Committer]> {
    (0..count)
        .map(|_| {
            Committer::spawn_with(
                core.store.clone(),
                Arc::clone(&core.clock),
                Arc::clone(&core.machine),
                core.billing.clone(),
                most,
            )
        })
        .collect()
}

/// How long `count` debits take that so many clients send at once, each the next when it is answered.
async fn taken(ways: &Arc<[Committer]>, accounts: &[AccountId], clients: usize, count: usize) -> Duration {
    let (clock, next, accounts) = (
        SystemClock::new(),
        Arc::new(AtomicUsize::new(0)),
        Arc::<[AccountId]>::from(accounts),
    );
    let mut under_way = JoinSet::new();
    for _ in 0..clients {
        let (ways, next, accounts) = (Arc::clone(ways), Arc::clone(&next), Arc::clone(&accounts));
        under_way.spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return;
                }
                let account = accounts[index % accounts.len()];
                ways[index % ways.len()]
                    .carry_out(debit(account))
                    .await
                    .expect("there are credits enough");
            }
        });
    }
    under_way.join_all().await;
    clock.elapsed()
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn rate(count: usize, taken: Duration) -> f64 {
    count as f64 / taken.as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn per_second(rates: &[f64]) -> String {
    format!("{:.0}/s", median(rates.to_vec()))
}

fn ratios(ours: &[f64], theirs: &[f64]) -> f64 {
    median(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect())
}

/// Debits a second, many in a transaction, against one in each.
async fn grouped(core: &Core, what: &str, accounts: &[AccountId], bound: Bound) -> Row {
    let connections = match core.store.engine() {
        // It has one writer, however many ask.
        Engine::Sqlite => 1,
        Engine::Postgres => CONNECTIONS,
    };
    let (many, single) = (committers(core, 1, MOST), committers(core, connections, 1));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // The first round warms up.
    for round in 0..=ROUNDS {
        let (group, alone) = if round == 0 { (2_000, 500) } else { (10_000, 1_500) };
        let alone_rate = rate(alone, taken(&single, accounts, CLIENTS, alone).await);
        let group_rate = rate(group, taken(&many, accounts, CLIENTS, group).await);
        if round > 0 {
            println!("{what}: {group_rate:.0} debits a second, {alone_rate:.0} with a commit each");
            ours.push(group_rate);
            theirs.push(alone_rate);
        }
    }
    Row {
        what: format!("{what}: group commit"),
        ours: per_second(&ours),
        theirs: per_second(&theirs),
        ratio: ratios(&ours, &theirs),
        bound,
    }
}

/// One debit after the other on an account with a million entries, against one with a hundred.
async fn long_ledger(core: &Core, engine: &str) -> Row {
    let way = committers(core, 1, MOST);
    let (mut long, mut short) = (Vec::new(), Vec::new());
    for block in 0..=60 {
        let of_long = taken(&way, &[LONG.0], 1, 20).await.as_secs_f64() / 20.0;
        let of_short = taken(&way, &[SHORT.0], 1, 20).await.as_secs_f64() / 20.0;
        if block > 0 {
            long.push(of_long);
            short.push(of_short);
        }
    }
    let micros = |values: &[f64]| format!("{:.0} µs", median(values.to_vec()) * 1e6);
    Row {
        what: format!("{engine}: 1,000,000 entries, against 100"),
        ours: micros(&long),
        theirs: micros(&short),
        ratio: median(long.clone()) / median(short.clone()),
        bound: Bound::AtMost(1.10),
    }
}

/// A sign-up against a hash: in processor time of this process, which is what a core on a machine of its own runs out of, and
/// by the clock, which a PostgreSQL on the same processors slows down.
async fn sign_up(core: &Core, engine: &str) -> [Row; 2] {
    let clients = 16 * std::thread::available_parallelism().unwrap().get();
    let (mut sign_ups, mut hashes) = (Vec::new(), Vec::new());
    for slice in 0..=SLICES {
        let ours = cost_of(SLICE, sign_up_many(core, slice, clients, SLICE));
        let theirs = cost_of(SLICE, hash_many(core, SLICE));
        // By turns, and the order by turns, too.
        let (ours, theirs) = if slice % 2 == 0 {
            let ours = ours.await;
            (ours, theirs.await)
        } else {
            let theirs = theirs.await;
            (ours.await, theirs)
        };
        // The first one warms up.
        if slice > 0 {
            sign_ups.push(ours);
            hashes.push(theirs);
        }
    }
    let of = |costs: &[Cost], what: fn(&Cost) -> f64| costs.iter().map(what).collect::<Vec<f64>>();
    let (ours, theirs) = (
        of(&sign_ups, |cost| cost.processor_ms),
        of(&hashes, |cost| cost.processor_ms),
    );
    let (rate, limit) = (
        of(&sign_ups, |cost| cost.per_second),
        of(&hashes, |cost| cost.per_second),
    );
    let milliseconds = |values: &[f64]| format!("{:.2} ms", median(values.to_vec()));
    [
        Row {
            what: format!("{engine}: sign-up, against Argon2 alone"),
            ours: milliseconds(&ours),
            theirs: milliseconds(&theirs),
            ratio: ratios(&theirs, &ours),
            bound: Bound::AtLeast(0.95),
        },
        Row {
            what: format!("{engine}: the same by the clock"),
            ours: per_second(&rate),
            theirs: per_second(&limit),
            ratio: ratios(&rate, &limit),
            bound: Bound::None,
        },
    ]
}

/// What one of many things takes.
struct Cost {
    /// Processor time of this process, in milliseconds.
    processor_ms: f64,
    per_second: f64,
}

async fn cost_of(count: usize, work: impl Future<Output = ()>) -> Cost {
    let (clock, before) = (SystemClock::new(), processor_time());
    work.await;
    let (taken, used) = (clock.elapsed(), processor_time() - before);
    Cost {
        processor_ms: used.as_secs_f64() * 1000.0 / count as f64,
        per_second: rate(count, taken),
    }
}

/// What this process has used of its processors.
fn processor_time() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.try_into().unwrap(), used.tv_nsec.try_into().unwrap())
}

fn password(index: usize) -> SecretString {
    SecretString::from(PASSWORDS[index % PASSWORDS.len()])
}

async fn hash_many(core: &Core, count: usize) {
    let mut under_way = JoinSet::new();
    for index in 0..count {
        let passwords = core.passwords.clone();
        under_way.spawn(async move { passwords.verify(password(index), None).await.unwrap() });
    }
    under_way.join_all().await;
}

async fn sign_up_many(core: &Core, round: usize, clients: usize, count: usize) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut under_way = JoinSet::new();
    for _ in 0..clients {
        let (core, next) = (core.clone(), Arc::clone(&next));
        under_way.spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return;
                }
                let registration = Registration {
                    email: format!("person-{round}-{index}@example.com"),
                    password: password(index),
                    first_name: String::new(),
                    last_name: String::new(),
                    account_name: None,
                    plan_slug: None,
                    visitor: Visitor::default(),
                    brought: Brought::default(),
                    request_id: "bench".into(),
                };
                register(&core, registration).await.expect("everybody may sign up");
            }
        });
    }
    under_way.join_all().await;
}
