-- A subscription can be renewed before its period has granted everything: the rest still comes, each grant at its time. Then
-- this is the sequence of the period whose grants come now, and `grants` counts those of it; where it is nothing, the latest's.
ALTER TABLE subscription ADD COLUMN granting_sequence INTEGER
    CONSTRAINT subscription_granting_sequence_range CHECK (granting_sequence >= 1);
