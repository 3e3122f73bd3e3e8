-- Lost: the audit, and what was still to be sent.
DROP TABLE outbox;
DROP TABLE audit;
