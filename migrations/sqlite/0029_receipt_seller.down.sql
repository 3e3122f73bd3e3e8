-- Lost: who issued each receipt. The receipts stay; brought up again, those of before name nobody.
ALTER TABLE receipt DROP COLUMN seller;
