-- The schema `reporting` is for people and their tools on PostgreSQL; SQLite has neither schemas nor times of its own.
SELECT 1;
