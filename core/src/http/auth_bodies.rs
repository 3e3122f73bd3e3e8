//! What the calls under `auth/` are sent.

use super::refresh_cookie::is_delivery;
use super::valid::{is_name, is_not_empty};
use crate::domain::user::normal_email;
use garde::Validate;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

/// Who signs up.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    #[schema(required = true, format = "email", max_length = 254, example = "ada@example.com")]
    #[serde(default)]
    #[garde(custom(is_email))]
    pub email: String,
    /// At least 8 characters, and hard to guess.
    #[schema(required = true, value_type = String, format = "password", min_length = 8, example = "plover-tannin-93-gazette")]
    #[serde(default)]
    #[garde(custom(is_given))]
    pub password: SecretString,
    #[schema(max_length = 100, example = "Ada")]
    #[serde(default)]
    #[garde(custom(is_name))]
    pub first_name: Option<String>,
    #[schema(max_length = 100, example = "Lovelace")]
    #[serde(default)]
    #[garde(custom(is_name))]
    pub last_name: Option<String>,
    /// What the account is called; the person's name where it is left out.
    #[schema(max_length = 100)]
    #[serde(default)]
    #[garde(custom(is_name))]
    pub account_name: Option<String>,
    /// `free-trial` or `free`. Sign-up gives the free trial, or `free` where there is none, whichever is asked for.
    #[schema(example = "free-trial")]
    #[serde(default)]
    #[garde(custom(is_name))]
    pub plan_slug: Option<String>,
    /// Where the refresh token goes: `cookie` (the default), or `body` for clients that keep no cookies.
    #[schema(example = "cookie")]
    #[serde(default)]
    #[garde(custom(is_delivery))]
    pub refresh_delivery: Option<String>,
}

/// Who signs in.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    #[schema(required = true, format = "email", example = "ada@example.com")]
    #[serde(default)]
    #[garde(custom(is_not_empty))]
    pub email: String,
    #[schema(required = true, value_type = String, format = "password", example = "plover-tannin-93-gazette")]
    #[serde(default)]
    #[garde(custom(is_given))]
    pub password: SecretString,
    /// Where the second factor is on: the code of the authenticator app, or a recovery code.
    #[schema(value_type = Option<String>, example = "123456")]
    #[serde(default)]
    #[garde(skip)]
    pub totp: Option<SecretString>,
    /// Where the refresh token goes: `cookie` (the default), or `body` for clients that keep no cookies.
    #[schema(example = "cookie")]
    #[serde(default)]
    #[garde(custom(is_delivery))]
    pub refresh_delivery: Option<String>,
}

/// A refresh token, for clients that keep no cookies.
#[derive(Debug, Default, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RefreshBody {
    /// Left out where it is in the cookie.
    #[schema(value_type = Option<String>, example = "igr_…")]
    #[serde(default)]
    #[garde(skip)]
    pub refresh: Option<SecretString>,
    /// Where the next one goes: where this one came from, unless this says otherwise. One from a cookie goes to no body:
    /// scripts must not get hold of it.
    #[serde(default)]
    #[garde(custom(is_delivery))]
    pub refresh_delivery: Option<String>,
}

/// Who signs out, for clients that keep no cookies.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogoutBody {
    #[schema(value_type = Option<String>, example = "igr_…")]
    #[serde(default)]
    pub refresh: Option<SecretString>,
}

/// Another password.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ChangePasswordBody {
    #[schema(required = true, value_type = String, format = "password")]
    #[serde(default)]
    #[garde(custom(is_given))]
    pub current_password: SecretString,
    /// At least 8 characters, and hard to guess.
    #[schema(required = true, value_type = String, format = "password", min_length = 8)]
    #[serde(default)]
    #[garde(custom(is_given))]
    pub new_password: SecretString,
    /// Where the new refresh token goes: `cookie` (the default) or `body`.
    #[serde(default)]
    #[garde(custom(is_delivery))]
    pub refresh_delivery: Option<String>,
}

/// Who has forgotten their password.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ResetBody {
    #[schema(required = true, format = "email", example = "ada@example.com")]
    #[serde(default)]
    #[garde(custom(is_email))]
    pub email: String,
}

/// The link of a mail, and another password.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ConfirmResetBody {
    /// What stands behind `#token=` in the link.
    #[schema(required = true, value_type = String)]
    #[serde(default)]
    #[garde(custom(is_given))]
    pub token: SecretString,
    /// At least 8 characters, and hard to guess.
    #[schema(required = true, value_type = String, format = "password", min_length = 8)]
    #[serde(default)]
    #[garde(custom(is_given))]
    pub new_password: SecretString,
}

/// The link of a mail.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct VerifyBody {
    /// What stands behind `#token=` in the link.
    #[schema(required = true, value_type = String)]
    #[serde(default)]
    #[garde(custom(is_given))]
    pub token: SecretString,
}

/// Who begins to enrol.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct EnrolBody {
    #[schema(required = true, value_type = String, format = "password")]
    #[serde(default)]
    #[garde(custom(is_given))]
    pub password: SecretString,
}

/// A code.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct CodeBody {
    /// Of the authenticator app; to switch off, a recovery code will do, too.
    #[schema(required = true, value_type = String, example = "123456")]
    #[serde(default)]
    #[garde(custom(is_given))]
    pub code: SecretString,
}

pub(super) fn is_given(secret: &SecretString, (): &()) -> garde::Result {
    if secret.expose_secret().is_empty() {
        Err(garde::Error::new("It is required."))
    } else {
        Ok(())
    }
}

pub(super) fn is_email(address: &str, context: &()) -> garde::Result {
    is_not_empty(address, context)?;
    normal_email(address)
        .map(drop)
        .ok_or_else(|| garde::Error::new("It must be an e-mail address, like ada@example.com."))
}
