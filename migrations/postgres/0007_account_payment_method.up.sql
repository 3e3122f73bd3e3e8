-- How the account pays; nothing until it has chosen.
ALTER TABLE account ADD COLUMN payment_method TEXT
    CONSTRAINT account_payment_method_word CHECK (payment_method IN ('bank_transfer', 'stripe', 'manual'));
