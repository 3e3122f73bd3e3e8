-- Lost: every hold. What was set aside can be used again.
DROP TABLE credit_hold_part;
DROP TABLE credit_hold;
-- A bucket whose time had come while it was held ends now.
UPDATE account SET due_us = 0 WHERE id IN (SELECT account_id FROM credit_bucket WHERE held > 0);
UPDATE credit_bucket SET held = 0;
ALTER TABLE account DROP COLUMN hold_count;
