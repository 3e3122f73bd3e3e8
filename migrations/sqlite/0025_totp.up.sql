-- The second factor (RFC 6238). The secret is sealed with a key that is in no database. `last_step` is the newest time step
-- whose code was used: none is used twice.
CREATE TABLE totp (
    user_id INTEGER NOT NULL PRIMARY KEY,
    sealed_secret BLOB NOT NULL,
    last_step INTEGER NOT NULL DEFAULT 0,
    created_at_us INTEGER NOT NULL,
    confirmed_at_us INTEGER,
    CONSTRAINT totp_user_fk FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT totp_sealed_secret_form CHECK (length(sealed_secret) = 48),
    CONSTRAINT totp_last_step_range CHECK (last_step >= 0)
) STRICT;

-- Codes to sign in with once each where the second factor is lost, by their SHA-256.
CREATE TABLE totp_recovery_code (
    user_id INTEGER NOT NULL,
    code_hash BLOB NOT NULL,
    used_at_us INTEGER,
    PRIMARY KEY (user_id, code_hash),
    CONSTRAINT totp_recovery_code_totp_fk FOREIGN KEY (user_id) REFERENCES totp (user_id),
    CONSTRAINT totp_recovery_code_code_hash_form CHECK (length(code_hash) = 32)
) STRICT;
