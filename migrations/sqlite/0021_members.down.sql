-- Lost: every invitation, and when members were removed: they stay shut out.
DROP TABLE invitation;
ALTER TABLE users DROP COLUMN removed_at_us;
