-- One sign-in: what the `sid` claim of access tokens names. Ending it makes its tokens worthless.
CREATE TABLE sign_in (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sid TEXT NOT NULL,
    user_id INTEGER NOT NULL,
    created_at_us INTEGER NOT NULL,
    ended_at_us INTEGER,
    CONSTRAINT sign_in_user_fk FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT sign_in_sid_unique UNIQUE (sid)
) STRICT;

CREATE INDEX sign_in_user_id_index ON sign_in (user_id);

-- Sessions of core's own panel. The cookie's value is never stored, only its SHA-256.
CREATE TABLE admin_session (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    token_hash BLOB NOT NULL,
    user_id INTEGER NOT NULL,
    created_at_us INTEGER NOT NULL,
    expires_at_us INTEGER NOT NULL,
    ended_at_us INTEGER,
    CONSTRAINT admin_session_user_fk FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT admin_session_token_hash_unique UNIQUE (token_hash),
    CONSTRAINT admin_session_token_hash_form CHECK (length(token_hash) = 32)
) STRICT;

CREATE INDEX admin_session_user_id_index ON admin_session (user_id);
