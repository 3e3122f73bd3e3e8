-- The file of a SQLite may be written to by programs that do not check foreign keys; triggers keep the periods tiled there. Here
-- the same ones say the same, in words of their own.
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

CREATE FUNCTION subscription_period_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.subscription_id <> NEW.subscription_id OR OLD.sequence <> NEW.sequence OR OLD.start_us <> NEW.start_us
        OR (OLD.end_us <> NEW.end_us AND EXISTS (
            SELECT 1 FROM subscription_period AS following
            WHERE following.subscription_id = OLD.subscription_id AND following.sequence = OLD.sequence + 1
        ))
    THEN
        RAISE EXCEPTION 'of a period the end alone changes, and of the last one alone'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER subscription_period_begins_at_an_end BEFORE INSERT ON subscription_period
    FOR EACH ROW EXECUTE FUNCTION subscription_period_begins();
CREATE TRIGGER subscription_period_stays_tiled BEFORE UPDATE ON subscription_period
    FOR EACH ROW EXECUTE FUNCTION subscription_period_stays();
