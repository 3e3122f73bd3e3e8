-- Subscriptions get a number within their account, the terms that they began with, and their grace; accounts get the
-- instant at which time itself next changes something (0: look at once; nothing: never).
ALTER TABLE plan ADD COLUMN calendar_anchor BIGINT NOT NULL DEFAULT 0
    CONSTRAINT plan_calendar_anchor_flag CHECK (calendar_anchor IN (0, 1));
ALTER TABLE subscription ADD COLUMN number BIGINT NOT NULL DEFAULT 1
    CONSTRAINT subscription_number_range CHECK (number >= 1);
ALTER TABLE subscription ADD COLUMN trial_grace_days BIGINT NOT NULL DEFAULT 0
    CONSTRAINT subscription_trial_grace_days_range CHECK (trial_grace_days BETWEEN 0 AND 366);
ALTER TABLE subscription ADD COLUMN anchor_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE subscription ADD COLUMN grants BIGINT NOT NULL DEFAULT 1
    CONSTRAINT subscription_grants_range CHECK (grants >= 0);
ALTER TABLE subscription ADD COLUMN grace_end_us BIGINT;
UPDATE subscription SET anchor_us = created_at_us,
    number = (SELECT COUNT(*) FROM subscription AS earlier
              WHERE earlier.account_id = subscription.account_id AND earlier.id <= subscription.id);
-- How many grants the latest period has had stands in the ledger.
UPDATE subscription SET grants = COALESCE((
    SELECT MAX(CAST(entry.metadata::jsonb ->> 'grant' AS BIGINT)) FROM ledger_entry AS entry
    WHERE entry.account_id = subscription.account_id AND entry.transaction_type = 'subscription'
        AND CAST(entry.metadata::jsonb ->> 'subscription' AS BIGINT) = subscription.number
        AND CAST(entry.metadata::jsonb ->> 'period' AS BIGINT) =
            (SELECT MAX(sequence) FROM subscription_period WHERE subscription_id = subscription.id)
), 1);
-- Who is past due and not suspended goes on: the grace is that of the shipped configuration, seven days.
UPDATE subscription SET grace_end_us = 604800000000 +
    (SELECT MAX(end_us) FROM subscription_period WHERE subscription_id = subscription.id)
WHERE status = 'past_due' AND account_id IN (SELECT id FROM account WHERE status = 'past_due');
CREATE UNIQUE INDEX subscription_number_unique ON subscription (account_id, number);
ALTER TABLE account ADD COLUMN due_us BIGINT DEFAULT 0;
UPDATE account SET due_us = NULL WHERE kind = 'staff';
CREATE INDEX account_due_index ON account (due_us) WHERE due_us IS NOT NULL;
