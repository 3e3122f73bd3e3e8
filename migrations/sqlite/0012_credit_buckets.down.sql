-- Lost: which bucket each credit lies in, and when it expires. Balances and ledgers stay.
DROP INDEX ledger_entry_day_index;
DROP TABLE credit_bucket;
ALTER TABLE account DROP COLUMN bucket_count;
