-- A rare value and a common one need different plans, so none is kept; and compiling one takes longer than most run.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true)
