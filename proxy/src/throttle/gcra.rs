//! The generic cell rate algorithm over an absolute theoretical arrival time. Pure arithmetic on numbers.
//!
//! A bucket is one number: the monotonic instant, in nanoseconds, at which it is full again (its *theoretical arrival
//! time*). At or before now it is full. The quota is an argument and never part of a bucket, so that limits change
//! without a bucket being lost.

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The largest burst that a limit may have, in requests.
pub const BURST_MAX: u32 = 1_000_000;

/// The longest time in which a drained bucket may fill again: 366 days, in nanoseconds.
pub const WINDOW_MAX_NS: u64 = 366 * 86_400 * NANOS_PER_SECOND;

/// The shortest time between two requests of a steady stream: a microsecond, which is a million requests a second.
pub const INTERVAL_MIN_NS: u64 = 1_000;

/// How many requests a bucket holds, and how fast they come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    emission_interval_ns: u64,
    window_ns: u64,
    burst: u32,
}

/// Why a rate and a burst make no quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    #[error("a rate is a whole number and a unit, such as \"600/m\"; the units are s, m, h and d")]
    RateForm,
    #[error("a rate lies between one request a day and 1000000 a second")]
    RateRange,
    #[error("a burst is a whole number between 1 and 1000000")]
    BurstRange,
    #[error("at this rate a drained bucket of this burst would need more than 366 days to fill")]
    WindowTooLong,
}

impl Quota {
    /// A quota from the words of the limits file: `rate` such as `600/m` (units `s`, `m`, `h`, `d`), `burst` in requests.
    /// Where the unit is no multiple of the count, the time between requests is rounded up: never more than the rate.
    ///
    /// # Errors
    /// A rate of another form or out of range, a burst out of range, or both together giving an absurd window.
    pub fn parse(rate: &str, burst: i64) -> Result<Self, QuotaError> {
        let (count, unit) = rate.split_once('/').ok_or(QuotaError::RateForm)?;
        if count.is_empty() || count.starts_with('0') || !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(QuotaError::RateForm);
        }
        let unit_seconds: u64 = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(QuotaError::RateForm),
        };
        let count: u64 = count.parse().map_err(|_| QuotaError::RateRange)?;
        // Rounding up would turn a rate a little above the maximum into the maximum without a word.
        if count > unit_seconds * (NANOS_PER_SECOND / INTERVAL_MIN_NS) {
            return Err(QuotaError::RateRange);
        }
        let emission_interval_ns = (unit_seconds * NANOS_PER_SECOND).div_ceil(count);
        let burst = u32::try_from(burst).map_err(|_| QuotaError::BurstRange)?;
        Self::new(emission_interval_ns, burst)
    }

    /// A quota from the time between two requests of a steady stream, in nanoseconds, and the burst, in requests.
    ///
    /// # Errors
    /// As for [`Quota::parse`].
    pub fn new(emission_interval_ns: u64, burst: u32) -> Result<Self, QuotaError> {
        if emission_interval_ns < INTERVAL_MIN_NS {
            return Err(QuotaError::RateRange);
        }
        if !(1..=BURST_MAX).contains(&burst) {
            return Err(QuotaError::BurstRange);
        }
        let window_ns = emission_interval_ns
            .checked_mul(u64::from(burst))
            .ok_or(QuotaError::WindowTooLong)?;
        if window_ns > WINDOW_MAX_NS {
            return Err(QuotaError::WindowTooLong);
        }
        Ok(Self {
            emission_interval_ns,
            window_ns,
            burst,
        })
    }

    /// How many requests a full bucket admits at once.
    #[must_use]
    pub const fn burst(&self) -> u32 {
        self.burst
    }

    /// The time in which one request comes back, in nanoseconds.
    #[must_use]
    pub const fn emission_interval_ns(&self) -> u64 {
        self.emission_interval_ns
    }

    /// The time in which a drained bucket is full again, in nanoseconds.
    #[must_use]
    pub const fn window_ns(&self) -> u64 {
        self.window_ns
    }

    /// The time in which a drained bucket is full again, in whole seconds, rounded up.
    #[must_use]
    pub const fn window_seconds(&self) -> u64 {
        self.window_ns.div_ceil(NANOS_PER_SECOND)
    }
}

/// What comes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub allowed: bool,
    /// The bucket afterwards. A refused request leaves it as it was.
    pub tat_ns: u64,
    /// How many more requests would be admitted at this very moment.
    pub remaining: u32,
    /// The time until one request more than `remaining` would be admitted, in nanoseconds; never 0.
    pub reset_ns: u64,
}

impl Decision {
    /// [`Decision::reset_ns`] in whole seconds, rounded up; never 0.
    #[must_use]
    pub const fn reset_seconds(&self) -> u64 {
        self.reset_ns.div_ceil(NANOS_PER_SECOND)
    }
}

/// Decides one request against a bucket.
#[must_use]
pub fn decide(tat_ns: u64, now_ns: u64, quota: &Quota) -> Decision {
    let interval = quota.emission_interval_ns;
    let start = tat_ns.max(now_ns);
    let used = start - now_ns;
    let room = quota.window_ns.saturating_sub(used);
    if room < interval {
        // Saturation is for a bucket that was filled under a far larger quota and not yet clamped.
        let reset_ns = used.saturating_add(interval) - quota.window_ns;
        return Decision {
            allowed: false,
            tat_ns,
            remaining: 0,
            reset_ns,
        };
    }
    let left = room - interval;
    let remaining = left / interval;
    let reset_ns = interval - (left - remaining * interval);
    // `left` is less than `burst` intervals, and a burst fits 32 bits.
    let remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
    Decision {
        allowed: true,
        tat_ns: start.saturating_add(interval),
        remaining,
        reset_ns,
    }
}

/// The bucket after the limits changed: never emptier than drained under the new quota.
#[must_use]
pub fn clamp(tat_ns: u64, now_ns: u64, quota: &Quota) -> u64 {
    tat_ns.min(now_ns.saturating_add(quota.window_ns))
}

#[cfg(test)]
mod tests;
