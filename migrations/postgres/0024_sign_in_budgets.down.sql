-- Lost: how many attempts anybody has left. Everybody has all of them again.
DROP TABLE sign_in_budget;
