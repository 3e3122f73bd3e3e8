-- The append-only ledger. The triggers make `account.credits` the sum of its entries by construction: an entry must
-- continue the account's sequence and balance, inserting it moves the account, and nothing else may move the account.
CREATE TABLE ledger_entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    transaction_type TEXT NOT NULL,
    amount INTEGER NOT NULL,
    balance_after INTEGER NOT NULL,
    description TEXT NOT NULL,
    metadata TEXT NOT NULL,
    created_at_us INTEGER NOT NULL,
    CONSTRAINT ledger_entry_account_fk FOREIGN KEY (account_id) REFERENCES account (id),
    CONSTRAINT ledger_entry_sequence_unique UNIQUE (account_id, sequence),
    CONSTRAINT ledger_entry_sequence_range CHECK (sequence >= 1),
    CONSTRAINT ledger_entry_transaction_type_word CHECK (transaction_type IN ('subscription', 'purchase', 'bonus', 'consumption', 'adjustment', 'expiry', 'refund')),
    CONSTRAINT ledger_entry_amount_moves CHECK (amount <> 0),
    CONSTRAINT ledger_entry_balance_after_range CHECK (balance_after >= 0)
) STRICT;

-- Accounts from before the ledger (or from a `down` past it) begin it with what they hold.
INSERT INTO ledger_entry (account_id, sequence, transaction_type, amount, balance_after, description, metadata, created_at_us)
SELECT id, 1, 'adjustment', credits, credits, 'Opening balance', '{}', updated_at_us FROM account WHERE credits > 0;
UPDATE account SET ledger_sequence = CASE WHEN credits > 0 THEN 1 ELSE 0 END;

CREATE TRIGGER ledger_entry_continues BEFORE INSERT ON ledger_entry
WHEN NOT EXISTS (
    SELECT 1 FROM account
    WHERE id = NEW.account_id AND NEW.sequence = ledger_sequence + 1 AND NEW.balance_after = credits + NEW.amount
)
BEGIN
    SELECT RAISE(ABORT, 'ledger_entry does not continue the ledger of its account');
END;

CREATE TRIGGER ledger_entry_moves_account AFTER INSERT ON ledger_entry
BEGIN
    UPDATE account SET credits = NEW.balance_after, ledger_sequence = NEW.sequence WHERE id = NEW.account_id;
END;

CREATE TRIGGER ledger_entry_no_update BEFORE UPDATE ON ledger_entry
BEGIN
    SELECT RAISE(ABORT, 'ledger_entry is never updated');
END;

CREATE TRIGGER ledger_entry_no_delete BEFORE DELETE ON ledger_entry
BEGIN
    SELECT RAISE(ABORT, 'ledger_entry is never deleted');
END;

CREATE TRIGGER account_starts_empty BEFORE INSERT ON account
WHEN NEW.credits <> 0 OR NEW.ledger_sequence <> 0
BEGIN
    SELECT RAISE(ABORT, 'account starts without credits');
END;

CREATE TRIGGER account_follows_ledger BEFORE UPDATE OF credits, ledger_sequence ON account
WHEN NEW.ledger_sequence <> OLD.ledger_sequence + 1 OR NOT EXISTS (
    SELECT 1 FROM ledger_entry
    WHERE account_id = NEW.id AND sequence = NEW.ledger_sequence AND balance_after = NEW.credits
)
BEGIN
    SELECT RAISE(ABORT, 'account.credits follows the ledger');
END;
