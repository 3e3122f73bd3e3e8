-- Lost: how subscriptions are paid, and the payment that each one's latest period came from.
ALTER TABLE subscription DROP COLUMN external_payment_id;
ALTER TABLE subscription DROP COLUMN payment_method;
