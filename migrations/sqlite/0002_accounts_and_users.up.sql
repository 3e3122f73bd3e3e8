-- The words an account's status may have. A table, so that a later migration can add a word on either engine.
CREATE TABLE account_status (
    word TEXT NOT NULL PRIMARY KEY
) STRICT;

INSERT INTO account_status (word) VALUES ('trial'), ('active'), ('past_due'), ('suspended'), ('cancelled');

-- The tenant. A staff account has neither plan nor subscription. `credits` and `ledger_sequence` belong to the ledger.
CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    suspend_reason TEXT,
    plan_id INTEGER,
    credits INTEGER NOT NULL DEFAULT 0,
    ledger_sequence INTEGER NOT NULL DEFAULT 0,
    epoch INTEGER NOT NULL DEFAULT 0,
    created_at_us INTEGER NOT NULL,
    updated_at_us INTEGER NOT NULL,
    CONSTRAINT account_status_fk FOREIGN KEY (status) REFERENCES account_status (word),
    CONSTRAINT account_plan_fk FOREIGN KEY (plan_id) REFERENCES plan (id),
    CONSTRAINT account_kind_word CHECK (kind IN ('customer', 'staff')),
    CONSTRAINT account_suspend_reason_word CHECK (suspend_reason IN ('trial_ended', 'payment_overdue', 'abuse', 'staff')),
    CONSTRAINT account_suspended_has_reason CHECK ((status = 'suspended') = (suspend_reason IS NOT NULL)),
    CONSTRAINT account_customer_has_plan CHECK ((kind = 'customer') = (plan_id IS NOT NULL)),
    CONSTRAINT account_credits_range CHECK (credits >= 0),
    CONSTRAINT account_ledger_sequence_range CHECK (ledger_sequence >= 0),
    CONSTRAINT account_epoch_range CHECK (epoch >= 0)
) STRICT;

CREATE INDEX account_plan_id_index ON account (plan_id);

-- `user` is a reserved word of SQL, hence the plural. Addresses are stored trimmed and in lower case.
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL,
    email TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    role TEXT NOT NULL,
    platform_role TEXT,
    is_superuser INTEGER NOT NULL,
    is_active INTEGER NOT NULL,
    epoch INTEGER NOT NULL DEFAULT 0,
    email_verified_at_us INTEGER,
    created_at_us INTEGER NOT NULL,
    updated_at_us INTEGER NOT NULL,
    CONSTRAINT users_account_fk FOREIGN KEY (account_id) REFERENCES account (id),
    CONSTRAINT users_email_unique UNIQUE (email),
    CONSTRAINT users_email_normal CHECK (email = lower(trim(email)) AND length(email) BETWEEN 3 AND 254),
    CONSTRAINT users_role_word CHECK (role IN ('owner', 'admin', 'editor', 'viewer')),
    CONSTRAINT users_platform_role_word CHECK (platform_role IN ('developer', 'admin')),
    CONSTRAINT users_is_superuser_flag CHECK (is_superuser IN (0, 1)),
    CONSTRAINT users_superuser_is_staff CHECK (is_superuser = 0 OR platform_role IS NOT NULL),
    CONSTRAINT users_is_active_flag CHECK (is_active IN (0, 1)),
    CONSTRAINT users_epoch_range CHECK (epoch >= 0)
) STRICT;

CREATE INDEX users_account_id_index ON users (account_id);
