//! API keys: what one may do, when it ends, and how it is rotated. How a key is written is the contract's.

use super::role::may_give;
use igny8_contract::claims::AccountRole;
use igny8_contract::ids::{AccountId, ApiKeyId, UserId};
use igny8_contract::refusal::Refusal;
use igny8_contract::time::{MICROS_PER_SECOND, Timestamp};

/// How many keys of an account may work at once.
pub const MOST_KEYS: i64 = 100;
/// The same while some are being rotated: an old key works on beside the new one for a while.
pub const MOST_WITH_OVERLAP: i64 = 2 * MOST_KEYS;
/// How long a rotated key works on where nothing is said.
pub const OVERLAP_SECONDS: i64 = 86_400;
/// The longest overlap.
pub const OVERLAP_MOST_SECONDS: i64 = 30 * 86_400;
/// The furthest that the end of a key may lie away.
pub const LIFE_MOST_DAYS: i64 = 3660;

/// An API key as it is stored: everything but the key itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub account_id: AccountId,
    /// Whoever made it: the key acts for them, and ends with them.
    pub user_id: UserId,
    pub name: String,
    /// How it begins, for people to tell keys apart.
    pub visible: String,
    pub role: AccountRole,
    /// The key that this one takes the place of.
    pub replaces: Option<ApiKeyId>,
    /// Whether another key takes its place.
    pub is_replaced: bool,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// To within a few seconds.
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

/// What has become of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    Active,
    /// It has been rotated and works on for a while.
    Replaced,
    Expired,
    Revoked,
}

impl KeyStatus {
    /// The word that clients see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Replaced => "replaced",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// Whether the key still opens anything.
    #[must_use]
    pub const fn works(self) -> bool {
        match self {
            Self::Active | Self::Replaced => true,
            Self::Expired | Self::Revoked => false,
        }
    }
}

/// What a rotation comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// When the old key ends.
    pub old_ends: Timestamp,
    /// When the new one does.
    pub new_ends: Option<Timestamp>,
}

impl ApiKey {
    /// What has become of it by `now`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> KeyStatus {
        if self.revoked_at.is_some() {
            KeyStatus::Revoked
        } else if self.expires_at.is_some_and(|end| end <= now) {
            KeyStatus::Expired
        } else if self.is_replaced {
            KeyStatus::Replaced
        } else {
            KeyStatus::Active
        }
    }

    /// The role that it has now: its own, or less where its maker has less by now.
    #[must_use]
    pub fn effective_role(&self, maker: AccountRole) -> AccountRole {
        self.role.min(maker)
    }

    /// Decides on a rotation by somebody of role `by`. The old key works on for the overlap, but never longer than it would
    /// have; the new one lives as long as the old one was to live.
    ///
    /// # Errors
    /// `api_key_ended` for a key that no longer works or has been rotated already; `role_required` where the key can do more
    /// than whoever would get to see the new one.
    pub fn rotate(&self, by: AccountRole, overlap_seconds: i64, now: Timestamp) -> Result<Rotation, Refusal> {
        match self.status(now) {
            KeyStatus::Active => {}
            KeyStatus::Replaced | KeyStatus::Expired | KeyStatus::Revoked => return Err(Refusal::ApiKeyEnded),
        }
        may_give(by, self.role)?;
        let overlap_ends = now.plus_seconds(overlap_seconds);
        Ok(Rotation {
            old_ends: self.expires_at.map_or(overlap_ends, |end| end.min(overlap_ends)),
            new_ends: self
                .expires_at
                .map(|end| Timestamp(now.0 + (end.0 - self.created_at.0))),
        })
    }
}

/// Whether a key may end then: in the future, and not beyond all bounds.
#[must_use]
pub fn may_end_at(end: Timestamp, now: Timestamp) -> bool {
    end.0 >= now.0 + MICROS_PER_SECOND && end <= now.plus_days(LIFE_MOST_DAYS)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use AccountRole::{Admin, Editor, Owner, Viewer};
    use proptest::prelude::*;

    pub fn key() -> ApiKey {
        ApiKey {
            id: ApiKeyId(1),
            account_id: AccountId(2),
            user_id: UserId(3),
            name: "ci".into(),
            visible: "igk_00000000".into(),
            role: Editor,
            replaces: None,
            is_replaced: false,
            created_at: Timestamp(0),
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
        }
    }

    #[test]
    fn a_key_has_no_more_than_its_maker_has_now() {
        for role in [Viewer, Editor, Admin, Owner] {
            let key = ApiKey { role, ..key() };
            for maker in [Viewer, Editor, Admin, Owner] {
                let now = key.effective_role(maker);
                assert!(now <= role && now <= maker && (now == role || now == maker));
            }
        }
    }

    #[test]
    fn a_key_that_has_ended_or_was_rotated_is_not_rotated() {
        let now = Timestamp(10);
        for ended in [
            ApiKey {
                is_replaced: true,
                ..key()
            },
            ApiKey {
                revoked_at: Some(now),
                ..key()
            },
            ApiKey {
                expires_at: Some(now),
                ..key()
            },
        ] {
            assert_eq!(ended.rotate(Owner, 60, now), Err(Refusal::ApiKeyEnded), "{ended:?}");
        }
    }

    #[test]
    fn nobody_rotates_themselves_a_key_that_can_do_more_than_they_can() {
        let key = ApiKey { role: Owner, ..key() };
        assert_eq!(key.rotate(Admin, 60, Timestamp(1)), Err(Refusal::RoleRequired));
        assert!(key.rotate(Owner, 60, Timestamp(1)).is_ok());
    }

    #[test]
    fn a_key_ends_in_the_future_and_within_ten_years() {
        let now = Timestamp(0).plus_days(20_000);
        assert!(may_end_at(now.plus_seconds(1), now));
        assert!(may_end_at(now.plus_days(LIFE_MOST_DAYS), now));
        for end in [
            Timestamp(0),
            now,
            now.plus_days(LIFE_MOST_DAYS + 1),
            Timestamp(i64::MAX),
        ] {
            assert!(!may_end_at(end, now), "{end:?}");
        }
    }

    proptest! {
        #[test]
        fn both_keys_work_during_the_overlap_and_the_new_one_alone_after_it(
            life in proptest::option::of(2..10_000_000_i64), age in 0.0..1.0_f64, overlap in 0..=OVERLAP_MOST_SECONDS, at in 0..20_000_000_i64
        ) {
            let created_at = Timestamp(0).plus_days(20_000);
            let expires_at = life.map(|life| created_at.plus_seconds(life));
            let old = ApiKey { created_at, expires_at, ..key() };
            let now = created_at.plus_seconds((age * life.unwrap_or(1_000_000) as f64) as i64);
            let rotation = old.rotate(Owner, overlap, now).unwrap();
            let rotated = ApiKey { is_replaced: true, expires_at: Some(rotation.old_ends), ..old.clone() };
            let new = ApiKey { created_at: now, expires_at: rotation.new_ends, ..key() };
            let at = now.plus_seconds(at);
            let works = |key: &ApiKey| key.status(at).works();
            // The old key never works longer than it would have, nor longer than the overlap.
            prop_assert_eq!(works(&rotated), works(&old) && at < now.plus_seconds(overlap));
            prop_assert_eq!(works(&new), life.is_none_or(|life| at < now.plus_seconds(life)));
            prop_assert!(works(&new) || !works(&rotated));
        }
    }
}
