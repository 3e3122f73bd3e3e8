//! Every reason to say no: one code, one status, one sentence. The proxy, the core and the documentation read this list.

use serde::Serialize;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $status:literal $code:literal $sentence:literal;)*) => {
        /// A reason to say no.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Refusal {
            $($(#[$doc])* $name,)*
        }

        impl Refusal {
            /// Every refusal, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable code that clients switch on.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// One sentence for people that says what to do.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

refusals! {
    // Framing, fields and paths.
    MalformedRequest = 400 "malformed_request" "The request is not well-formed HTTP.";
    MalformedPath = 400 "malformed_path" "The request path is not in its canonical form.";
    ForbiddenField = 400 "forbidden_field" "The request carries a header field that is not allowed.";
    BadHost = 400 "bad_host" "The Host field is missing, malformed or not served here.";
    MethodNotAllowed = 405 "method_not_allowed" "This method is not allowed here.";
    RequestTimeout = 408 "request_timeout" "The request was not sent in time.";
    BodyTooLarge = 413 "body_too_large" "The request body is larger than this route allows.";
    ExpectationFailed = 417 "expectation_failed" "The only expectation that can be met is 100-continue.";
    FieldsTooLarge = 431 "fields_too_large" "The header fields are too large or too many.";

    // Credentials.
    CredentialsRequired = 401 "credentials_required" "Send an access token as Authorization: Bearer.";
    CredentialsAmbiguous = 401 "credentials_ambiguous" "Send exactly one credential.";
    TokenInvalid = 401 "token_invalid" "The token is not valid.";
    TokenExpired = 401 "token_expired" "The token has expired; sign in again or refresh it.";
    TokenRevoked = 401 "token_revoked" "The token has been revoked; sign in again.";
    ApiKeyInvalid = 401 "api_key_invalid" "The API key is not valid.";
    InvalidCredentials = 401 "invalid_credentials" "The e-mail address or the password is not right.";

    TotpRequired = 401 "totp_required" "Give the code of your authenticator app, too, as totp.";
    TotpInvalid = 401 "totp_invalid" "The code is not right or was used already; wait for the next one.";

    // Sessions, origins, networks.
    SessionNotAllowed = 403 "session_not_allowed" "Session authentication not allowed for API routes. Please use JWT.";
    SuperuserSessionBlocked = 403 "superuser_session_blocked" "An administrator session does not belong here and has been ended.";
    OriginRefused = 403 "origin_refused" "Requests from this origin are not accepted.";
    NetworkRefused = 403 "network_refused" "Requests from this network are not accepted.";

    // Standing.
    AccountMissing = 403 "account_missing" "The account does not exist.";
    AccountSuspended = 403 "account_suspended" "The account is suspended; contact support.";
    AccountCancelled = 403 "account_cancelled" "The account is cancelled.";
    RoleRequired = 403 "role_required" "Your role does not allow this.";
    TrialEnded = 402 "trial_ended" "The trial has ended; choose a plan to go on.";
    PaymentRequired = 402 "payment_required" "A payment is due before this can go on.";
    InsufficientCredits = 402 "insufficient_credits" "The account has not enough credits.";

    // Limits and dependencies.
    Throttled = 429 "throttled" "Too many requests; try again after the time in Retry-After.";
    NoRoute = 404 "no_route" "Nothing is served at this path.";
    UpstreamUnreachable = 502 "upstream_unreachable" "The app could not be reached.";
    CoreUnavailable = 503 "core_unavailable" "The account service does not answer; try again shortly.";
    SessionSourceUnavailable = 503 "session_source_unavailable" "The session could not be ended at its source; try again shortly.";
    UpstreamTimeout = 504 "upstream_timeout" "The app did not answer in time.";

    // The core's own.
    PlanUnavailable = 503 "plan_unavailable" "No plan is open for sign-up at the moment.";
    PlanMisconfigured = 503 "plan_misconfigured" "The sign-up plan grants no credits; staff must correct it.";
    PaidPlanNeedsPayment = 403 "paid_plan_needs_payment" "Paid plans start with a payment: sign up, then upgrade.";
    EnterpriseNeedsStaff = 403 "enterprise_needs_staff" "Enterprise plan requires manual assignment";
    EmailTaken = 409 "email_taken" "This e-mail address is already registered; sign in instead.";
    WeakPassword = 422 "weak_password" "The password is too easy to guess.";
    LinkInvalid = 422 "link_invalid" "The link was used already, is too old or was never ours; ask for a new one.";
    TotpAlreadyOn = 409 "totp_already_on" "The second factor is on already; switch it off first.";
    ValidationFailed = 422 "validation_failed" "Some fields are not valid.";
    MalformedBody = 400 "malformed_body" "The body is not valid JSON in UTF-8.";
    UnsupportedMediaType = 415 "unsupported_media_type" "Send the body as application/json.";
    NotFound = 404 "not_found" "There is no such object.";
    PlanRequired = 422 "plan_required" "Say which plan this payment is for: give plan_slug.";
    AmountMismatch = 422 "amount_mismatch" "The amount is not the plan's price; give override_reason to accept it all the same.";
    PaymentConflict = 409 "payment_conflict" "This external_payment_id was already confirmed for something else.";
    PaymentMethodUnavailable = 422 "payment_method_unavailable" "This payment method is not offered here.";
    SubscriptionEnded = 409 "subscription_ended" "The subscription has ended; choose a plan to begin a new one.";
    NotRenewable = 409 "not_renewable" "Only a subscription that is active or past due can be renewed.";
    RenewalModeRequired = 409 "renewal_mode_required" "The renewal comes so late that its period would be over, too: give mode as catch_up or restart.";
    HoldEnded = 409 "hold_ended" "The hold has been confirmed or released, or has expired.";
    TooManyHolds = 409 "too_many_holds" "The account has too many open holds; confirm or release some.";
    IdempotencyKeyReused = 409 "idempotency_key_reused" "This Idempotency-Key was already used with another body.";
    ApiKeyEnded = 409 "api_key_ended" "The API key has been revoked or rotated already, or has expired; make a new one.";
    TooManyApiKeys = 409 "too_many_api_keys" "The account has too many API keys; revoke some.";
    LastOwner = 409 "last_owner" "An account keeps at least one owner; name another one first.";
    AlreadyMember = 409 "already_member" "This address already belongs to a member of the account.";
    MemberElsewhere = 409 "member_elsewhere" "This address already belongs to a user of another account; one user belongs to one account.";
    TooManyMembers = 409 "too_many_members" "The account has too many members and open invitations.";
    InvitationInvalid = 404 "invitation_invalid" "The invitation is unknown, used, revoked or too old; ask for a new one.";
    WebhookSignatureInvalid = 400 "webhook_signature_invalid" "The webhook's signature or its time is not valid.";
    StorageUnavailable = 503 "storage_unavailable" "The database does not answer; nothing was changed, try again shortly.";
    Internal = 500 "internal" "Something went wrong on our side; the request id helps to find it.";
}

/// The JSON body of a refusal.
#[derive(Debug, Serialize)]
pub struct RefusalBody<'a, F: Serialize> {
    pub success: bool,
    pub error: &'a str,
    pub code: &'a str,
    pub request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<F>,
}

impl Refusal {
    /// The body to answer with; `fields` names what is wrong, field by field.
    pub const fn body<F: Serialize>(self, request_id: &str, fields: Option<F>) -> RefusalBody<'_, F> {
        RefusalBody {
            success: false,
            error: self.sentence(),
            code: self.code(),
            request_id,
            fields,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_and_every_refusal_is_an_error_status() {
        let codes: HashSet<_> = Refusal::ALL.iter().map(|refusal| refusal.code()).collect();
        assert_eq!(codes.len(), Refusal::ALL.len());
        assert!(
            Refusal::ALL
                .iter()
                .all(|refusal| (400..600).contains(&refusal.status()))
        );
    }

    #[test]
    fn the_session_sentence_is_the_one_that_clients_know() {
        let body = Refusal::SessionNotAllowed.body::<()>("r1", None);
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            r#"{"success":false,"error":"Session authentication not allowed for API routes. Please use JWT.","code":"session_not_allowed","request_id":"r1"}"#
        );
    }
}
