-- A relay that freezes or vanishes in the middle of a batch must not keep the rows from the others.
SET LOCAL idle_in_transaction_session_timeout = '30s';
-- The table was nearly always empty when its statistics were made.  By them PostgreSQL would sort a sudden million of
-- rows for each batch, instead of reading the first ones of the index.
SET LOCAL enable_sort = off
