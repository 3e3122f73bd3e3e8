-- Lost: nothing.
DROP INDEX stripe_event_age_index;
