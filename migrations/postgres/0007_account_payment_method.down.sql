ALTER TABLE account DROP COLUMN payment_method;
