-- An upgrade was asked for and its payment has not come yet.
INSERT INTO account_status (word) VALUES ('pending_payment');
