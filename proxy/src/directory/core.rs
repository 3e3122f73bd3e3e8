//! What the proxy asks of core's internal listener.

use super::client::{Answer, ClientError, HttpClient};
use super::follow::Told;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use igny8_contract::feed::{CHANGES_PATH, FeedHead, SNAPSHOT_PATH, SnapshotPage, StandingAnswer};
use igny8_contract::messages::{self, KeyAnswer, KeyQuery, SessionFacts, SessionQuery, StandingQuery};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long a page of a snapshot may take: nobody waits for it.
const PAGE_DEADLINE: Duration = Duration::from_secs(10);

/// Asks core; cheap to clone.
#[derive(Clone, Debug)]
pub struct CoreClient {
    client: HttpClient,
    /// `http://host:port`, without a path.
    base: String,
    /// `Bearer …`, marked sensitive so that it never prints.
    authorization: HeaderValue,
    deadline: Duration,
}

impl CoreClient {
    #[must_use]
    pub const fn new(client: HttpClient, base: String, authorization: HeaderValue, deadline: Duration) -> Self {
        Self {
            client,
            base,
            authorization,
            deadline,
        }
    }

    /// The standing of an account, one of its users and a sign-in.
    ///
    /// # Errors
    /// When core does not answer as it should.
    pub async fn standing(&self, query: &StandingQuery) -> Result<StandingAnswer, ClientError> {
        read(&self.post(messages::STANDING_PATH, query).await?)
    }

    /// What an API key stands for, and the token that it is exchanged for.
    ///
    /// # Errors
    /// When core does not answer as it should.
    pub async fn key(&self, query: &KeyQuery) -> Result<KeyAnswer, ClientError> {
        read(&self.post(messages::KEY_RESOLVE_PATH, query).await?)
    }

    /// Whose session this is, if it is one of core's own.
    ///
    /// # Errors
    /// When core does not answer as it should.
    pub async fn session(&self, query: &SessionQuery) -> Result<SessionFacts, ClientError> {
        read(&self.post(messages::SESSION_LOOKUP_PATH, query).await?)
    }

    /// Ends a session of core's own; one that does not exist is ended already.
    ///
    /// # Errors
    /// When core does not confirm it.
    pub async fn end_session(&self, query: &SessionQuery) -> Result<(), ClientError> {
        let answer = self.post(messages::SESSION_REVOKE_PATH, query).await?;
        if answer.status == StatusCode::NO_CONTENT {
            Ok(())
        } else {
            Err(ClientError::Unreachable)
        }
    }

    /// What has changed after a place of the feed. Core waits for the next change, at most for `wait`.
    ///
    /// # Errors
    /// When core does not answer as it should.
    pub async fn changes(&self, place: &FeedHead, wait: Duration) -> Result<Told, ClientError> {
        let path = format!(
            "{CHANGES_PATH}?after={}&generation={}&stamp={}&wait_ms={}",
            place.seq,
            place.generation,
            place.stamp,
            wait.as_millis()
        );
        let answer = self.get(&path, wait + self.deadline).await?;
        if answer.status == StatusCode::GONE {
            return Ok(Told::TakeSnapshot);
        }
        read(&answer).map(Told::Changes)
    }

    /// A page of everything: the first, or the one that another names as its next.
    ///
    /// # Errors
    /// When core does not answer as it should.
    pub async fn snapshot(&self, after: Option<&str>) -> Result<SnapshotPage, ClientError> {
        let path = match after {
            Some(after) => format!("{SNAPSHOT_PATH}?after={after}"),
            None => SNAPSHOT_PATH.to_owned(),
        };
        read(&self.get(&path, PAGE_DEADLINE).await?)
    }

    async fn get(&self, path: &str, deadline: Duration) -> Result<Answer, ClientError> {
        let request = Request::get(format!("{}{path}", self.base))
            .header(AUTHORIZATION, &self.authorization)
            .body(Full::default())
            .map_err(|_| ClientError::Unreachable)?;
        self.client.send(request, deadline).await
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> Result<Answer, ClientError> {
        let body = serde_json::to_vec(body).map_err(|_| ClientError::Unreachable)?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{path}", self.base))
            .header(AUTHORIZATION, &self.authorization)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| ClientError::Unreachable)?;
        self.client.send(request, self.deadline).await
    }
}

/// Reads a good answer.
///
/// # Errors
/// An error status or a body of another shape counts as no answer.
pub fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, ClientError> {
    if answer.status != StatusCode::OK {
        return Err(ClientError::Unreachable);
    }
    serde_json::from_slice(&answer.body).map_err(|_| ClientError::Unreachable)
}

/// Fetches a document by GET, such as a key set.
///
/// # Errors
/// Anything but 200 counts as no answer.
pub async fn get(client: &HttpClient, url: &Uri, deadline: Duration) -> Result<Bytes, ClientError> {
    let request = Request::get(url)
        .body(Full::default())
        .map_err(|_| ClientError::Unreachable)?;
    let answer = client.send(request, deadline).await?;
    if answer.status == StatusCode::OK {
        Ok(answer.body)
    } else {
        Err(ClientError::Unreachable)
    }
}
