-- Lost: mail of invitations that was still to be sent. The invitations stay; whoever invites has their links.
DELETE FROM mailed_token WHERE purpose = 'invitation';

CREATE TABLE mailed_token_rebuilt (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    purpose TEXT NOT NULL,
    user_id INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    nonce BLOB NOT NULL,
    token_hash BLOB NOT NULL,
    created_at_us INTEGER NOT NULL,
    expires_at_us INTEGER NOT NULL,
    used_at_us INTEGER,
    due_at_us INTEGER,
    tries INTEGER NOT NULL DEFAULT 0,
    sent_at_us INTEGER,
    CONSTRAINT mailed_token_user_fk FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT mailed_token_token_hash_unique UNIQUE (token_hash),
    CONSTRAINT mailed_token_purpose_word CHECK (purpose IN ('verify_email', 'reset_password')),
    CONSTRAINT mailed_token_nonce_form CHECK (length(nonce) = 32),
    CONSTRAINT mailed_token_token_hash_form CHECK (length(token_hash) = 32),
    CONSTRAINT mailed_token_expires_later CHECK (expires_at_us > created_at_us),
    CONSTRAINT mailed_token_tries_range CHECK (tries >= 0),
    CONSTRAINT mailed_token_sent_is_not_due CHECK (sent_at_us IS NULL OR due_at_us IS NULL),
    CONSTRAINT mailed_token_used_is_not_due CHECK (used_at_us IS NULL OR due_at_us IS NULL)
) STRICT;

INSERT INTO mailed_token_rebuilt (id, purpose, user_id, recipient, nonce, token_hash, created_at_us, expires_at_us, used_at_us, due_at_us, tries, sent_at_us)
SELECT id, purpose, user_id, recipient, nonce, token_hash, created_at_us, expires_at_us, used_at_us, due_at_us, tries, sent_at_us
FROM mailed_token;

DROP TABLE mailed_token;
ALTER TABLE mailed_token_rebuilt RENAME TO mailed_token;

CREATE INDEX mailed_token_user_id_index ON mailed_token (user_id);
CREATE INDEX mailed_token_due_index ON mailed_token (due_at_us) WHERE due_at_us IS NOT NULL;
CREATE INDEX mailed_token_expires_index ON mailed_token (expires_at_us);
