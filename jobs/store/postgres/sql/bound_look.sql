-- For what is read while a person waits: it gives up soon ($1, ms), and compiles no plan: that takes longer than most
-- of them run.
SELECT set_config('statement_timeout', $1, true), set_config('jit', 'off', true)
