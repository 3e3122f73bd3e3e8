//! The change feed on the internal listener, see `contract::feed`.

use super::Service;
use super::answer::Refused;
use super::query;
use crate::app::Fields;
use crate::app::feed::{self, Cursor, Told};
use crate::domain::feed::Place;
use axum::Json;
use axum::extract::{FromRequestParts, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use igny8_contract::feed::WAIT_MAX_MS;
use std::time::Duration;

/// The longest generation that is read.
const GENERATION_MAX_BYTES: usize = 64;

/// From where on changes are asked for, and how long it may take.
#[derive(Debug)]
pub struct ChangesQuery {
    place: Place,
    wait: Duration,
}

/// Which page of the snapshot is asked for.
#[derive(Debug)]
pub struct SnapshotQuery(Cursor);

fn pairs(parts: &Parts) -> Result<Vec<(String, String)>, Refused> {
    let unreadable = |_| Refused::invalid(Fields::from([("query".into(), "It cannot be read.".into())]));
    let Query(pairs) = Query::try_from_uri(&parts.uri).map_err(unreadable)?;
    Ok(pairs)
}

/// Puts a whole number in its place.
fn whole(value: &str, place: &mut Option<i64>) -> query::Taken {
    *place = value.parse().ok();
    Some(place.map(drop).ok_or("It must be a whole number."))
}

impl FromRequestParts<Service> for ChangesQuery {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &Service) -> Result<Self, Refused> {
        let (mut after, mut stamp, mut wait) = (None, None, None);
        let mut generation = String::new();
        query::read(&pairs(parts)?, |name, value| match name {
            "after" => whole(value, &mut after),
            "stamp" => whole(value, &mut stamp),
            "wait_ms" => Some(match value.parse().ok().filter(|wait| *wait <= WAIT_MAX_MS) {
                Some(read) => {
                    wait = Some(read);
                    Ok(())
                }
                None => Err("It must be a number from 0 to 25000."),
            }),
            "generation" if value.len() <= GENERATION_MAX_BYTES => {
                value.clone_into(&mut generation);
                Some(Ok(()))
            }
            "generation" => Some(Err("It is not a generation.")),
            _ => None,
        })?;
        let missing = || Refused::invalid(Fields::from([("after".into(), "It is required.".into())]));
        let place = Place {
            generation,
            seq: after.ok_or_else(missing)?,
            stamp,
        };
        let wait = Duration::from_millis(wait.unwrap_or(WAIT_MAX_MS));
        Ok(Self { place, wait })
    }
}

impl FromRequestParts<Service> for SnapshotQuery {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &Service) -> Result<Self, Refused> {
        let mut cursor = Cursor::START;
        query::read(&pairs(parts)?, |name, value| match (name, Cursor::parse(value)) {
            ("after", Some(after)) => {
                cursor = after;
                Some(Ok(()))
            }
            ("after", None) => Some(Err("It is not the `next` of a page.")),
            _ => None,
        })?;
        Ok(Self(cursor))
    }
}

/// What has changed; 410 for those who need a snapshot.
///
/// # Errors
/// `validation_failed`, `storage_unavailable`.
pub async fn get_changes(State(service): State<Service>, asked: ChangesQuery) -> Result<Response, Refused> {
    let waiting = Waiting::begin();
    let told = feed::changes(&service.core, &asked.place, asked.wait).await?;
    drop(waiting);
    let (outcome, answer) = match told {
        Told::TakeSnapshot(head) => ("snapshot", (StatusCode::GONE, Json(head)).into_response()),
        Told::Changes(changes) if changes.changes.is_empty() => ("nothing", Json(changes).into_response()),
        Told::Changes(changes) => ("changes", Json(changes).into_response()),
    };
    metrics::counter!("igny8_core_feed_answers_total", "outcome" => outcome).increment(1);
    Ok(answer)
}

/// A page of everything.
///
/// # Errors
/// `validation_failed`, `storage_unavailable`.
pub async fn get_snapshot(
    State(service): State<Service>,
    SnapshotQuery(cursor): SnapshotQuery,
) -> Result<Response, Refused> {
    let page = feed::snapshot(&service.core, cursor).await?;
    #[expect(clippy::cast_precision_loss, reason = "a metric: beyond 2^52 nobody counts")]
    let seq = page.head.seq as f64;
    metrics::gauge!("igny8_core_feed_seq").set(seq);
    Ok(Json(page).into_response())
}

/// Counts one follower while they wait, however that ends.
struct Waiting;

impl Waiting {
    fn begin() -> Self {
        metrics::gauge!("igny8_core_feed_waiting").increment(1);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        metrics::gauge!("igny8_core_feed_waiting").decrement(1);
    }
}
