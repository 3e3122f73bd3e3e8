-- Lost: mail of invitations that was still to be sent. The invitations stay; whoever invites has their links.
DELETE FROM mailed_token WHERE purpose = 'invitation';
ALTER TABLE mailed_token DROP CONSTRAINT mailed_token_purpose_word;
ALTER TABLE mailed_token ADD CONSTRAINT mailed_token_purpose_word CHECK (purpose IN ('verify_email', 'reset_password'));
