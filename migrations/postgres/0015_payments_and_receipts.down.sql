-- Lost: every payment and receipt, and the numbers of these: plans and periods that were paid for stay, and a payment that
-- is confirmed again counts again. Accounts whose trial has ended no longer wait for a payment.
UPDATE account SET status = 'suspended', suspend_reason = 'trial_ended' WHERE status = 'pending_payment';
DROP TABLE receipt_counter;
DROP TABLE receipt;
DROP TABLE payment;
