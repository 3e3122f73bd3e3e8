//! The steps one by one, for a request that is not sent: what `explain` and `replay` print. Pure.
//!
//! It is the same chain of stages as for a request that is: each step is made by the one before it. What the steps need to
//! know, a [`Witness`] says, or says that it does not know.

use super::cookies::CookieRules;
use super::cors;
use super::credential::Presented;
use super::framing::{self, Method};
use super::identity::{Grant, Holder, Identity};
use super::route::{RouteKind, Routes};
use super::session::{self, SessionVerdict, Sessions};
use super::{Payer, Permit, Proven, Routed, Standing};
use igny8_contract::messages::StandingFacts;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// What has to be asked of somebody. Nothing means: not known.
pub trait Witness {
    /// Whose token it is, or why it is refused.
    fn token(&self, token: &[u8]) -> Option<Result<Arc<Identity>, Refusal>>;
    /// What the core says of an API key, or why it is refused.
    fn key(&self, key: &[u8]) -> Option<Result<Arc<Grant>, Refusal>>;
    /// Where the request comes from.
    fn client(&self) -> Option<IpAddr>;
    /// What the sources say of the request's sessions.
    fn sessions(&self, routed: &Routed<'_>) -> Option<Sessions>;
    /// What the core says of an identity.
    fn standing(&self, identity: &Identity) -> Option<Arc<StandingFacts>>;
    /// Whether the throttle admits it, and the limits that it meets, in words.
    fn admitted(&self, payer: Payer<'_>, scope: Option<&str>) -> (Option<bool>, String);
    fn now(&self) -> Timestamp;
}

/// The rules to walk by.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    pub routes: &'a Routes,
    pub cookies: &'a CookieRules,
    /// Names by place.
    pub upstreams: &'a [&'a str],
    pub logout_path: &'a str,
    /// The flag `validate_api_key`.
    pub asks_key_standing: bool,
    /// Whether clients come by TLS.
    pub secure: bool,
}

/// What came of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub name: &'static str,
    pub outcome: Outcome,
    /// A sentence for people.
    pub detail: String,
}

/// How a step, or the whole request, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Refused(Refusal),
    /// The proxy answers itself: nothing is wrong, and nothing goes on.
    Answered,
    /// What it takes to decide is not known.
    Unknown,
}

impl Outcome {
    /// The word for output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Refused(_) => "refused",
            Self::Answered => "answered",
            Self::Unknown => "unknown",
        }
    }

    /// The refusal's code; empty for any other outcome.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Passed | Self::Answered | Self::Unknown => "",
        }
    }
}

/// Walks a request's header block through every step, up to the first that refuses it or cannot tell.
#[must_use]
pub fn walk(block: &[u8], rules: Rules<'_>, witness: &dyn Witness) -> (Vec<Step>, Outcome) {
    let mut walk = Walk {
        rules,
        witness,
        steps: Vec::new(),
    };
    let outcome = match walk.go(block) {
        Ok(()) => Outcome::Passed,
        Err(halt) => halt,
    };
    (walk.steps, outcome)
}

struct Walk<'a> {
    rules: Rules<'a>,
    witness: &'a dyn Witness,
    steps: Vec<Step>,
}

impl<'a> Walk<'a> {
    fn go(&mut self, block: &'a [u8]) -> Result<(), Outcome> {
        let framed = self.judge("framing", framing::parse(block), |framed| {
            format!("{} fields, {}", framed.fields.len(), framed.method.as_str())
        })?;
        if framed.target == b"/healthz" && framed.method.reads() {
            return Err(self.answered("health", "this process takes requests"));
        }
        let (routes, cookies, upstreams) = (self.rules.routes, self.rules.cookies, self.rules.upstreams);
        let mut routed = self.judge("route", Routed::new(framed, routes, cookies), |routed| {
            let route = routed.route();
            format!(
                "{} meets route `{}`, kind {}, upstream {}",
                routed.canonical().path,
                route.label(),
                route.kind.as_str(),
                upstreams.get(route.upstream).unwrap_or(&"?")
            )
        })?;
        if let Err(refusal) = routed.check_length() {
            self.judge("length", Err(refusal), |()| String::new())?;
        }
        self.judge_source(&mut routed)?;
        self.answer_preflight(&routed)?;
        let proven = self.prove(routed)?;
        let standing = self.stand(proven)?;
        let permit = self.admit(standing)?;
        self.tell("edits", Outcome::Passed, edits(&permit));
        Ok(())
    }

    /// Where it comes from, for a route or a request that asks for that.
    fn judge_source(&mut self, routed: &mut Routed<'_>) -> Result<(), Outcome> {
        let networks = &routed.route().edge.networks;
        if networks.is_empty() && !routed.opens_tunnel() {
            return Ok(());
        }
        let (client, any) = (self.witness.client(), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        if client.is_none() && !networks.is_empty() {
            return Err(self.unknown("source", "where the client is is not known"));
        }
        let judged = routed.check_source(client.unwrap_or(any), false, self.rules.secure);
        self.judge("source", judged, |()| "it may come from there".to_owned())
    }

    /// A browser's question what a script may send; the throttle is taken to admit it.
    fn answer_preflight(&mut self, routed: &Routed<'_>) -> Result<(), Outcome> {
        let framed = routed.framed();
        let Some(rule) = routed
            .route()
            .edge
            .cors
            .as_deref()
            .filter(|_| cors::is_preflight(framed))
        else {
            return Ok(());
        };
        match cors::judge(Some(rule), framed.origin) {
            cors::Verdict::Allowed(_) => Err(self.answered("preflight", "a script of this origin may ask")),
            cors::Verdict::NotAllowed | cors::Verdict::Silent => {
                self.judge("preflight", Err(Refusal::OriginRefused), |()| String::new())
            }
        }
    }

    fn prove(&mut self, routed: Box<Routed<'a>>) -> Result<Proven<'a>, Outcome> {
        if self.is_logout(&routed) {
            let from_elsewhere = routed.comes_from_elsewhere();
            let judged = if from_elsewhere {
                Err(Refusal::OriginRefused)
            } else {
                routed.sessions().map(drop)
            };
            self.judge("session", judged, |()| "signing out is always let through".to_owned())?;
            return self.open(routed, SessionVerdict::GoOn, "");
        }
        let credential = self.judge("credential found", routed.credential(), |found| {
            describe(*found).to_owned()
        })?;
        if routed.needs_session_look_up(credential) {
            if let Err(refusal) = routed.sessions() {
                self.judge("session", Err(refusal), |()| String::new())?;
            }
            let known = self.witness.sessions(&routed);
            let verdict = self.judge_sessions(&routed, known);
            let verdict = match verdict {
                Some(verdict) => verdict,
                None => return Err(self.unknown("session", "whose session it is is not known")),
            };
            if matches!(verdict, SessionVerdict::PassAs { .. }) && routed.comes_from_elsewhere() {
                self.judge("session", Err(Refusal::OriginRefused), |()| String::new())?;
            }
            return self.open(routed, verdict, "a session without a token");
        }
        let unknown = "whether it is good is not known";
        match credential {
            Presented::Bearer(token) => {
                let proof = self.witness.token(token);
                let proof = proof.ok_or_else(|| self.unknown("credential", unknown))?;
                let identity = self.judge("credential", proof, |identity| whose(identity))?;
                Ok(routed.prove_token(identity))
            }
            Presented::ApiKey(key) => {
                let proof = self.witness.key(key);
                let proof = proof.ok_or_else(|| self.unknown("credential", unknown))?;
                let grant = self.judge("credential", proof, |grant| whose(&grant.identity))?;
                Ok(routed.prove_key(grant))
            }
            Presented::Nothing => {
                let words = if routed.route().kind == RouteKind::Api {
                    "nothing was sent"
                } else {
                    "none is asked for"
                };
                self.open(routed, SessionVerdict::GoOn, words)
            }
        }
    }

    fn is_logout(&self, routed: &Routed<'_>) -> bool {
        routed.framed().method == Method::Post
            && routed.canonical().path.trim_end_matches('/') == self.rules.logout_path
    }

    /// The verdict on sessions; where nothing is known of them, only one that would be the same for everybody's.
    fn judge_sessions(&self, routed: &Routed<'_>, known: Option<Sessions>) -> Option<SessionVerdict> {
        let route = routed.route();
        if let Some(known) = known {
            return Some(session::judge(route, &known));
        }
        let (nobody, superuser) = (
            Sessions::default(),
            Sessions {
                superuser: true,
                ..Sessions::default()
            },
        );
        let verdict = session::judge(route, &nobody);
        let one_for_all =
            verdict == session::judge(route, &superuser) && route.sessions == super::route::RouteSessions::Never;
        one_for_all.then_some(verdict)
    }

    fn open(&mut self, routed: Box<Routed<'a>>, verdict: SessionVerdict, words: &str) -> Result<Proven<'a>, Outcome> {
        let words = words.to_owned();
        self.judge("credential", routed.prove_open(verdict), |proven| {
            match proven.identity() {
                Some(identity) => whose(identity),
                None => format!("{words}; nobody in particular"),
            }
        })
    }

    fn stand(&mut self, proven: Proven<'a>) -> Result<Standing<'a>, Outcome> {
        let now = self.witness.now();
        if let Some(grant) = proven.grant() {
            let words = standing_words(Some(&grant.standing));
            let asks = self.rules.asks_key_standing;
            let standing = proven.stand_by_key(asks, now).map_err(|denied| denied.refusal());
            return self.judge("standing", standing, |_| words);
        }
        let facts = match proven.identity().filter(|identity| identity.asks_core().is_some()) {
            None => None,
            Some(identity) => match self.witness.standing(identity) {
                Some(facts) => Some(facts),
                None => return Err(self.unknown("standing", "what the account may do is not known")),
            },
        };
        let words = standing_words(facts.as_deref());
        let standing = proven.stand(facts, now).map_err(|denied| denied.refusal());
        self.judge("standing", standing, |_| words)
    }

    fn admit(&mut self, standing: Standing<'a>) -> Result<Permit<'a>, Outcome> {
        let scope = standing.routed().route().scope.as_deref();
        let (admitted, words) = self.witness.admitted(standing.payer(), scope);
        // A logout goes on whatever is left in its buckets.
        let always = self.is_logout(standing.routed()).then_some(true);
        match always.or(admitted) {
            Some(admitted) => {
                let permit = standing.admit(admitted).map_err(|denied| denied.refusal());
                self.judge("rate", permit, |_| words)
            }
            None => Err(self.unknown("rate", &words)),
        }
    }

    fn judge<T>(
        &mut self,
        name: &'static str,
        result: Result<T, Refusal>,
        detail: impl FnOnce(&T) -> String,
    ) -> Result<T, Outcome> {
        match result {
            Ok(value) => {
                let detail = detail(&value);
                self.tell(name, Outcome::Passed, detail);
                Ok(value)
            }
            Err(refusal) => {
                self.tell(name, Outcome::Refused(refusal), refusal.sentence().to_owned());
                Err(Outcome::Refused(refusal))
            }
        }
    }

    fn answered(&mut self, name: &'static str, detail: &str) -> Outcome {
        self.tell(name, Outcome::Answered, detail.to_owned());
        Outcome::Answered
    }

    fn unknown(&mut self, name: &'static str, detail: &str) -> Outcome {
        self.tell(name, Outcome::Unknown, detail.to_owned());
        Outcome::Unknown
    }

    fn tell(&mut self, name: &'static str, outcome: Outcome, detail: String) {
        self.steps.push(Step { name, outcome, detail });
    }
}

fn standing_words(facts: Option<&StandingFacts>) -> String {
    match facts.and_then(|facts| facts.account.as_ref()) {
        Some(account) => format!("{}, plan {}", account.status.as_str(), account.plan),
        None => "nobody's standing is asked for".to_owned(),
    }
}

/// What kind of credential it is, and never the credential itself.
const fn describe(presented: Presented<'_>) -> &'static str {
    match presented {
        Presented::Nothing => "none that counts here",
        Presented::Bearer(_) => "one bearer token",
        Presented::ApiKey(_) => "one API key",
    }
}

fn whose(identity: &Identity) -> String {
    let text = |value: &http::HeaderValue| value.to_str().unwrap_or("?").to_owned();
    let by = match &identity.holder {
        Holder::Core { .. } => "the core's word",
        Holder::Session { .. } => "a session, since strict_jwt_only is off",
        Holder::Foreign(_) => "another issuer's word",
    };
    let role = match text(&identity.role_value) {
        role if role.is_empty() => String::new(),
        role => format!(", role {role}"),
    };
    format!(
        "account {}, user {}{role}, by {by}",
        text(&identity.account_value),
        text(&identity.user_value)
    )
}

/// What goes on.
fn edits(permit: &Permit<'_>) -> String {
    let routed = permit.routed();
    let query = if routed.canonical().query.is_some() { "?…" } else { "" };
    let names: Vec<_> = routed
        .cookies
        .forward
        .split(|byte| *byte == b';')
        .filter_map(|pair| pair.split(|byte| *byte == b'=').next())
        .map(|name| String::from_utf8_lossy(name).trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    let cookies = if names.is_empty() {
        "no cookies".to_owned()
    } else {
        format!("the cookies {}", names.join(", "))
    };
    let shadow = routed.shadow().map_or_else(String::new, |refusal| {
        format!("; without mode = \"shadow\" it would be refused: {}", refusal.code())
    });
    format!(
        "{} {}{query} goes on with {cookies}{shadow}",
        routed.framed().method.as_str(),
        routed.canonical().path
    )
}

#[cfg(test)]
mod tests;
