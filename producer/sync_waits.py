"""Being told when a job ends, without an event loop: a subscription for each one who waits."""

from __future__ import annotations

import time
from secrets import token_hex
from types import TracebackType
from typing import Self

from monarq.jobs.errors import StoreUnavailable
from monarq.jobs.store.address import Address
from monarq.jobs.store.sync_connection import SyncLink

#: Seconds after which one who waits looks again, unwoken (see `handle.py`).
_LOOK_AGAIN = 10.0


class SyncWait:
    """One blocking subscription."""

    def __init__(self, address: Address) -> None:
        self._link = SyncLink(address)
        self._channel = f"monarq:done:{token_hex(8)}"
        self._subscribed = False

    def channel(self) -> str:
        """The channel that is listened to, subscribed by now."""
        if not self._subscribed:
            self._link.call("SUBSCRIBE", self._channel)
            self._subscribed = True
        return self._channel

    def for_message(self, deadline: float | None) -> None:
        """Wait until told, or until it is time to look again.

        Raises:
            TimeoutError: `deadline` (of `time.monotonic()`) has passed.
        """
        left = _LOOK_AGAIN if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the job has not ended yet")
        try:
            self._link.wait(min(left, _LOOK_AGAIN))
        except StoreUnavailable:
            self._subscribed = False  # look at once, over a new connection

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._link.close()
