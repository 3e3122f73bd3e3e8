-- Credentials of programs. The key itself is never stored, only its SHA-256 and the part that may be shown. A key acts for
-- the user who made it; one that is rotated is followed by one that replaces it.
CREATE TABLE api_key (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    visible TEXT NOT NULL,
    secret_hash BLOB NOT NULL,
    role TEXT NOT NULL,
    replaces_id INTEGER,
    created_at_us INTEGER NOT NULL,
    expires_at_us INTEGER,
    last_used_at_us INTEGER,
    revoked_at_us INTEGER,
    CONSTRAINT api_key_account_fk FOREIGN KEY (account_id) REFERENCES account (id),
    CONSTRAINT api_key_user_fk FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT api_key_replaces_fk FOREIGN KEY (replaces_id) REFERENCES api_key (id),
    CONSTRAINT api_key_secret_hash_unique UNIQUE (secret_hash),
    CONSTRAINT api_key_replaces_unique UNIQUE (replaces_id),
    CONSTRAINT api_key_secret_hash_form CHECK (length(secret_hash) = 32),
    CONSTRAINT api_key_visible_form CHECK (length(visible) = 12),
    CONSTRAINT api_key_name_form CHECK (length(name) BETWEEN 1 AND 100),
    CONSTRAINT api_key_role_word CHECK (role IN ('owner', 'admin', 'editor', 'viewer')),
    CONSTRAINT api_key_replaces_earlier CHECK (replaces_id < id)
) STRICT;

CREATE INDEX api_key_account_id_index ON api_key (account_id, id);
CREATE INDEX api_key_user_id_index ON api_key (user_id);

-- The key by which a user acted; nothing where they acted in person.
ALTER TABLE audit ADD COLUMN actor_key_id INTEGER;
