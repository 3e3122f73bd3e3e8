-- Lost: refresh tokens, and what sign-ins look like to their users. Everybody signs in again when their access token runs out.
DROP TABLE refresh_token;
DROP INDEX sign_in_running_index;
DROP INDEX sign_in_ended_index;
DROP INDEX sign_in_family_hash_unique;
ALTER TABLE sign_in DROP COLUMN family_hash;
ALTER TABLE sign_in DROP COLUMN user_agent;
ALTER TABLE sign_in DROP COLUMN address;
ALTER TABLE sign_in DROP COLUMN last_used_at_us;
ALTER TABLE sign_in DROP COLUMN expires_at_us;
