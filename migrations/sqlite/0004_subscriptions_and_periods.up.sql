-- What an account pays for. At most one subscription of an account has not ended.
CREATE TABLE subscription (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL,
    plan_id INTEGER NOT NULL,
    status TEXT NOT NULL,
    trial_days INTEGER NOT NULL,
    cancel_at_period_end INTEGER NOT NULL,
    created_at_us INTEGER NOT NULL,
    updated_at_us INTEGER NOT NULL,
    ended_at_us INTEGER,
    CONSTRAINT subscription_account_fk FOREIGN KEY (account_id) REFERENCES account (id),
    CONSTRAINT subscription_plan_fk FOREIGN KEY (plan_id) REFERENCES plan (id),
    CONSTRAINT subscription_status_word CHECK (status IN ('trialing', 'active', 'past_due', 'cancelled', 'expired')),
    CONSTRAINT subscription_trial_days_range CHECK (trial_days BETWEEN 1 AND 366),
    CONSTRAINT subscription_cancel_at_period_end_flag CHECK (cancel_at_period_end IN (0, 1))
) STRICT;

CREATE UNIQUE INDEX subscription_one_running ON subscription (account_id) WHERE ended_at_us IS NULL;

-- Half-open periods [start_us, end_us). They tile by constraint alone: the first has no previous one, every other names
-- the one before it, and the foreign key demands that it starts at the very microsecond at which that one ends.
CREATE TABLE subscription_period (
    subscription_id INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    previous_sequence INTEGER,
    start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL,
    created_at_us INTEGER NOT NULL,
    PRIMARY KEY (subscription_id, sequence),
    CONSTRAINT subscription_period_end_unique UNIQUE (subscription_id, sequence, end_us),
    CONSTRAINT subscription_period_subscription_fk FOREIGN KEY (subscription_id) REFERENCES subscription (id),
    CONSTRAINT subscription_period_tiles_fk FOREIGN KEY (subscription_id, previous_sequence, start_us)
        REFERENCES subscription_period (subscription_id, sequence, end_us),
    CONSTRAINT subscription_period_not_empty CHECK (start_us < end_us),
    CONSTRAINT subscription_period_follows CHECK (
        (sequence = 1 AND previous_sequence IS NULL)
        OR (sequence > 1 AND previous_sequence IS NOT NULL AND previous_sequence = sequence - 1)
    )
) STRICT;

CREATE TRIGGER subscription_period_no_delete BEFORE DELETE ON subscription_period
BEGIN
    SELECT RAISE(ABORT, 'subscription_period is never deleted');
END;
