"""fakeredis behind the interface of a `Link`."""

from hashlib import sha1
from types import TracebackType
from typing import Any, Self

import fakeredis
import hiredis
from redis.exceptions import NoScriptError, ResponseError

from monarq.jobs.store.replies import error_of

#: It has no INFO.  Nothing restarts here, so that it is past any grace.
_INFO = b"# Server\r\nuptime_in_seconds:3600\r\n"


class FakeTransport:
    """A server of its own, in memory."""

    def __init__(self) -> None:
        self.client = fakeredis.FakeAsyncRedis()
        self.client.response_callbacks.clear()  # replies as the server gives them, as those of a link
        self._shas: dict[str, str] = {}

    async def call(self, *command: Any, timeout: float | None = None) -> Any:
        """The reply to one command; raises a `StoreError`."""
        if command[0] == "INFO":
            return _INFO
        try:
            return await self.client.execute_command(*self._adapted(*command))  # type: ignore[no-untyped-call]
        except NoScriptError as error:
            raise error_of(hiredis.ReplyError(f"NOSCRIPT {error}")) from None
        except ResponseError as error:
            raise error_of(hiredis.ReplyError(str(error))) from None

    def _adapted(self, verb: str, *rest: Any) -> tuple[Any, ...]:
        """Without the first line of a script: flags, which fakeredis takes for Lua."""
        if verb == "EVAL":
            source: bytes = rest[0]
            plain = source.partition(b"\n")[2]
            self._shas[_sha(source)] = _sha(plain)
            return (verb, plain, *rest[1:])
        if verb == "EVALSHA":
            return (verb, self._shas.get(rest[0], rest[0]), *rest[1:])
        return (verb, *rest)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.aclose()


def _sha(source: bytes) -> str:
    return sha1(source, usedforsecurity=False).hexdigest()
