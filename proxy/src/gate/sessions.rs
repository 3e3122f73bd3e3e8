//! Sessions where none belongs: looked up at their sources, ended where they are a superuser's, judged by the policy.

use super::{Stop, Way};
use crate::directory::sessions::Sighting;
use crate::policy::Routed;
use crate::policy::cookies::SessionPair;
use crate::policy::route::{Route, RouteKind, RouteSessions};
use crate::policy::session::{self, SessionVerdict, Sessions};
use igny8_contract::refusal::Refusal;
use metrics::counter;

impl Way<'_> {
    /// Looks sessions up at their sources and ends a superuser's.
    pub(super) async fn judge_sessions(&self, routed: &Routed<'_>) -> Result<SessionVerdict, Stop> {
        let route = routed.route();
        let mut found = Sessions::default();
        let brought = looked_at(routed)?;
        for (pair, name, session) in askable(brought) {
            let Some(sighting) = self.sight(route, name, session).await? else {
                break;
            };
            if sighting.is_silent() {
                counter!("igny8_session_source_silent_total").increment(1);
            }
            if sighting.is_superuser() {
                found.superuser = true;
                if session::ends_session(route.on_superuser_session) {
                    found.ending_failed |= !self.end_session(name, session, &sighting).await;
                }
            }
            // What goes on, goes on under this name, and no other.
            if brought.len() == 1 && name == pair.name {
                found.only = sighting.only().cloned();
            }
        }
        let verdict = session::judge(route, &found);
        self.note(routed, verdict)?;
        Ok(verdict)
    }

    /// What the sources say of a session; nothing where that no longer matters.
    async fn sight(&self, route: &Route, name: &str, session: &str) -> Result<Option<Sighting>, Stop> {
        let sources = &self.gate.sessions;
        // Where a session is to act for somebody, no memory will do.
        let acts = route.sessions == RouteSessions::Account;
        if !acts && let Some(sighting) = sources.remembered(name, session).await {
            return Ok(Some(sighting));
        }
        match self.pay_for_cold_work().await {
            Ok(()) if acts => Ok(Some(sources.look_up_now(name, session).await)),
            Ok(()) => Ok(Some(sources.look_up(name, session).await)),
            // An api route refuses every session, whether or not it could be looked up.
            Err(_) if route.kind == RouteKind::Api && !acts => Ok(None),
            Err(throttled) => Err(throttled),
        }
    }

    /// Counts and says that a session passes; a session never acts for another site.
    fn note(&self, routed: &Routed<'_>, verdict: SessionVerdict) -> Result<(), Stop> {
        match verdict {
            SessionVerdict::GoOn | SessionVerdict::Refuse(_) => {}
            SessionVerdict::Pass => counter!("igny8_sessions_passed_total", "kind" => "page").increment(1),
            SessionVerdict::PassAs { account, user } => {
                if routed.comes_from_elsewhere() {
                    return Err(Refusal::OriginRefused.into());
                }
                counter!("igny8_sessions_passed_total", "kind" => "api").increment(1);
                tracing::warn!(
                    account = account.0, user = user.0, path = %routed.canonical().path, client = %self.client.ip,
                    "strict_jwt_only is off: a session acts on an API route"
                );
            }
        }
        Ok(())
    }

    /// Ends a superuser's session at its source; whether that is certain.
    async fn end_session(&self, name: &str, session: &str, sighting: &Sighting) -> bool {
        let ended = self.gate.sessions.end(name, session, sighting).await;
        match ended {
            Ok(()) => {
                counter!("igny8_sessions_revoked_total").increment(1);
                tracing::warn!(client = %self.client.ip, "a superuser session outside the admin panel was ended");
            }
            Err(error) => tracing::error!(client = %self.client.ip, %error, "a superuser session could not be ended"),
        }
        ended.is_ok()
    }

    /// Ends every session that a logout brought, wherever it lives. Nothing stops a logout but a foreign origin.
    pub(super) async fn log_out(&self, routed: &Routed<'_>) -> Result<(), Stop> {
        if routed.comes_from_elsewhere() {
            return Err(Refusal::OriginRefused.into());
        }
        for (_, name, session) in askable(looked_at(routed)?) {
            if self.pay_for_cold_work().await.is_ok() {
                let sighting = self.gate.sessions.look_up(name, session).await;
                if self.gate.sessions.end(name, session, &sighting).await.is_err() {
                    counter!("igny8_session_source_silent_total").increment(1);
                }
            }
        }
        Ok(())
    }
}

/// The sessions of a request, of which none is left unseen. A browser that has gathered too many of them forgets them.
fn looked_at<'r>(routed: &'r Routed<'_>) -> Result<&'r [SessionPair<'r>], Stop> {
    routed.sessions().map_err(|refusal| Stop {
        refusal,
        rate: None,
        expire_sessions: true,
    })
}

/// The sessions that can be asked about, under each name that an app may know them by, with their values.
fn askable<'r>(sessions: &'r [SessionPair<'r>]) -> impl Iterator<Item = (&'r SessionPair<'r>, &'r str, &'r str)> {
    sessions.iter().flat_map(|pair| {
        let value = std::str::from_utf8(pair.value).ok();
        let session = value.filter(|_| session::is_plausible(pair.value));
        session
            .into_iter()
            .flat_map(move |session| pair.names().map(move |name| (pair, name, session)))
    })
}
