//! What a request costs beside other proxies that do the same job, in the same run: bare pingora, HAProxy and nginx with njs
//! are all up, each is under load for a second in turn, the order reversed every other round, and the median of the rounds'
//! ratios counts. A machine's speed drifts within seconds; ratios of neighbouring seconds hardly do. Besides: what an idle
//! connection holds, and whether a million accounts cost more than a thousand. `script/bench proxy` runs it;
//! docs/performance.md says how to read it.

#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]

mod keys;
mod load;
mod rivals;

use igny8_contract::time::{Clock, SystemClock};
use igny8_testkit::config::set;
use igny8_testkit::process::Child;
use igny8_testkit::stack::{App, Stack};
use keys::{AUDIENCE, Algorithm, Keys, SECRET};
use load::{Ask, Talk, Target, resident_kib};
use rivals::{Rival, Yard};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use toml::Table;

const SLICE: Duration = Duration::from_secs(1);
const ROUNDS: usize = 9;
/// More tokens than the proxy remembers: from then on each new one takes an old one's place.
const PAST_THE_CACHE: usize = 110_000;
const IDLE: usize = 5_000;
const FEW: u64 = 1_000;
const MANY: u64 = 1_000_000;
/// Nobody is refused, and a bucket that was touched stays for the whole run.
const LIMITS: &str = "\
[default]\nrate = \"2/m\"\nburst = 1000000\n\
[address]\nrate = \"1000000/s\"\nburst = 1000000\n\
[cold]\nrate = \"1000000/s\"\nburst = 1000000\n\
[scope.auth]\nrate = \"1000000/s\"\nburst = 1000000\n";

/// One program's cost as a ratio to another's, and what is promised of it.
struct Pair {
    /// The measurement's name on the command line.
    name: &'static str,
    what: &'static str,
    ours: &'static str,
    theirs: &'static str,
    /// Nothing where the ratio is told and not promised.
    at_most: Option<f64>,
}

const PAIRS: [Pair; 9] = [
    pair("cached", "job, token known: to bare pingora", "job", "bare", Some(1.08)),
    pair(
        "cached",
        "job, token known: to HAProxy, HS256",
        "job",
        "haproxy-hs256",
        Some(1.05),
    ),
    pair(
        "cached",
        "job, token known: to nginx with njs, HS256",
        "job",
        "nginx-njs",
        None,
    ),
    pair(
        "cached",
        "HAProxy, HS256: to bare pingora",
        "haproxy-hs256",
        "bare",
        None,
    ),
    pair(
        "rs256",
        "job, token known: to HAProxy, RS256",
        "job-rs256",
        "haproxy-rs256",
        Some(0.55),
    ),
    pair(
        "es256",
        "job, token known: to HAProxy, ES256",
        "job-es256",
        "haproxy-es256",
        Some(0.33),
    ),
    pair(
        "uncached",
        "job, token new: to bare pingora",
        "job-new",
        "bare",
        Some(1.20),
    ),
    pair(
        "uncached",
        "job, token new: to HAProxy, HS256",
        "job-new",
        "haproxy-hs256",
        None,
    ),
    pair(
        "refused",
        "refusal, no credential: to bare pingora",
        "refused",
        "bare",
        Some(0.35),
    ),
];
const fn pair(
    name: &'static str,
    what: &'static str,
    ours: &'static str,
    theirs: &'static str,
    at_most: Option<f64>,
) -> Pair {
    Pair {
        name,
        what,
        ours,
        theirs,
        at_most,
    }
}

/// A line of the result.
struct Row {
    what: String,
    figure: f64,
    unit: &'static str,
    at_most: Option<f64>,
}

impl Row {
    fn holds(&self) -> bool {
        self.at_most.is_none_or(|bound| self.figure <= bound)
    }
}

fn main() -> ExitCode {
    // cargo itself adds an option.
    let named: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let is_wanted = |name: &str| named.is_empty() || named.iter().any(|word| word == name);
    let clock = SystemClock::new();
    let yard = Yard::new();
    let keys = Keys::generate(clock.now().0 / 1_000_000);
    let app = yard.app();
    let stack = start_ours(&yard, &keys, &app.address);
    let mut rows = Vec::new();
    if is_wanted("idle") {
        rows.extend(idle(&yard, &keys, &stack, &app.address));
    }
    let pairs: Vec<&Pair> = PAIRS.iter().filter(|pair| is_wanted(pair.name)).collect();
    if !pairs.is_empty() {
        rows.extend(ratios(&pairs, &yard, &keys, &stack, &app.address, &clock));
    }
    if is_wanted("accounts") {
        rows.push(accounts(&keys, &stack, &clock));
    }
    println!("\n{:<48} {:>12} {:>8}", "what", "measured", "bound");
    for row in &rows {
        let bound = row.at_most.map_or_else(String::new, |bound| format!("≤ {bound}"));
        let mark = if row.holds() { "" } else { "  broken" };
        println!("{:<48} {:>8.3}{:<4} {bound:>8}{mark}", row.what, row.figure, row.unit);
    }
    if rows.iter().all(Row::holds) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Three proxies of ours before one core, each with one thread, doing the job that the others do and no more.
fn start_ours(yard: &Yard, keys: &Keys, app: &str) -> Stack {
    let secret = yard.write("secret", SECRET);
    let set_file = yard.write("keys.json", &keys.key_set().to_string());
    let issuers = issuers(&secret, &set_file);
    Stack::builder()
        .app(App::At(app.to_owned()))
        .limits(LIMITS)
        .proxies(3)
        .proxy(move |file| {
            set(file, "server.threads", 1);
            set(file, "server.access_log", "off");
            set(file, "server.rate_limit_fields", false);
            let app = file["upstream"]["app"].as_table_mut().unwrap();
            app.remove("edge_secret_file");
            app.insert("fields".into(), vec!["account"].into());
            file["issuer"].as_array_mut().unwrap().extend(issuers);
        })
        .start()
}

/// The benches' issuers, as the proxy's configuration has them.
fn issuers(secret: &Path, key_set: &Path) -> Vec<toml::Value> {
    let one = |algorithm: Algorithm| {
        let (prefix, keys, file) = match algorithm {
            Algorithm::Hs256 => ("bench-", "secret_file", secret),
            Algorithm::Rs256 => ("rsa-", "jwks_file", key_set),
            Algorithm::Es256 => ("curve-", "jwks_file", key_set),
        };
        let (name, issuer, file) = (algorithm.name(), algorithm.issuer(), file.display());
        let text = format!(
            "name = \"{name}\"\niss = \"{issuer}\"\naud = \"{AUDIENCE}\"\n{keys} = \"{file}\"\nalgorithms = [\"{name}\"]\n\
             typ = \"JWT\"\naccount_claim = \"tenant\"\naccount_prefix = \"{prefix}\"\nstanding = \"none\"\n"
        );
        toml::Value::Table(text.parse::<Table>().unwrap())
    };
    Algorithm::ALL.into_iter().map(one).collect()
}

/// The request of the job; without a token it is refused.
fn request(token: Option<&str>) -> Vec<u8> {
    let (authorization, session) = match token {
        Some(token) => (format!("Authorization: Bearer {token}\r\n"), "sessionid"),
        // With a session there would be somebody to ask.
        None => (String::new(), "session"),
    };
    format!(
        "GET /api/v1/things/ HTTP/1.1\r\nHost: localhost\r\n{authorization}\
         Cookie: csrftoken=Zk2Yh1dQn0pXrT7uVb9c; {session}=8w7ecv0sdh2qkmx1u5n3; theme=dark\r\n\
         X-Account-Id: acct-evil\r\nUser-Agent: bench\r\nAccept: application/json\r\n\r\n"
    )
    .into_bytes()
}

/// The same request again and again.
fn always(request: Vec<u8>) -> Ask<'static> {
    Box::new(move || request.clone())
}

/// A token that nobody has seen with each request, for `accounts` accounts in no order.
fn ever_new(keys: &Keys, accounts: u64, shuffled: bool) -> Ask<'_> {
    let mut count = 0_u64;
    Box::new(move || {
        count += 1;
        let place = if shuffled {
            count.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
        } else {
            count
        };
        request(Some(&keys.token(Algorithm::Hs256, place % accounts, count)))
    })
}

/// Makes sure that a program does the job before its speed is worth anything.
fn prove(address: &str, algorithm: Algorithm, keys: &Keys) {
    let token = keys.token(algorithm, 7, 9);
    let (head, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{head}.{other}{}", &signature[1..]);
    let mut talk = Talk::open(address);
    let (status, body) = talk.exchange(&request(Some(&token)));
    assert_eq!(status, 200, "{address}: {body}");
    let received: serde_json::Value = serde_json::from_str(&body).unwrap();
    let account = received["account"].as_str().unwrap();
    assert!(account.ends_with("-7") && account != "acct-evil", "{address}: {body}");
    // Ours lets no cookie at all through to an API.
    let cookies = received["cookies"].as_str().unwrap();
    assert!(!cookies.contains("sessionid"), "{address}: {body}");
    for refused in [request(Some(&forged)), request(None)] {
        assert_eq!(Talk::open(address).exchange(&refused).0, 401, "{address}");
    }
}

/// The ratios of processor time for a request.
fn ratios(pairs: &[&Pair], yard: &Yard, keys: &Keys, stack: &Stack, app: &str, clock: &SystemClock) -> Vec<Row> {
    let known = |algorithm| always(request(Some(&keys.token(algorithm, 7, 9))));
    let mut rivals: Vec<Rival> = Vec::new();
    let mut targets: Vec<Target<'_>> = Vec::new();
    let mut wanted: Vec<&'static str> = pairs.iter().flat_map(|pair| [pair.ours, pair.theirs]).collect();
    wanted.sort_unstable();
    wanted.dedup();
    for name in wanted {
        let (algorithm, ask, status) = match name {
            "job-rs256" | "haproxy-rs256" => (Algorithm::Rs256, known(Algorithm::Rs256), 200),
            "job-es256" | "haproxy-es256" => (Algorithm::Es256, known(Algorithm::Es256), 200),
            "job-new" => (Algorithm::Hs256, ever_new(keys, 1, false), 200),
            "refused" => (Algorithm::Hs256, always(request(None)), 401),
            _ => (Algorithm::Hs256, known(Algorithm::Hs256), 200),
        };
        let rival = match name {
            "bare" => Some(yard.bare(app)),
            "nginx-njs" => match yard.njs(app) {
                Some(njs) => Some(njs),
                None => {
                    eprintln!("nginx has no njs module here: left out");
                    continue;
                }
            },
            _ if name.starts_with("haproxy") => Some(yard.haproxy(app, algorithm, keys)),
            _ => None,
        };
        let (address, process) = rival.as_ref().map_or_else(
            || (stack.public.clone(), stack.proxy_id()),
            |rival| (rival.address.clone(), rival.child.id()),
        );
        if name != "bare" {
            prove(&address, algorithm, keys);
        }
        rivals.extend(rival);
        targets.push(Target::new(name, &address, process, status, ask));
    }
    for target in &mut targets {
        target.send(if target.name == "job-new" {
            PAST_THE_CACHE
        } else {
            2_000
        });
    }
    let rounds = by_turns(&mut targets, clock);
    let mut rows = Vec::new();
    for pair in pairs {
        if let (Some(ours), Some(theirs)) = (rounds.get(pair.ours), rounds.get(pair.theirs)) {
            rows.push(Row {
                what: pair.what.to_owned(),
                figure: median(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect()),
                unit: "",
                at_most: pair.at_most,
            });
        }
    }
    rows
}

/// What a request cost each program in each round, in nanoseconds.
fn by_turns(targets: &mut [Target<'_>], clock: &SystemClock) -> BTreeMap<&'static str, Vec<f64>> {
    let mut rounds: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for round in 0..ROUNDS {
        for target in targets.iter_mut() {
            let cost = target.slice(clock, SLICE);
            rounds.entry(target.name).or_default().push(cost);
        }
        targets.reverse();
        eprintln!("round {} of {ROUNDS}", round + 1);
    }
    for (name, costs) in &rounds {
        eprintln!(
            "{name:<16} {:>7.1} µs of processor time a request",
            median(costs.clone()) / 1_000.0
        );
    }
    rounds
}

/// What a connection holds on which one request was answered.
fn idle(yard: &Yard, keys: &Keys, stack: &Stack, app: &str) -> [Row; 2] {
    let row = |what: &str, figure, at_most| Row {
        what: what.to_owned(),
        figure,
        unit: "KiB",
        at_most,
    };
    // The third proxy has done nothing before, and so has no memory to reuse.
    let ours = start_alone(yard, stack);
    let address = &stack.proxies[2].public;
    let figure = held(keys, address, ours.id());
    drop(ours);
    let bare = yard.bare(app);
    let other = held(keys, &bare.address, bare.child.id());
    [
        row("an idle connection of 5,000", figure, Some(40.0)),
        row("an idle connection of 5,000, bare pingora", other, None),
    ]
}

/// The third proxy anew, as a process of its own.
fn start_alone(yard: &Yard, stack: &Stack) -> Child {
    stack.kill_proxy(2);
    let mut proxy = Child::start(
        "igny8-proxy",
        &stack.proxy_command(2, &["serve"]),
        &yard.path("idle.log"),
    );
    proxy.wait_until("a ready proxy", Duration::from_secs(60), || {
        let answer = igny8_testkit::http::get(&stack.proxies[2].ops, "/readyz")
            .try_send()
            .ok()?;
        (answer.status == 200).then_some(())
    });
    proxy
}

fn held(keys: &Keys, address: &str, process: u32) -> f64 {
    let ask = request(Some(&keys.token(Algorithm::Hs256, 7, 9)));
    let open = |count| -> Vec<Talk> {
        let one = |_| {
            let mut talk = Talk::open(address);
            let (status, body) = talk.exchange(&ask);
            assert_eq!(status, 200, "{body}");
            talk
        };
        (0..count).map(one).collect()
    };
    drop(open(100));
    let before = resident_kib(process);
    let kept = open(IDLE);
    let after = resident_kib(process);
    drop(kept);
    eprintln!("{address}: {before} KiB before, {after} KiB with {IDLE} idle connections");
    (after - before) / IDLE as f64
}

/// What a request costs with a million accounts known, as a ratio to a thousand.
fn accounts(keys: &Keys, stack: &Stack, clock: &SystemClock) -> Row {
    let many = &stack.proxies[1];
    let process = |number| stack.proxy_id_of(number);
    eprintln!("a million accounts send a request each");
    Target::new("fill", &many.public, process(1), 200, ever_new(keys, MANY, false)).send(1_000_000);
    let mut targets = [
        Target::new("few", &stack.public, process(0), 200, ever_new(keys, FEW, true)),
        Target::new("many", &many.public, process(1), 200, ever_new(keys, MANY, true)),
    ];
    // Both have more tokens behind them than they remember.
    for target in &mut targets {
        target.send(PAST_THE_CACHE);
    }
    let rounds = by_turns(&mut targets, clock);
    let ratio = rounds["many"].iter().zip(&rounds["few"]).map(|(many, few)| many / few);
    Row {
        what: "1,000,000 accounts: to 1,000".to_owned(),
        figure: median(ratio.collect()),
        unit: "",
        at_most: Some(1.05),
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
