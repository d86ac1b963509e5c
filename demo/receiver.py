"""The other side of the webhooks: a real HTTP server that checks signatures, and is not always well.

How it answers a delivery is in the path: `/hooks/<behaviour>/<number>`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar, Self

from monarq.jobs.catalog.webhook_signature import (
    JOB_ID_HEADER,
    SIGNATURE_HEADER,
    SignatureRefused,
    verify,
)

FINE, BUSY, BROKEN, SLOW, GONE = "fine", "busy", "broken", "slow", "gone"
#: What a busy one asks for; the worker then comes back when it was told to.
RETRY_AFTER_SECONDS = 1
SLOW_SECONDS = 1.5
#: How often the endpoint that is gone says "later" before it says "never".
TEMPORARY_ANSWERS = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """One response."""

    status: int
    text: str
    retry_after: int | None = None


_ACCEPTED = Answer(200, "thank you")
_TOO_BUSY = Answer(503, "too busy, come back later", RETRY_AFTER_SECONDS)
_CRASHED = Answer(500, "something broke")
_REMOVED = Answer(410, "this endpoint was removed")
_FORGED = Answer(401, "who are you?")


@dataclass
class Receiver:
    """Accepts webhooks on a free loopback port, and remembers by job id what it did.

    The server's threads write, everybody reads.
    """

    secret: str
    #: The endpoint that is gone is back.
    mended: bool = False
    #: Deliveries by job id that were accepted; more than one are repeats of the same job.
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    #: Deliveries whose signature did not fit.
    forged: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        handler = type("Handler", (_Handler,), {"receiver": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def url(self, behaviour: str, number: int) -> str:
        """The address of an endpoint that behaves so."""
        return f"http://127.0.0.1:{self._server.server_port}/hooks/{behaviour}/{number}"

    def answer(self, path: str, job_id: str, signature: str, body: bytes) -> Answer:
        """Judge one delivery."""
        try:
            verify(body, signature, job_id, secret=self.secret)
        except SignatureRefused:
            with self._lock:
                self.forged += 1
            return _FORGED
        behaviour = path.split("/")[2] if path.count("/") == 3 else FINE
        if behaviour == SLOW:
            time.sleep(SLOW_SECONDS)
        with self._lock:
            answer = self._choose(behaviour, before=self.refused[job_id])
            (self.accepted if answer.status == 200 else self.refused)[job_id] += 1
        return answer

    def _choose(self, behaviour: str, before: int) -> Answer:
        if behaviour == GONE and not self.mended:
            return _TOO_BUSY if before < TEMPORARY_ANSWERS else _REMOVED
        if before == 0 and behaviour == BUSY:
            return _TOO_BUSY
        if before == 0 and behaviour == BROKEN:
            return _CRASHED
        return _ACCEPTED

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    # the default backlog of 5 would refuse what two busy workers send
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    receiver: ClassVar[Receiver]
    #: Seconds of silence after which a sender is given up.
    timeout = 30

    def do_POST(self) -> None:
        """One delivery."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # its sender was killed in the middle of it
            return
        job_id, signature = self.headers.get(JOB_ID_HEADER, ""), self.headers.get(SIGNATURE_HEADER, "")
        answer = self.receiver.answer(self.path, job_id, signature, body)
        try:
            self._send(answer)
        except OSError:  # the worker that sent it was killed meanwhile
            self.close_connection = True

    def _send(self, answer: Answer) -> None:
        body = answer.text.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        if answer.retry_after is not None:
            self.send_header("Retry-After", str(answer.retry_after))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the demo shows the counts."""
