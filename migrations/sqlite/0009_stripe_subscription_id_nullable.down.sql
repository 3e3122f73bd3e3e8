-- Lost: which subscription at Stripe belongs to which one here.
DROP INDEX subscription_stripe_subscription_id_unique;
ALTER TABLE subscription DROP COLUMN stripe_subscription_id;
