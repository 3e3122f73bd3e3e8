//! What must not be and is found best by the database itself: rows that do not fit each other.

use super::error::Error;
use super::row::{number, optional_number, text};
use super::store::Connection;
use super::survey::Batch;
use igny8_contract::ids::AccountId;
use std::collections::HashMap;

/// Each statement finds rows of the accounts after `$1` up to `$2`, and says in a sentence what is wrong with them.
const OF_ACCOUNTS: [&str; 27] = [
    // Holds.
    "SELECT account_id, 'hold ' || number || ' is ' || status || ', which its times or amounts do not bear out' AS what \
     FROM credit_hold WHERE account_id > $1 AND account_id <= $2 \
     AND (status NOT IN ('open', 'confirmed', 'released', 'expired') OR (status = 'open') <> (ended_at_us IS NULL) \
     OR (status = 'confirmed') <> (confirmed_amount > 0) OR confirmed_amount NOT BETWEEN 0 AND amount)",
    "SELECT credit_hold.account_id, 'hold ' || credit_hold.number || ' has set ' || credit_hold.amount || \
     ' aside and its parts come to ' || COALESCE(parts.total, 0) AS what FROM credit_hold \
     LEFT JOIN (SELECT account_id, hold_number, SUM(amount) AS total FROM credit_hold_part \
     WHERE account_id > $1 AND account_id <= $2 GROUP BY account_id, hold_number) AS parts \
     ON parts.account_id = credit_hold.account_id AND parts.hold_number = credit_hold.number \
     WHERE credit_hold.account_id > $1 AND credit_hold.account_id <= $2 AND credit_hold.amount <> COALESCE(parts.total, 0)",
    "SELECT id AS account_id, 'it counts ' || hold_count || ' holds and has others' AS what FROM account \
     WHERE id > $1 AND id <= $2 \
     AND hold_count <> (SELECT COALESCE(MAX(number), 0) FROM credit_hold WHERE account_id = account.id)",
    // Buckets.
    "SELECT id AS account_id, 'it counts ' || bucket_count || ' buckets and has others' AS what FROM account \
     WHERE id > $1 AND id <= $2 \
     AND bucket_count <> (SELECT COALESCE(MAX(number), 0) FROM credit_bucket WHERE account_id = account.id)",
    "SELECT account_id, 'bucket ' || number || ' of kind ' || kind || ' has ' || held || ' of ' || remaining || \
     ' held, or a grant that does not fit' AS what FROM credit_bucket WHERE account_id > $1 AND account_id <= $2 \
     AND ((kind = 'plan') <> (grant_number IS NOT NULL) OR held NOT BETWEEN 0 AND remaining)",
    "SELECT account_id, 'grant ' || grant_number || ' of period ' || period_sequence || ' of subscription ' || \
     subscription_number || ' was made ' || COUNT(*) || ' times' AS what FROM credit_bucket \
     WHERE account_id > $1 AND account_id <= $2 AND grant_number IS NOT NULL \
     GROUP BY account_id, subscription_number, period_sequence, grant_number HAVING COUNT(*) > 1",
    "SELECT credit_bucket.account_id, 'bucket ' || credit_bucket.number || ' is a grant of a period that there is not' \
     AS what FROM credit_bucket WHERE credit_bucket.account_id > $1 AND credit_bucket.account_id <= $2 \
     AND credit_bucket.grant_number IS NOT NULL AND NOT EXISTS (SELECT 1 FROM subscription \
     JOIN subscription_period ON subscription_period.subscription_id = subscription.id \
     WHERE subscription.account_id = credit_bucket.account_id \
     AND subscription.number = credit_bucket.subscription_number \
     AND subscription_period.sequence = credit_bucket.period_sequence)",
    // A plan that was changed since may have granted nothing then, and which plan it was is known since the anchor alone. Who
    // was there before there were buckets has the first one for the latest grant of then.
    "SELECT subscription.account_id, 'period ' || subscription_period.sequence || ' of subscription ' || \
     subscription.number || ' is without its first grant' AS what FROM subscription \
     JOIN subscription_period ON subscription_period.subscription_id = subscription.id \
     WHERE subscription.account_id > $1 AND subscription.account_id <= $2 AND NOT EXISTS (SELECT 1 FROM credit_bucket \
     WHERE credit_bucket.account_id = subscription.account_id AND credit_bucket.subscription_number = subscription.number \
     AND credit_bucket.period_sequence = subscription_period.sequence AND credit_bucket.grant_number = 1) \
     AND NOT EXISTS (SELECT 1 FROM credit_bucket AS oldest WHERE oldest.account_id = subscription.account_id \
     AND oldest.number = 1 AND (oldest.subscription_number, oldest.period_sequence, oldest.grant_number) > \
     (subscription.number, subscription_period.sequence, 1)) \
     AND NOT EXISTS (SELECT 1 FROM plan WHERE (plan.id = subscription.plan_id \
     OR subscription_period.start_us < subscription.anchor_us) \
     AND (plan.updated_at_us > subscription_period.created_at_us \
     OR (plan.included_credits <= 0 AND plan.credits_per_month = 0)))",
    // Subscriptions.
    "SELECT payment.account_id, 'payment ' || payment.id || ' bought another plan than subscription ' || \
     subscription.number || ' has' AS what FROM payment JOIN subscription \
     ON subscription.account_id = payment.account_id AND subscription.number = payment.subscription_number \
     WHERE payment.account_id > $1 AND payment.account_id <= $2 AND payment.status = 'confirmed' \
     AND payment.period_start_us >= subscription.anchor_us AND payment.plan_id <> subscription.plan_id",
    "SELECT id AS account_id, 'its registration is not in the audit' AS what FROM account \
     WHERE id > $1 AND id <= $2 AND kind = 'customer' AND NOT EXISTS (SELECT 1 FROM audit \
     WHERE audit.account_id = account.id AND audit.action = 'account.registered')",
    "SELECT account_id, 'it has ' || COUNT(*) || ' subscriptions and the last one is number ' || MAX(number) AS what \
     FROM subscription WHERE account_id > $1 AND account_id <= $2 GROUP BY account_id HAVING COUNT(*) <> MAX(number)",
    "SELECT account_id, 'the beginning of subscription ' || number || ' is not in the audit' AS what FROM subscription \
     WHERE account_id > $1 AND account_id <= $2 AND number > 1 AND NOT EXISTS (SELECT 1 FROM audit \
     WHERE audit.account_id = subscription.account_id AND audit.created_at_us = subscription.created_at_us \
     AND audit.action IN ('subscription.activated', 'subscription.renewed'))",
    // Stripe.
    "SELECT account_id, 'subscription ' || number || ' is paid through Stripe as ' || stripe_subscription_id || \
     ', which is not known as the account''s' AS what FROM subscription \
     WHERE account_id > $1 AND account_id <= $2 AND stripe_subscription_id IS NOT NULL \
     AND NOT EXISTS (SELECT 1 FROM stripe_subscription WHERE stripe_subscription.id = subscription.stripe_subscription_id \
     AND stripe_subscription.account_id = subscription.account_id)",
    "SELECT subscription.account_id, 'event ' || stripe_event.event_id || ' of Stripe''s waits for a payment that has come' \
     AS what FROM subscription \
     JOIN stripe_event ON stripe_event.stripe_subscription_id = subscription.stripe_subscription_id \
     WHERE subscription.account_id > $1 AND subscription.account_id <= $2 AND stripe_event.status = 'waiting'",
    // Payments.
    "SELECT account_id, 'it waits for ' || COUNT(*) || ' payments at once' AS what FROM payment \
     WHERE account_id > $1 AND account_id <= $2 AND status = 'pending' GROUP BY account_id HAVING COUNT(*) > 1",
    "SELECT account_id, 'payment ' || id || ' is not in the audit' AS what FROM payment \
     WHERE account_id > $1 AND account_id <= $2 AND status = 'confirmed' AND NOT EXISTS (SELECT 1 FROM audit \
     WHERE audit.account_id = payment.account_id AND audit.created_at_us = payment.confirmed_at_us \
     AND audit.action = 'payment.confirmed')",
    "SELECT account_id, 'payment ' || id || ' has no receipt' AS what FROM payment \
     WHERE account_id > $1 AND account_id <= $2 AND status = 'confirmed' \
     AND NOT EXISTS (SELECT 1 FROM receipt WHERE receipt.payment_id = payment.id)",
    "SELECT payment.account_id, 'receipt ' || receipt.number || ' does not say what payment ' || payment.id || ' was' \
     AS what FROM payment JOIN receipt ON receipt.payment_id = payment.id \
     WHERE payment.account_id > $1 AND payment.account_id <= $2 AND (payment.status <> 'confirmed' \
     OR receipt.account_id <> payment.account_id OR receipt.amount_minor <> payment.amount_minor \
     OR receipt.currency <> payment.currency OR receipt.external_payment_id <> payment.external_payment_id)",
    "SELECT payment.account_id, 'payment ' || payment.id || ' is for a period that there is not' AS what FROM payment \
     WHERE payment.account_id > $1 AND payment.account_id <= $2 AND payment.status = 'confirmed' \
     AND NOT EXISTS (SELECT 1 FROM subscription \
     JOIN subscription_period ON subscription_period.subscription_id = subscription.id \
     WHERE subscription.account_id = payment.account_id AND subscription.number = payment.subscription_number \
     AND subscription_period.sequence = payment.period_sequence \
     AND subscription_period.start_us = payment.period_start_us)",
    // Keys and people.
    "SELECT api_key.account_id, 'API key ' || api_key.id || ' acts for a user of another account' AS what FROM api_key \
     LEFT JOIN users ON users.id = api_key.user_id AND users.account_id = api_key.account_id \
     WHERE api_key.account_id > $1 AND api_key.account_id <= $2 AND users.id IS NULL",
    "SELECT invitation.account_id, 'invitation ' || invitation.id || ' was accepted by a user of another account' AS what \
     FROM invitation LEFT JOIN users ON users.id = invitation.accepted_by AND users.account_id = invitation.account_id \
     WHERE invitation.account_id > $1 AND invitation.account_id <= $2 AND invitation.accepted_by IS NOT NULL \
     AND users.id IS NULL",
    "SELECT account_id, 'user ' || id || ' was removed and can sign in' AS what FROM users \
     WHERE account_id > $1 AND account_id <= $2 AND removed_at_us IS NOT NULL AND is_active = 1",
    // Sign-ins and second factors.
    "SELECT users.account_id, 'sign-in ' || sign_in.id || ' has ' || COUNT(refresh_token.sign_in_id) || \
     ' refresh tokens that are not spent' AS what FROM sign_in JOIN users ON users.id = sign_in.user_id \
     LEFT JOIN refresh_token ON refresh_token.sign_in_id = sign_in.id AND refresh_token.spent_at_us IS NULL \
     WHERE users.account_id > $1 AND users.account_id <= $2 AND sign_in.family_hash IS NOT NULL \
     GROUP BY users.account_id, sign_in.id HAVING COUNT(refresh_token.sign_in_id) <> 1",
    "SELECT users.account_id, 'the refresh token of sign-in ' || sign_in.id || ' that is not spent is not its newest' \
     AS what FROM sign_in JOIN users ON users.id = sign_in.user_id \
     JOIN refresh_token ON refresh_token.sign_in_id = sign_in.id AND refresh_token.spent_at_us IS NULL \
     WHERE users.account_id > $1 AND users.account_id <= $2 AND EXISTS (SELECT 1 FROM refresh_token AS newer \
     WHERE newer.sign_in_id = sign_in.id AND newer.generation > refresh_token.generation)",
    "SELECT users.account_id, 'user ' || users.id || ' has a second factor and never got the recovery codes' AS what \
     FROM totp JOIN users ON users.id = totp.user_id WHERE users.account_id > $1 AND users.account_id <= $2 \
     AND totp.confirmed_at_us IS NOT NULL \
     AND NOT EXISTS (SELECT 1 FROM totp_recovery_code WHERE totp_recovery_code.user_id = users.id)",
    // Mail of invitations.
    "SELECT users.account_id, 'mail ' || mailed_token.id || ' is of no invitation of the account' AS what \
     FROM mailed_token JOIN users ON users.id = mailed_token.user_id WHERE users.account_id > $1 \
     AND users.account_id <= $2 AND mailed_token.purpose = 'invitation' AND NOT EXISTS (SELECT 1 FROM invitation \
     WHERE invitation.token_hash = mailed_token.token_hash AND invitation.account_id = users.account_id)",
    "SELECT invitation.account_id, 'invitation ' || invitation.id || ' is over and its mail waits to be sent' AS what \
     FROM invitation JOIN mailed_token ON mailed_token.token_hash = invitation.token_hash \
     WHERE invitation.account_id > $1 AND invitation.account_id <= $2 AND mailed_token.due_at_us IS NOT NULL \
     AND (invitation.accepted_at_us IS NOT NULL OR invitation.revoked_at_us IS NOT NULL)",
];

/// The feed, which is nobody's. Rows are swept, so that there may be none of any number but the newest, whose rows stay.
const OF_FEED: [&str; 5] = [
    "SELECT 'the feed has no head' AS what WHERE NOT EXISTS (SELECT 1 FROM feed_head)",
    "SELECT 'there is no note of the published key set' AS what WHERE NOT EXISTS (SELECT 1 FROM key_set)",
    "SELECT 'the feed stands at ' || feed_head.seq || ' and its last row is ' || \
     COALESCE((SELECT CAST(MAX(seq) AS TEXT) FROM feed_change), 'none') AS what FROM feed_head \
     WHERE feed_head.seq <> COALESCE((SELECT MAX(seq) FROM feed_change), -1)",
    "SELECT 'the feed''s row ' || feed_head.seq || ' has another stamp than its head' AS what FROM feed_head \
     WHERE EXISTS (SELECT 1 FROM feed_change WHERE feed_change.seq = feed_head.seq \
     AND feed_change.stamp <> feed_head.stamp)",
    "SELECT 'the feed''s number ' || seq || ' has several stamps' AS what FROM feed_change GROUP BY seq \
     HAVING MIN(stamp) <> MAX(stamp) ORDER BY seq LIMIT 10",
];

/// Messages are never taken out of the outbox. It is gone through once, and not for each batch.
const OF_OUTBOX: &str = "SELECT 'the registration of account ' || account.id || ' is not in the outbox' AS what FROM account \
     LEFT JOIN outbox ON outbox.account_id = account.id AND outbox.topic = 'account.registered' \
     WHERE account.kind = 'customer' AND outbox.id IS NULL ORDER BY account.id LIMIT 10";

/// What is odd in a batch of accounts, in sentences.
///
/// # Errors
/// What the database says.
pub(super) async fn of_accounts(
    connection: &mut Connection,
    batch: Batch,
) -> Result<HashMap<AccountId, Vec<String>>, Error> {
    let mut found: HashMap<AccountId, Vec<String>> = HashMap::new();
    for statement in OF_ACCOUNTS {
        let rows = sqlx::query(statement)
            .bind(batch.after)
            .bind(batch.last)
            .fetch_all(&mut *connection)
            .await?;
        for row in rows {
            let id = AccountId(number(&row, "account_id")?);
            found.entry(id).or_default().push(text(&row, "what")?);
        }
    }
    Ok(found)
}

/// What is odd in no batch of accounts: receipts, the feed, and the outbox.
///
/// # Errors
/// What the database says.
pub async fn of_all(connection: &mut Connection) -> Result<Vec<String>, Error> {
    let mut found = of_receipts(connection).await?;
    for statement in OF_FEED.into_iter().chain([OF_OUTBOX]) {
        for row in sqlx::query(statement).fetch_all(&mut *connection).await? {
            found.push(text(&row, "what")?);
        }
    }
    Ok(found)
}

/// Receipts are numbered from 1 on without a gap, and so counted.
async fn of_receipts(connection: &mut Connection) -> Result<Vec<String>, Error> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS receipts, MIN(number) AS first_number, MAX(number) AS last_number, \
         (SELECT last_number FROM receipt_counter WHERE id = 1) AS counted FROM receipt",
    )
    .fetch_one(connection)
    .await?;
    let receipts = number(&row, "receipts")?;
    let (first, last) = (
        optional_number(&row, "first_number")?,
        optional_number(&row, "last_number")?,
    );
    let counted = optional_number(&row, "counted")?;
    let mut found = Vec::new();
    if last.unwrap_or(0) != receipts || first.is_some_and(|first| first != 1) {
        found.push(format!(
            "there are {receipts} receipts and the last one is number {}",
            last.unwrap_or(0)
        ));
    }
    if counted != Some(last.unwrap_or(0)) {
        let counted = counted.map_or_else(|| "nothing".into(), |counted| counted.to_string());
        found.push(format!(
            "the receipts are counted up to {counted} and the last one is number {}",
            last.unwrap_or(0)
        ));
    }
    Ok(found)
}
