-- Lost: nothing. Foreign keys keep the periods tiled.
DROP TRIGGER subscription_period_begins_at_an_end ON subscription_period;
DROP FUNCTION subscription_period_begins();
