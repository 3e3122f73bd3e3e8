-- Invitations are mailed, too. The mail of one has the token hash of its invitation, and is of the user who invites.
ALTER TABLE mailed_token DROP CONSTRAINT mailed_token_purpose_word;
ALTER TABLE mailed_token ADD CONSTRAINT mailed_token_purpose_word CHECK (purpose IN ('verify_email', 'reset_password', 'invitation'));
