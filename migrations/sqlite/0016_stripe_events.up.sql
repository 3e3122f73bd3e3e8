-- Which account a subscription of Stripe's pays for: known once its checkout has come. Whoever works on one of its events
-- holds its row, so that an event that waits is always seen by the one that it waits for.
CREATE TABLE stripe_subscription (
    id TEXT NOT NULL PRIMARY KEY,
    account_id INTEGER,
    reference TEXT,
    mirrored_at_us INTEGER,
    created_at_us INTEGER NOT NULL,
    CONSTRAINT stripe_subscription_account_fk FOREIGN KEY (account_id) REFERENCES account (id),
    CONSTRAINT stripe_subscription_reference_has_account CHECK (reference IS NULL OR account_id IS NOT NULL)
) STRICT;

INSERT INTO stripe_subscription (id, account_id, created_at_us)
SELECT stripe_subscription_id, account_id, created_at_us FROM subscription WHERE stripe_subscription_id IS NOT NULL;

-- The inbox of Stripe's webhooks: each event once, in whatever order they come. Of its text only the facts are kept that
-- this service goes by: no address, no card.
CREATE TABLE stripe_event (
    event_id TEXT NOT NULL PRIMARY KEY,
    event_type TEXT NOT NULL,
    status TEXT NOT NULL,
    outcome TEXT NOT NULL,
    stripe_subscription_id TEXT,
    facts TEXT NOT NULL,
    occurred_at_us INTEGER NOT NULL,
    received_at_us INTEGER NOT NULL,
    processed_at_us INTEGER,
    CONSTRAINT stripe_event_stripe_subscription_fk FOREIGN KEY (stripe_subscription_id)
        REFERENCES stripe_subscription (id),
    CONSTRAINT stripe_event_status_word CHECK (status IN ('waiting', 'done', 'ignored')),
    CONSTRAINT stripe_event_waits_for_something CHECK (status <> 'waiting' OR stripe_subscription_id IS NOT NULL),
    CONSTRAINT stripe_event_waiting_is_not_processed CHECK ((status = 'waiting') = (processed_at_us IS NULL))
) STRICT;

CREATE INDEX stripe_event_waiting_index ON stripe_event (stripe_subscription_id) WHERE status = 'waiting';
