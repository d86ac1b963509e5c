"""Into how many claims a busy worker divides its slots: more of them where Redis is far away."""

from __future__ import annotations

import time

from monarq.jobs.errors import StoreError
from monarq.jobs.store.execute import Transport

#: Claims under way at once: one runs while the other is fetched.
NEAR = 2
#: The same where replies are long on their way.  More and smaller batches fill the time; near by they would
#: cost more than they gain.
FAR_OFF = 4
#: Seconds there and back from which Redis is far off: more than within one data centre.
_FAR_SECONDS = 0.0007
_LOOKS = 3


async def count_lanes(link: Transport) -> int:
    """How many claims may be under way, by the fastest of a few round trips; the few if Redis is away."""
    fastest = float("inf")
    for _ in range(_LOOKS):
        sent = time.monotonic()
        try:
            await link.call("PING")
        except StoreError:
            return NEAR
        fastest = min(fastest, time.monotonic() - sent)
    return FAR_OFF if fastest >= _FAR_SECONDS else NEAR
