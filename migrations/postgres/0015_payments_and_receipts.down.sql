-- Lost: every payment and receipt. Plans and periods that were paid for stay.
DROP TABLE receipt_counter;
DROP TABLE receipt;
DROP TABLE payment;
