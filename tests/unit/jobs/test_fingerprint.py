"""The same bug has the same fingerprint, another bug another one."""

import re
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monarq.jobs.failure import Cause, Failure, describe
from monarq.jobs.fingerprint import FINGERPRINT, Frame, fingerprint, normalised, top_frame

APP = "/srv/shop/releases/20260101/shop/billing.py"
INSTALLED = "/srv/venv/lib/python3.12/site-packages/httpx/_client.py"
STDLIB = "/usr/lib/python3.12/json/decoder.py"
OURS = "/home/ann/src/monarq/worker/executor.py"


def trace(*frames: tuple[str, str], line: int = 7) -> str:
    """A traceback as Python writes it, the innermost frame last."""
    lines = [f'  File "{path}", line {line}, in {function}\n    ...\n' for path, function in frames]
    return "Traceback (most recent call last):\n" + "".join(lines) + "ValueError: no\n"


def failed(
    message: str = "no",
    *,
    error_type: str = "ValueError",
    traceback: str = "",
    cause: Cause = Cause.ERROR,
    worker: str = "w1",
) -> Failure:
    return Failure(
        spent=1,
        crashes=0,
        cause=cause,
        fence=1,
        worker=worker,
        error_type=error_type,
        message=message,
        traceback=traceback,
    )


def test_a_fingerprint_is_16_hex_digits() -> None:
    assert FINGERPRINT.fullmatch(fingerprint(failed()))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("row 7 of 1,000", "row 12345 of 2,000"),
        ("took 3 s", "took 0.25 s"),
        ("no customer 'Ann'", "no customer 'Bob O`Neill'"),
        ('no key "a" in {}', 'no key "b" in {}'),
        ("no job 01890a5d-ac96-774b-bcce-b302099a8057", f"no job {uuid.UUID(int=2**127 + 1)}"),
        ("<Order object at 0x7f3a5c0b2e10>", "<Order object at 0x10e4d2a60>"),
        ("cannot reach 10.0.0.1:6379", "cannot reach 192.168.17.4:6380"),
        ("refused: ann@example.com", "refused: b.o.b+x@mail.example.org"),
        ("digest deadbeefdeadbeef differs", "digest 0123456789abcdef differs"),
        ("no such file: /srv/a/uploads/cat.png", "no such file: /home/bob/x/y/cat.png"),
        ("POST https://api.example.com/v1/users/7?page=2", "POST https://api.example.com/v1/orders/9"),
        ("redis://ann:secret@db/0 is away", "redis://bob:other@db/1 is away"),
        ("missing [1, 2, 3]", "missing [4]"),
        ("due 2026-11-25T18:00:01.5+00:00", "due 2025-01-02T03:04:05+01:00"),
        ("bytes b'abc' are wrong", "bytes b'xyz' are wrong"),
    ],
)
def test_what_varies_between_two_victims_of_one_bug_does_not_matter(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)
    assert fingerprint(failed(one)) == fingerprint(failed(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the printer does not answer", "the scanner does not answer"),
        ("[Errno 2] No such file or directory: 'a'", "[Errno 13] Permission denied: 'a'"),
        ("no customer 7", "no order 7"),
        ("GET https://api.example.com/a failed", "GET https://mail.example.com/a failed"),
        ("can't open it, won't try", "can't close it, won't try"),
        ("text/html is wanted", "text/plain is wanted"),
        ("no such file: /srv/cat.png", "no such file: /srv/dog.png"),
    ],
)
def test_other_words_are_another_bug(one: str, other: str) -> None:
    assert fingerprint(failed(one)) != fingerprint(failed(other))


def test_another_type_is_another_bug() -> None:
    assert fingerprint(failed(error_type="KeyError")) != fingerprint(failed(error_type="ValueError"))


def test_without_a_type_the_cause_tells_bugs_apart() -> None:
    crash = failed(error_type="", cause=Cause.CRASH)
    assert fingerprint(crash) != fingerprint(failed(error_type="", cause=Cause.CORRUPTION))


def test_who_ran_it_when_does_not_matter() -> None:
    assert fingerprint(failed(worker="a")) == fingerprint(failed(worker="b"))


def test_another_place_in_the_app_is_another_bug() -> None:
    one = failed(traceback=trace((OURS, "_call"), (APP, "bill"), (INSTALLED, "send")))
    assert fingerprint(one) != fingerprint(failed(traceback=trace((OURS, "_call"), (APP, "refund"))))


def test_the_line_the_folder_and_the_frames_of_others_do_not_matter() -> None:
    """A new release, a new host, another version of a library: the bug is the same."""
    one = failed(traceback=trace((OURS, "_call"), (APP, "bill"), (INSTALLED, "send")))
    moved = APP.replace("20260101", "20260202")
    other = failed(traceback=trace((moved, "bill"), (INSTALLED, "request"), (STDLIB, "loads"), line=99))
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("frames", "top"),
    [
        ([(OURS, "_call"), (APP, "bill"), (INSTALLED, "send"), (STDLIB, "loads")], ("billing.py", "bill")),
        ([(APP, "bill"), (APP, "<lambda>")], ("billing.py", "<lambda>")),
        (
            [(r"C:\shop\billing.py", "bill"), (r"C:\Python312\Lib\json\decoder.py", "x")],
            ("billing.py", "bill"),
        ),
        ([(APP, "bill"), ("<frozen importlib._bootstrap>", "_load")], ("billing.py", "bill")),
        ([("/src/monarq/jobs/catalog/webhook.py", "post"), (INSTALLED, "send")], ("webhook.py", "post")),
        ([(OURS, "_call"), (INSTALLED, "send")], ("_client.py", "send")),  # better than none
    ],
)
def test_the_top_frame_is_the_last_one_in_the_apps_own_code(
    frames: list[tuple[str, str]], top: tuple[str, str]
) -> None:
    assert top_frame(trace(*frames)) == Frame(*top)


@pytest.mark.parametrize("text", ["", "no traceback at all", 'File "x.py", line 1'])
def test_a_text_without_frames_has_no_top_frame(text: str) -> None:
    assert top_frame(text) is None


def test_a_real_traceback_is_read() -> None:
    """Of a chain of exceptions the last one counts; of a group too, though its lines are indented."""

    def inner() -> None:
        raise KeyError("a")

    def outer() -> None:
        try:
            inner()
        except KeyError as error:
            raise ExceptionGroup("several", [ValueError("b")]) from error

    with pytest.raises(ExceptionGroup) as raised:
        outer()
    told = describe(raised.value)
    assert top_frame(told["traceback"]) == Frame("test_fingerprint.py", "outer")


@given(
    st.lists(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=7), min_size=1, max_size=8),
    st.data(),
)
def test_numbers_never_matter_and_words_always_do(words: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(words)))
    with_number = [" ".join([*words[:at], str(data.draw(st.integers())), *words[at:]]) for _ in range(2)]
    assert normalised(with_number[0]) == normalised(with_number[1])
    changed = data.draw(st.integers(0, len(words) - 1))
    other = [*words[:changed], words[changed] + "x", *words[changed + 1 :]]
    assert normalised(" ".join(words)) != normalised(" ".join(other))


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=50))
def test_any_failure_has_a_fingerprint(message: str, traceback: str, error_type: str) -> None:
    found = fingerprint(failed(message, traceback=traceback, error_type=error_type))
    assert re.fullmatch("[0-9a-f]{16}", found)


@pytest.mark.parametrize(
    "piece",
    ["a", "a.", "0", "'", "/a", "a@", "a:", "=", "#", "~", "://", "a-", "x://", " ", "tmp", "[", "\\"],
)
def test_no_message_takes_long_to_read(piece: str) -> None:
    """Whoever can make a job fail chooses its message; a pattern that backtracks would take seconds here."""
    message = (piece * 2_000)[:2_000]
    started = time.process_time()  # not by the clock on the wall, which a busy machine sets
    normalised(message)
    assert time.process_time() - started < 0.5
