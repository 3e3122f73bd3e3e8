-- How the running period came about, and the payment that it came from.
ALTER TABLE subscription ADD COLUMN payment_method TEXT NOT NULL DEFAULT 'trial'
    CONSTRAINT subscription_payment_method_word CHECK (payment_method IN ('trial', 'bank_transfer', 'stripe', 'manual'));
ALTER TABLE subscription ADD COLUMN external_payment_id TEXT;
