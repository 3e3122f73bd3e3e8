//! Sessions where none belongs: looked up at their sources, ended where they are a superuser's, judged by the policy.

use super::{Stop, Way};
use crate::directory::sessions::Sighting;
use crate::policy::cookies::SessionPair;
use crate::policy::route::{Route, RouteKind, RouteSessions};
use crate::policy::session::{self, SessionVerdict, Sessions};
use crate::policy::{Permit, Routed, Standing};
use crate::throttle::{Verdict, Who};
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
        let known = match route.sessions {
            RouteSessions::Never | RouteSessions::NonSuperuser => sources.remembered(name, session).await,
            RouteSessions::Account => None,
        };
        // Where a session may pass, no memory will do. But a page has many parts: whoever was known a moment ago has paid, and
        // is asked about again for nothing.
        let may_pass = route.sessions != RouteSessions::Never;
        match known {
            Some(sighting) if !may_pass => return Ok(Some(sighting)),
            Some(sighting) if sighting.only().is_some() => return Ok(Some(sources.look_up_now(name, session).await)),
            Some(_) | None => {}
        }
        match self.pay_for_cold_work().await {
            Ok(()) if may_pass => Ok(Some(sources.look_up_now(name, session).await)),
            Ok(()) => Ok(Some(sources.look_up(name, session).await)),
            // An api route refuses every session, whether or not it could be looked up.
            Err(_) if route.kind == RouteKind::Api && !may_pass => Ok(None),
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

    /// Ends every session that a logout brought, wherever it lives, by what its sources say now. Nothing stops a logout but a
    /// foreign origin and a superuser's session that is known to live on: the client's address pays, and may be in debt.
    pub(super) async fn log_out(&self, routed: &Routed<'_>) -> Result<(), Stop> {
        if routed.comes_from_elsewhere() {
            return Err(Refusal::OriginRefused.into());
        }
        let sources = &self.gate.sessions;
        let mut superuser_lives = false;
        for (_, name, session) in askable(looked_at(routed)?) {
            let _may_be_in_debt = self.pay_for_cold_work().await.is_ok();
            let sighting = sources.look_up_now(name, session).await;
            // A source that is silent is told all the same. What it does not confirm, nobody can know.
            let (seen, unseen) = tokio::join!(
                sources.end(name, session, &sighting),
                sources.end_unseen(name, session, &sighting)
            );
            if seen.is_err() || unseen.is_err() {
                counter!("igny8_session_source_silent_total").increment(1);
            }
            if let Err(error) = seen
                && sighting.is_superuser()
            {
                superuser_lives = true;
                tracing::error!(client = %self.client.ip, %error, "a superuser session could not be ended");
            }
        }
        if superuser_lives {
            return Err(Stop {
                expire_sessions: true,
                ..Refusal::SessionSourceUnavailable.into()
            });
        }
        Ok(())
    }

    /// Lets a logout go on whatever is left in its buckets. It is counted all the same.
    pub(super) async fn admit_logout<'r>(&self, standing: Standing<'r>) -> Result<(Permit<'r>, Verdict), Stop> {
        let scope = self.gate.scopes[standing.routed().route_index()];
        let ip = self.client.ip;
        let rate = match self.ask_address(scope).await {
            Ok(rate) => rate,
            // The store that proxies share is down, and nothing else is admitted then.
            Err(_) => self.gate.ask_here(Who::Address { ip, scope }, self.elapsed),
        };
        let permit = standing.admit(true).map_err(|denied| denied.refusal())?;
        Ok((permit, Verdict { allowed: true, ..rate }))
    }
}

/// The sessions of a request, of which none is left unseen. A browser that has gathered too many of them forgets them.
fn looked_at<'r>(routed: &'r Routed<'_>) -> Result<&'r [SessionPair<'r>], Stop> {
    routed.sessions().map_err(|refusal| Stop {
        expire_sessions: true,
        ..refusal.into()
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
