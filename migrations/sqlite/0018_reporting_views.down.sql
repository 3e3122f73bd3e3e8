-- Lost: nothing. There are no such views here.
SELECT 1;
