-- The older schema has no ledger: accounts keep the balance that the entries came to.
DROP TRIGGER account_follows_ledger;
DROP TRIGGER account_starts_empty;
DROP TABLE ledger_entry;
