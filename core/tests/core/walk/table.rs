//! Every route, with a request to it that is good.

use super::{Again, Row, Who, World};
use crate::site;
use serde_json::{Value, json};

const fn row(route: &'static str, who: Who, again: Again, ask: fn(&World<'_>) -> (i64, Value)) -> Row {
    Row { route, who, again, ask }
}

fn nothing(_: &World<'_>) -> (i64, Value) {
    (0, Value::Null)
}

/// In an order in which each can succeed after the ones before it.
pub fn rows() -> Vec<Row> {
    let mut rows = open_to_anybody();
    rows.extend(own_sign_in());
    rows.extend(people());
    rows.extend(credits());
    rows.extend(money());
    rows.extend(staff_alone());
    rows
}

fn open_to_anybody() -> Vec<Row> {
    let open = |route| row(route, Who::Anybody, Again::Harmless, nothing);
    vec![
        open("POST /api/v1/auth/register/"),
        open("POST /api/v1/auth/login/"),
        open("POST /api/v1/auth/refresh/"),
        open("POST /api/v1/auth/logout/"),
        open("POST /api/v1/auth/password-reset/"),
        open("POST /api/v1/auth/password-reset/confirm/"),
        open("POST /api/v1/auth/verify-email/"),
        open("POST /api/v1/auth/invitations/accept/"),
        open("GET /api/v1/plans/"),
        open("POST /api/v1/billing/webhooks/stripe/"),
    ]
}

fn own_sign_in() -> Vec<Row> {
    use Again::Harmless;
    use Who::{Customer, Staff};
    vec![
        row("GET /api/v1/auth/me/", Customer, Harmless, nothing),
        row("GET /api/v1/auth/sessions/", Customer, Harmless, nothing),
        row("DELETE /api/v1/auth/sessions/", Customer, Harmless, nothing),
        row("DELETE /api/v1/auth/sessions/{id}/", Customer, Harmless, |world| {
            let numbers = format!("SELECT MAX(id) FROM sign_in WHERE user_id = {}", world.user());
            (world.site.number(&numbers), Value::Null)
        }),
        row("POST /api/v1/auth/change-password/", Customer, Harmless, nothing),
        row("POST /api/v1/auth/verify-email/resend/", Customer, Harmless, nothing),
        row("GET /api/v1/auth/totp/", Staff, Harmless, nothing),
        row("POST /api/v1/auth/totp/", Staff, Harmless, nothing),
        row("POST /api/v1/auth/totp/confirm/", Staff, Harmless, nothing),
        row("DELETE /api/v1/auth/totp/", Staff, Harmless, nothing),
    ]
}

fn people() -> Vec<Row> {
    use Again::{Harmless, KeyedSecret};
    use Who::Customer;
    vec![
        row("GET /api/v1/account/", Customer, Harmless, nothing),
        row("PATCH /api/v1/account/", Customer, Harmless, |_| {
            (0, json!({"name": "Walked"}))
        }),
        row("GET /api/v1/account/subscription/", Customer, Harmless, nothing),
        row("GET /api/v1/account/audit/", Customer, Harmless, nothing),
        row("GET /api/v1/account/api-keys/", Customer, Harmless, nothing),
        row("POST /api/v1/account/api-keys/", Customer, KeyedSecret, |_| {
            (0, json!({"name": "ours"}))
        }),
        row(
            "POST /api/v1/account/api-keys/{id}/rotate/",
            Customer,
            KeyedSecret,
            |world| (world.api_key(), json!({})),
        ),
        row(
            "POST /api/v1/account/api-keys/{id}/revoke/",
            Customer,
            Harmless,
            |world| (world.api_key(), json!({})),
        ),
        row("DELETE /api/v1/account/api-keys/{id}/", Customer, Harmless, |world| {
            (world.api_key(), Value::Null)
        }),
        row("GET /api/v1/account/members/", Customer, Harmless, nothing),
        row("GET /api/v1/account/members/invitations/", Customer, Harmless, nothing),
        row("POST /api/v1/account/members/invite/", Customer, KeyedSecret, |_| {
            (0, json!({"email": site::new_email(), "role": "viewer"}))
        }),
        row(
            "POST /api/v1/account/members/invitations/{id}/revoke/",
            Customer,
            Harmless,
            |world| (world.invitation(), json!({})),
        ),
        row("POST /api/v1/account/members/{id}/role/", Customer, Harmless, |world| {
            (world.user(), json!({"role": "editor"}))
        }),
        row(
            "POST /api/v1/account/members/{id}/remove/",
            Customer,
            Harmless,
            |world| (world.user(), json!({})),
        ),
        row("DELETE /api/v1/account/members/{id}/", Customer, Harmless, |world| {
            (world.user(), Value::Null)
        }),
    ]
}

fn credits() -> Vec<Row> {
    use Again::{Harmless, Keyed};
    use Who::Customer;
    vec![
        row("GET /api/v1/credits/", Customer, Harmless, nothing),
        row("GET /api/v1/credits/transactions/", Customer, Harmless, nothing),
        row("GET /api/v1/credits/usage/", Customer, Harmless, nothing),
        row("POST /api/v1/credits/consume/", Customer, Keyed, |_| {
            (0, json!({"amount": 1, "description": "a draft"}))
        }),
        row("GET /api/v1/credits/holds/", Customer, Harmless, nothing),
        row("POST /api/v1/credits/holds/", Customer, Keyed, |_| {
            (0, json!({"amount": 1, "description": "a job"}))
        }),
        row("POST /api/v1/credits/holds/{id}/confirm/", Customer, Keyed, |world| {
            (world.hold(), json!({"amount": 1}))
        }),
        row("POST /api/v1/credits/holds/{id}/release/", Customer, Keyed, |world| {
            (world.hold(), json!({}))
        }),
    ]
}

fn money() -> Vec<Row> {
    use Again::{Harmless, Keyed};
    use Who::{Customer, Staff};
    vec![
        row("POST /api/v1/account/upgrade/", Customer, Keyed, |_| {
            (0, json!({"plan_slug": "starter", "payment_method": "bank_transfer"}))
        }),
        row("GET /api/v1/billing/pending/", Staff, Harmless, nothing),
        row("POST /api/v1/billing/confirm-bank-transfer/", Staff, Keyed, |world| {
            (
                0,
                json!({"account_id": world.account(), "external_payment_id": "BT-1", "amount": "29.99", "payer_name": "Ada"}),
            )
        }),
        row("GET /api/v1/account/payments/", Customer, Harmless, nothing),
        row("GET /api/v1/account/receipts/", Customer, Harmless, nothing),
        row("GET /api/v1/account/receipts/{number}/", Customer, Harmless, |world| {
            (world.receipt(), Value::Null)
        }),
        row(
            "GET /api/v1/account/receipts/{number}/print/",
            Customer,
            Harmless,
            |world| (world.receipt(), Value::Null),
        ),
        row("POST /api/v1/account/cancel/", Customer, Keyed, |_| (0, json!({}))),
        row("POST /api/v1/account/resume/", Customer, Keyed, |_| (0, json!({}))),
    ]
}

fn staff_alone() -> Vec<Row> {
    use Again::{Harmless, Keyed};
    use Who::Staff;
    vec![
        row("POST /api/v1/billing/renew/", Staff, Keyed, |world| {
            (0, json!({"account_id": world.account(), "reason": "a gift"}))
        }),
        row("POST /api/v1/billing/adjust-credits/", Staff, Keyed, |world| {
            (
                0,
                json!({"account_id": world.account(), "amount": 5, "reason": "a thank-you"}),
            )
        }),
        row("POST /api/v1/billing/assign-plan/", Staff, Keyed, |world| {
            (
                0,
                json!({"account_id": world.account(), "plan_slug": "enterprise", "reason": "agreed"}),
            )
        }),
        row("POST /api/v1/staff/accounts/{id}/suspend/", Staff, Keyed, |world| {
            (world.account(), json!({"reason": "abuse"}))
        }),
        row("POST /api/v1/staff/accounts/{id}/reinstate/", Staff, Keyed, |world| {
            (world.account(), json!({}))
        }),
        row("GET /api/v1/staff/accounts/", Staff, Harmless, nothing),
        row("GET /api/v1/staff/accounts/{id}/", Staff, Harmless, |world| {
            (world.account(), Value::Null)
        }),
        row("GET /api/v1/staff/clock/", Staff, Harmless, nothing),
        row("POST /api/v1/staff/clock/", Staff, Harmless, |_| {
            (0, json!({"advance_seconds": 1}))
        }),
    ]
}
