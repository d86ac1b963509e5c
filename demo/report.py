"""The end of the show in words: what happened, what was not as it should be, what to try next."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from monarq.jobs import State

from .ledger import Deliveries, Ledger
from .order_books import OrderBooks
from .plan import QUEUES
from .stack import Stack


def what_happened(ledger: Ledger) -> Iterator[str]:
    """The lines of the summary."""
    yield "What happened"
    yield (
        f"  {len(ledger.jobs)} jobs in {ledger.seconds:.1f} s: {ledger.count(State.SUCCEEDED)} succeeded,"
        f" {ledger.count(State.DEAD)} dead; {ledger.recovered()} failed first and recovered by themselves"
    )
    for kind in QUEUES:
        numbers = (
            ledger.count(State.SUCCEEDED, kind),
            ledger.recovered(kind),
            ledger.count(State.DEAD, kind),
        )
        enqueued = sum(job.kind == kind for job in ledger.jobs)
        yield "    {:<16} {:>4} enqueued {:>4} succeeded {:>3} recovered {:>2} dead".format(
            kind, enqueued, *numbers
        )
    yield f"  The receiver:    {_deliveries(ledger.webhooks)}"
    yield f"  The mail server: {_deliveries(ledger.mails)}"
    good = ledger.thumbnails - len(ledger.bad_thumbnails)
    yield f"  The disk:        {good} of {ledger.thumbnails} thumbnails"
    yield from _crash(ledger)
    yield from _letters(ledger)
    if ledger.orders is not None:
        yield from _orders(ledger.orders)


def not_as_it_should_be(faults: Sequence[str]) -> Iterator[str]:
    """The lines that say so."""
    yield "Not everything is as it should be:"
    yield from (f"  - {fault}" for fault in faults)


def what_to_try(stack: Stack, ledger: Ledger, endpoint: str, pages: str) -> Iterator[str]:
    """Commands for another terminal, while the stack is up."""
    monarq = _shown(Path(sys.executable).with_name("monarq"))
    yield "What to try next (everything stays up until Ctrl-C)"
    yield "In a browser: see what has happened, and replay the dead letter (this address logs you in, once)"
    yield f"  {pages}"
    yield "In another terminal"
    yield f"  cd {shlex.quote(os.getcwd())}"
    yield f"  export MONARQ_REDIS_URL={shlex.quote(stack.url)}"
    yield f"  export MONARQ_DATABASE_URL={shlex.quote(stack.database_url)}"
    yield "  export MONARQ_JOBS=monarq.jobs.catalog,demo.shop"
    yield f"  {monarq} queues"
    yield f"  {monarq} health"
    yield f"  {monarq} doctor"
    yield f"  {monarq} outbox show"
    yield f"  {monarq} reconcile --check"
    yield f"  {monarq} jobs --queue orders"
    yield f"  {monarq} dead list"
    for letter in ledger.letters:
        yield f"  {monarq} dead show {letter.job_id}"
        yield f"  {monarq} dead replay {letter.job_id}   # its endpoint is back"
    arguments = shlex.quote(f'{{"url": "{endpoint}", "body": {{"hello": "world"}}}}')
    yield f"  {monarq} enqueue webhook.deliver --queue webhooks --wait --args {arguments}"
    yield f"  tail -f {_shown(stack.log)}"


def how_to_stay(stack: Stack) -> Iterator[str]:
    """What to do where nobody could have typed anything while it was up."""
    monarq = _shown(Path(sys.executable).with_name("monarq"))
    data = _shown(stack.data)
    yield "What to try next"
    yield "  make demo                    on a terminal: it stays up, and says what to type"
    yield f"  {monarq} dev --dir {data} --workers 0"
    yield "                               the same data once more; then, in another terminal:"
    yield f"  export MONARQ_REDIS_URL={shlex.quote(stack.url)}"
    yield f"  export MONARQ_DATABASE_URL={shlex.quote(stack.database_url)}"
    yield f"  {monarq} dead list"
    yield f"  less {_shown(stack.log)}"


def _deliveries(side: Deliveries) -> str:
    accepted = f"{len(side.accepted)} of {len(side.wanted)} {side.what}, {side.refused} refused at first"
    return f"{accepted}, {side.repeats} came twice" if side.repeats else accepted


def _crash(ledger: Ledger) -> Iterator[str]:
    if ledger.crash is None:
        return
    rescue = ledger.rescue_seconds
    again = "ran again" if rescue is None else f"ran again within {rescue:.1f} s"
    yield (
        f"  kill -9:         worker {ledger.crash.worker} died and left {len(ledger.crash.orphans)} jobs;"
        f" they {again}"
    )


def _orders(books: OrderBooks) -> Iterator[str]:
    yield (
        f"  Orders:          {len(books.committed)} committed, {len(books.rolled_back)} rolled back"
        " (no trace of their jobs)"
    )
    yield f"  kill -9:         the relay died; {books.backlog} jobs waited in PostgreSQL until it was back"
    yield (
        f"  FLUSHALL:        Redis forgot {books.forgotten} jobs of orders; {books.restored} were put back,"
        f" and all was done {books.recovery_seconds:.1f} s later"
    )
    yield (
        f"  PostgreSQL:      {sum(books.charges.values())} charges and {sum(books.parcels.values())} parcels"
        f" for {len(books.committed)} orders: each of its jobs took effect once"
    )


def _letters(ledger: Ledger) -> Iterator[str]:
    for letter in ledger.letters:
        last = letter.failures[-1] if letter.failures else None
        reason = f"{last.error_type}: {last.message}" if last is not None else "no reason is recorded"
        yield f"  Dead letter:     {letter.kind} {letter.job_id}, {len(letter.failures)} attempts"
        yield f"                   {reason}"
        yield "                   (it lies in PostgreSQL, where FLUSHALL has not reached it)"


def _shown(path: Path) -> str:
    """The path from here, if that is shorter, as a shell wants it."""
    relative = os.path.relpath(path)
    return shlex.quote(min(relative, str(path), key=len))
