"""The verdict on the order service: once is not twice, and not never."""

from dataclasses import replace

import pytest

from demo.ledger import Deliveries, Ledger, verdict
from demo.order_books import OrderBooks, order_faults

GOOD = OrderBooks(
    committed={1, 2, 3}, rolled_back={4}, charges={1: 1, 2: 1, 3: 1}, parcels={1: 1, 2: 1, 3: 1}
)


def test_nothing_is_wrong_when_each_order_was_charged_and_packed_once() -> None:
    assert list(order_faults(GOOD)) == []


@pytest.mark.parametrize(
    ("books", "fault"),
    [
        (replace(GOOD, charges={1: 1, 3: 1}), "1 were committed and have no charge: 2"),
        (replace(GOOD, parcels={}), "3 were committed and have no parcel: 1, 2, 3"),
        (replace(GOOD, charges=dict(GOOD.charges) | {2: 2}), "1 have more than one charge: 2"),
        (replace(GOOD, parcels=dict(GOOD.parcels) | {4: 1}), "1 have a parcel, but were never committed: 4"),
        (replace(GOOD, open_jobs=1), "1 jobs have not ended, 0 are still in the outbox"),
        (replace(GOOD, in_outbox=2), "0 jobs have not ended, 2 are still in the outbox"),
    ],
)
def test_whatever_did_not_happen_once_is_named(books: OrderBooks, fault: str) -> None:
    [found] = order_faults(books)
    assert fault in found


def test_the_verdict_of_the_show_includes_the_orders() -> None:
    empty = Ledger(jobs=[], webhooks=_none("webhooks"), mails=_none("mails"))
    assert verdict(replace(empty, orders=GOOD)) == []
    assert len(verdict(replace(empty, orders=replace(GOOD, charges={})))) == 1


def _none(what: str) -> Deliveries:
    return Deliveries(what=what, wanted=frozenset(), accepted={}, refused=0)
