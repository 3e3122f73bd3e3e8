-- Lost: the feed. It begins anew, and every proxy takes a new snapshot.
DROP TRIGGER feed_api_key_changed ON api_key;
DROP TRIGGER feed_session_ended ON admin_session;
DROP TRIGGER feed_sign_in_ended ON sign_in;
DROP TRIGGER feed_period_changed ON subscription_period;
DROP TRIGGER feed_period_added ON subscription_period;
DROP TRIGGER feed_subscription_changed ON subscription;
DROP TRIGGER feed_user_changed ON users;
DROP TRIGGER feed_user_added ON users;
DROP TRIGGER feed_account_changed ON account;
DROP TRIGGER feed_account_added ON account;
DROP TABLE key_set;
DROP TABLE feed_change;
DROP FUNCTION feed_note();
DROP TABLE feed_head;
