"""The four priorities, and their order."""

from monarq.jobs.priority import PRIORITIES, Priority
from monarq.jobs.store.keys import queue_keys


def test_there_are_four_priorities_and_critical_is_served_first() -> None:
    assert [str(priority) for priority in PRIORITIES] == ["critical", "high", "normal", "low"]


def test_the_rank_is_the_place_in_that_order() -> None:
    assert [priority.rank for priority in PRIORITIES] == [0, 1, 2, 3]


def test_the_rank_is_the_index_of_the_priority_s_own_zset() -> None:
    keys = queue_keys("mail")
    assert keys.ranks[Priority.NORMAL.rank] == "arq:queue:mail"
    for priority in set(PRIORITIES) - {Priority.NORMAL}:
        assert keys.ranks[priority.rank] == f"monarq:queue:mail:{priority}"
