"""How envelopes are read and results are written: as JSON, or as arq's users have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from . import envelope as envelopes
from . import record
from .cancel_note import CancelNote
from .envelope import Envelope
from .errors import CorruptRecord, JobCancelled
from .failure import Failure
from .record import Attempt
from .state import State

Serializer = Callable[[dict[str, Any]], bytes]
Deserializer = Callable[[bytes], dict[str, Any]]


class Codec(Protocol):
    """Reads one form of envelope, and writes the results that its senders can read."""

    def decode(self, body: bytes) -> Envelope:
        """Read an envelope; raises `CorruptRecord`."""
        ...  # pragma: no cover

    def success(self, envelope: Envelope, attempt: Attempt, result: bytes, value: Any) -> bytes:
        """The record of a success; `result` is the JSON of `value`."""
        ...  # pragma: no cover

    def failure(
        self, envelope: Envelope, attempt: Attempt, failure: Failure, state: State, error: BaseException
    ) -> bytes:
        """The record of an end without success."""
        ...  # pragma: no cover


class JsonCodec:
    """Ours."""

    def decode(self, body: bytes) -> Envelope:
        return envelopes.decode(body)

    def success(self, envelope: Envelope, attempt: Attempt, result: bytes, value: Any) -> bytes:
        return record.encode_success(envelope, attempt, result)

    def failure(
        self, envelope: Envelope, attempt: Attempt, failure: Failure, state: State, error: BaseException
    ) -> bytes:
        note = CancelNote(error.by, error.reason) if isinstance(error, JobCancelled) else None
        return record.encode_failure(envelope, attempt, failure, state, note)


class ForeignCodec:
    """A serializer that an arq user has chosen, or pickle where the operator allows it.

    Results go out in the form in which the job came in, so that whoever enqueued it can read them.
    """

    def __init__(self, serializer: Serializer, deserializer: Deserializer) -> None:
        self._serializer, self._deserializer = serializer, deserializer

    def decode(self, body: bytes) -> Envelope:
        try:
            document = self._deserializer(body)
        except Exception as error:  # whatever a foreign deserializer raises, the record cannot be read
            raise CorruptRecord(f"the envelope cannot be read: {type(error).__name__}: {error}") from None
        return envelopes.from_document(document)

    def success(self, envelope: Envelope, attempt: Attempt, result: bytes, value: Any) -> bytes:
        return self._serializer(_arq_result(envelope, attempt, success=True, result=value))

    def failure(
        self, envelope: Envelope, attempt: Attempt, failure: Failure, state: State, error: BaseException
    ) -> bytes:
        try:
            return self._serializer(_arq_result(envelope, attempt, success=False, result=error))
        except Exception:  # not every exception can be serialised; its text always can
            text = f"{failure.error_type}: {failure.message}"
            return self._serializer(_arq_result(envelope, attempt, success=False, result=text))


class Codecs:
    """Chooses the codec of a job by its first byte: JSON objects are ours."""

    def __init__(self, foreign: ForeignCodec | None = None) -> None:
        self._json = JsonCodec()
        self._foreign = foreign

    def of(self, body: bytes) -> Codec:
        """The codec for this envelope.

        Raises:
            CorruptRecord: It is no JSON, and nothing else may be read.
        """
        if body.startswith(b"{"):
            return self._json
        if self._foreign is not None:
            return self._foreign
        if body.startswith(b"\x80"):
            raise CorruptRecord(
                "the envelope is pickled, which can run code; let its producer use monarq's JSON serializer, "
                "or set MONARQ_READ_PICKLED=true while you migrate"
            )
        raise CorruptRecord("the envelope is not JSON")

    @property
    def default(self) -> Codec:
        """For jobs whose envelope is gone."""
        return self._json


def _arq_result(envelope: Envelope, attempt: Attempt, *, success: bool, result: Any) -> dict[str, Any]:
    return {
        "t": attempt.attempt,
        "f": envelope.kind,
        "a": envelope.args,
        "k": envelope.kwargs,
        "et": envelope.enqueued_ms,
        "s": success,
        "r": result,
        "st": attempt.started_ms,
        "ft": attempt.ended_ms,
        "q": attempt.queue,
        "id": attempt.job_id,
    }
