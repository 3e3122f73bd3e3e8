//! Asking the throttle: this process's buckets, or the store that proxies share.

use super::{Gate, Stop, Way};
use crate::policy::{Payer, Permit, Standing};
use crate::throttle::shared::{OnStoreDown, StoreDown};
use crate::throttle::{ScopeId, Shared, Verdict, Who};
use igny8_contract::refusal::Refusal;
use metrics::counter;
use std::time::Duration;

impl Way<'_> {
    /// A refusal for a credential that proved nothing. The client's address pays for it.
    pub(super) async fn failed_authentication(&self, refusal: Refusal) -> Stop {
        match self.pay_for_cold_work().await {
            Ok(()) => refusal.into(),
            Err(throttled) => throttled,
        }
    }

    /// Charges the client's address for one piece of cold work, before it is done.
    pub(super) async fn pay_for_cold_work(&self) -> Result<(), Stop> {
        let limits = self.gate.limits.load_full();
        let ip = self.client.ip;
        let local = || self.gate.throttle.charge_cold(&limits, ip, self.nanos());
        let rate = match &self.gate.shared_throttle {
            None => local(),
            Some(shared) => match shared.charge_cold(&limits, ip).await {
                Ok(rate) => rate,
                Err(StoreDown) => without_store(shared, local)?,
            },
        };
        if rate.allowed {
            return Ok(());
        }
        Err(Stop {
            refusal: Refusal::Throttled,
            rate: Some(rate),
            expire_sessions: false,
        })
    }

    /// Asks on the account's or the address's behalf.
    pub(super) async fn admit<'r>(&self, standing: Standing<'r>) -> Result<(Permit<'r>, Verdict), Stop> {
        let scope = self.gate.scopes[standing.routed().route_index()];
        let who = match standing.payer() {
            Payer::Account { id, plan } => Who::Account { id, plan, scope },
            Payer::Foreign { account, digest } => Who::Foreign { account, digest, scope },
            Payer::Address => Who::Address {
                ip: self.client.ip,
                scope,
            },
        };
        // Nothing is waited for where this proxy counts by itself: most requests.
        let rate = match &self.gate.shared_throttle {
            None => self.gate.ask_here(who, self.elapsed),
            Some(shared) => Box::pin(self.gate.ask_shared(shared, who, self.elapsed)).await?,
        };
        match standing.admit(rate.allowed) {
            Ok(permit) => Ok((permit, rate)),
            Err(refusal) => Err(Stop {
                refusal,
                rate: Some(rate),
                expire_sessions: false,
            }),
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

    fn nanos(&self) -> u64 {
        nanos(self.elapsed)
    }
}

impl Gate {
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
