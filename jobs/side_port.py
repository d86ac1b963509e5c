"""A port beside the work, for machines: metrics and probes, from a thread of its own.

A thread, because it must answer while the event loop is blocked: then above all somebody wants to know.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from socketserver import TCPServer

import structlog

log = structlog.get_logger("monarq")

#: Seconds that a client may take for its request.
_PATIENCE = 5.0
#: Seconds between two looks whether it is to stop: who stops it waits for that.
_LOOK_EVERY = 0.1

#: Takes the header `Accept`; gives status, body and media type.
Page = Callable[[str], tuple[int, bytes, str]]


class SidePort:
    """Serves a few pages by GET, exactly under their paths; nothing of it needs an identity.

    Args:
        port: 0: any that is free; None: it serves nothing.
    """

    def __init__(self, host: str, port: int | None, pages: Mapping[str, Page]) -> None:
        self._host, self._port = host, port
        self._pages = dict(pages)
        self._server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int | None:
        """Where it listens; None if it does not."""
        return None if self._server is None else int(self._server.server_address[1])

    def start(self) -> None:
        """Begin.  A port that is taken is told in the log, and costs nothing else."""
        if self._port is None:
            return
        try:
            self._server = _Server(self._host, self._port, self._pages)
        except OSError as error:
            mend = "free the port, or set MONARQ_METRICS_PORT to another (0 turns it off)"
            log.warning(
                "metrics.not_served", host=self._host, port=self._port, error=error.strerror, mend=mend
            )
            return
        threading.Thread(
            target=self._server.serve_forever, args=(_LOOK_EVERY,), name="monarq-side-port", daemon=True
        ).start()

    def stop(self) -> None:
        """End."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def json_page(tell: Callable[[], tuple[bool, Mapping[str, object]]]) -> Page:
    """A probe: 200 if all is well, else 503, and what is known as JSON."""

    def page(_accept: str) -> tuple[int, bytes, str]:
        is_well, facts = tell()
        status = HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE
        return status, json.dumps(facts).encode(), "application/json"

    return page


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # two of ours must not share a port, as they could with SO_REUSEPORT
    allow_reuse_port = False

    def __init__(self, host: str, port: int, pages: Mapping[str, Page]) -> None:
        self.address_family = AF_INET6 if ":" in host else AF_INET
        super().__init__((host, port), _handler(pages))

    def server_bind(self) -> None:
        """Not as HTTPServer does it, which asks the DNS for a name that nobody needs, and waits for it."""
        TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asks and goes away in between is no fault of ours."""
        log.debug("metrics.request_failed", exc_info=True)


def _handler(pages: Mapping[str, Page]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _PATIENCE
        server_version = sys_version = ""

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            if page is None:
                self._answer(HTTPStatus.NOT_FOUND, b"not found\n", "text/plain")
            else:
                self._answer(*self._ask(page))

        def _ask(self, page: Page) -> tuple[int, bytes, str]:
            try:
                return page(self.headers.get("accept", ""))
            except Exception:
                log.exception("metrics.page_failed", path=self.path)
                return HTTPStatus.INTERNAL_SERVER_ERROR, b"failed: the log says why\n", "text/plain"

        def _answer(self, status: int, body: bytes, media_type: str) -> None:
            self.send_response_only(status)
            self.send_header("content-type", media_type)
            self.send_header("content-length", str(len(body)))
            self.send_header("cache-control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Scrapes and probes are in no log."""

    return Handler
