//! Users: people, each belonging to one account.

use igny8_contract::claims::{AccountRole, PlatformRole};
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::time::Timestamp;

/// The longest address that mail can be sent to (RFC 5321, section 4.5.3.1.3, less the brackets).
pub const EMAIL_MAX_BYTES: usize = 254;

/// A user who is about to begin.
#[derive(Clone)]
pub struct NewUser {
    /// In its normal form, see [`normal_email`].
    pub email: String,
    /// A PHC string.
    pub password_hash: String,
    pub first_name: String,
    pub last_name: String,
    pub role: AccountRole,
    pub platform_role: Option<PlatformRole>,
    pub is_superuser: bool,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

/// A user as they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub account_id: AccountId,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub role: AccountRole,
    pub platform_role: Option<PlatformRole>,
    pub is_superuser: bool,
    pub is_active: bool,
    pub epoch: i64,
    pub email_verified_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// The one form in which an address is stored and compared: trimmed and in lower case. Nothing where the address is not
/// one that mail can be sent to; letters outside ASCII are refused, since two scripts can spell one look.
#[must_use]
pub fn normal_email(address: &str) -> Option<String> {
    let address = address.trim();
    let (local, domain) = address.rsplit_once('@')?;
    let printable = address
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"\"(),:;<>[\\]".contains(&byte));
    let dotted = |text: &str| text.split('.').all(|label| !label.is_empty());
    let label = |text: &str| {
        text.len() <= 63
            && !text.starts_with('-')
            && !text.ends_with('-')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let fits = address.len() <= EMAIL_MAX_BYTES && local.len() <= 64;
    let one_at = !local.contains('@');
    (printable && fits && one_at && dotted(local) && dotted(domain) && domain.split('.').all(label))
        .then(|| address.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_has_one_form() {
        assert_eq!(
            normal_email("  Ada.L+x@Example.COM ").as_deref(),
            Some("ada.l+x@example.com")
        );
        assert_eq!(normal_email("a@localhost").as_deref(), Some("a@localhost"));
        for other in [
            "",
            "@",
            "a@",
            "@b",
            "a b@c.de",
            "a@b@c.de",
            "a@b..c",
            ".a@b.c",
            "a.@b.c",
            "a@-b.c",
            "a@b-.c",
            "a@b_c.de",
            "ä@b.de",
            "a@bücher.de",
            "a\u{0}@b.de",
            "\"a\"@b.de",
            "a@[127.0.0.1]",
            "<a@b.de>",
            "a,b@c.de",
            "a@b.de\nx",
        ] {
            assert_eq!(normal_email(other), None, "{other:?}");
        }
        assert_eq!(normal_email(&format!("{}@b.de", "a".repeat(65))), None);
        assert_eq!(normal_email(&format!("a@{}.de", "b".repeat(64))), None);
    }

    proptest! {
        #[test]
        fn the_normal_form_is_its_own_normal_form(address in "[ a-zA-Z0-9.+@_-]{1,30}") {
            if let Some(normal) = normal_email(&address) {
                prop_assert_eq!(normal_email(&normal), Some(normal.clone()));
            }
        }
    }
}
