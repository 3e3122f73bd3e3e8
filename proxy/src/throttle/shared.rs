//! Buckets in a Valkey or Redis, for all proxies together: one script, one round trip, decided by the store alone.
//!
//! A request never connects and never waits longer than the deadline. A connection that fails or is late is let go of, and
//! until a chore has made a new one the store counts as down: then [`OnStoreDown`] says what holds. Nothing is admitted
//! without some bucket having been asked. The time is the store's, so proxies need not agree on theirs.

use super::gcra::{BURST_MAX, Decision};
use super::limit::{Limit, Mode};
use super::limits::Limits;
use super::{Answer, Verdict, Who};
use arc_swap::ArcSwapOption;
use metrics::{counter, gauge};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, Script};
use serde::Deserialize;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

const SCRIPT: &str = include_str!("gcra.lua");
/// How long making a connection may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// How often the connection is looked at, and made anew where there is none.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What holds while the store does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnStoreDown {
    /// Each proxy counts by itself, under the same limits.
    #[default]
    Local,
    /// Every request is refused with `throttled`.
    Refuse,
}

/// The store did not answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shared throttle store does not answer")]
pub struct StoreDown;

/// The shared store.
pub struct Shared {
    client: Client,
    script: Script,
    connection: ArcSwapOption<MultiplexedConnection>,
    deadline: Duration,
    on_store_down: OnStoreDown,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("Shared")
            .field("on_store_down", &self.on_store_down)
            .finish_non_exhaustive()
    }
}

/// One bucket that is asked.
struct Question<'l> {
    key: String,
    limit: &'l Arc<Limit>,
}

impl Shared {
    /// A store at `url`, not connected yet.
    ///
    /// # Errors
    /// A URL that is none of a Redis.
    pub fn new(url: &str, deadline: Duration, on_store_down: OnStoreDown) -> Result<Self, RedisError> {
        Ok(Self {
            client: Client::open(url)?,
            script: Script::new(SCRIPT),
            connection: ArcSwapOption::empty(),
            deadline,
            on_store_down,
        })
    }

    #[must_use]
    pub const fn on_store_down(&self) -> OnStoreDown {
        self.on_store_down
    }

    /// Asks for one request.
    ///
    /// # Errors
    /// The store is down.
    pub async fn admit(&self, limits: &Limits, who: Who<'_>) -> Result<Verdict, StoreDown> {
        let (subject, scope, main) = match who {
            Who::Account { id, plan, scope } => (format!("a:{}", id.0), scope, limits.account(id, plan)),
            Who::Foreign { account, scope, .. } => (format!("f:{account}"), scope, limits.default_limit()),
            Who::Address { ip, scope } => (address(ip), scope, limits.address()),
        };
        let mut questions = Vec::with_capacity(2);
        if let Some(limit) = scope.and_then(|scope| limits.scope(scope)) {
            let key = format!("igny8:throttle:{{{subject}}}:scope:{}", limit.name());
            questions.push(Question { key, limit });
        }
        questions.push(Question {
            key: format!("igny8:throttle:{{{subject}}}"),
            limit: main,
        });
        let scoped = questions.len() == 2;
        let mut answers = self.ask(&questions).await?.into_iter();
        let first = answers.next().ok_or(StoreDown)?;
        match answers.next() {
            Some(main) => Ok(first.and(main)),
            // A scope that admitted is never the only answer, whatever answered it.
            None if scoped && !first.refuses() => Err(StoreDown),
            None => Ok(first.verdict(None)),
        }
    }

    /// Asks for one piece of cold work of a client address.
    ///
    /// # Errors
    /// The store is down.
    pub async fn charge_cold(&self, limits: &Limits, ip: IpAddr) -> Result<Verdict, StoreDown> {
        let question = Question {
            key: format!("igny8:throttle:{{{}}}:cold", address(ip)),
            limit: limits.cold(),
        };
        let answers = self.ask(std::slice::from_ref(&question)).await?;
        let answer = answers.into_iter().next().ok_or(StoreDown)?;
        Ok(answer.verdict(None))
    }

    async fn ask<'l>(&self, questions: &[Question<'l>]) -> Result<Vec<Answer<'l>>, StoreDown> {
        let held = self.connection.load_full().ok_or(StoreDown)?;
        let mut invocation = self.script.prepare_invoke();
        for question in questions {
            let quota = question.limit.quota();
            // Rounded up, as everywhere: never more than the rate.
            let interval_us = quota.emission_interval_ns().div_ceil(1_000);
            let enforced = u8::from(question.limit.mode() == Mode::Enforce);
            invocation
                .key(question.key.as_str())
                .arg(interval_us)
                .arg(quota.burst())
                .arg(enforced);
        }
        let mut connection = MultiplexedConnection::clone(&held);
        let asked = tokio::time::timeout(self.deadline, invocation.invoke_async::<Vec<i64>>(&mut connection));
        match asked.await {
            Ok(Ok(numbers)) => read(&numbers, questions).ok_or(StoreDown),
            Ok(Err(error)) => {
                self.let_go(&held, &error.to_string());
                Err(StoreDown)
            }
            Err(_) => {
                self.let_go(&held, "no answer in time");
                Err(StoreDown)
            }
        }
    }

    /// Lets go of a connection that failed, unless it has been replaced meanwhile.
    fn let_go(&self, failed: &Arc<MultiplexedConnection>, reason: &str) {
        let current = self.connection.load();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, failed)) {
            self.connection.store(None);
            gauge!("igny8_throttle_store_up").set(0.0);
            counter!("igny8_throttle_store_failures_total").increment(1);
            tracing::error!(%reason, on_store_down = ?self.on_store_down, "the shared throttle store has failed");
        }
    }

    /// Keeps the store connected; runs as long as the proxy does.
    pub async fn keep_connected(&self) {
        let mut told = false;
        loop {
            if self.connection.load().is_none() {
                match self.connect().await {
                    Ok(connection) => {
                        self.connection.store(Some(Arc::new(connection)));
                        tracing::info!("the shared throttle store is connected");
                        told = false;
                    }
                    // Said once for each outage.
                    Err(reason) if !told => {
                        tracing::error!(%reason, on_store_down = ?self.on_store_down, "the shared throttle store cannot be reached");
                        told = true;
                    }
                    Err(_) => {}
                }
            }
            gauge!("igny8_throttle_store_up").set(if self.is_up() { 1.0 } else { 0.0 });
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether the store answered last time.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.connection.load().is_some()
    }

    /// A connection on which the store has answered.
    async fn connect(&self) -> Result<MultiplexedConnection, String> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_DEADLINE))
            .set_response_timeout(Some(self.deadline));
        let connecting = async {
            let mut connection = self
                .client
                .get_multiplexed_async_connection_with_config(&config)
                .await?;
            // Also puts the script there, so that the first request need not.
            self.script.prepare_invoke().load_async(&mut connection).await?;
            Ok(connection)
        };
        match tokio::time::timeout(CONNECT_DEADLINE, connecting).await {
            Ok(connected) => connected.map_err(|error: RedisError| error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }
}

fn address(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(address) => format!("4:{address}"),
        IpAddr::V6(address) => format!("6:{:016x}", address.to_bits() >> 64),
    }
}

/// The store's numbers as answers; nothing when they are not what the script answers.
fn read<'l>(numbers: &[i64], questions: &[Question<'l>]) -> Option<Vec<Answer<'l>>> {
    let (groups, rest) = numbers.as_chunks::<3>();
    if !rest.is_empty() || groups.is_empty() || groups.len() > questions.len() {
        return None;
    }
    let answer = |([allowed, remaining, reset_us], question): (&[i64; 3], &Question<'l>)| {
        let remaining = u32::try_from(*remaining)
            .ok()
            .filter(|remaining| *remaining <= BURST_MAX)?;
        let reset_us = u64::try_from(*reset_us).ok()?;
        let decision = Decision {
            allowed: *allowed == 1,
            tat_ns: 0,
            remaining,
            reset_ns: reset_us.max(1).saturating_mul(1_000),
        };
        Some(Answer::from(question.limit, decision))
    };
    groups.iter().zip(questions).map(answer).collect()
}

#[cfg(test)]
mod tests;
