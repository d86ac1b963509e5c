"""Reads a row of the outbox.  Anybody may have written it, so all of it is looked at before Redis sees it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from monarq.jobs.envelope import decode, unique_key_of
from monarq.jobs.errors import CorruptRecord, DefinitionError
from monarq.jobs.identity import is_job_id
from monarq.jobs.priority import PRIORITIES
from monarq.jobs.store.keys import QueueKeys, queue_keys
from monarq.jobs.store.postgres.repositories.outbox import WaitingRow
from monarq.jobs.store.verbs import Entry

_END_OF_HEAD = b',"et":'
_DIGEST = re.compile(r"(?:[0-9a-f]{16})?")
_UNIQUE_RULE = re.compile(r"([0-9a-f]{32}) (?:return|replace|reschedule) \d{1,15}")


class UnusableRow(Exception):
    """No job can be made of this row."""


def read_row(row: WaitingRow, *, tagged: bool) -> tuple[QueueKeys, Entry]:
    """The job that a row stands for, and its queue.

    Raises:
        UnusableRow: With the reason.
    """
    try:
        queue = queue_keys(row.queue, tagged=tagged)
    except DefinitionError as error:
        raise UnusableRow(str(error)) from None
    if not is_job_id(row.job_id):
        raise UnusableRow("job_id: it is no id: 1 to 200 of A-Z a-z 0-9 _ . : @ / + - =")
    if not row.job_id.startswith(queue.id_prefix):
        raise UnusableRow(f"job_id: it must begin with {queue.id_prefix} (MONARQ_HASH_TAGS)")
    if not _DIGEST.fullmatch(row.digest):
        raise UnusableRow("digest: it is neither empty nor 16 hex digits")
    _check_head(row)
    due = timedelta(0) if row.due_ms is None else _moment(row.due_ms)
    return queue, Entry(row.job_id, PRIORITIES[row.rank], due, row.head, row.digest, row.unique_rule)


def _check_head(row: WaitingRow) -> None:
    if not row.head.endswith(_END_OF_HEAD):
        raise UnusableRow("head: it is no envelope up to the value of `et`")
    try:
        decode(row.head + b"0}")
    except CorruptRecord as error:
        raise UnusableRow(f"head: {error}") from None
    if row.unique_rule:
        rule, key = _UNIQUE_RULE.fullmatch(row.unique_rule), unique_key_of(row.head)
        if rule is None or key is None or rule[1] != key[1]:
            raise UnusableRow("unique_rule: it is no rule, or another than that of the envelope")


def _moment(ms: float) -> datetime:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        raise UnusableRow(f"due_at: {ms:g} ms since the epoch is no point in time") from None
