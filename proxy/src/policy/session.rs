//! Sessions that do not belong here: what to find out about them, and what follows. Pure.

use super::route::{OnSuperuserSession, RouteKind};
use igny8_contract::messages::SessionFacts;
use igny8_contract::refusal::Refusal;

/// What a source said about one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The source knows it, or knows that nobody is signed in with it.
    Facts(SessionFacts),
    /// The source did not answer.
    Silent,
}

impl Found {
    /// Whether the session makes its bearer a superuser.
    #[must_use]
    pub fn is_superuser(&self) -> bool {
        match self {
            Self::Facts(facts) => facts.authenticated && facts.is_superuser,
            Self::Silent => false,
        }
    }
}

/// Whether sessions on this route need looking up: only where no session belongs and no bearer credential decides.
#[must_use]
pub const fn needs_look_up(kind: RouteKind, has_bearer: bool, has_sessions: bool) -> bool {
    match kind {
        RouteKind::Admin => false,
        RouteKind::Api | RouteKind::Public | RouteKind::Page => has_sessions && !has_bearer,
    }
}

/// What happens to a request that brought a session where none belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionVerdict {
    /// The cookie is dropped and the request goes on.
    GoOn,
    /// The request is refused and the cookie expired.
    Refuse(Refusal),
}

/// Whether a superuser's session is ended at its source.
#[must_use]
pub const fn ends_session(rule: OnSuperuserSession) -> bool {
    match rule {
        OnSuperuserSession::Revoke => true,
        OnSuperuserSession::Refuse => false,
    }
}

/// Decides. `superuser` says that a source named a superuser; `ending_failed` that ending the session was tried in vain.
#[must_use]
pub const fn judge(kind: RouteKind, superuser: bool, ending_failed: bool) -> SessionVerdict {
    if superuser && ending_failed {
        return SessionVerdict::Refuse(Refusal::SessionSourceUnavailable);
    }
    match (kind, superuser) {
        (RouteKind::Api, _) => SessionVerdict::Refuse(Refusal::SessionNotAllowed),
        (RouteKind::Public | RouteKind::Page, true) => SessionVerdict::Refuse(Refusal::SuperuserSessionBlocked),
        (RouteKind::Public | RouteKind::Page | RouteKind::Admin, false) | (RouteKind::Admin, true) => {
            SessionVerdict::GoOn
        }
    }
}

/// Whether a session's value can be asked about: what else it holds is nobody's session.
#[must_use]
pub fn is_plausible(value: &[u8]) -> bool {
    (8..=256).contains(&value.len())
        && value
            .iter()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b';' | b',' | b'"' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_route_but_admin_lets_a_superusers_session_pass() {
        for kind in [RouteKind::Api, RouteKind::Public, RouteKind::Page] {
            for failed in [false, true] {
                assert!(
                    matches!(judge(kind, true, failed), SessionVerdict::Refuse(_)),
                    "{kind:?} {failed}"
                );
            }
        }
    }

    #[test]
    fn an_api_route_refuses_every_session_and_others_only_superusers() {
        assert_eq!(
            judge(RouteKind::Api, false, false),
            SessionVerdict::Refuse(Refusal::SessionNotAllowed)
        );
        assert_eq!(judge(RouteKind::Page, false, false), SessionVerdict::GoOn);
        assert_eq!(
            judge(RouteKind::Page, true, false),
            SessionVerdict::Refuse(Refusal::SuperuserSessionBlocked)
        );
        assert_eq!(
            judge(RouteKind::Page, true, true),
            SessionVerdict::Refuse(Refusal::SessionSourceUnavailable)
        );
    }

    #[test]
    fn a_bearer_credential_or_an_admin_route_asks_nobody() {
        assert!(needs_look_up(RouteKind::Api, false, true));
        assert!(!needs_look_up(RouteKind::Api, true, true));
        assert!(!needs_look_up(RouteKind::Admin, false, true));
        assert!(!needs_look_up(RouteKind::Page, false, false));
    }

    #[test]
    fn what_could_inject_into_a_field_is_no_session() {
        assert!(is_plausible(b"8w7ecv0sdh2qkmx1u5n3abcdefghijkl"));
        for value in [
            &b"short"[..],
            b"has space here",
            b"has;semicolon",
            b"has\"quote\"",
            b"h\xc3\xa9h\xc3\xa9h\xc3\xa9",
        ] {
            assert!(!is_plausible(value));
        }
    }
}
