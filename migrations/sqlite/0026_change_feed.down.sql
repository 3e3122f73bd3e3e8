-- Lost: the feed. It begins anew, and every proxy takes a new snapshot.
DROP TRIGGER feed_api_key_changed;
DROP TRIGGER feed_session_ended;
DROP TRIGGER feed_sign_in_ended;
DROP TRIGGER feed_period_changed;
DROP TRIGGER feed_period_added;
DROP TRIGGER feed_subscription_changed;
DROP TRIGGER feed_user_changed;
DROP TRIGGER feed_user_added;
DROP TRIGGER feed_account_changed;
DROP TRIGGER feed_account_added;
DROP TABLE key_set;
DROP TABLE feed_change;
DROP TABLE feed_head;
