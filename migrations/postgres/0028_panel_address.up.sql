-- Where somebody signed in to the panel from, as with any other sign-in: there they are known the next time.
ALTER TABLE admin_session ADD COLUMN address TEXT NOT NULL DEFAULT '';
