ALTER TABLE subscription DROP COLUMN external_payment_id;
ALTER TABLE subscription DROP COLUMN payment_method;
