"""What a worker and its children say to each other: frames of facts (JSON) and at most one run of raw bytes.

Never pickle: a child may have run anything by the time that it answers.
"""

from __future__ import annotations

import json
from asyncio import StreamReader
from struct import Struct
from typing import Any, BinaryIO

#: The lengths of the facts and of the bytes.
_LENGTHS = Struct(">II")

Facts = dict[str, Any]
Frame = tuple[Facts, bytes]


def pack(facts: Facts, blob: bytes = b"") -> bytes:
    """One frame."""
    # not pydantic's JSON: a job id from elsewhere may hold what UTF-8 cannot carry
    head = json.dumps(facts).encode()
    return _LENGTHS.pack(len(head), len(blob)) + head + blob


def read(stream: BinaryIO) -> Frame:
    """The next frame; waits for it in this thread.

    Raises:
        EOFError: There is none, the other side is gone.
    """
    head_length, blob_length = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    head = _exactly(stream, head_length)
    return json.loads(head), _exactly(stream, blob_length)


async def receive(reader: StreamReader) -> Frame:
    """The next frame; waits for it on the event loop.

    Raises:
        EOFError: There is none, the other side is gone.
    """
    head_length, blob_length = _LENGTHS.unpack(await reader.readexactly(_LENGTHS.size))
    head = await reader.readexactly(head_length)
    return json.loads(head), await reader.readexactly(blob_length)


def _exactly(stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data
