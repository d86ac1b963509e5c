"""Makes the ledger: asks the store, the other sides and the disk, each for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from monarq.jobs import State
from monarq.jobs.catalog import deliver_webhook, send_email
from monarq.jobs.record import decode_record
from monarq.jobs.store.connection import Link
from monarq.jobs.store.execute import execute
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.verbs import inspect
from monarq.producer import JobHandle

from .incident import Crash
from .ledger import Deliveries, JobEnd, Ledger
from .mail_server import MailServer
from .pictures import SMALLEST_PICTURE
from .plan import Planned
from .receiver import Receiver


@dataclass(frozen=True, slots=True)
class Asked:
    """A job that was enqueued."""

    planned: Planned
    handle: JobHandle[Any]

    @property
    def job_id(self) -> str:
        return self.handle.job_id


async def collect(
    link: Link,
    asked: Sequence[Asked],
    *,
    receiver: Receiver,
    mail: MailServer,
    crash: Crash | None,
    seconds: float,
) -> Ledger:
    """The state of everything, as of now."""
    files = [one.planned.makes for one in asked if one.planned.makes is not None]
    faults = await asyncio.gather(*(asyncio.to_thread(_fault_of, path) for path in files))
    return Ledger(
        jobs=await asyncio.gather(*(_end_of(link, one) for one in asked)),
        webhooks=Deliveries(
            what="webhooks",
            wanted=_wanted(asked, deliver_webhook.kind),
            accepted=dict(receiver.accepted),
            refused=receiver.refused.total(),
        ),
        mails=Deliveries(
            what="mails",
            wanted=_wanted(asked, send_email.kind),
            accepted=dict(mail.accepted),
            refused=mail.refused.total(),
        ),
        forged=receiver.forged,
        thumbnails=len(files),
        bad_thumbnails=[fault for fault in faults if fault is not None],
        crash=crash,
        seconds=seconds,
    )


async def _end_of(link: Link, one: Asked) -> JobEnd:
    standing = await execute(link, inspect(queue_keys(one.handle.queue), one.job_id))
    record = (
        decode_record(standing.record) if standing.what == "ended" and standing.record is not None else None
    )
    state = None if standing.what == "unknown" else State(standing.what) if record is None else record.state
    return JobEnd(
        job_id=one.job_id,
        kind=one.planned.kind,
        planned=one.planned.ends,
        fails_first=one.planned.fails_first,
        state=state,
        attempt=record.attempt if record is not None else 0,
        started_ms=record.started_ms if record is not None else 0,
    )


def _wanted(asked: Sequence[Asked], kind: str) -> frozenset[str]:
    return frozenset(
        one.job_id for one in asked if one.planned.kind == kind and one.planned.ends is State.SUCCEEDED
    )


def _fault_of(path: Path) -> str | None:
    side = int(path.stem.rpartition("-")[2])
    try:
        with Image.open(path) as image:
            image.load()
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    # a picture that is smaller is not enlarged
    if max(image.size) not in (side, min(side, SMALLEST_PICTURE)):
        return f"{path}: is {image.size}, and none of its sides {side}"
    return None
