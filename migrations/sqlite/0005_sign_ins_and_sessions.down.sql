-- Lost: sign-ins and sessions. Everybody signs in again.
DROP TABLE admin_session;
DROP TABLE sign_in;
