"""`monarq worker` on a machine whose clock is wrong: `time.time` is off by `E2E_CLOCK_SKEW` seconds."""

import os
import time

_skew = float(os.environ["E2E_CLOCK_SKEW"])
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + _skew
time.time_ns = lambda: _time_ns() + int(_skew * 1e9)

from monarq.jobs.cli import main  # noqa: E402 - after the clock is off, so that nobody has the true one

if __name__ == "__main__":
    main()
