-- Lost: from where staff signed in to the panel. The sessions go on.
ALTER TABLE admin_session DROP COLUMN address;
