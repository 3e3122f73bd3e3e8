-- Lost: what periods that were renewed early have still to grant. The latest period grants the rest of its own.
UPDATE subscription SET grants = 1 WHERE granting_sequence IS NOT NULL;
ALTER TABLE subscription DROP COLUMN granting_sequence;
