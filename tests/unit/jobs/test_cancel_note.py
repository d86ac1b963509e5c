"""Who cancelled a job, and why: bounded, and readable whatever lies there."""

from typing import Any

import pytest

from monarq.jobs.cancel_note import MAX_BY_CHARS, MAX_REASON_CHARS, CancelNote, decode_note


@pytest.mark.parametrize(
    ("note", "text"),
    [
        (CancelNote("ann@web-1", "wrong file"), "cancelled by ann@web-1: wrong file"),
        (CancelNote("ann@web-1"), "cancelled by ann@web-1"),
        (CancelNote(reason="wrong file"), "cancelled: wrong file"),
        (CancelNote(), "cancelled"),
    ],
)
def test_a_note_reads_as_a_sentence_and_comes_back_as_it_was(note: CancelNote, text: str) -> None:
    assert str(note) == text
    assert decode_note(note.encode()) == note


def test_texts_are_bounded_and_made_safe() -> None:
    note = CancelNote.of("a" * 10_000, "lone \ud800 surrogate \0" + "b" * 10_000)
    assert len(note.by) < MAX_BY_CHARS + 50
    assert len(note.reason) < MAX_REASON_CHARS + 50
    assert decode_note(note.encode()) == note


@pytest.mark.parametrize("data", [None, "", b"", b"{", b"[]", b"7", b"\xff", b'"x"'])
def test_a_note_that_cannot_be_read_says_nothing(data: Any) -> None:
    assert decode_note(data) == CancelNote()


def test_a_note_of_other_types_is_text() -> None:
    assert decode_note(b'{"by": 7, "reason": null}') == CancelNote("7", "None")
