"""The servers that the other tests stand on."""

import redis

from .servers import ValkeyServer


def test_what_was_appended_outlives_a_crash() -> None:
    server = ValkeyServer(appendonly=True, options={"appendfsync": "always"})
    with server, redis.Redis.from_url(server.url) as client:
        client.set("kept", "yes")
        server.restart()
        assert client.get("kept") == b"yes"


def test_without_appending_a_crash_loses_everything() -> None:
    with ValkeyServer() as server, redis.Redis.from_url(server.url) as client:
        client.set("kept", "no")
        server.restart()
        assert client.get("kept") is None


def test_a_stopped_server_leaves_nothing_behind() -> None:
    server = ValkeyServer().start()
    process = server.process
    server.stop()
    server.stop()
    assert process.returncode == 0
    assert not server.directory.exists()


def test_every_test_starts_with_an_empty_server(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
