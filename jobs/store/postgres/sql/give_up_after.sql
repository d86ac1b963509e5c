-- For this transaction alone: who waits before a screen does not wait for long.  $1: ms.
SELECT set_config('statement_timeout', $1, true)
