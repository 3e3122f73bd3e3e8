-- Lost: every subscription and period, and what was cancelled. Accounts and their credits stay.
DROP TABLE subscription_period;
DROP TABLE subscription;
