"""What a child died of, as far as it can be told."""

from pathlib import Path
from signal import Signals

import pytest

from monarq.worker.children import death
from monarq.worker.children.death import ChildDied, oom_kills


def test_a_signal_is_named() -> None:
    died = ChildDied(-11)
    assert (died.signal, died.was_oom) == (Signals.SIGSEGV, False)
    assert str(died) == "the job's own process was killed by SIGSEGV"


def test_an_exit_code_is_given() -> None:
    died = ChildDied(3)
    assert died.signal is None
    assert str(died) == "the job's own process ended with exit code 3"


def test_a_kill_while_memory_ran_out_is_laid_to_that() -> None:
    died = ChildDied(-9, was_oom=True)
    assert died.was_oom
    assert "out of memory" in str(died)


def test_only_a_kill_can_be_for_want_of_memory() -> None:
    """Another process may have been the one."""
    assert not ChildDied(-11, was_oom=True).was_oom
    assert not ChildDied(1, was_oom=True).was_oom


def test_a_signal_without_a_name_is_told_by_its_number() -> None:
    assert str(ChildDied(-44)) == "the job's own process ended with exit code -44"


def test_the_kernel_s_count_is_read_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vmstat = tmp_path / "vmstat"
    monkeypatch.setattr(death, "_VMSTAT", vmstat)
    assert oom_kills() == 0
    vmstat.write_text("nr_free_pages 5\noom_kill 7\nhtlb 1\n")
    assert oom_kills() == 7
