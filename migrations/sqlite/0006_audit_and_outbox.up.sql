-- Who did what. Rows commit with what they describe and are never changed.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER,
    actor_kind TEXT NOT NULL,
    actor_user_id INTEGER,
    action TEXT NOT NULL,
    detail TEXT NOT NULL,
    request_id TEXT NOT NULL,
    created_at_us INTEGER NOT NULL,
    CONSTRAINT audit_account_fk FOREIGN KEY (account_id) REFERENCES account (id),
    CONSTRAINT audit_actor_user_fk FOREIGN KEY (actor_user_id) REFERENCES users (id),
    CONSTRAINT audit_actor_kind_word CHECK (actor_kind IN ('user', 'staff', 'command', 'system'))
) STRICT;

CREATE INDEX audit_account_id_index ON audit (account_id, id);

-- What the rest of the world is to be told of. A row commits with what it tells of and is marked once delivered.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    account_id INTEGER NOT NULL,
    payload TEXT NOT NULL,
    created_at_us INTEGER NOT NULL,
    delivered_at_us INTEGER,
    CONSTRAINT outbox_account_fk FOREIGN KEY (account_id) REFERENCES account (id)
) STRICT;

CREATE INDEX outbox_waiting_index ON outbox (id) WHERE delivered_at_us IS NULL;

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit is never updated');
END;

CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit is never deleted');
END;
