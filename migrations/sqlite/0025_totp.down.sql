-- Lost: every second factor. Staff sign in with their password alone until they enrol again.
DROP TABLE totp_recovery_code;
DROP TABLE totp;
