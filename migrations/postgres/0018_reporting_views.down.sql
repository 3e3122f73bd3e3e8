-- Lost: nothing. The views show what lies in tables.
DROP SCHEMA reporting CASCADE;
