-- Lost: which accounts wait for a payment: they read as overdue, which keeps their billing pages open.
UPDATE account SET status = 'suspended', suspend_reason = 'payment_overdue' WHERE status = 'pending_payment';
DELETE FROM account_status WHERE word = 'pending_payment';
