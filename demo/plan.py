"""What the demo asks for: a few hundred jobs of the shipped kinds, and how each of them should end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from monarq.jobs import Priority, State
from monarq.jobs.catalog import deliver_webhook, make_thumbnail, send_email
from monarq.producer import Order

from . import receiver
from .mail_server import GREYLISTING_DOMAIN

#: One queue per kind, so that the queues' own counters are the kinds' progress.
QUEUES = {deliver_webhook.kind: "webhooks", send_email.kind: "mail", make_thumbnail.kind: "images"}

PICTURES = 40
#: Pictures whose upload is not over when their thumbnails are asked for.
LATE_PICTURES = 4
#: Sides of the thumbnails of each picture, in pixels.
SIDES = (160, 480, 1024)

#: How many webhooks go to endpoints that behave so.
ENDPOINTS = {
    receiver.GONE: 1,
    receiver.BUSY: 20,
    receiver.BROKEN: 10,
    receiver.SLOW: 7,
    receiver.FINE: 112,
}
RESETS, GREYLISTED, CONFIRMATIONS, NEWSLETTERS = 8, 12, 70, 10

#: The slow webhooks start when much else is under way: one of their workers will be killed.
_SLOW_DELAY = timedelta(seconds=3)
_NEWSLETTER_DELAY = timedelta(seconds=4)


@dataclass(frozen=True, slots=True)
class Planned:
    """A job to be, and its fate."""

    order: Order[Any]
    ends: State = State.SUCCEEDED
    #: Its first attempt will not succeed: the other side sees to that.
    fails_first: bool = False
    #: It takes a while, so that a worker can be killed in the middle of it.
    slow: bool = False
    #: Its picture arrives late.
    late: bool = False
    #: The file that it leaves behind.
    makes: Path | None = None
    #: Enqueued by a call of its own rather than in bulk.
    alone: bool = False

    @property
    def kind(self) -> str:
        return self.order.call.handler.kind


def webhooks(url: Callable[[str, int], str]) -> Iterator[Planned]:
    """Events for another system; `url` gives the endpoint that behaves as named."""
    number = 0
    for behaviour, count in ENDPOINTS.items():
        for _ in range(count):
            number += 1
            body: dict[str, JsonValue] = {
                "event": "order.paid",
                "order": 4000 + number,
                "total": f"{number * 1.17:.2f}",
            }
            call = deliver_webhook.of(url=url(behaviour, number), body=body)
            yield Planned(
                _order(
                    call, _webhook_priority(behaviour), _SLOW_DELAY if behaviour == receiver.SLOW else None
                ),
                ends=State.DEAD if behaviour == receiver.GONE else State.SUCCEEDED,
                fails_first=behaviour in (receiver.GONE, receiver.BUSY, receiver.BROKEN),
                slow=behaviour == receiver.SLOW,
            )


def mails() -> Iterator[Planned]:
    """Password resets at once, newsletters when there is time for them."""
    for number in range(RESETS):
        call = _mail(f"user-{number}@example.com", "Reset your password", "The link is valid for one hour.")
        yield Planned(_order(call, Priority.CRITICAL), alone=True)
    for number in range(GREYLISTED):
        call = _mail(f"new-{number}@{GREYLISTING_DOMAIN}", "Welcome", "Good to have you with us.")
        yield Planned(_order(call, Priority.HIGH), fails_first=True)
    for number in range(CONFIRMATIONS):
        call = _mail(f"buyer-{number}@example.com", f"Your order {4000 + number}", "It is on its way.")
        yield Planned(_order(call))
    for number in range(NEWSLETTERS):
        call = _mail(f"reader-{number}@example.com", "News of the month", "We have a new queue.")
        yield Planned(_order(call, Priority.LOW, _NEWSLETTER_DELAY))


def thumbnails(pictures: Sequence[Path], folder: Path) -> Iterator[Planned]:
    """Three sizes of each picture; those of the last pictures are asked for first, and too early."""
    for at, picture in enumerate(pictures):
        late = at >= len(pictures) - LATE_PICTURES
        for side in SIDES:
            target = folder / f"{picture.stem}-{side}.webp"
            call = make_thumbnail.of(
                source=str(picture), destination=str(target), max_width=side, max_height=side
            )
            priority = Priority.HIGH if late else Priority.NORMAL
            yield Planned(_order(call, priority), fails_first=late, late=late, makes=target)


def _webhook_priority(behaviour: str) -> Priority:
    # what fails goes first, so that there is time to see it recover
    return Priority.NORMAL if behaviour == receiver.FINE else Priority.HIGH


def _mail(to: str, subject: str, text: str) -> Any:
    return send_email.of(to=[to], subject=subject, text=text)


def _order(call: Any, priority: Priority = Priority.NORMAL, delay: timedelta | None = None) -> Order[Any]:
    return Order(call, delay=delay, priority=priority, queue=QUEUES[call.handler.kind])
