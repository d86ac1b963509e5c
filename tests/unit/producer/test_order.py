"""From a call and its options to what is written."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monarq import Order, Priority, Unique
from monarq.jobs.envelope import content_digest
from monarq.jobs.errors import (
    Conflict,
    InvalidArguments,
    JobRejected,
    NotUnique,
    PayloadTooLarge,
    StoreUnavailable,
)
from monarq.jobs.identity import is_job_id
from monarq.jobs.store.verbs import Accepted, Held
from monarq.producer.order import CHUNK, CHUNK_BYTES, Chunks, Prepared, prepare, unanswered

from .kinds import bill, rebuild, reject_twins, resize, send

LIMIT = 10_000


def prepared(*, tagged: bool = False, **options: Any) -> Prepared[Any]:
    return prepare(Order(resize.of("a.png"), **options), tagged=tagged, max_payload_bytes=LIMIT)


def meta_of(one: Prepared[Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(one.entry.head + b"0}")
    return document["m"]  # type: ignore[no-any-return]


def test_what_an_order_leaves_open_comes_from_the_handler() -> None:
    one = prepared()
    assert one.queue.name == "media"
    assert one.entry.priority is Priority.HIGH
    assert one.entry.due == timedelta(0)
    assert meta_of(one) == {"v": 1, "q": "media", "p": "high"}


def test_what_an_order_says_wins_over_the_handler() -> None:
    one = prepared(queue="slow", priority="low", expires_in=2.5, delay=timedelta(minutes=1))
    assert one.queue.name == "slow"
    assert one.entry.priority is Priority.LOW
    assert one.entry.due == timedelta(minutes=1)
    assert meta_of(one) == {"v": 1, "q": "slow", "p": "low", "x": 2500}


def test_a_job_gets_an_id_of_its_own_each_time() -> None:
    order = Order(resize.of("a.png"))
    ids = {prepare(order, tagged=False, max_payload_bytes=LIMIT).entry.job_id for _ in range(100)}
    assert len(ids) == 100
    assert all(map(is_job_id, ids))


def test_only_an_app_s_own_id_brings_a_digest() -> None:
    assert prepared().entry.digest == ""
    digest = content_digest("image.resize", b'{"path":"a.png"}')
    assert prepared(job_id="order-7").entry.digest == meta_of(prepared(job_id="order-7"))["h"] == digest


def test_ids_of_a_tagged_queue_begin_with_its_tag_once() -> None:
    assert prepared(tagged=True, job_id="order-7").entry.job_id == "{media}order-7"
    assert prepared(tagged=True, job_id="{media}order-7").entry.job_id == "{media}order-7"
    assert prepared(tagged=True).entry.job_id.startswith("{media}")


def test_a_point_in_time_is_taken_as_it_is() -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    assert prepared(at=at).entry.due is at


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("delay", value) for value in (-1, timedelta(-1), "5", float("nan"), float("inf"), 10**400, [])),
        *(("expires_in", value) for value in (-0.5, timedelta(-1), "5", float("nan"))),
        *(("at", value) for value in (datetime(2030, 1, 1), "2030-01-01", 5)),  # noqa: DTZ001
        *(("priority", value) for value in ("urgent", "", 1, [], "NORMAL")),
        *(("queue", value) for value in ("", "a b", "{a}", "a\n", "*", "x" * 129, 5, [])),
        *(("unique", value) for value in ("path", ["path"], True, Unique, Unique(by=["width_"]))),
        *(("job_id", value) for value in ("", "a b", "a\n", "é", "x" * 201, 5, [])),
        *(("tags", value) for value in ("eu", 5, ["a b"], [5], ["x" * 129], [str(one) for one in range(21)])),
    ],
)
def test_an_unusable_option_is_named_and_nothing_else(option: str, value: Any) -> None:
    with pytest.raises(InvalidArguments) as caught:
        prepared(**{option: value})
    assert set(caught.value.faults) == {option}
    assert len(str(caught.value)) < 500
    assert isinstance(caught.value, JobRejected)


def test_tags_of_an_order_stand_beside_those_of_the_kind() -> None:
    tagged = Order(bill.of(), tags=["customer:17", "billing"])
    one = prepare(tagged, tagged=False, max_payload_bytes=LIMIT)
    assert meta_of(one) == {"v": 1, "g": ["billing", "customer:17"]}
    assert meta_of(prepare(Order(bill.of()), tagged=False, max_payload_bytes=LIMIT))["g"] == ["billing"]


def test_tags_do_not_make_another_job_of_an_id() -> None:
    first, second = prepared(job_id="order-7"), prepared(job_id="order-7", tags=["eu"])
    assert first.entry.digest == second.entry.digest


def test_delay_and_at_exclude_each_other() -> None:
    with pytest.raises(InvalidArguments) as caught:
        prepared(delay=5, at=datetime(2030, 1, 1, tzinfo=UTC))
    assert caught.value.faults == {"delay": "give either delay or at"}


def test_a_job_over_the_limit_is_refused_with_its_size() -> None:
    with pytest.raises(PayloadTooLarge) as caught:
        prepare(Order(send.of("ann", "x" * LIMIT)), tagged=False, max_payload_bytes=LIMIT)
    assert (caught.value.kind, caught.value.limit_bytes) == ("mail.send", LIMIT)
    assert caught.value.size_bytes > LIMIT


def test_the_limit_counts_bytes_and_not_characters() -> None:
    with pytest.raises(PayloadTooLarge):
        prepare(Order(send.of("ann", "é" * (LIMIT - 1_000))), tagged=False, max_payload_bytes=LIMIT)


@pytest.mark.parametrize("call", [resize, None, "image.resize", resize.function])
def test_what_is_no_call_is_refused_with_the_mend(call: Any) -> None:
    with pytest.raises(TypeError, match=r"handler\.of"):
        prepare(Order(call), tagged=False, max_payload_bytes=LIMIT)


@pytest.mark.parametrize(
    ("accepted", "job_id", "created"),
    [
        (Accepted.CREATED, None, True),
        (Accepted.CREATED, "order-7", True),
        (Accepted.EXISTS, "order-7", False),
        (Accepted.EXISTS, None, True),  # its first reply was lost
    ],
)
def test_created_tells_whether_the_app_s_id_was_new(
    accepted: Accepted, job_id: str | None, created: bool
) -> None:
    one = prepared(job_id=job_id)
    one.accepted = accepted
    assert one.created is created


# --- unique rules


def test_a_rule_is_in_the_envelope_and_in_what_is_asked() -> None:
    one = prepared(unique=Unique(by=["path"], until=2.5, on_conflict="reject"))
    mark, asked = meta_of(one)["u"], one.entry.unique
    digest = mark.removeprefix("window:")
    assert len(digest) == 32
    assert asked == f"{digest} reject 2500"
    assert one.entry.head.startswith(b'{"m":{"u":"window:')


def test_without_a_rule_nothing_is_asked() -> None:
    assert prepared().entry.unique == ""
    assert "u" not in meta_of(prepared())


def test_the_rule_of_an_order_counts_instead_of_the_handlers() -> None:
    call = rebuild.of(month="2030-01", full=True)
    own = prepare(Order(call), tagged=False, max_payload_bytes=LIMIT)
    other = prepare(Order(call, unique=Unique(until="start")), tagged=False, max_payload_bytes=LIMIT)
    assert meta_of(own)["u"].startswith("success:")
    assert meta_of(other)["u"].startswith("start:")
    assert meta_of(own)["u"].partition(":")[2] != meta_of(other)["u"].partition(":")[2]


def test_a_debounced_job_waits_for_its_window() -> None:
    assert prepared(unique=Unique.debounce(5)).entry.due == timedelta(seconds=5)


@pytest.mark.parametrize("option", ["delay", "at"])
def test_a_debounced_job_has_no_other_time(option: str) -> None:
    value = {"delay": 0, "at": datetime(2030, 1, 1, tzinfo=UTC)}[option]
    with pytest.raises(InvalidArguments) as caught:
        prepared(unique=Unique.debounce(5), **{option: value})
    assert set(caught.value.faults) == {option}


def test_who_is_kept_out_has_the_holders_id() -> None:
    one = prepared(unique=Unique(), job_id="order-7")
    assert one.job_id == "order-7"
    one.accepted = Held("order-6")
    assert (one.job_id, one.created) == ("order-6", False)


@pytest.mark.parametrize("own", [True, False], ids=["the handler's rule", "the order's"])
def test_who_is_rejected_is_told_by_whom(own: bool) -> None:
    rule = None if own else Unique(on_conflict="reject")
    call = reject_twins.of() if own else resize.of("a.png")
    one = prepare(Order(call, unique=rule), tagged=False, max_payload_bytes=LIMIT)
    one.accepted = Held("order-6")
    with pytest.raises(NotUnique, match="'order-6' holds the unique key") as caught:
        _ = one.created
    assert (caught.value.held_by, caught.value.kind) == ("order-6", call.handler.kind)
    assert isinstance(caught.value, JobRejected)


def test_an_id_of_another_job_is_a_conflict() -> None:
    one = prepared(job_id="order-7")
    one.accepted = Accepted.CONFLICT
    with pytest.raises(Conflict, match="order-7"):
        _ = one.created


def test_who_cannot_know_is_told_that_the_job_may_exist() -> None:
    one = prepared(job_id="order-7")
    assert "job order-7 may exist" in str(unanswered(StoreUnavailable("no answer"), one))
    assert "some of the 2 jobs may exist" in str(unanswered(StoreUnavailable("no answer"), one, one))


def test_a_chunk_is_of_one_queue_and_bounded_in_jobs() -> None:
    chunks = Chunks()
    orders = [prepared(queue=name) for _ in range(CHUNK) for name in ("a", "b")]
    full = [chunk for one in orders if (chunk := chunks.add(one))]
    assert [len(chunk) for chunk in full] == [CHUNK, CHUNK]
    assert chunks.rest() == []
    assert all(len({one.queue for one in chunk}) == 1 for chunk in full)


def test_a_chunk_is_bounded_in_bytes() -> None:
    chunks = Chunks()
    large = prepare(Order(send.of("ann", "x" * 400_000)), tagged=False, max_payload_bytes=CHUNK_BYTES)
    assert [bool(chunks.add(large)) for _ in range(4)] == [False, False, True, False]
    assert chunks.rest() == [[large]]
