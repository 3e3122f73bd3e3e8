//! The test clock: reading it, and putting it forward.

use super::round::{follow_test_clock, round};
use super::{Core, StoryError};
use crate::adapters::test_clock::TestClock;
use crate::storage::trail::{Actor, Audit, audit};
use crate::storage::{Connection, test_clock};
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::refusal::Refusal;
use igny8_contract::time::{MICROS_PER_SECOND, Timestamp};
use std::sync::Arc;

/// The furthest that the clock can be put forward at once: ten years.
const MAX_ADVANCE_SECONDS: i64 = 3_653 * 86_400;

/// The service's time and the machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub now: Timestamp,
    pub machine_now: Timestamp,
    pub ahead_seconds: i64,
}

/// Who puts the clock forward, and how far.
#[derive(Debug)]
pub struct Advance {
    pub account_id: AccountId,
    pub user_id: UserId,
    pub seconds: i64,
    pub request_id: String,
}

fn clock(core: &Core) -> Result<&Arc<TestClock>, StoryError> {
    Ok(core.test_clock.as_ref().ok_or(Refusal::NotFound)?)
}

fn reading(core: &Core, clock: &TestClock) -> Reading {
    Reading {
        now: core.now(),
        machine_now: core.machine_now(),
        ahead_seconds: clock.ahead_seconds(),
    }
}

/// What the clock shows.
///
/// # Errors
/// `not_found` where the service has no test clock, `storage_unavailable`.
pub async fn read(core: &Core) -> Result<Reading, StoryError> {
    let clock = clock(core)?;
    follow_test_clock(core).await?;
    Ok(reading(core, clock))
}

/// Puts the clock forward, carries out what falls due by that, and tells what the clock shows then.
///
/// # Errors
/// `not_found` where the service has no test clock, `validation_failed`, `storage_unavailable`.
pub async fn advance(core: &Core, advance: Advance) -> Result<Reading, StoryError> {
    let clock = clock(core)?;
    if !(1..=MAX_ADVANCE_SECONDS).contains(&advance.seconds) {
        let sentence = format!("It must be 1 to {MAX_ADVANCE_SECONDS}.");
        return Err(StoryError::field(
            Refusal::ValidationFailed,
            "advance_seconds",
            sentence,
        ));
    }
    let given = (advance, core.machine_now());
    let ahead_us = core
        .store
        .write(&given, |connection, (advance, machine_now)| {
            Box::pin(commit(connection, advance, *machine_now))
        })
        .await?;
    clock.put_forward(ahead_us);
    if let Some(rounds) = &core.rounds
        && let Err(error) = round(core, rounds).await
    {
        // The clock has been put forward all the same, and the worker's next round goes on from here.
        tracing::error!(%error, "what falls due could not be carried out at once");
    }
    Ok(reading(core, clock))
}

async fn commit(connection: &mut Connection, advance: &Advance, machine_now: Timestamp) -> Result<i64, StoryError> {
    let ahead_us = test_clock::advance(connection, advance.seconds * MICROS_PER_SECOND).await?;
    let detail = serde_json::json!({
        "ahead_seconds": {
            "before": ahead_us / MICROS_PER_SECOND - advance.seconds, "after": ahead_us / MICROS_PER_SECOND,
        },
    });
    let line = Audit {
        account_id: Some(advance.account_id),
        actor: Actor::Staff(advance.user_id),
        action: "clock.advanced",
        detail: detail.to_string(),
        request_id: &advance.request_id,
    };
    audit(connection, &line, Timestamp(machine_now.0 + ahead_us)).await?;
    Ok(ahead_us)
}
