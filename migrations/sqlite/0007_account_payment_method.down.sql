-- Lost: how accounts pay.
ALTER TABLE account DROP COLUMN payment_method;
