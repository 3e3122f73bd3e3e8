-- Lost: the entries of the ledger. Accounts keep the balance that these came to.
DROP TRIGGER account_follows_ledger;
DROP TRIGGER account_starts_empty;
DROP TABLE ledger_entry;
