//! `igny8-core serve`: opens everything, serves both listeners, and leaves when nothing is under way.

use crate::adapters::keys::Keyring;
use crate::adapters::mail::Mailer;
use crate::adapters::passwords::Passwords;
use crate::adapters::random::OsRandom;
use crate::adapters::seal::Seal;
use crate::adapters::secret_file::read_or_make_token;
use crate::adapters::stripe::Webhooks;
use crate::adapters::test_clock::TestClock;
use crate::app::committer::DEBIT_BATCH_SIZE;
use crate::app::feed::{Feed, note_key_set};
use crate::app::key_uses::{self, KeyUses};
use crate::app::round::{Rounds, follow_test_clock};
use crate::app::sign_ups::SIGN_UP_BATCH_SIZE;
use crate::app::upgrade::PaymentTerms;
use crate::app::{Committer, Core, SignUps};
use crate::config::{Config, Flags};
use crate::http::routes::Whole;
use crate::http::stories::{LastStory, Stories};
use crate::http::{Service, frontend, listener, routes};
use crate::storage::{self, Store, migrations};
use crate::{mailer, worker};
use igny8_contract::random::Random;
use igny8_contract::time::{Clock, SystemClock};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sd_notify::NotifyState;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// How often the folder of keys is read again. Well below the lead that a new key has before it signs.
const KEYS_RELOAD: Duration = Duration::from_secs(5);
/// How often a process without a worker looks how far others have put the test clock forward.
const TEST_CLOCK_FOLLOWED: Duration = Duration::from_secs(1);

/// Why the core does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Storage(#[from] storage::Error),
    #[error("the schema is not up to date: run `igny8-core migrate up`")]
    SchemaBehind,
    #[error("{0}")]
    Setup(String),
}

fn setup(what: impl std::fmt::Display) -> impl FnOnce(&dyn std::fmt::Display) -> ServeError {
    let what = what.to_string();
    move |error| ServeError::Setup(format!("{what}: {error}"))
}

/// Everything that stories need, opened from the configuration. The first signing key is made where `make_key` says so
/// and there is none. Called within a runtime: the committer begins with it.
///
/// # Errors
/// A database, key folder or password cost that cannot be used.
pub fn core(config: &Config, make_key: bool) -> Result<Core, ServeError> {
    let machine: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let test_clock = config
        .test_clock
        .then(|| Arc::new(TestClock::new(Arc::clone(&machine))));
    let clock: Arc<dyn Clock> = match &test_clock {
        Some(test_clock) => Arc::<TestClock>::clone(test_clock),
        None => Arc::clone(&machine),
    };
    let random: Arc<dyn Random> = Arc::new(OsRandom);
    let store = Store::open(&config.database)?;
    let passwords =
        Passwords::new(config.passwords, Arc::clone(&random)).map_err(|error| setup("passwords")(&error))?;
    let keys = if make_key {
        Keyring::open(
            &config.keys_dir,
            config.tokens.longest_ttl_seconds(),
            random.as_ref(),
            machine.now(),
        )
    } else {
        Keyring::read(&config.keys_dir, config.tokens.longest_ttl_seconds())
    };
    let keys = keys.map_err(|error| setup("tokens.keys_dir")(&error))?;
    let key_file = &config.identity.key_file;
    let seal = Seal::open(key_file, make_key, random.as_ref()).map_err(|error| setup(key_file.display())(&error))?;
    let mailer = Mailer::open(&config.identity.mail, Arc::clone(&random)).map_err(|error| setup("mail")(&error))?;
    let committer = Committer::spawn(
        store.of_line(),
        Arc::clone(&clock),
        Arc::clone(&machine),
        config.billing.clone(),
    );
    let free_trial = config.flags.enable_free_trial;
    let sign_ups = SignUps::spawn(store.of_line(), Arc::clone(&clock), config.billing.clone(), free_trial);
    Ok(Core {
        store,
        clock,
        machine,
        test_clock,
        rounds: None,
        random,
        passwords,
        keys: Arc::new(keys),
        tokens: config.tokens.clone(),
        sign_ins: config.identity.sign_ins,
        panel: config.identity.panel,
        budgets: config.identity.budgets,
        links: config.identity.links,
        seal: Arc::new(seal),
        mailer,
        mail_waits: Arc::default(),
        totp_issuer: config.identity.totp_issuer.clone(),
        validate_api_key: config.flags.validate_api_key,
        key_uses: KeyUses::default(),
        billing: config.billing.clone(),
        hold_ttl_seconds: config.hold_ttl_seconds,
        committer,
        sign_ups,
        feed: Arc::default(),
        payments: PaymentTerms {
            bank_details: config.bank_details.clone(),
            stripe_payment_url: config.stripe.as_ref().map(|stripe| stripe.payment_url.clone()),
        },
    })
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps the core from beginning.
pub async fn serve(config: Config) -> Result<(), ServeError> {
    // Held until the process ends.
    let lock = config.database.lock()?;
    if config.migrate_on_start {
        migrations::up(&config.database, &lock).await?;
    }
    let asked_to_stop = asked_to_stop()?;
    let (stop, stopping) = watch::channel(false);
    let (service, last_story) = opened(&config, stopping.clone()).await?;
    let store = service.core.store.clone();
    let reload = listen(SignalKind::hangup())?;
    let background = tokio::spawn(upkeep(
        service.core.clone(),
        service.stripe.clone(),
        service.metrics.clone(),
        reload,
    ));
    let bind = async |address| TcpListener::bind(address).await.map_err(|error| setup(address)(&error));
    let (public, internal) = (bind(config.public).await?, bind(config.internal).await?);
    let files = match &config.frontend {
        Some(at) => Some((bind(at.listen).await?, frontend_service(&at.dir, &service)?)),
        None => None,
    };
    let (open, mut closed) = mpsc::channel(1);
    run_beside(&config, &service.core, &stopping, &open);
    if let Some((listener, whole)) = files {
        tokio::spawn(listener::serve(listener, whole, stopping.clone(), open.clone()));
    }
    tokio::spawn(listener::serve(
        public,
        routes::public_service(service.clone()),
        stopping.clone(),
        open.clone(),
    ));
    tokio::spawn(listener::serve(
        internal,
        routes::internal_service(service),
        stopping,
        open,
    ));
    tracing::info!(public = %config.public, internal = %config.internal, "serving");
    tell_manager(NotifyState::Ready);

    asked_to_stop.await;
    tell_manager(NotifyState::Stopping);
    tracing::info!(
        grace_seconds = config.grace.as_secs(),
        "stopping: requests under way may finish"
    );
    stop.send_replace(true);
    let drained = async {
        let _: Option<()> = closed.recv().await;
        last_story.wait().await;
    };
    if tokio::time::timeout(config.grace, drained).await.is_err() {
        tracing::warn!("the time of grace is over: what is still under way is broken off");
    }
    background.abort();
    if tokio::time::timeout(Duration::from_secs(1), store.close())
        .await
        .is_err()
    {
        tracing::warn!("connections to the database were not closed in time");
    }
    drop(lock);
    Ok(())
}

/// Begins what a core does unasked: the worker, the mailer, and noting when keys were used. Each holds `open` until it has ended.
fn run_beside(config: &Config, core: &Core, stopping: &watch::Receiver<bool>, open: &mpsc::Sender<()>) {
    let given = || (core.clone(), stopping.clone(), open.clone());
    let (of_core, stops, held) = given();
    tokio::spawn(key_uses::keep_writing(of_core, stops, held));
    let follows_alone = config.test_clock.then_some(TEST_CLOCK_FOLLOWED);
    if let Some(every) = config.worker_interval.or(follows_alone) {
        let (of_core, stops, held) = given();
        tokio::spawn(worker::run(of_core, every, stops, held));
    }
    if let Some(every) = config.worker_interval {
        let (of_core, stops, held) = given();
        tokio::spawn(mailer::run(of_core, every, stops, held));
    }
}

/// Opens what both listeners need and proves that it can be used.
async fn opened(config: &Config, stopping: watch::Receiver<bool>) -> Result<(Service, LastStory), ServeError> {
    if migrations::status(&config.database)
        .await?
        .iter()
        .any(|(_, applied)| !applied)
    {
        return Err(ServeError::SchemaBehind);
    }
    let mut core = core(config, true)?;
    core.store.ping().await?;
    follow_test_clock(&core)
        .await
        .map_err(|error| setup("test_clock")(&error))?;
    if core.test_clock.is_some() {
        tracing::warn!("the test clock is on: staff can put the service's time forward");
    }
    core.feed = Arc::new(Feed::until(stopping.clone()));
    let rounds = || Arc::new(Rounds::new(config.kept, stopping));
    core.rounds = config.worker_interval.map(|_| rounds());
    let internal_token = read_or_make_token(&config.internal_token_file, core.random.as_ref())
        .map_err(|error| setup(config.internal_token_file.display())(&error))?;
    let stripe = stripe(config)?;
    let metrics = recorder()?;
    show(config.flags);
    let (stories, last_story) = Stories::new();
    Ok((
        Service {
            core,
            stories,
            internal_token: Arc::new(internal_token),
            stripe,
            proxies: config.proxies.clone().into(),
            metrics,
        },
        last_story,
    ))
}

/// The front end's files; a folder without them is told at the start, not by a browser.
fn frontend_service(dir: &Path, service: &Service) -> Result<Whole, ServeError> {
    let page = dir.join(frontend::APP_PAGE);
    std::fs::metadata(&page).map_err(|error| setup(format!("frontend.dir: {}", page.display()))(&error))?;
    Ok(frontend::service(dir, service))
}

/// Says loudly which emergency flags are off.
fn show(flags: Flags) {
    for (flag, on, means) in [
        (
            "enable_free_trial",
            flags.enable_free_trial,
            "sign-up gives the plan `free`",
        ),
        (
            "validate_api_key",
            flags.validate_api_key,
            "API keys are not asked for the standing of their account",
        ),
        (
            "strict_jwt_only",
            flags.strict_jwt_only,
            "proxies may let others in than the bearers of access tokens; the core itself does not",
        ),
    ] {
        metrics::gauge!("igny8_core_flag", "flag" => flag).set(f64::from(u8::from(on)));
        if !on {
            tracing::warn!(flag, means, "AN EMERGENCY FLAG IS OFF");
        }
    }
}
/// Upper bounds of what a transaction carries.
const BATCH_SIZES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

fn recorder() -> Result<PrometheusHandle, ServeError> {
    let buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
    let of_batches = |recorder: PrometheusBuilder, metric: &str| {
        recorder.set_buckets_for_metric(Matcher::Full(metric.into()), &BATCH_SIZES)
    };
    PrometheusBuilder::new()
        .set_buckets(&buckets)
        .and_then(|recorder| of_batches(recorder, DEBIT_BATCH_SIZE))
        .and_then(|recorder| of_batches(recorder, SIGN_UP_BATCH_SIZE))
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|error| setup("metrics")(&error))
}

/// Stripe's secrets, where Stripe is used. Its times are the machine's, whatever time the service itself goes by.
fn stripe(config: &Config) -> Result<Option<Arc<Webhooks>>, ServeError> {
    let Some(stripe) = &config.stripe else { return Ok(None) };
    let file = stripe.webhook_secret_file.clone();
    let webhooks = Webhooks::open(file, stripe.tolerance_seconds, Arc::new(SystemClock::new()));
    let told = setup(stripe.webhook_secret_file.display());
    webhooks
        .map(|webhooks| Some(Arc::new(webhooks)))
        .map_err(|error| told(&error))
}

async fn upkeep(core: Core, stripe: Option<Arc<Webhooks>>, metrics: PrometheusHandle, mut reload: Signal) {
    let mut ticks = tokio::time::interval(KEYS_RELOAD);
    let mut noted = None;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = reload.recv() => {
                tracing::info!("reading keys and secrets again");
                if let Some(Err(error)) = stripe.as_ref().map(|stripe| stripe.reload()) {
                    tracing::error!(%error, "Stripe's secrets could not be read again: the ones in use stay");
                }
            }
        }
        if let Err(error) = core.keys.reload() {
            tracing::error!(%error, "the keys could not be read again: the ones in use stay");
        }
        if let Err(error) = note_key_set(&core, &mut noted).await {
            tracing::warn!(%error, "the key set could not be told of: it is tried again");
        }
        metrics.run_upkeep();
    }
}

fn listen(kind: SignalKind) -> Result<Signal, ServeError> {
    signal(kind).map_err(|error| setup("signals")(&error))
}

/// Listens from now on; the future ends with the first SIGTERM or SIGINT.
fn asked_to_stop() -> Result<impl Future<Output = ()>, ServeError> {
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Tells the service manager, where there is one (`NOTIFY_SOCKET`). That it cannot be told never fails a core.
fn tell_manager(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}
