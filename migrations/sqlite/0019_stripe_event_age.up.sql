-- The worker asks each second how old the oldest event is.
CREATE INDEX stripe_event_age_index ON stripe_event (received_at_us);
