"""By what a Redis is recognised that has lost its data."""

from dataclasses import replace

import pytest

from monarq.jobs.store.epoch import Epoch, Mark, loss_of

KNOWN = Epoch(number=3, beat_ms=1_000, run_id="a")
WELL = Mark(b"3:1000", epoch=3, at_ms=1_000, run_id="a", now_ms=2_000)


@pytest.mark.parametrize(
    "mark",
    [WELL, replace(WELL, at_ms=1_001), replace(WELL, run_id="")],
    ids=["the same", "a later beat", "a process that is not told"],
)
def test_the_redis_that_was_there_before_has_lost_nothing(mark: Mark) -> None:
    assert loss_of(mark, KNOWN) is None


def test_a_process_that_nobody_could_tell_before_is_not_another_one() -> None:
    assert loss_of(WELL, replace(KNOWN, run_id="")) is None


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        (Mark(b""), "it says nothing of its epoch"),
        (Mark(b"nonsense"), "it says nothing of its epoch"),
        (replace(WELL, epoch=2), "it is of epoch 2, but this is epoch 3"),
        (replace(WELL, epoch=4), "it is of epoch 4, but this is epoch 3"),
        (replace(WELL, is_rebuilding=True), "has not come to an end"),
        (replace(WELL, at_ms=250), "it went back by 0.8 s"),
        (replace(WELL, run_id="b"), "it is another process than before"),
    ],
)
def test_one_that_may_lack_jobs_is_told_from_it(mark: Mark, told: str) -> None:
    assert told in (loss_of(mark, KNOWN) or "")


def test_one_that_was_never_seen_may_lack_all_of_them() -> None:
    assert loss_of(WELL, None) is not None
