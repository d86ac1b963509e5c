"""The blocking link keeps the same promises, for a caller without an event loop."""

import asyncio
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import pytest
import redis

from monarq.jobs.errors import StoreRefused, StoreUnavailable
from monarq.jobs.store.address import Address, from_url
from monarq.jobs.store.sync_connection import SyncLink
from tests.contract.store import Store
from tests.proxy import Proxy

TLS = Path(__file__).parents[1] / "catalog" / "tls"


async def test_every_call_gets_its_own_reply_however_often_the_connection_breaks(
    proxy: Proxy, sync_link: SyncLink
) -> None:
    random = Random(1)
    for nth in random.sample(range(1, 1500), 40):
        random.choice([proxy.drop_reply, proxy.cut_reply])(nth)

    def ask_all() -> tuple[int, list[tuple[int, Any]]]:
        lost, wrong = 0, []
        for n in range(1500):
            try:
                answer = sync_link.call("ECHO", n)
            except StoreUnavailable:
                lost += 1
            else:
                if answer != b"%d" % n:
                    wrong.append((n, answer))
        return lost, wrong

    lost, wrong = await asyncio.to_thread(ask_all)
    assert wrong == []
    assert lost == 40


async def test_a_silent_server_is_given_up_after_the_reply_time(proxy: Proxy) -> None:
    link = SyncLink(from_url(proxy.url), reply_timeout=1)
    await asyncio.to_thread(link.call, "PING")
    proxy.swallow()
    with pytest.raises(StoreUnavailable):
        await asyncio.to_thread(link.call, "ECHO", "lost")
    await proxy.heal()
    assert await asyncio.to_thread(link.call, "ECHO", "found") == b"found"
    link.close()


async def test_a_reply_that_comes_too_late_is_not_the_reply_to_the_next_call(proxy: Proxy) -> None:
    link = SyncLink(from_url(proxy.url), reply_timeout=1)
    await asyncio.to_thread(link.call, "PING")
    proxy.delay_replies(lambda: 3)
    with pytest.raises(StoreUnavailable):
        await asyncio.to_thread(link.call, "ECHO", "late")
    await proxy.heal()
    assert await asyncio.to_thread(link.call, "ECHO", "next") == b"next"
    link.close()


async def test_a_link_comes_back_after_the_server_was_away(proxy: Proxy, sync_link: SyncLink) -> None:
    await asyncio.to_thread(sync_link.call, "PING")
    await proxy.refuse()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await asyncio.to_thread(sync_link.call, "PING")
    await proxy.heal()
    assert await asyncio.to_thread(sync_link.call, "ECHO", "back") == b"back"


async def test_what_is_no_reply_at_all_breaks_the_connection(proxy: Proxy, sync_link: SyncLink) -> None:
    await asyncio.to_thread(sync_link.call, "PING")
    proxy.replace_reply(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(StoreUnavailable):
        await asyncio.to_thread(sync_link.call, "PING")
    assert await asyncio.to_thread(sync_link.call, "ECHO", "again") == b"again"


async def test_a_reply_in_many_pieces_is_one_reply(store: Store, sync_link: SyncLink) -> None:
    value = bytes(range(256)) * 4096
    await store.call("SET", "large", value)
    assert await asyncio.to_thread(sync_link.call, "GET", "large") == value


def test_a_refused_greeting_is_refused_again(redis_url: str) -> None:
    """The first refusal must not leave a link that goes on in another database, or without its password."""
    link = SyncLink(replace(from_url(redis_url), database=99))
    for _ in range(2):
        with pytest.raises(StoreRefused):
            link.call("SET", "astray", 1)
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


class _Interrupted(Exception):
    """What a signal handler of the app raises: a time limit, an order to stop."""


def test_a_call_that_a_signal_has_interrupted_leaves_its_reply_to_nobody(redis_url: str) -> None:
    link = SyncLink(from_url(redis_url))
    link.call("PING")
    with interrupted_by_usr1(), when_blocked(redis_url, lambda: os.kill(os.getpid(), signal.SIGUSR1)):
        with pytest.raises(_Interrupted):
            link.call("BLPOP", "nothing", 30)
        with redis.Redis.from_url(redis_url) as client:
            client.lpush("nothing", "the reply to the interrupted call")
        assert link.call("ECHO", "own") == b"own"
    link.close()


@contextmanager
def interrupted_by_usr1() -> Iterator[None]:
    """SIGUSR1 raises in whatever the main thread does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise _Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


@contextmanager
def when_blocked(url: str, act: Callable[[], None]) -> Iterator[None]:
    """Act, in another thread, as soon as somebody waits in a blocking command."""

    def watch() -> None:
        with redis.Redis.from_url(url) as client:
            while not client.info("clients")["blocked_clients"]:
                pass
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_what_was_published_is_heard(redis_url: str) -> None:
    link = SyncLink(from_url(redis_url))
    assert link.call("SUBSCRIBE", "news") == [b"subscribe", b"news", 1]
    assert link.wait(0.01) is None
    with redis.Redis.from_url(redis_url) as client:
        client.publish("news", "a")
    assert link.wait(20) == [b"message", b"news", b"a"]
    link.close()


def test_over_tls_a_silent_server_is_given_up_too() -> None:
    with silent_tls_server() as address:
        link = SyncLink(address, reply_timeout=0.1)
        with pytest.raises(StoreUnavailable):
            link.call("PING")


def test_over_tls_silence_is_no_message() -> None:
    with silent_tls_server(b"+OK\r\n") as address:
        link = SyncLink(address, reply_timeout=5)
        assert link.call("SUBSCRIBE", "news") == b"OK"
        assert link.wait(0.05) is None
        link.close()


@contextmanager
def silent_tls_server(first_words: bytes = b"") -> Iterator[Address]:
    """Accepts one connection, says this and nothing more."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(TLS / "receiver.pem")
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            accepted, _ = listener.accept()
            with server_side.wrap_socket(accepted, server_side=True) as connection:
                connection.sendall(first_words)
                done.wait()

        thread = threading.Thread(target=serve)
        thread.start()
        client_side = ssl.create_default_context(cafile=TLS / "authority.pem")
        try:
            yield Address(host="127.0.0.1", port=listener.getsockname()[1], tls=client_side)
        finally:
            done.set()
            thread.join()
