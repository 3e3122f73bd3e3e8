//! `replay LOG`: which verdicts of an access log a new configuration would change.
//!
//! A line of the log is walked through the steps again as far as its facts go. It says method, host, path, which kinds of
//! credential were sent, and who was proven; it does not say whose a session was, what a query held, how full a bucket was, or
//! whether the app would answer another time. Where the verdict depends on that, the line counts as unknown. What the throttle
//! said is taken from the log.

use crate::config::Config;
use crate::explain::{rules, verdict_word};
use crate::policy::identity::{Foreign, Grant, Identity};
use crate::policy::path;
use crate::policy::session::Sessions;
use crate::policy::steps::{Outcome, Witness, walk};
use crate::policy::{Payer, Routed};
use crate::telemetry::LOGGED_BYTES;
use igny8_contract::claims::AccountRole;
use igny8_contract::ids::{AccountId, ApiKeyId, UserId};
use igny8_contract::messages::{KeyFacts, StandingFacts, UserFacts};
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::{AccountFacts, AccountStatus};
use igny8_contract::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::BufRead;
use std::net::IpAddr;
use std::sync::Arc;

/// Refusals that the same request need not meet another time.
const OF_THE_HOUR: [Refusal; 5] = [
    Refusal::UpstreamUnreachable,
    Refusal::UpstreamTimeout,
    Refusal::Internal,
    Refusal::CoreUnavailable,
    Refusal::SessionSourceUnavailable,
];

/// One line of the access log, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Line {
    method: String,
    #[serde(default)]
    client: String,
    host: Option<String>,
    path: String,
    verdict: String,
    code: String,
    brought: Option<String>,
    account: Option<Value>,
    user: Option<Value>,
}

/// What was found, in all.
#[derive(Debug, Default)]
pub struct Findings {
    pub lines: u64,
    pub same: u64,
    pub unknown: u64,
    /// By method, path, and the verdict before and after: how many lines, and the first of them.
    pub changes: BTreeMap<(String, String, String, String), (u64, u64)>,
}

impl Findings {
    /// How many lines change.
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.changes.values().map(|(count, _)| count).sum()
    }

    /// The changes and the totals, one a line.
    #[must_use]
    pub fn as_text(&self) -> String {
        let mut text = String::new();
        for ((method, path, before, after), (count, first)) in &self.changes {
            text.push_str(&format!(
                "{method} {path}: {before} -> {after} ({count} times, first in line {first})\n"
            ));
        }
        text.push_str(&format!(
            "{} lines: {} as before, {} changed, {} unknown\n",
            self.lines,
            self.same,
            self.changed(),
            self.unknown
        ));
        text
    }

    /// The same as one JSON object.
    #[must_use]
    pub fn as_json(&self) -> String {
        let changes: Vec<_> = self
            .changes
            .iter()
            .map(|((method, path, before, after), (count, first))| {
                json!({"method": method, "path": path, "before": before, "after": after, "count": count, "first_line": first})
            })
            .collect();
        json!({
            "lines": self.lines, "same": self.same, "changed": self.changed(), "unknown": self.unknown, "changes": changes,
        })
        .to_string()
    }
}

/// Walks every line of a log through the configuration's steps.
///
/// # Errors
/// When the log cannot be read; a line that is none of an access log counts as unknown.
pub fn replay(config: &Config, log: impl BufRead) -> std::io::Result<Findings> {
    let upstreams: Vec<&str> = config.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
    let session = config.sessions.rules.names().next().unwrap_or_default();
    let mut findings = Findings::default();
    for text in log.split(b'\n') {
        let text = text?;
        if text.trim_ascii().is_empty() {
            continue;
        }
        findings.lines += 1;
        let after = serde_json::from_slice::<Line>(&text).ok().and_then(|line| {
            let block = line.block(session)?;
            let (_, outcome) = walk(&block, rules(config, &upstreams), &line);
            line.explains(outcome).then_some((line, outcome))
        });
        let Some((line, outcome)) = after else {
            findings.unknown += 1;
            continue;
        };
        let (before, after) = (line.before(), said(verdict_word(outcome), outcome.code()));
        if before == after {
            findings.same += 1;
        } else {
            let place = findings.lines;
            let entry = findings.changes.entry((line.method, line.path, before, after));
            entry.or_insert((0, place)).0 += 1;
        }
    }
    Ok(findings)
}

fn said(verdict: &str, code: &str) -> String {
    if code.is_empty() {
        verdict.to_owned()
    } else {
        format!("{verdict} {code}")
    }
}

impl Line {
    fn before(&self) -> String {
        said(&self.verdict, &self.code)
    }

    /// Why it was refused; nothing where it was not. A tunnel that was ended has a code as well.
    fn refusal(&self) -> Option<Refusal> {
        let refused = self.verdict == "refused";
        let mut all = Refusal::ALL.iter().copied();
        all.find(|refusal| refused && refusal.code() == self.code)
    }

    /// Whether the line has all that its verdict hung on, so that another outcome means that the rules are others.
    fn explains(&self, outcome: Outcome) -> bool {
        let goes_on = matches!(outcome, Outcome::Passed | Outcome::Answered);
        let becomes = |refusal| outcome == Outcome::Refused(refusal);
        let was = |refusals: &[Refusal]| self.refusal().is_some_and(|refusal| refusals.contains(&refusal));
        if outcome == Outcome::Unknown {
            return false;
        }
        // What happened after everything had been let through, and what hung on the hour.
        let ended_later = self.verdict != "refused" && !self.code.is_empty();
        if goes_on && (ended_later || was(&OF_THE_HOUR)) {
            return false;
        }
        // Every other refusal of a session hangs on the same word of its source.
        let about_session = becomes(Refusal::SessionNotAllowed) || becomes(Refusal::SuperuserSessionBlocked);
        if about_session && was(&[Refusal::SessionSourceUnavailable]) {
            return false;
        }
        // The throttle is asked before it is said that a credential is missing.
        if becomes(Refusal::CredentialsRequired) && was(&[Refusal::Throttled]) {
            return false;
        }
        // Else it was about the query, or about the prefixes of then.
        if was(&[Refusal::MalformedPath]) && !becomes(Refusal::MalformedPath) {
            return path::canonicalize(self.path.as_bytes()).is_err();
        }
        let brought_nothing = self.brought.as_deref().is_none_or(str::is_empty);
        !(was(&[Refusal::CredentialsAmbiguous]) && brought_nothing)
    }

    /// Whether whoever asked had a standing that sufficed: a refusal may have come before that was asked, or for it.
    fn passed(&self) -> bool {
        self.verdict == "forwarded"
    }

    /// A block that has what the line says; nothing where that is too little.
    fn block(&self, session: &str) -> Option<Vec<u8>> {
        let about_bytes = self.refusal().is_some_and(|refusal| {
            matches!(
                refusal,
                Refusal::MalformedRequest
                    | Refusal::ForbiddenField
                    | Refusal::FieldsTooLarge
                    | Refusal::RequestTimeout
                    | Refusal::ExpectationFailed
                    | Refusal::BodyTooLarge
                    | Refusal::MethodNotAllowed
                    // It was about an Origin, which the log does not have.
                    | Refusal::OriginRefused
            )
        });
        let (host, brought) = (self.host.as_ref()?, self.brought.as_ref()?);
        if about_bytes || self.method.is_empty() || self.path.len() >= LOGGED_BYTES {
            return None;
        }
        let mut block = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.path);
        for word in brought.split(',') {
            block.push_str(&match word {
                "bearer" => "Authorization: Bearer logged\r\n".to_owned(),
                "key" => "X-Api-Key: igk_logged\r\n".to_owned(),
                "session" => format!("Cookie: {session}=loggedlogged\r\n"),
                _ => String::new(),
            });
        }
        block.push_str("\r\n");
        Some(block.into_bytes())
    }

    /// The grant of a key that was found good: its account, and a standing that lets everything pass, as it did then.
    fn granted(&self) -> Option<Grant> {
        let role = AccountRole::Viewer;
        Some(Grant::of(
            [0; 32],
            KeyFacts {
                key_id: ApiKeyId(0),
                account_id: AccountId(self.account.as_ref()?.as_i64()?),
                user_id: UserId(self.user.as_ref()?.as_i64()?),
                role,
                expires_at_us: None,
                standing: full_standing(Some(UserFacts {
                    is_active: true,
                    role,
                    platform_role: None,
                    user_epoch: 0,
                })),
                token: String::new(),
                token_exp: i64::MAX,
            },
        ))
    }

    fn proven(&self) -> Option<Identity> {
        match (self.account.as_ref()?, self.user.as_ref()?) {
            (Value::Number(account), Value::Number(user)) => Some(Identity::of_session(
                AccountId(account.as_i64()?),
                UserId(user.as_i64()?),
            )),
            (Value::String(account), user) => {
                let foreign = Foreign {
                    account: account.as_str().into(),
                    digest: 0,
                    asks_core: false,
                };
                let user = user.as_str().map_or_else(|| user.to_string(), str::to_owned);
                Identity::of_foreign(foreign, user, None::<AccountRole>, 0)
            }
            _ => None,
        }
    }
}

/// The standing of an account that may do everything.
fn full_standing(user: Option<UserFacts>) -> StandingFacts {
    StandingFacts {
        account: Some(AccountFacts {
            status: AccountStatus::Active,
            reason: None,
            plan: String::new(),
            account_epoch: 0,
            period_end_us: None,
            grace_end_us: None,
        }),
        user,
        sid_active: true,
    }
}

impl Witness for Line {
    fn token(&self, _token: &[u8]) -> Option<Result<Arc<Identity>, Refusal>> {
        let refused = self.refusal().filter(|refusal| {
            matches!(
                refusal,
                Refusal::TokenInvalid | Refusal::TokenExpired | Refusal::TokenRevoked
            )
        });
        if let Some(refusal) = refused {
            return Some(Err(refusal));
        }
        let identity = self.proven()?;
        // What another issuer's accounts may do, nobody is asked for: what became of one that did not go on is not known.
        (self.passed() || identity.asks_core().is_some()).then(|| Ok(Arc::new(identity)))
    }

    fn key(&self, _key: &[u8]) -> Option<Result<Arc<Grant>, Refusal>> {
        if self.refusal() == Some(Refusal::ApiKeyInvalid) {
            return Some(Err(Refusal::ApiKeyInvalid));
        }
        self.passed().then(|| self.granted().map(Arc::new).map(Ok))?
    }

    fn sessions(&self, _routed: &Routed<'_>) -> Option<Sessions> {
        (self.refusal() == Some(Refusal::SuperuserSessionBlocked)).then(|| Sessions {
            superuser: true,
            ..Sessions::default()
        })
    }

    /// Whoever was forwarded had a standing then; what the route asked for may have changed, so only a full one helps.
    fn standing(&self, _identity: &Identity) -> Option<Arc<StandingFacts>> {
        self.passed().then(|| Arc::new(full_standing(None)))
    }

    fn client(&self) -> Option<IpAddr> {
        self.client.parse().ok()
    }

    fn admitted(&self, _payer: Payer<'_>, _scope: Option<&str>) -> (Option<bool>, String) {
        let throttled = self.refusal() == Some(Refusal::Throttled);
        ((!throttled).then_some(true), "as in the log".to_owned())
    }

    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
}

#[cfg(test)]
mod tests;
