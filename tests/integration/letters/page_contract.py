"""What pages of dead letters promise, wherever the letters lie."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from monarq.jobs.store import letter_pages
from monarq.jobs.store.dead_letter import LetterHead
from monarq.jobs.store.letter_filter import LetterFilter
from monarq.jobs.store.letter_pages import LetterPage, Turn, admit_all

from .graveyard import Graveyard

EVERY = LetterFilter()


def ids_of(page: LetterPage) -> list[str]:
    return [head.job_id for head in page.heads]


async def all_pages(
    yard: Graveyard, wanted: LetterFilter = EVERY, turn: Turn | None = None, **options: Any
) -> list[list[str]]:
    """The ids of each page, until there is none."""
    turn = turn or Turn(limit=2)
    found: list[list[str]] = []
    while True:
        page = await yard.letters.page(wanted, turn, options.get("admits", admit_all))
        found.append(ids_of(page))
        if page.edge is None:
            return found
        turn = replace(turn, beyond=page.edge)


def only(*job_ids: str) -> Any:
    def admits(head: LetterHead) -> bool:
        return head.job_id in job_ids

    return admits


class PageContract:
    """A subclass gives the fixture `yard`, nothing else."""

    async def _bury_five(self, yard: Graveyard) -> Sequence[str]:
        for ms, (job_id, queue) in enumerate(
            [("a", "default"), ("b", "mail"), ("c", "default"), ("d", "mail"), ("e", "default")], 1000
        ):
            await yard.bury(job_id, queue=queue, died_ms=ms)
        return "edcba"

    async def test_pages_go_through_all_queues_in_the_order_of_death(self, yard: Graveyard) -> None:
        await self._bury_five(yard)
        assert await all_pages(yard) == [["e", "d"], ["c", "b"], ["a"]]
        oldest = Turn(limit=2, newest_first=False)
        assert await all_pages(yard, turn=oldest) == [["a", "b"], ["c", "d"], ["e"]]
        assert await all_pages(yard, LetterFilter(queue="mail")) == [["d", "b"]]
        assert await all_pages(yard, LetterFilter(queue="nowhere")) == [[]]

    async def test_letters_of_one_ms_are_on_one_page_each(self, yard: Graveyard) -> None:
        names = [f"n{number:03}" for number in range(45)]
        await yard.bury(*names[:25], died_ms=1000)
        await yard.bury(*names[25:], queue="mail", died_ms=1000)
        pages = await all_pages(yard, turn=Turn(limit=10))
        assert [job_id for page in pages for job_id in page] == names[::-1]
        assert [len(page) for page in pages] == [10, 10, 10, 10, 5]
        forth = await all_pages(yard, turn=Turn(limit=10, newest_first=False))
        assert [job_id for page in forth for job_id in page] == names

    async def test_a_letter_that_goes_meanwhile_hides_no_other(self, yard: Graveyard) -> None:
        await self._bury_five(yard)
        page = await yard.letters.page(EVERY, Turn(limit=2))
        await yard.letters.discard(["d", "e"])
        await yard.bury("f", died_ms=2000)
        assert ids_of(await yard.letters.page(EVERY, Turn(limit=2, beyond=page.edge))) == ["c", "b"]

    async def test_a_page_holds_what_is_meant_and_admitted(self, yard: Graveyard) -> None:
        await self._bury_five(yard)
        await yard.bury("x", error_type="KeyError", message="ValueError", died_ms=3000)
        assert await all_pages(yard, admits=only("a", "d")) == [["d", "a"]]
        assert await all_pages(yard, LetterFilter(error="KeyError")) == [["x"]]
        assert await all_pages(yard, LetterFilter(error="valueerror")) == [[]]
        assert (await all_pages(yard, LetterFilter(error="ValueError")))[0] == ["e", "d"]
        assert await all_pages(yard, LetterFilter(text="keyerror")) == [["x"]]

    async def test_a_filter_counts_by_the_type_of_error(self, yard: Graveyard) -> None:
        await yard.bury("a", error_type="KeyError", message="one\nValueError\ntwo")
        await yard.bury("b", "c", error_type="ValueError")
        for error, count in (("KeyError", 1), ("ValueError", 2), ("Value", 0)):
            assert (await yard.letters.survey(LetterFilter(error=error))).count == count

    async def test_a_page_looks_at_so_many_and_says_where_to_go_on(
        self, yard: Graveyard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(letter_pages, "LOOKED_AT", 50)
        if yard.__class__ is not Graveyard:
            from monarq.jobs.store.postgres import dead_letters

            monkeypatch.setattr(dead_letters, "LOOKED_AT", 50)
        for at, name in enumerate("abcdefgh"):
            await yard.bury(*(f"{name}{number:02}" for number in range(30)), died_ms=1000 + at)
        await yard.bury("mark", died_ms=1002, message="found", queue="mail")
        wanted = LetterFilter(text="found")
        pages = await all_pages(yard, wanted, Turn(limit=250))
        assert [job_id for page in pages for job_id in page] == ["mark"]
        assert len(pages) > 1 or yard.__class__ is Graveyard  # Redis is read by 200
        first = await yard.letters.page(wanted, Turn(limit=250))
        assert first.is_cut_short == (first.edge is not None)

    async def test_cells_are_the_groups_by_queue_and_kind(self, yard: Graveyard) -> None:
        await yard.bury("a", "b", queue="mail", kind="letter", died_ms=3_600_000)
        await yard.bury("c", queue="mail", kind="parcel", died_ms=3_600_000)
        await yard.bury("d", died_ms=7_200_000)
        survey = await yard.letters.survey(EVERY, hours_since=letter_time(0))
        cells = {
            (*cell.queues, *cell.kinds): (cell.count, cell.sample.job_id, dict(cell.hours))
            for cell in survey.cells
        }
        assert cells == {
            ("mail", "letter"): (2, cells["mail", "letter"][1], {1: 2}),
            ("mail", "parcel"): (1, "c", {1: 1}),
            ("default", "boom"): (1, "d", {2: 1}),
        }
        [group] = survey.groups
        assert (group.count, dict(group.hours)) == (4, {1: 3, 2: 1})
        assert sum(cell.count for cell in survey.cells) == 4, "groups are not made of the cells' own counters"


def letter_time(ms: int) -> Any:
    from datetime import UTC, datetime, timedelta

    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)
