-- A relay that freezes or vanishes in the middle of a batch must not keep the rows from the others.
SET LOCAL idle_in_transaction_session_timeout = '30s'
