-- Lost: the entries of the ledger. Accounts keep the balance that these came to.
DROP TRIGGER account_follows_ledger ON account;
DROP TRIGGER account_starts_empty ON account;
DROP TABLE ledger_entry;
DROP FUNCTION account_follows_ledger();
DROP FUNCTION account_starts_empty();
DROP FUNCTION ledger_entry_moves_account();
DROP FUNCTION ledger_entry_continues();
DROP FUNCTION refuse_change();
