-- Lost: which events of Stripe have come, and which account pays through which of its subscriptions before the first
-- payment. An event that is sent again is taken again; payments stay unique by themselves.
DROP TABLE stripe_event;
DROP TABLE stripe_subscription;
