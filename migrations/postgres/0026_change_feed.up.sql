-- The feed that proxies follow: what has changed in anybody's standing, numbered in the order of the commits. Triggers note
-- it, so that no story can forget to: whatever changes one of these columns announces it, and nothing else does. A stamp is
-- random and tells this history from another one with the same numbers, as after a backup was put back.
CREATE TABLE feed_head (
    id BIGINT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    stamp BIGINT NOT NULL,
    generation TEXT NOT NULL,
    CONSTRAINT feed_head_single CHECK (id = 1),
    CONSTRAINT feed_head_seq_range CHECK (seq >= 0)
);

INSERT INTO feed_head (id, seq, stamp, generation) VALUES (1, 0, floor(random() * 9007199254740992)::bigint, replace(gen_random_uuid()::text, '-', ''));

-- `subject` is an account's or user's id in digits, a sign-in's sid, or a SHA-256 in hexadecimal digits.
CREATE TABLE feed_change (
    seq BIGINT NOT NULL,
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    stamp BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    PRIMARY KEY (seq, what, subject),
    CONSTRAINT feed_change_what_word CHECK (what IN ('account', 'user', 'sign_in', 'session', 'api_key', 'key_set'))
);

-- Where everybody begins who takes a snapshot before anything has changed.
INSERT INTO feed_change (seq, what, subject, stamp, at_us)
SELECT seq, 'key_set', '', stamp, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM feed_head;

-- The digest of the key set that is published, so that a change of it is told once, by whichever process meets it first.
CREATE TABLE key_set (
    id BIGINT NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL,
    CONSTRAINT key_set_single CHECK (id = 1)
);

INSERT INTO key_set (id, digest) VALUES (1, '');

-- Runs when the transaction is about to commit, as everything that is deferred: then the head is locked last and for the
-- shortest time, two stories never wait for each other, and the order of the numbers is that of the commits. A story draws
-- one number, which lives in a setting of its transaction.
CREATE FUNCTION feed_note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    subject TEXT;
    drawn TEXT := current_setting('igny8.feed_seq', true);
BEGIN
    IF TG_TABLE_NAME = 'subscription_period' THEN
        subject := (SELECT account_id FROM subscription WHERE id = NEW.subscription_id)::text;
    ELSIF TG_TABLE_NAME = 'admin_session' THEN
        subject := encode(NEW.token_hash, 'hex');
    ELSIF TG_TABLE_NAME = 'api_key' THEN
        subject := encode(NEW.secret_hash, 'hex');
    ELSE
        subject := to_jsonb(NEW) ->> TG_ARGV[1];
    END IF;
    IF drawn IS NULL OR drawn = '' THEN
        UPDATE feed_head SET seq = seq + 1, stamp = floor(random() * 9007199254740992)::bigint WHERE id = 1
        RETURNING seq::text INTO STRICT drawn;
        PERFORM set_config('igny8.feed_seq', drawn, true);
    END IF;
    INSERT INTO feed_change (seq, what, subject, stamp, at_us)
    SELECT seq, TG_ARGV[0], subject, stamp, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    FROM feed_head WHERE id = 1
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER feed_account_added AFTER INSERT ON account DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION feed_note('account', 'id');
CREATE CONSTRAINT TRIGGER feed_account_changed AFTER UPDATE OF status, suspend_reason, plan_id, epoch ON account DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.suspend_reason IS DISTINCT FROM NEW.suspend_reason OR OLD.plan_id IS DISTINCT FROM NEW.plan_id OR OLD.epoch IS DISTINCT FROM NEW.epoch)
    EXECUTE FUNCTION feed_note('account', 'id');
CREATE CONSTRAINT TRIGGER feed_user_added AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION feed_note('user', 'id');
CREATE CONSTRAINT TRIGGER feed_user_changed AFTER UPDATE OF account_id, role, platform_role, is_active, epoch ON users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.account_id IS DISTINCT FROM NEW.account_id OR OLD.role IS DISTINCT FROM NEW.role OR OLD.platform_role IS DISTINCT FROM NEW.platform_role OR OLD.is_active IS DISTINCT FROM NEW.is_active OR OLD.epoch IS DISTINCT FROM NEW.epoch)
    EXECUTE FUNCTION feed_note('user', 'id');
CREATE CONSTRAINT TRIGGER feed_subscription_changed AFTER UPDATE OF grace_end_us, ended_at_us ON subscription DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.grace_end_us IS DISTINCT FROM NEW.grace_end_us OR OLD.ended_at_us IS DISTINCT FROM NEW.ended_at_us)
    EXECUTE FUNCTION feed_note('account', 'account_id');
CREATE CONSTRAINT TRIGGER feed_period_added AFTER INSERT ON subscription_period DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION feed_note('account', 'subscription_id');
CREATE CONSTRAINT TRIGGER feed_period_changed AFTER UPDATE OF end_us ON subscription_period DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.end_us IS DISTINCT FROM NEW.end_us)
    EXECUTE FUNCTION feed_note('account', 'subscription_id');
CREATE CONSTRAINT TRIGGER feed_sign_in_ended AFTER UPDATE OF ended_at_us ON sign_in DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.ended_at_us IS DISTINCT FROM NEW.ended_at_us)
    EXECUTE FUNCTION feed_note('sign_in', 'sid');
CREATE CONSTRAINT TRIGGER feed_session_ended AFTER UPDATE OF ended_at_us ON admin_session DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.ended_at_us IS DISTINCT FROM NEW.ended_at_us)
    EXECUTE FUNCTION feed_note('session', 'token_hash');
CREATE CONSTRAINT TRIGGER feed_api_key_changed AFTER UPDATE OF revoked_at_us, expires_at_us ON api_key DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.revoked_at_us IS DISTINCT FROM NEW.revoked_at_us OR OLD.expires_at_us IS DISTINCT FROM NEW.expires_at_us)
    EXECUTE FUNCTION feed_note('api_key', 'secret_hash');
CREATE CONSTRAINT TRIGGER feed_key_set_changed AFTER UPDATE OF digest ON key_set DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.digest IS DISTINCT FROM NEW.digest)
    EXECUTE FUNCTION feed_note('key_set', 'digest');
