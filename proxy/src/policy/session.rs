//! Sessions that do not belong here: what to find out about them, and what follows. Pure.

use super::route::{OnSuperuserSession, Route, RouteKind, RouteSessions};
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::messages::{SessionFacts, StandingFacts};
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::{StandingNeed, validate_account_and_plan};
use igny8_contract::time::Timestamp;

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

/// What was found out about all sessions of a request together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    /// A source named a superuser.
    pub superuser: bool,
    /// Ending such a session was tried in vain.
    pub ending_failed: bool,
    /// Who it is, when the request brought one session, exactly one source knows it, and none was silent.
    pub only: Option<SessionFacts>,
}

/// What happens to a request that brought a session where none belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionVerdict {
    /// The cookie is dropped and the request goes on.
    GoOn,
    /// The cookie goes on, and nobody is told who that is.
    Pass,
    /// The cookie goes on, and the request acts for this account and user.
    PassAs { account: AccountId, user: UserId },
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

/// Decides. No argument lets a superuser or a member of staff pass.
#[must_use]
pub fn judge(route: &Route, sessions: &Sessions) -> SessionVerdict {
    if sessions.superuser {
        return match (route.kind, sessions.ending_failed) {
            (RouteKind::Admin, _) => SessionVerdict::GoOn,
            (_, true) => SessionVerdict::Refuse(Refusal::SessionSourceUnavailable),
            (RouteKind::Api, false) => SessionVerdict::Refuse(Refusal::SessionNotAllowed),
            (RouteKind::Public | RouteKind::Page, false) => SessionVerdict::Refuse(Refusal::SuperuserSessionBlocked),
        };
    }
    let ordinary = sessions
        .only
        .as_ref()
        .filter(|facts| facts.authenticated && !facts.is_staff && !facts.is_superuser);
    match (route.kind, route.sessions, ordinary) {
        (RouteKind::Api, RouteSessions::Account, Some(facts)) => {
            match (positive(facts.account_id), positive(facts.user_id)) {
                (Some(account), Some(user)) => SessionVerdict::PassAs {
                    account: AccountId(account),
                    user: UserId(user),
                },
                _ => SessionVerdict::Refuse(Refusal::SessionNotAllowed),
            }
        }
        (RouteKind::Api, _, _) => SessionVerdict::Refuse(Refusal::SessionNotAllowed),
        (RouteKind::Page, RouteSessions::NonSuperuser, Some(_)) => SessionVerdict::Pass,
        (RouteKind::Public | RouteKind::Page | RouteKind::Admin, _, _) => SessionVerdict::GoOn,
    }
}

fn positive(id: Option<i64>) -> Option<i64> {
    id.filter(|id| *id > 0)
}

/// Decides whether a request that a session acts for may be made now. The sign-in and the epochs are those of tokens, which
/// this request has not; the account's standing is what counts. Whom the core knows as a member of staff never passes.
///
/// # Errors
/// `session_not_allowed` for staff and for a user who is switched off; else what [`validate_account_and_plan`] says.
pub fn validate(facts: &StandingFacts, need: StandingNeed, reads: bool, now: Timestamp) -> Result<(), Refusal> {
    if facts
        .user
        .as_ref()
        .is_some_and(|user| user.platform_role.is_some() || !user.is_active)
    {
        return Err(Refusal::SessionNotAllowed);
    }
    validate_account_and_plan(facts.account.as_ref(), need, reads, now)
}

/// Whether an `Origin` field names another site than the one that is asked.
#[must_use]
pub fn is_foreign_origin(origin: &[u8], host: Option<&[u8]>) -> bool {
    let authority = origin
        .splitn(2, |byte| *byte == b':')
        .nth(1)
        .and_then(|rest| rest.strip_prefix(b"//"));
    authority.is_none() || authority != host
}

/// How long a session's value may be: what a browser keeps of one cookie. Some apps keep the whole session in it, sealed.
const MAX_VALUE: usize = 4096;

/// Whether a session's value can be asked about: what else it holds is nobody's session.
#[must_use]
pub fn is_plausible(value: &[u8]) -> bool {
    (8..=MAX_VALUE).contains(&value.len())
        && value
            .iter()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b';' | b',' | b'"' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(kind: RouteKind, sessions: RouteSessions) -> Route {
        Route {
            sessions,
            ..super::super::route::tests::route("/x", kind)
        }
    }

    fn seen(superuser: bool, ending_failed: bool, only: Option<SessionFacts>) -> Sessions {
        Sessions {
            superuser,
            ending_failed,
            only,
        }
    }

    fn somebody() -> SessionFacts {
        SessionFacts {
            authenticated: true,
            user_id: Some(9),
            account_id: Some(7),
            ..SessionFacts::default()
        }
    }

    const RULES: [RouteSessions; 3] = [
        RouteSessions::Never,
        RouteSessions::NonSuperuser,
        RouteSessions::Account,
    ];

    #[test]
    fn no_route_but_admin_lets_a_superusers_session_pass_whatever_its_rule() {
        for kind in [RouteKind::Api, RouteKind::Public, RouteKind::Page] {
            for rule in RULES {
                for failed in [false, true] {
                    let verdict = judge(&route(kind, rule), &seen(true, failed, Some(somebody())));
                    assert!(
                        matches!(verdict, SessionVerdict::Refuse(_)),
                        "{kind:?} {rule:?} {failed}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_api_route_refuses_every_session_and_others_only_superusers() {
        use RouteSessions::Never;
        let at = |kind, superuser, failed| judge(&route(kind, Never), &seen(superuser, failed, Some(somebody())));
        assert_eq!(
            at(RouteKind::Api, false, false),
            SessionVerdict::Refuse(Refusal::SessionNotAllowed)
        );
        assert_eq!(at(RouteKind::Page, false, false), SessionVerdict::GoOn);
        assert_eq!(
            at(RouteKind::Page, true, false),
            SessionVerdict::Refuse(Refusal::SuperuserSessionBlocked)
        );
        assert_eq!(
            at(RouteKind::Page, true, true),
            SessionVerdict::Refuse(Refusal::SessionSourceUnavailable)
        );
    }

    #[test]
    fn a_page_that_signs_in_by_session_keeps_that_of_one_ordinary_user_and_drops_any_other() {
        let page = route(RouteKind::Page, RouteSessions::NonSuperuser);
        assert_eq!(
            judge(&page, &seen(false, false, Some(somebody()))),
            SessionVerdict::Pass
        );
        let staff = SessionFacts {
            is_staff: true,
            ..somebody()
        };
        let nobody = SessionFacts {
            authenticated: false,
            ..somebody()
        };
        for only in [None, Some(staff), Some(nobody)] {
            assert_eq!(
                judge(&page, &seen(false, false, only.clone())),
                SessionVerdict::GoOn,
                "{only:?}"
            );
        }
        // The rule of pages means nothing elsewhere.
        for kind in [RouteKind::Api, RouteKind::Public, RouteKind::Admin] {
            let verdict = judge(
                &route(kind, RouteSessions::NonSuperuser),
                &seen(false, false, Some(somebody())),
            );
            assert_ne!(verdict, SessionVerdict::Pass, "{kind:?}");
        }
    }

    #[test]
    fn without_strict_tokens_a_session_of_one_account_and_one_user_passes_and_no_other() {
        let api = route(RouteKind::Api, RouteSessions::Account);
        assert_eq!(
            judge(&api, &seen(false, false, Some(somebody()))),
            SessionVerdict::PassAs {
                account: AccountId(7),
                user: UserId(9)
            }
        );
        let but = |edit: fn(&mut SessionFacts)| {
            let mut facts = somebody();
            edit(&mut facts);
            Some(facts)
        };
        for only in [
            None,
            but(|facts| facts.authenticated = false),
            but(|facts| facts.is_staff = true),
            but(|facts| facts.is_superuser = true),
            but(|facts| facts.account_id = None),
            but(|facts| facts.user_id = None),
            but(|facts| facts.account_id = Some(0)),
            but(|facts| facts.user_id = Some(-1)),
        ] {
            assert_eq!(
                judge(&api, &seen(false, false, only.clone())),
                SessionVerdict::Refuse(Refusal::SessionNotAllowed),
                "{only:?}"
            );
        }
    }

    #[test]
    fn a_session_never_acts_for_staff_or_for_an_account_that_may_not() {
        use igny8_contract::claims::{AccountRole, PlatformRole};
        use igny8_contract::messages::UserFacts;
        use igny8_contract::standing::{AccountFacts, AccountStatus};
        let user = UserFacts {
            is_active: true,
            role: AccountRole::Owner,
            platform_role: None,
            user_epoch: 0,
        };
        let account = AccountFacts {
            status: AccountStatus::Active,
            reason: None,
            plan: "free".into(),
            account_epoch: 0,
            period_end_us: None,
            grace_end_us: None,
        };
        let verdict = |account: Option<AccountFacts>, user: Option<UserFacts>| {
            let facts = StandingFacts {
                account,
                user,
                sid_active: false,
            };
            validate(&facts, StandingNeed::Required, true, Timestamp(1))
        };
        assert_eq!(verdict(Some(account.clone()), Some(user.clone())), Ok(()));
        assert_eq!(verdict(Some(account.clone()), None), Ok(()));
        let staff = UserFacts {
            platform_role: Some(PlatformRole::Developer),
            ..user.clone()
        };
        let off = UserFacts {
            is_active: false,
            ..user
        };
        for user in [staff, off] {
            assert_eq!(
                verdict(Some(account.clone()), Some(user)),
                Err(Refusal::SessionNotAllowed)
            );
        }
        assert_eq!(verdict(None, None), Err(Refusal::AccountMissing));
        let cancelled = AccountFacts {
            status: AccountStatus::Cancelled,
            ..account
        };
        assert_eq!(verdict(Some(cancelled), None), Err(Refusal::AccountCancelled));
    }

    #[test]
    fn an_origin_is_foreign_unless_it_is_the_host_itself() {
        let host = Some(&b"example.com:8443"[..]);
        assert!(!is_foreign_origin(b"https://example.com:8443", host));
        for origin in [
            &b"https://example.com"[..],
            b"https://evil.com:8443",
            b"null",
            b"",
            b"example.com:8443",
            b"https://example.com:8443.evil.com",
        ] {
            assert!(is_foreign_origin(origin, host), "{}", origin.escape_ascii());
        }
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
        assert!(is_plausible(&[b'a'; 4096]));
        assert!(!is_plausible(&[b'a'; 4097]));
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
