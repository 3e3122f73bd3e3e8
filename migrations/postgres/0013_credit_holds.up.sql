-- Credits set aside until they are confirmed (any part of them), released, or expire.
ALTER TABLE account ADD COLUMN hold_count BIGINT NOT NULL DEFAULT 0
    CONSTRAINT account_hold_count_range CHECK (hold_count >= 0);
CREATE TABLE credit_hold (
    account_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    status TEXT NOT NULL,
    amount BIGINT NOT NULL,
    confirmed_amount BIGINT NOT NULL,
    description TEXT NOT NULL,
    metadata TEXT NOT NULL,
    expires_at_us BIGINT NOT NULL,
    created_at_us BIGINT NOT NULL,
    ended_at_us BIGINT,
    PRIMARY KEY (account_id, number),
    CONSTRAINT credit_hold_account_fk FOREIGN KEY (account_id) REFERENCES account (id),
    CONSTRAINT credit_hold_number_range CHECK (number >= 1),
    CONSTRAINT credit_hold_status_word CHECK (status IN ('open', 'confirmed', 'released', 'expired')),
    CONSTRAINT credit_hold_amount_range CHECK (amount > 0),
    CONSTRAINT credit_hold_confirmed_amount_range CHECK (confirmed_amount BETWEEN 0 AND amount),
    CONSTRAINT credit_hold_confirmed_is_drawn CHECK ((status = 'confirmed') = (confirmed_amount > 0)),
    CONSTRAINT credit_hold_ended_has_time CHECK ((status = 'open') = (ended_at_us IS NULL))
);

CREATE INDEX credit_hold_open_index ON credit_hold (account_id) WHERE status = 'open';

-- Which buckets a hold has set credits aside in, in the order in which they are drawn.
CREATE TABLE credit_hold_part (
    account_id BIGINT NOT NULL,
    hold_number BIGINT NOT NULL,
    position BIGINT NOT NULL,
    bucket_number BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (account_id, hold_number, position),
    CONSTRAINT credit_hold_part_hold_fk FOREIGN KEY (account_id, hold_number)
        REFERENCES credit_hold (account_id, number),
    CONSTRAINT credit_hold_part_bucket_fk FOREIGN KEY (account_id, bucket_number)
        REFERENCES credit_bucket (account_id, number),
    CONSTRAINT credit_hold_part_amount_range CHECK (amount > 0)
);
