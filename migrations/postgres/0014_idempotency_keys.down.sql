-- Lost: every Idempotency-Key. A request that is sent again takes effect again.
DROP TABLE idempotency_key;
