-- A rare value and a common one need different plans, so none is kept; compiling a plan takes longer than most run;
-- and to read a table from its start is a bet on where in it the first rows are that fit.
SELECT
    set_config('plan_cache_mode', 'force_custom_plan', true),
    set_config('jit', 'off', true),
    set_config('enable_seqscan', 'off', true)
