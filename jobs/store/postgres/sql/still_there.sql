-- Asked of a connection that is silent by nature.
SELECT 1
