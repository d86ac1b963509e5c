-- A session that is frozen within its transaction is ended by the server after $1 (ms), and its locks are free.
SELECT set_config('idle_in_transaction_session_timeout', $1, true)
