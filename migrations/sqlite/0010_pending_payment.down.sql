-- The older schema has no word for it: such an account reads as overdue, which keeps its billing pages open.
UPDATE account SET status = 'suspended', suspend_reason = 'payment_overdue' WHERE status = 'pending_payment';
DELETE FROM account_status WHERE word = 'pending_payment';
