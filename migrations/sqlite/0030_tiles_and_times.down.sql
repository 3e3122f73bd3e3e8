-- Lost: nothing. The triggers are those of before.
DROP TRIGGER subscription_period_begins_at_an_end;
DROP TRIGGER feed_account_added;
CREATE TRIGGER feed_account_added AFTER INSERT ON account
BEGIN
    UPDATE feed_head SET seq = seq + 1, stamp = random() & 9007199254740991;
    INSERT INTO feed_change (seq, what, subject, stamp, at_us)
    SELECT seq, 'account', CAST(NEW.id AS TEXT), stamp, CAST(unixepoch('subsec') * 1000000 AS INTEGER) FROM feed_head;
END;

DROP TRIGGER feed_account_changed;
CREATE TRIGGER feed_account_changed AFTER UPDATE OF status, suspend_reason, plan_id, epoch ON account
WHEN OLD.status IS NOT NEW.status OR OLD.suspend_reason IS NOT NEW.suspend_reason OR OLD.plan_id IS NOT NEW.plan_id OR OLD.epoch IS NOT NEW.epoch
BEGIN
    UPDATE feed_head SET seq = seq + 1, stamp = random() & 9007199254740991;
    INSERT INTO feed_change (seq, what, subject, stamp, at_us)
    SELECT seq, 'account', CAST(NEW.id AS TEXT), stamp, CAST(unixepoch('subsec') * 1000000 AS INTEGER) FROM feed_head;
END;

DROP TRIGGER feed_user_added;
CREATE TRIGGER feed_user_added AFTER INSERT ON users
BEGIN
    UPDATE feed_head SET seq = seq + 1, stamp = random() & 9007199254740991;
    INSERT INTO feed_change (seq, what, subject, stamp, at_us)
    SELECT seq, 'user', CAST(NEW.id AS TEXT), stamp, CAST(unixepoch('subsec') * 1000000 AS INTEGER) FROM feed_head;
END;

DROP TRIGGER feed_user_changed;
CREATE TRIGGER feed_user_changed AFTER UPDATE OF account_id, role, platform_role, is_active, epoch ON users
WHEN OLD.account_id IS NOT NEW.account_id OR OLD.role IS NOT NEW.role OR OLD.platform_role IS NOT NEW.platform_role OR OLD.is_active IS NOT NEW.is_active OR OLD.epoch IS NOT NEW.epoch
BEGIN
    UPDATE feed_head SET seq = seq + 1, stamp = random() & 9007199254740991;
    INSERT INTO feed_change (seq, what, subject, stamp, at_us)
    SELECT seq, 'user', CAST(NEW.id AS TEXT), stamp, CAST(unixepoch('subsec') * 1000000 AS INTEGER) FROM feed_head;
END;

DROP TRIGGER feed_subscription_changed;
CREATE TRIGGER feed_subscription_changed AFTER UPDATE OF grace_end_us, ended_at_us ON subscription
WHEN OLD.grace_end_us IS NOT NEW.grace_end_us OR OLD.ended_at_us IS NOT NEW.ended_at_us
BEGIN
    UPDATE feed_head SET seq = seq + 1, stamp = random() & 9007199254740991;
    INSERT INTO feed_change (seq, what, subject, stamp, at_us)
    SELECT seq, 'account', CAST(NEW.account_id AS TEXT), stamp, CAST(unixepoch('subsec') * 1000000 AS INTEGER) FROM feed_head;
END;

DROP TRIGGER feed_period_added;
CREATE TRIGGER feed_period_added AFTER INSERT ON subscription_period
BEGIN
    UPDATE feed_head SET seq = seq + 1, stamp = random() & 9007199254740991;
    INSERT INTO feed_change (seq, what, subject, stamp, at_us)
    SELECT seq, 'account', (SELECT CAST(account_id AS TEXT) FROM subscription WHERE id = NEW.subscription_id), stamp, CAST(unixepoch('subsec') * 1000000 AS INTEGER) FROM feed_head;
END;

DROP TRIGGER feed_period_changed;
CREATE TRIGGER feed_period_changed AFTER UPDATE OF end_us ON subscription_period
WHEN OLD.end_us IS NOT NEW.end_us
BEGIN
    UPDATE feed_head SET seq = seq + 1, stamp = random() & 9007199254740991;
    INSERT INTO feed_change (seq, what, subject, stamp, at_us)
    SELECT seq, 'account', (SELECT CAST(account_id AS TEXT) FROM subscription WHERE id = NEW.subscription_id), stamp, CAST(unixepoch('subsec') * 1000000 AS INTEGER) FROM feed_head;
END;

DROP TRIGGER feed_sign_in_ended;
CREATE TRIGGER feed_sign_in_ended AFTER UPDATE OF ended_at_us ON sign_in
WHEN OLD.ended_at_us IS NOT NEW.ended_at_us
BEGIN
    UPDATE feed_head SET seq = seq + 1, stamp = random() & 9007199254740991;
    INSERT INTO feed_change (seq, what, subject, stamp, at_us)
    SELECT seq, 'sign_in', NEW.sid, stamp, CAST(unixepoch('subsec') * 1000000 AS INTEGER) FROM feed_head;
END;

DROP TRIGGER feed_session_ended;
CREATE TRIGGER feed_session_ended AFTER UPDATE OF ended_at_us ON admin_session
WHEN OLD.ended_at_us IS NOT NEW.ended_at_us
BEGIN
    UPDATE feed_head SET seq = seq + 1, stamp = random() & 9007199254740991;
    INSERT INTO feed_change (seq, what, subject, stamp, at_us)
    SELECT seq, 'session', lower(hex(NEW.token_hash)), stamp, CAST(unixepoch('subsec') * 1000000 AS INTEGER) FROM feed_head;
END;

DROP TRIGGER feed_api_key_changed;
CREATE TRIGGER feed_api_key_changed AFTER UPDATE OF revoked_at_us, expires_at_us ON api_key
WHEN OLD.revoked_at_us IS NOT NEW.revoked_at_us OR OLD.expires_at_us IS NOT NEW.expires_at_us
BEGIN
    UPDATE feed_head SET seq = seq + 1, stamp = random() & 9007199254740991;
    INSERT INTO feed_change (seq, what, subject, stamp, at_us)
    SELECT seq, 'api_key', lower(hex(NEW.secret_hash)), stamp, CAST(unixepoch('subsec') * 1000000 AS INTEGER) FROM feed_head;
END;

DROP TRIGGER feed_key_set_changed;
CREATE TRIGGER feed_key_set_changed AFTER UPDATE OF digest ON key_set
WHEN OLD.digest IS NOT NEW.digest
BEGIN
    UPDATE feed_head SET seq = seq + 1, stamp = random() & 9007199254740991;
    INSERT INTO feed_change (seq, what, subject, stamp, at_us)
    SELECT seq, 'key_set', NEW.digest, stamp, CAST(unixepoch('subsec') * 1000000 AS INTEGER) FROM feed_head;
END;
