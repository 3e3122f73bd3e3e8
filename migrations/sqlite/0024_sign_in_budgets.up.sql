-- How many attempts somebody has left, by the SHA-256 of who: a budget fills up again by itself and is full at `full_at_us`.
CREATE TABLE sign_in_budget (
    key_hash BLOB NOT NULL PRIMARY KEY,
    full_at_us INTEGER NOT NULL,
    CONSTRAINT sign_in_budget_key_hash_form CHECK (length(key_hash) = 32)
) STRICT;

CREATE INDEX sign_in_budget_full_index ON sign_in_budget (full_at_us);
