-- Nullable: most subscriptions are paid otherwise. Unique where there is one.
ALTER TABLE subscription ADD COLUMN stripe_subscription_id TEXT;
CREATE UNIQUE INDEX subscription_stripe_subscription_id_unique ON subscription (stripe_subscription_id);
