-- The older schema has no subscriptions: periods and cancellations are lost, accounts and credits stay.
DROP TABLE subscription_period;
DROP TABLE subscription;
