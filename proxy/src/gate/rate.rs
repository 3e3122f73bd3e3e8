//! Asking the throttle: this process's buckets, or the store that proxies share.

use super::{Gate, Stop, Way};
use crate::facts::Client;
use crate::policy::{Denied, Payer, Permit, Standing};
use crate::throttle::shared::{OnStoreDown, StoreDown};
use crate::throttle::{ScopeId, Shared, Verdict, Who};
use igny8_contract::refusal::Refusal;
use metrics::counter;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl Way<'_> {
    /// A refusal for a credential that proved nothing, or nothing any more. The client's address pays for it, unless it has paid
    /// for this very request already.
    pub(super) async fn failed_authentication(&self, refusal: Refusal) -> Stop {
        if self.has_paid.load(Ordering::Relaxed) {
            return refusal.into();
        }
        match self.pay_for_cold_work().await {
            Ok(()) => refusal.into(),
            Err(throttled) => throttled,
        }
    }

    /// Charges the client's address for one piece of cold work, before it is done.
    pub(super) async fn pay_for_cold_work(&self) -> Result<(), Stop> {
        let rate = self.gate.charge_cold(self.client.ip, self.elapsed).await?;
        if rate.allowed {
            self.has_paid.store(true, Ordering::Relaxed);
            if rate.is_watched() {
                self.cold_watched.store(true, Ordering::Relaxed);
            }
            return Ok(());
        }
        Err(Stop {
            rate: Some(rate),
            ..Refusal::Throttled.into()
        })
    }

    /// A refusal for somebody who is known. A credential that is good no more is a failed authentication; whose standing does
    /// not suffice has asked like everybody else, and is told to ask less often before anything else.
    pub(super) async fn deny(&self, denied: Denied<'_>) -> Stop {
        let identity = denied.identity().cloned();
        let refusal = denied.refusal();
        let stop = match refusal.status() {
            401 => self.failed_authentication(refusal).await,
            402 | 403 => match self.ask(self.who(denied.payer(), denied.route_index())).await {
                Ok(rate) => {
                    let refusal = if rate.allowed { refusal } else { Refusal::Throttled };
                    Stop {
                        rate: Some(rate),
                        ..refusal.into()
                    }
                }
                Err(stop) => stop,
            },
            // Nobody's limits are known while the core is silent.
            _ => refusal.into(),
        };
        Stop { identity, ..stop }
    }

    /// Asks on the account's or the address's behalf.
    pub(super) async fn admit<'r>(&self, standing: Standing<'r>) -> Result<(Permit<'r>, Verdict), Stop> {
        let who = self.who(standing.payer(), standing.routed().route_index());
        // Nothing is waited for where this proxy counts by itself: most requests.
        let rate = match &self.gate.shared_throttle {
            None => self.gate.ask_here(who, self.elapsed),
            Some(shared) => match Box::pin(self.gate.ask_shared(shared, who, self.elapsed)).await {
                Ok(rate) => rate,
                Err(refusal) => {
                    return Err(Stop {
                        identity: standing.identity().cloned(),
                        ..refusal.into()
                    });
                }
            },
        };
        match standing.admit(rate.allowed) {
            Ok(permit) => Ok((permit, rate)),
            Err(denied) => Err(Stop {
                rate: Some(rate),
                ..denied.into()
            }),
        }
    }

    /// Whose buckets a payer's are, on the route of this place.
    fn who<'p>(&self, payer: Payer<'p>, route: usize) -> Who<'p> {
        let scope = self.gate.scopes[route];
        match payer {
            Payer::Account { id, plan } => Who::Account { id, plan, scope },
            Payer::Foreign { account, digest } => Who::Foreign { account, digest, scope },
            Payer::Address => Who::Address {
                ip: self.client.ip,
                scope,
            },
        }
    }

    /// Asks on the address's behalf.
    pub(super) async fn ask_address(&self, scope: Option<ScopeId>) -> Result<Verdict, Stop> {
        let ip = self.client.ip;
        self.ask(Who::Address { ip, scope }).await
    }

    async fn ask(&self, who: Who<'_>) -> Result<Verdict, Stop> {
        Ok(self.gate.ask(who, self.elapsed).await?)
    }
}

impl Gate {
    /// Charges an address for one piece of cold work or one failed authentication; `elapsed` is the clock's.
    ///
    /// # Errors
    /// `throttled` when the shared store is down and nothing is admitted then.
    pub(crate) async fn charge_cold(&self, ip: IpAddr, elapsed: Duration) -> Result<Verdict, Refusal> {
        let limits = self.limits.load_full();
        let local = || self.throttle.charge_cold(&limits, ip, nanos(elapsed));
        match &self.shared_throttle {
            None => Ok(local()),
            Some(shared) => match shared.charge_cold(&limits, ip).await {
                Ok(rate) => Ok(rate),
                Err(StoreDown) => without_store(shared, local),
            },
        }
    }

    /// What is told of bytes in which no request was found, and the throttle's word on it: two credentials in the place of one
    /// are a failed authentication, for which the address at the other end of the connection pays.
    pub(crate) async fn price(&self, refusal: Refusal, client: &Client) -> (Refusal, Option<Verdict>) {
        if refusal.status() != 401 {
            return (refusal, None);
        }
        match self.charge_cold(client.ip, self.clock.elapsed()).await {
            Ok(rate) if rate.allowed => (refusal, None),
            Ok(rate) => (Refusal::Throttled, Some(rate)),
            Err(throttled) => (throttled, None),
        }
    }

    /// Asks the throttle; `elapsed` is the clock's.
    ///
    /// # Errors
    /// `throttled` when the shared store is down and nothing is admitted then.
    pub(crate) async fn ask(&self, who: Who<'_>, elapsed: Duration) -> Result<Verdict, Refusal> {
        match &self.shared_throttle {
            None => Ok(self.ask_here(who, elapsed)),
            Some(shared) => Box::pin(self.ask_shared(shared, who, elapsed)).await,
        }
    }

    pub(super) fn ask_here(&self, who: Who<'_>, elapsed: Duration) -> Verdict {
        self.throttle.admit(&self.limits.load(), who, nanos(elapsed))
    }

    async fn ask_shared(&self, shared: &Shared, who: Who<'_>, elapsed: Duration) -> Result<Verdict, Refusal> {
        let limits = self.limits.load_full();
        match shared.admit(&limits, who).await {
            Ok(rate) => Ok(rate),
            Err(StoreDown) => without_store(shared, || self.throttle.admit(&limits, who, nanos(elapsed))),
        }
    }
}

fn nanos(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

/// What holds while the shared store is down.
fn without_store(shared: &Shared, local: impl FnOnce() -> Verdict) -> Result<Verdict, Refusal> {
    let word = match shared.on_store_down() {
        OnStoreDown::Local => "local",
        OnStoreDown::Refuse => "refused",
    };
    counter!("igny8_throttle_store_down_total", "decision" => word).increment(1);
    match shared.on_store_down() {
        OnStoreDown::Local => Ok(local()),
        OnStoreDown::Refuse => Err(Refusal::Throttled),
    }
}
