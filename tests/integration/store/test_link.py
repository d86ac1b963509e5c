"""The link: one socket for any number of callers, and no reply ever reaches the wrong one."""

import asyncio
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from monarq.jobs.errors import StoreRefused, StoreUnavailable
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Connection, Link, connect
from tests.contract.store import Store
from tests.proxy import Proxy
from tests.servers import free_port

CALLERS = 4000


async def values_of(store: Store) -> None:
    """Each key holds its own number."""
    await store.call("MSET", *(word for n in range(CALLERS) for word in (f"key:{n}", n)))


class Crowd:
    """Many callers of one link, each of which asks for its own value."""

    def __init__(self, link: Link, random: Random) -> None:
        self._link = link
        self._random = random
        self.answered = self.cancelled = self.unavailable = 0
        self.wrong: list[tuple[int, Any]] = []

    async def ask(self, n: int) -> None:
        try:
            await asyncio.sleep(self._random.random() * 0.2)
            answer = await self._insist(n)
        except asyncio.CancelledError:
            self.cancelled += 1
            return
        self.answered += 1
        if answer != b"%d" % n:
            self.wrong.append((n, answer))

    async def _insist(self, n: int) -> Any:
        while True:
            try:
                return await self._link.call("GET", f"key:{n}")
            except StoreUnavailable:
                self.unavailable += 1

    async def gather(self, *, cancelled: float, callers: int = CALLERS) -> None:
        """All ask; this share of them is cancelled at some time in between."""
        loop = asyncio.get_running_loop()
        tasks = [asyncio.create_task(self.ask(n)) for n in range(callers)]
        for task in tasks:
            if self._random.random() < cancelled:
                loop.call_later(self._random.random() * 0.4, task.cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        self.cancelled += sum(task.cancelled() for task in tasks)  # before they had begun
        assert self.answered + self.cancelled == callers


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_callers_that_are_cancelled_leave_the_others_their_own_replies(
    store: Store, proxy: Proxy, link: Link, seed: int
) -> None:
    await values_of(store)
    random = Random(seed)
    proxy.delay_replies(lambda: 0.002 if random.random() < 0.05 else 0)
    crowd = Crowd(link, random)
    await crowd.gather(cancelled=0.5)
    assert crowd.wrong == []
    assert crowd.unavailable == 0
    assert min(crowd.cancelled, crowd.answered) > 100
    assert await link.call("GET", "key:7") == b"7"
    assert proxy.accepted == 1


@pytest.mark.parametrize("seed", [1, 2])
async def test_connections_that_break_leave_everybody_the_own_reply_or_none(
    store: Store, proxy: Proxy, link: Link, seed: int
) -> None:
    await values_of(store)
    random = Random(seed)
    struck = random.sample(range(1, 800), 15)
    for nth in struck:
        random.choice([proxy.drop_reply, proxy.cut_reply])(nth)
    crowd = Crowd(link, random)
    await crowd.gather(cancelled=0.2, callers=1200)
    assert crowd.wrong == []
    assert crowd.unavailable >= len(struck)
    assert proxy.accepted > len(struck)


@pytest.mark.parametrize("word", ["\ud800", None, object()], ids=["surrogate", "None", "object"])
async def test_a_command_that_cannot_be_sent_takes_nobodys_reply(link: Link, word: Any) -> None:
    await link.call("PING")
    with pytest.raises((TypeError, ValueError)):
        await link.call("ECHO", word)
    assert [await link.call("ECHO", n) for n in range(3)] == [b"0", b"1", b"2"]


async def test_callers_share_one_socket(proxy: Proxy, link: Link) -> None:
    assert await asyncio.gather(*(link.call("ECHO", n) for n in range(50))) == [b"%d" % n for n in range(50)]
    assert proxy.accepted == 1


async def test_a_caller_that_is_cancelled_while_the_link_opens_does_not_cut_the_others_off(
    link: Link,
) -> None:
    first, second = (asyncio.create_task(link.call("ECHO", n)) for n in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == b"1"
    assert first.cancelled()


async def test_a_silent_server_is_given_up_after_the_reply_time(proxy: Proxy) -> None:
    link = Link(from_url(proxy.url), reply_timeout=1)
    await link.call("PING")
    proxy.swallow()
    with pytest.raises(StoreUnavailable):
        await link.call("ECHO", "lost")
    await proxy.heal()
    assert await link.call("ECHO", "found") == b"found"
    assert proxy.accepted == 2
    await link.close()


async def test_all_who_wait_for_a_silent_server_are_told(proxy: Proxy) -> None:
    link = Link(from_url(proxy.url), reply_timeout=1)
    await link.call("PING")
    proxy.swallow()
    answers = await asyncio.gather(*(link.call("ECHO", n) for n in range(20)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {StoreUnavailable}
    await link.close()


async def test_a_blocking_command_may_take_longer_than_the_reply_time(store: Store, proxy: Proxy) -> None:
    link = Link(from_url(proxy.url), reply_timeout=0.1)
    assert await link.call("BLPOP", "nothing", 0.3, timeout=5) is None
    assert proxy.accepted == 1
    await link.close()


async def test_a_link_comes_back_after_the_server_was_away(proxy: Proxy, link: Link) -> None:
    await link.call("PING")
    await proxy.refuse()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await link.call("PING")
    await proxy.heal()
    assert await link.call("ECHO", "back") == b"back"


async def test_a_reply_in_many_pieces_is_one_reply(store: Store, proxy: Proxy, link: Link) -> None:
    value = bytes(range(256)) * 4096
    await store.call("SET", "large", value)
    assert await asyncio.gather(*(link.call("GET", "large") for _ in range(5))) == [value] * 5


async def test_what_is_no_reply_at_all_breaks_the_connection_and_leaves_no_socket(
    proxy: Proxy, link: Link
) -> None:
    await link.call("PING")
    proxy.replace_reply(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(StoreUnavailable):
        await link.call("PING")
    assert await link.call("ECHO", "again") == b"again"
    await proxy.until_open(1)


async def test_a_refused_greeting_leaves_no_socket(proxy: Proxy) -> None:
    """A worker tries for as long as it lives: a socket each time, and it would run out of them."""
    link = Link(replace(from_url(proxy.url), database=99))
    for _ in range(3):
        with pytest.raises(StoreRefused):
            await link.call("PING")
    await proxy.until_open(0)


async def test_a_greeting_without_an_answer_leaves_no_socket(proxy: Proxy) -> None:
    link = Link(replace(from_url(proxy.url), database=1, connect_timeout=0.05))
    proxy.swallow()
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await link.call("PING")
    await proxy.until_open(0)


async def test_the_database_of_the_address_is_the_one_that_is_used(store: Store, proxy: Proxy) -> None:
    link = Link(replace(from_url(proxy.url), database=3))
    await link.call("SET", "here", 1)
    assert await store.call("EXISTS", "here") == 0
    await link.close()


async def test_a_closed_link_opens_anew_when_it_is_needed(proxy: Proxy, link: Link) -> None:
    await link.call("PING")
    await link.close()
    await link.close()
    assert await link.call("ECHO", "anew") == b"anew"


async def test_nobody_at_the_address_is_unavailable() -> None:
    link = Link(from_url(f"redis://127.0.0.1:{free_port()}/0"))
    with pytest.raises(StoreUnavailable):
        await link.call("PING")


async def test_a_subscription_hears_what_is_published(store: Store, proxy: Proxy) -> None:
    heard: asyncio.Queue[list[Any]] = asyncio.Queue()
    connection: Connection = await connect(from_url(proxy.url))
    connection.subscribe("news", heard.put_nowait)
    assert (await heard.get())[0] == b"subscribe"
    await store.call("PUBLISH", "news", "a")
    assert await heard.get() == [b"message", b"news", b"a"]
    connection.close()
    await connection.closed
