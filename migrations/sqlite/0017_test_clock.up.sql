-- How far the service's time is ahead of the machine's, in microseconds. Always 0 outside tests.
CREATE TABLE test_clock (
    id INTEGER NOT NULL PRIMARY KEY,
    ahead_us INTEGER NOT NULL,
    CONSTRAINT test_clock_single CHECK (id = 1),
    CONSTRAINT test_clock_ahead_us_range CHECK (ahead_us >= 0)
) STRICT;

INSERT INTO test_clock (id, ahead_us) VALUES (1, 0);
