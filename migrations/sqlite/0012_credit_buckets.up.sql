-- The balance lies in buckets: plan credits, bonuses and purchases, each with its own end. They come to the balance.
ALTER TABLE account ADD COLUMN bucket_count INTEGER NOT NULL DEFAULT 0
    CONSTRAINT account_bucket_count_range CHECK (bucket_count >= 0);
CREATE TABLE credit_bucket (
    account_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    priority INTEGER NOT NULL,
    remaining INTEGER NOT NULL,
    held INTEGER NOT NULL,
    expires_at_us INTEGER,
    subscription_number INTEGER,
    period_sequence INTEGER,
    grant_number INTEGER,
    created_at_us INTEGER NOT NULL,
    PRIMARY KEY (account_id, number),
    CONSTRAINT credit_bucket_account_fk FOREIGN KEY (account_id) REFERENCES account (id),
    CONSTRAINT credit_bucket_grant_unique UNIQUE (account_id, subscription_number, period_sequence, grant_number),
    CONSTRAINT credit_bucket_number_range CHECK (number >= 1),
    CONSTRAINT credit_bucket_kind_word CHECK (kind IN ('plan', 'bonus', 'purchased')),
    CONSTRAINT credit_bucket_remaining_range CHECK (remaining >= 0),
    CONSTRAINT credit_bucket_held_range CHECK (held BETWEEN 0 AND remaining),
    CONSTRAINT credit_bucket_grant_whole CHECK (
        (subscription_number IS NULL) = (period_sequence IS NULL) AND (period_sequence IS NULL) = (grant_number IS NULL)
    )
) STRICT;

CREATE INDEX credit_bucket_open_index ON credit_bucket (account_id) WHERE remaining > 0;
CREATE INDEX ledger_entry_day_index ON ledger_entry (account_id, created_at_us);

CREATE TRIGGER credit_bucket_no_delete BEFORE DELETE ON credit_bucket
BEGIN
    SELECT RAISE(ABORT, 'credit_bucket is never deleted');
END;

-- What accounts hold becomes the bucket of their latest grant, empty where they hold nothing; what is more than the plan
-- ever grants, or belongs to no subscription, was given or bought, and lies in a bucket without an end.
INSERT INTO credit_bucket (account_id, number, kind, priority, remaining, held, subscription_number, period_sequence,
    grant_number, created_at_us)
SELECT account.id, 1, 'plan', 10,
    CASE
        WHEN plan.included_credits > 0 AND account.credits > plan.included_credits THEN plan.included_credits
        WHEN plan.included_credits = 0 AND account.credits > plan.credits_per_month THEN plan.credits_per_month
        ELSE account.credits
    END,
    0, subscription.number, (SELECT MAX(sequence) FROM subscription_period WHERE subscription_id = subscription.id),
    subscription.grants, account.updated_at_us
FROM account JOIN subscription ON subscription.account_id = account.id JOIN plan ON plan.id = subscription.plan_id
WHERE subscription.number = (SELECT MAX(number) FROM subscription AS latest WHERE latest.account_id = account.id);
INSERT INTO credit_bucket (account_id, number, kind, priority, remaining, held, created_at_us)
SELECT account.id, CASE WHEN of_plan.account_id IS NULL THEN 1 ELSE 2 END, 'purchased', 30,
    account.credits - COALESCE(of_plan.remaining, 0), 0, account.updated_at_us
FROM account LEFT JOIN credit_bucket AS of_plan ON of_plan.account_id = account.id
WHERE account.credits > COALESCE(of_plan.remaining, 0);
UPDATE account SET bucket_count = (SELECT COUNT(*) FROM credit_bucket WHERE credit_bucket.account_id = account.id);
