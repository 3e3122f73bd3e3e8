-- Lost: every plan.
DROP TABLE plan;
