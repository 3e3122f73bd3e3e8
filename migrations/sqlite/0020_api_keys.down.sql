-- Lost: every API key; programs that use one are refused. The audit no longer says by which key somebody acted.
ALTER TABLE audit DROP COLUMN actor_key_id;
DROP TABLE api_key;
