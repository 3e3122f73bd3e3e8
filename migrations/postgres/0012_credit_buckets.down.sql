-- Lost: which bucket each credit lies in, and when it expires. Balances and ledgers stay.
DROP INDEX ledger_entry_day_index;
DROP TABLE credit_bucket;
ALTER TABLE account DROP COLUMN bucket_count;

DROP TRIGGER ledger_entry_continues ON ledger_entry;
DROP TRIGGER ledger_entry_moves_account ON ledger_entry;

CREATE OR REPLACE FUNCTION ledger_entry_continues() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM account
        WHERE id = NEW.account_id AND NEW.sequence = ledger_sequence + 1 AND NEW.balance_after = credits + NEW.amount
    ) THEN
        RAISE EXCEPTION 'ledger_entry does not continue the ledger of its account' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION ledger_entry_moves_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE account SET credits = NEW.balance_after, ledger_sequence = NEW.sequence WHERE id = NEW.account_id;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION account_follows_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.ledger_sequence <> OLD.ledger_sequence + 1 OR NOT EXISTS (
        SELECT 1 FROM ledger_entry
        WHERE account_id = NEW.id AND sequence = NEW.ledger_sequence AND balance_after = NEW.credits
    ) THEN
        RAISE EXCEPTION 'account.credits follows the ledger' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER ledger_entry_continues BEFORE INSERT ON ledger_entry
    FOR EACH ROW EXECUTE FUNCTION ledger_entry_continues();
CREATE TRIGGER ledger_entry_moves_account AFTER INSERT ON ledger_entry
    FOR EACH ROW EXECUTE FUNCTION ledger_entry_moves_account();
