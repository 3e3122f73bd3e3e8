-- The file of a SQLite may be written to by programs that do not check foreign keys: a trigger keeps new periods tiled there.
-- Here the same one says the same, in words of its own.
CREATE FUNCTION subscription_period_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.sequence > 1 AND NOT EXISTS (
        SELECT 1 FROM subscription_period AS previous
        WHERE previous.subscription_id = NEW.subscription_id AND previous.sequence = NEW.sequence - 1 AND previous.end_us = NEW.start_us
    ) THEN
        RAISE EXCEPTION 'a period begins where the one before it ends' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER subscription_period_begins_at_an_end BEFORE INSERT ON subscription_period
    FOR EACH ROW EXECUTE FUNCTION subscription_period_begins();
