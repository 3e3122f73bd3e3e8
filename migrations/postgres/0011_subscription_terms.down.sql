-- Lost: which plans follow the calendar, each subscription's anchor and grace, and when accounts fall due.
DROP INDEX account_due_index;
ALTER TABLE account DROP COLUMN due_us;
DROP INDEX subscription_number_unique;
ALTER TABLE subscription DROP COLUMN grace_end_us;
ALTER TABLE subscription DROP COLUMN grants;
ALTER TABLE subscription DROP COLUMN anchor_us;
ALTER TABLE subscription DROP COLUMN trial_grace_days;
ALTER TABLE subscription DROP COLUMN number;
ALTER TABLE plan DROP COLUMN calendar_anchor;
