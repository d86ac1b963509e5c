"""A transport that remembers what was sent, and breaks when told to."""

import asyncio
from typing import Any

from monarq.jobs.errors import StoreUnavailable
from monarq.jobs.store import scripts
from tests.contract.fake import FakeTransport


class Recording:
    """fakeredis, with a record of the commands that got through."""

    def __init__(self) -> None:
        self._fake = FakeTransport()
        self.sent: list[tuple[Any, ...]] = []
        #: How many of the next commands get no reply, and whether they are carried out all the same.
        self.failures = 0
        self.fails_after_writing = False
        self.tries = 0

    async def call(self, *command: Any, timeout: float | None = None) -> Any:
        self.tries += 1
        if self.failures and not self.fails_after_writing:
            self._fail()
        reply = await self._fake.call(*command, timeout=timeout)
        self.sent.append(command)
        if self.failures:
            self._fail()
        return reply

    def _fail(self) -> None:
        self.failures -= 1
        raise StoreUnavailable("no answer from Redis")

    @property
    def enqueues(self) -> list[int]:
        """For each call of the enqueue script, how many jobs it wrote."""
        script = scripts.load("enqueue")
        calls = [command for command in self.sent if command[1] in (script.sha, script.source)]
        return [(len(command) - 3 - command[2]) // script.arguments.stride for command in calls]


class SyncRecording(Recording):
    """The same behind the interface of a `SyncLink`."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()

    def call(self, *command: Any) -> Any:  # type: ignore[override]
        return self._loop.run_until_complete(super().call(*command))

    def close(self) -> None:
        self._loop.close()
