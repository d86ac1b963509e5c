"""What a beat promises: by it a server is recognised that has lost its data."""

from dataclasses import replace

from monarq.jobs.store.epoch import beat, read_mark
from monarq.jobs.store.execute import execute
from monarq.jobs.store.keys import EPOCH

from .store import Store


class BeatRules:
    """What lies at `monarq:epoch`."""

    async def test_an_empty_server_says_nothing(self, store: Store) -> None:
        mark = await read_mark(store.transport)
        assert (mark.text, mark.epoch, mark.is_rebuilding) == (b"", None, False)

    async def test_a_beat_says_the_epoch_and_the_servers_time(self, store: Store) -> None:
        before = await store.now()
        written = await execute(store.transport, beat(await read_mark(store.transport), 3))
        assert written is not None
        assert (written.epoch, written.is_rebuilding) == (3, False)
        assert before <= written.at_ms <= await store.now()
        assert (await read_mark(store.transport)).text == written.text

    async def test_who_has_seen_something_else_writes_nothing(self, store: Store) -> None:
        seen = await read_mark(store.transport)
        await store.call("SET", EPOCH, "4:1")
        assert await execute(store.transport, beat(seen, 3)) is None
        assert await execute(store.transport, beat(seen, 3, "rebuilding")) is None
        assert await store.call("GET", EPOCH) == b"4:1"

    async def test_a_beat_of_one_epoch_is_never_earlier_than_the_last(self, store: Store) -> None:
        """The server's clock may be set back."""
        future = await store.now() + 3_600_000
        await store.call("SET", EPOCH, f"3:{future}")
        written = await execute(store.transport, beat(await read_mark(store.transport), 3))
        assert written is not None
        assert written.at_ms == future

    async def test_another_epoch_begins_at_the_servers_time(self, store: Store) -> None:
        await store.call("SET", EPOCH, f"3:{await store.now() + 3_600_000}")
        written = await execute(store.transport, beat(await read_mark(store.transport), 4))
        assert written is not None
        assert written.at_ms <= await store.now()

    async def test_who_rebuilds_says_so_with_the_time(self, store: Store) -> None:
        seen = await read_mark(store.transport)
        assert await execute(store.transport, beat(seen, 3, "rebuilding")) is not None
        mark = await read_mark(store.transport)
        assert (mark.epoch, mark.is_rebuilding, mark.is_being_rebuilt) == (3, True, True)
        assert not replace(mark, now_ms=mark.now_ms + 60_000).is_being_rebuilt
