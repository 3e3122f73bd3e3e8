-- Lost: every account and user.
DROP TABLE users;
DROP TABLE account;
DROP TABLE account_status;
