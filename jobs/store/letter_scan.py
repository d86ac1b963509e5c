"""Finding dead letters: page by page, however many there are."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing

from .dead_letter import LetterHead, Place, read_head
from .execute import Transport, execute
from .keys import QueueKeys, queue_keys
from .letter_filter import LetterFilter, as_ms
from .letter_verbs import Browsed, browse
from .queues import known_queues

#: Told now and then: how many letters have been looked at, replayed or discarded so far.
Progress = Callable[[int], None]

#: Letters of one script call: a script stops the server for all others while it runs.
PAGE = 200
#: A page of letters with payloads of half a megabyte must not become a reply of a hundred.
_PAGE_BYTES = 1_000_000


class LetterScan:
    """Reads letters of all queues behind one connection.

    It goes by the time of death, so that letters that come and go meanwhile hide no other.
    """

    def __init__(self, transport: Transport, *, tagged: bool = False) -> None:
        self._transport = transport
        self._tagged = tagged

    async def queues(self, name: str | None = None) -> Sequence[QueueKeys]:
        """All known queues, or the one of this name."""
        known = await known_queues(self._transport, tagged=self._tagged)
        if name is None:
            return known
        return [keys for keys in known if keys.name == name] or [queue_keys(name, tagged=self._tagged)]

    async def pages(
        self, wanted: LetterFilter, on_progress: Progress | None = None
    ) -> AsyncGenerator[Sequence[LetterHead], None]:
        """The letters that are meant, one queue after the other, oldest first within each."""
        looked_at = 0
        for keys in await self.queues(wanted.queue):
            async with aclosing(self.pages_of(keys, wanted)) as pages:
                async for page in pages:
                    looked_at += len(page)
                    if on_progress is not None:
                        on_progress(looked_at)
                    if found := [head for head in page if wanted.fits(head)]:
                        yield found

    async def newest(self, keys: QueueKeys, wanted: LetterFilter, limit: int) -> Sequence[LetterHead]:
        """The newest letters of one queue that are meant, newest first."""
        found: list[LetterHead] = []
        size = PAGE if wanted.looks_inside else min(PAGE, limit)
        async with aclosing(self.pages_of(keys, wanted, newest_first=True, size=size)) as pages:
            async for page in pages:
                found += [head for head in page if wanted.fits(head)]
                if len(found) >= limit:
                    break
        return found[:limit]

    async def find(self, job_ids: Iterable[str]) -> AsyncGenerator[Sequence[LetterHead], None]:
        """The letters of these ids, as far as there are any: pages of one queue each."""
        wanted = list(dict.fromkeys(job_ids))
        for keys in await self.queues() if wanted else ():
            for at in range(0, len(wanted), PAGE):
                found = await self.browse(keys, wanted[at : at + PAGE])
                page = [
                    read_head(keys, job_id, one.died_ms, one)
                    for job_id, one in found.items()
                    if one.died_ms is not None
                ]
                if page:
                    yield page

    async def browse(self, keys: QueueKeys, job_ids: Sequence[str]) -> dict[str, Browsed]:
        """What the store holds of these letters, in as many calls as their sizes ask for."""
        found: dict[str, Browsed] = {}
        while len(found) < len(job_ids):
            rest = job_ids[len(found) :]
            part = await execute(self._transport, browse(keys, rest, _PAGE_BYTES))
            found.update(zip(rest, part, strict=False))
        return found

    async def pages_of(
        self,
        keys: QueueKeys,
        wanted: LetterFilter,
        *,
        newest_first: bool = False,
        size: int = PAGE,
        beyond: Place | None = None,
    ) -> AsyncGenerator[Sequence[LetterHead], None]:
        """The letters of one queue that died in the wanted time, by time; with `beyond`, those behind it."""
        oldest = "-inf" if wanted.since is None else str(as_ms(wanted.since))
        newest = "+inf" if wanted.until is None else f"({as_ms(wanted.until)}"
        if beyond is not None and wanted.spans(beyond[0]):
            rest = await self._rest_of_ms(keys, beyond, newest_first=newest_first)
            for at in range(0, len(rest), size):
                yield await self._heads(keys, dict.fromkeys(rest[at : at + size], beyond[0]))
            limit = f"({beyond[0]}"
            oldest, newest = (oldest, limit) if newest_first else (limit, newest)
        seen: set[str] = set()  # of those that died in the very ms at which the last page ended
        while True:
            limits = (newest, oldest, "BYSCORE", "REV") if newest_first else (oldest, newest, "BYSCORE")
            reply = await self._transport.call(
                "ZRANGE", keys.dead, *limits, "LIMIT", 0, size + len(seen), "WITHSCORES"
            )
            found = {job_id: died for job_id, died in _scored(reply) if job_id not in seen}
            if not found:
                return
            yield await self._heads(keys, found)
            edge = next(reversed(found.values()))
            at_edge = {job_id for job_id, died in found.items() if died == edge}
            seen = seen | at_edge if len(at_edge) == len(found) else at_edge
            oldest, newest = (oldest, str(edge)) if newest_first else (str(edge), newest)

    async def _heads(self, keys: QueueKeys, found: dict[str, int]) -> Sequence[LetterHead]:
        browsed = await self.browse(keys, list(found))
        return [read_head(keys, job_id, died, browsed[job_id]) for job_id, died in found.items()]

    async def _rest_of_ms(self, keys: QueueKeys, beyond: Place, *, newest_first: bool) -> Sequence[str]:
        """Those that died in the very ms of a place, behind it."""
        died, last = beyond
        way = ("BYSCORE", "REV") if newest_first else ("BYSCORE",)
        found = await self._transport.call("ZRANGE", keys.dead, died, died, *way)
        ids = [job_id.decode("utf-8", "backslashreplace") for job_id in found]
        return [job_id for job_id in ids if (job_id < last if newest_first else job_id > last)]


def _scored(reply: Sequence[bytes]) -> list[tuple[str, int]]:
    pairs = zip(reply[::2], reply[1::2], strict=True)
    return [(job_id.decode("utf-8", "backslashreplace"), int(float(score))) for job_id, score in pairs]
