-- Payments: pending after an upgrade was asked for, then confirmed, each once; or withdrawn.
CREATE TABLE payment (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL,
    method TEXT NOT NULL,
    status TEXT NOT NULL,
    plan_id INTEGER NOT NULL,
    reference TEXT,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    external_payment_id TEXT,
    payer_name TEXT,
    override_reason TEXT,
    confirmed_by INTEGER,
    subscription_number INTEGER,
    period_sequence INTEGER,
    period_start_us INTEGER,
    period_end_us INTEGER,
    answer TEXT,
    created_at_us INTEGER NOT NULL,
    confirmed_at_us INTEGER,
    CONSTRAINT payment_account_fk FOREIGN KEY (account_id) REFERENCES account (id),
    CONSTRAINT payment_plan_fk FOREIGN KEY (plan_id) REFERENCES plan (id),
    CONSTRAINT payment_confirmed_by_fk FOREIGN KEY (confirmed_by) REFERENCES users (id),
    CONSTRAINT payment_reference_unique UNIQUE (reference),
    CONSTRAINT payment_external_payment_id_unique UNIQUE (method, external_payment_id),
    CONSTRAINT payment_method_word CHECK (method IN ('bank_transfer', 'stripe', 'manual')),
    CONSTRAINT payment_status_word CHECK (status IN ('pending', 'confirmed', 'withdrawn')),
    CONSTRAINT payment_amount_minor_range CHECK (amount_minor > 0),
    CONSTRAINT payment_pending_has_reference CHECK (status = 'confirmed' OR reference IS NOT NULL),
    CONSTRAINT payment_confirmed_is_whole CHECK (
        (status = 'confirmed') = (external_payment_id IS NOT NULL AND period_sequence IS NOT NULL AND confirmed_at_us IS NOT NULL)
    )
) STRICT;

CREATE UNIQUE INDEX payment_one_pending ON payment (account_id) WHERE status = 'pending';
CREATE INDEX payment_account_id_index ON payment (account_id, id);
CREATE INDEX payment_pending_index ON payment (id) WHERE status = 'pending';

-- Receipts: numbered without a gap, and never changed. They say what was true when they were issued.
CREATE TABLE receipt (
    number INTEGER NOT NULL PRIMARY KEY,
    account_id INTEGER NOT NULL,
    payment_id INTEGER NOT NULL,
    account_name TEXT NOT NULL,
    payer_name TEXT NOT NULL,
    plan_name TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    method TEXT NOT NULL,
    external_payment_id TEXT NOT NULL,
    period_start_us INTEGER NOT NULL,
    period_end_us INTEGER NOT NULL,
    issued_at_us INTEGER NOT NULL,
    CONSTRAINT receipt_account_fk FOREIGN KEY (account_id) REFERENCES account (id),
    CONSTRAINT receipt_payment_fk FOREIGN KEY (payment_id) REFERENCES payment (id),
    CONSTRAINT receipt_payment_unique UNIQUE (payment_id),
    CONSTRAINT receipt_number_range CHECK (number >= 1)
) STRICT;

CREATE INDEX receipt_account_id_index ON receipt (account_id, number);

CREATE TABLE receipt_counter (
    id INTEGER NOT NULL PRIMARY KEY,
    last_number INTEGER NOT NULL,
    CONSTRAINT receipt_counter_single CHECK (id = 1)
) STRICT;

INSERT INTO receipt_counter (id, last_number) VALUES (1, 0);

CREATE TRIGGER receipt_no_update BEFORE UPDATE ON receipt
BEGIN
    SELECT RAISE(ABORT, 'receipt is never updated');
END;

CREATE TRIGGER receipt_no_delete BEFORE DELETE ON receipt
BEGIN
    SELECT RAISE(ABORT, 'receipt is never deleted');
END;
