-- What a sign-in looks like in its user's list, how long it goes on, and the chain of refresh tokens that keeps it going. A
-- sign-in from before has no chain: it ends with its access token.
ALTER TABLE sign_in ADD COLUMN expires_at_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sign_in ADD COLUMN last_used_at_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sign_in ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE sign_in ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';
ALTER TABLE sign_in ADD COLUMN family_hash BLOB
    CONSTRAINT sign_in_family_hash_form CHECK (length(family_hash) = 32);
CREATE UNIQUE INDEX sign_in_family_hash_unique ON sign_in (family_hash);
CREATE INDEX sign_in_ended_index ON sign_in (ended_at_us) WHERE ended_at_us IS NOT NULL;
CREATE INDEX sign_in_running_index ON sign_in (expires_at_us) WHERE ended_at_us IS NULL;

-- Refresh tokens, by their SHA-256: the current one of each sign-in, and those before it for as long as another tab may still
-- send them. A spent one keeps what, together with itself, makes the one after it.
CREATE TABLE refresh_token (
    sign_in_id INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    token_hash BLOB NOT NULL,
    next_nonce BLOB,
    spent_at_us INTEGER,
    PRIMARY KEY (sign_in_id, generation),
    CONSTRAINT refresh_token_sign_in_fk FOREIGN KEY (sign_in_id) REFERENCES sign_in (id),
    CONSTRAINT refresh_token_token_hash_unique UNIQUE (token_hash),
    CONSTRAINT refresh_token_generation_range CHECK (generation >= 1),
    CONSTRAINT refresh_token_token_hash_form CHECK (length(token_hash) = 32),
    CONSTRAINT refresh_token_next_nonce_form CHECK (length(next_nonce) = 32),
    CONSTRAINT refresh_token_spent_has_nonce CHECK ((spent_at_us IS NULL) = (next_nonce IS NULL))
) STRICT;
