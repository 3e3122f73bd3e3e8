-- What was answered under an Idempotency-Key, stored with the effect that it answers for. `scope` is a digest of account,
-- user, route and key.
CREATE TABLE idempotency_key (
    scope BYTEA NOT NULL PRIMARY KEY,
    account_id BIGINT NOT NULL,
    body_digest BYTEA NOT NULL,
    status BIGINT NOT NULL,
    answer TEXT NOT NULL,
    created_at_us BIGINT NOT NULL,
    CONSTRAINT idempotency_key_account_fk FOREIGN KEY (account_id) REFERENCES account (id),
    CONSTRAINT idempotency_key_scope_form CHECK (length(scope) = 32),
    CONSTRAINT idempotency_key_body_digest_form CHECK (length(body_digest) = 32)
);

CREATE INDEX idempotency_key_age_index ON idempotency_key (created_at_us);
