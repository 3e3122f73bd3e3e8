-- Who issued it, as the setting stood then: name, address, tax number, a line each. Nobody on receipts from before, nor on
-- those of a core that knows of no seller.
ALTER TABLE receipt ADD COLUMN seller TEXT NOT NULL DEFAULT '';
