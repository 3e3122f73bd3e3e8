-- Lost: the time that a test has advanced to.
DROP TABLE test_clock;
