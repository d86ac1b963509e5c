"""The job as it lies in Redis: arq's `{t, f, a, k, et}` plus `m`, as JSON.

An envelope is written as a head; the enqueue script adds the server's time and the closing brace, so that no
producer's clock is ever believed:

    {"m":{"v":1},"t":null,"f":"image.thumbnail","a":[],"k":{"width":200},"et":   +   1764000000000}

`m` holds, each only where it differs from the default:
    v   version of this layout                    p   priority
    q   queue                                     x   expires this many ms after `et`
    h   digest of kind and arguments, for jobs whose id the app has chosen
    d   1 for durable jobs: PostgreSQL knows them, too
    o   1 for jobs that came by the outbox, durable ones among them
    g   the job's tags, a list
    c   the trace that it was enqueued in, as W3C Trace Context has it: `traceparent`, and behind a blank
        `tracestate`
    u   `<until>:<digest>`, for jobs that hold a unique key.  It stands first: claim.lua tells such a job by
        one byte.

`v` stands first otherwise, with `d` and `o` right behind it, so that what most jobs have not is seen at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from pydantic_core import from_json, to_json

from .errors import CorruptRecord
from .priority import RANKS, Priority

VERSION = 1
_DIGEST = re.compile("[0-9a-f]{16}")
#: What `c` may be: nothing that would have to be escaped, and no brace, for `m` itself holds none.
_TRACE = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?: [ !#-\[\]-z|~]{1,512})?")
#: How the envelope of a job that holds a unique key begins.
UNIQUE_HEAD = b'{"m":{"u"'
_UNIQUE = re.compile(rb'{"m":{"u":"(start|success|end|window):([0-9a-f]{32})"')
#: What `m` says right behind `v` of a job that came by the outbox, and of a durable one.
BY_OUTBOX = ',"o":1'
DURABLE = ',"d":1,"o":1'
#: How the envelope of such a job may begin.
_DURABLE_HEADS = (b'{"m":{"v":1,"d"', UNIQUE_HEAD)
_OUTBOX_HEADS = (b'{"m":{"v":1,"o"', *_DURABLE_HEADS)
_IS_DURABLE = re.compile(rb'{"m":{(?:"u":"[^"]*",)?"v":1,"d":1[,}]')
_IS_BY_OUTBOX = re.compile(rb'{"m":{(?:"u":"[^"]*",)?"v":1(?:,"d":1)?,"o":1[,}]')
#: The year 10000, in ms since the epoch: no clock says more.
_LATEST_MS = 253_402_300_800_000


@dataclass(slots=True)
class Envelope:
    """A decoded job, before its arguments are checked."""

    kind: str
    args: list[Any]
    kwargs: dict[str, Any]
    #: When it was enqueued, ms since the epoch: the server's clock, or the producer's for arq's own jobs.
    enqueued_ms: int
    #: arq's `_job_try`: the attempt to begin with.
    first_attempt: int | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    #: The members `f`, `a`, `k` and `et` as JSON: the result record repeats them, and need not encode them.
    members: bytes = b""

    @property
    def priority(self) -> Priority:
        """Where in its queue it waits."""
        name = self.meta.get("p", Priority.NORMAL)
        return Priority(name) if isinstance(name, str) and name in RANKS else Priority.NORMAL

    @property
    def digest(self) -> str | None:
        """Tells same from other content, for ids that the app has chosen."""
        digest = self.meta.get("h")
        return digest if isinstance(digest, str) and _DIGEST.fullmatch(digest) else None

    @property
    def expires_ms(self) -> int | None:
        """When it is no longer worth starting, ms since the epoch."""
        lifetime = self.meta.get("x")
        return self.enqueued_ms + lifetime if isinstance(lifetime, int) else None

    @property
    def tags(self) -> list[str]:
        """By which it is found in the history."""
        tags = self.meta.get("g")
        return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []

    @property
    def trace(self) -> str | None:
        """The context of the trace that it was enqueued in."""
        trace = self.meta.get("c")
        return trace if isinstance(trace, str) and is_trace(trace) else None

    @property
    def trace_id(self) -> str | None:
        """Of that trace, in hex."""
        return None if (trace := self.trace) is None else trace[3:35]


def is_trace(text: str) -> bool:
    """Whether an envelope can carry this context of a trace."""
    return _TRACE.fullmatch(text) is not None


def encode_head(
    kind: str,
    arguments: bytes,
    *,
    queue: str = "default",
    priority: Priority = Priority.NORMAL,
    expires_in: timedelta | None = None,
    digest: str | None = None,
    unique: str | None = None,
    marks: str = "",
    tags: tuple[str, ...] = (),
    trace: str | None = None,
) -> bytes:
    """An envelope up to the value of `et`.  Kinds, queues, digests and tags hold nothing to be escaped.

    `marks` is `BY_OUTBOX`, `DURABLE` or neither.
    """
    if digest is None and unique is None and not tags and trace is None:
        return _prefix(kind, queue, priority, expires_in, marks) + arguments + b',"et":'
    prefix = _prefix.__wrapped__(kind, queue, priority, expires_in, marks, digest, unique, tags, trace)
    return prefix + arguments + b',"et":'


@lru_cache(maxsize=1024)  # the same few dozen, over and over; digests and the like would only push them out
def _prefix(
    kind: str,
    queue: str,
    priority: Priority,
    expires_in: timedelta | None,
    marks: str,
    digest: str | None = None,
    unique: str | None = None,
    tags: tuple[str, ...] = (),
    trace: str | None = None,
) -> bytes:
    meta = f'"v":{VERSION}{marks}' if unique is None else f'"u":"{unique}","v":{VERSION}{marks}'
    if digest is not None:
        meta += f',"h":"{digest}"'
    if queue != "default":
        meta += f',"q":"{queue}"'
    if priority is not Priority.NORMAL:
        meta += f',"p":"{priority}"'
    if expires_in is not None:
        meta += f',"x":{round(expires_in.total_seconds() * 1000)}'
    if tags:
        meta += ',"g":["' + '","'.join(tags) + '"]'
    if trace is not None:
        meta += f',"c":"{trace}"'
    return f'{{"m":{{{meta}}},"t":null,"f":"{kind}","a":[],"k":'.encode()


def content_digest(kind: str, arguments: bytes) -> str:
    """16 hex digits that tell one content from another."""
    return blake2b(arguments, digest_size=8, key=kind.encode()[:64]).hexdigest()


def unique_key_of(body: bytes) -> tuple[str, str] | None:
    """Until when the job holds its unique key (start, success, end, window), and the key's digest.

    Reads no more of the envelope than the scripts do, so that both know of the same keys.
    """
    found = _UNIQUE.match(body)
    return (found[1].decode(), found[2].decode()) if found else None


def is_durable(body: bytes | None) -> bool:
    """Whether PostgreSQL knows the job, too."""
    return body is not None and body.startswith(_DURABLE_HEADS) and _IS_DURABLE.match(body) is not None


def came_by_outbox(body: bytes) -> bool:
    """Whether a relay has brought the job, which may bring it again."""
    return body.startswith(_OUTBOX_HEADS) and _IS_BY_OUTBOX.match(body) is not None


def decode(body: bytes) -> Envelope:
    """Read a JSON envelope, ours or arq's.

    Raises:
        CorruptRecord: It is not JSON, or not an envelope.
    """
    try:
        document = from_json(body)
    except ValueError as error:
        raise CorruptRecord(f"the envelope is not JSON: {error}") from None
    envelope = from_document(document)
    envelope.members = _members_of(body) or envelope.members
    return envelope


#: What stands between `m` and `f` in every envelope of ours; `m` itself holds no brace.
_BEFORE_MEMBERS = b'},"t":null,'
#: What stands in them before the arguments by name, if there are no others; it begins no later than this.
_BEFORE_NAMED = b'","a":[],"k":'
_LONGEST_KIND = 150


def _members_of(body: bytes) -> bytes:
    end_of_meta = body.find(b"}")
    if body.startswith(_BEFORE_MEMBERS + b'"f":"', end_of_meta) and body.endswith(b"}"):
        return body[end_of_meta + len(_BEFORE_MEMBERS) : -1]
    return b""


def arguments_json(envelope: Envelope) -> bytes:
    """All arguments as one JSON object: those by name, and those by position (arq's) as its member `*`.

    Raises:
        ValueError: An argument (of arq's) has no JSON.
    """
    members = envelope.members
    begin = members.find(_BEFORE_NAMED, 0, _LONGEST_KIND)
    if begin >= 0:  # as text, since this is done for every job
        return members[begin + len(_BEFORE_NAMED) : members.rfind(b',"et":')]
    by_position = {"*": envelope.args} if envelope.args else {}
    return to_json({**envelope.kwargs, **by_position})


def from_document(document: Any) -> Envelope:
    """Read an envelope that has been parsed already.

    Raises:
        CorruptRecord: A field is missing or of another type.
    """
    try:
        kind, args, kwargs, enqueued_ms = document["f"], document["a"], document["k"], document["et"]
        first_attempt, meta = document.get("t"), document.get("m") or {}
    except (KeyError, TypeError, AttributeError) as error:
        raise CorruptRecord(f"the envelope lacks {error}") from None
    well_formed = (
        isinstance(kind, str)
        and isinstance(args, (list, tuple))
        and isinstance(kwargs, dict)
        and isinstance(enqueued_ms, int)
        and 0 <= enqueued_ms < _LATEST_MS
        and isinstance(meta, dict)
        and (first_attempt is None or isinstance(first_attempt, int))
    )
    if not well_formed:
        raise CorruptRecord("a field of the envelope has the wrong type")
    return Envelope(kind, list(args), kwargs, enqueued_ms, first_attempt, meta)


def encode_body(envelope: Envelope) -> bytes:
    """A whole envelope again, as JSON."""
    document = {
        "m": envelope.meta,
        "t": envelope.first_attempt,
        "f": envelope.kind,
        "a": envelope.args,
        "k": envelope.kwargs,
        "et": envelope.enqueued_ms,
    }
    return to_json(document)
