-- Lost: every hold. What was set aside can be used again.
DROP TABLE credit_hold_part;
DROP TABLE credit_hold;
UPDATE credit_bucket SET held = 0;
ALTER TABLE account DROP COLUMN hold_count;
