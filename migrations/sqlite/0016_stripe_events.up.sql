-- The inbox of Stripe's webhooks: each event once, in whatever order they come.
CREATE TABLE stripe_event (
    event_id TEXT NOT NULL PRIMARY KEY,
    event_type TEXT NOT NULL,
    status TEXT NOT NULL,
    stripe_subscription_id TEXT,
    payload TEXT NOT NULL,
    outcome TEXT NOT NULL,
    occurred_at_us INTEGER NOT NULL,
    received_at_us INTEGER NOT NULL,
    processed_at_us INTEGER,
    CONSTRAINT stripe_event_status_word CHECK (status IN ('waiting', 'done', 'ignored')),
    CONSTRAINT stripe_event_waits_for_something CHECK (status <> 'waiting' OR stripe_subscription_id IS NOT NULL)
) STRICT;

CREATE INDEX stripe_event_waiting_index ON stripe_event (stripe_subscription_id) WHERE status = 'waiting';
