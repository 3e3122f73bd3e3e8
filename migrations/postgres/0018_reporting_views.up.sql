-- Views for people and their tools: times as timestamptz, flags as booleans, money as numeric.
CREATE SCHEMA reporting;

CREATE FUNCTION reporting.instant(us BIGINT) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT TIMESTAMPTZ 'epoch' + us * INTERVAL '1 microsecond' $$;

CREATE VIEW reporting.plans AS
SELECT id, slug, name, price_minor / 100.0 AS price, currency, billing_cycle, included_credits, credits_per_month,
    trial_days, calendar_anchor = 1 AS calendar_anchor, is_active = 1 AS is_active, by_agreement = 1 AS by_agreement
FROM plan;

CREATE VIEW reporting.accounts AS
SELECT account.id, account.kind, account.name, account.status, account.suspend_reason, plan.slug AS plan,
    account.payment_method, account.credits, reporting.instant(account.due_us) AS due_at,
    reporting.instant(account.created_at_us) AS created_at
FROM account LEFT JOIN plan ON plan.id = account.plan_id;

CREATE VIEW reporting.users AS
SELECT id, account_id, email, first_name, last_name, role, platform_role, is_superuser = 1 AS is_superuser,
    is_active = 1 AS is_active, reporting.instant(email_verified_at_us) AS email_verified_at,
    reporting.instant(created_at_us) AS created_at
FROM users;

CREATE VIEW reporting.ledger AS
SELECT id, account_id, sequence, transaction_type, amount, balance_after, description, metadata::jsonb AS metadata,
    reporting.instant(created_at_us) AS created_at
FROM ledger_entry;

CREATE VIEW reporting.subscriptions AS
SELECT subscription.id, subscription.account_id, subscription.number, plan.slug AS plan, subscription.status,
    subscription.payment_method, subscription.external_payment_id, subscription.stripe_subscription_id,
    subscription.cancel_at_period_end = 1 AS cancel_at_period_end,
    reporting.instant(subscription.grace_end_us) AS grace_end_at,
    reporting.instant(subscription.created_at_us) AS created_at, reporting.instant(subscription.ended_at_us) AS ended_at
FROM subscription JOIN plan ON plan.id = subscription.plan_id;

CREATE VIEW reporting.periods AS
SELECT subscription.account_id, subscription.number AS subscription_number, subscription_period.sequence,
    reporting.instant(subscription_period.start_us) AS start_at, reporting.instant(subscription_period.end_us) AS end_at
FROM subscription_period JOIN subscription ON subscription.id = subscription_period.subscription_id;

CREATE VIEW reporting.payments AS
SELECT payment.id, payment.account_id, payment.method, payment.status, plan.slug AS plan, payment.reference,
    payment.amount_minor / 100.0 AS amount, payment.currency, payment.external_payment_id, payment.payer_name,
    payment.override_reason, receipt.number AS receipt_number, reporting.instant(payment.created_at_us) AS created_at,
    reporting.instant(payment.confirmed_at_us) AS confirmed_at
FROM payment JOIN plan ON plan.id = payment.plan_id LEFT JOIN receipt ON receipt.payment_id = payment.id;

CREATE VIEW reporting.audit AS
SELECT id, account_id, actor_kind, actor_user_id, action, detail::jsonb AS detail, request_id,
    reporting.instant(created_at_us) AS created_at
FROM audit;
