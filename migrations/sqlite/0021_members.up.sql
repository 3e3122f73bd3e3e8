-- Who has been removed from an account stays a row, for the audit; their address becomes free.
ALTER TABLE users ADD COLUMN removed_at_us INTEGER;

-- Somebody who was asked to join an account. The token is never stored, only its SHA-256.
CREATE TABLE invitation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL,
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    token_hash BLOB NOT NULL,
    invited_by INTEGER NOT NULL,
    created_at_us INTEGER NOT NULL,
    expires_at_us INTEGER NOT NULL,
    accepted_at_us INTEGER,
    accepted_by INTEGER,
    revoked_at_us INTEGER,
    CONSTRAINT invitation_account_fk FOREIGN KEY (account_id) REFERENCES account (id),
    CONSTRAINT invitation_invited_by_fk FOREIGN KEY (invited_by) REFERENCES users (id),
    CONSTRAINT invitation_accepted_by_fk FOREIGN KEY (accepted_by) REFERENCES users (id),
    CONSTRAINT invitation_token_hash_unique UNIQUE (token_hash),
    CONSTRAINT invitation_token_hash_form CHECK (length(token_hash) = 32),
    CONSTRAINT invitation_email_normal CHECK (email = lower(trim(email)) AND length(email) BETWEEN 3 AND 254),
    CONSTRAINT invitation_role_word CHECK (role IN ('owner', 'admin', 'editor', 'viewer')),
    CONSTRAINT invitation_ends_once CHECK (accepted_at_us IS NULL OR revoked_at_us IS NULL),
    CONSTRAINT invitation_accepted_by_somebody CHECK ((accepted_at_us IS NULL) = (accepted_by IS NULL))
) STRICT;

CREATE INDEX invitation_account_id_index ON invitation (account_id, id);
CREATE UNIQUE INDEX invitation_waiting_unique ON invitation (account_id, email)
    WHERE accepted_at_us IS NULL AND revoked_at_us IS NULL;
