"""The same thin client without an event loop: for `SyncProducer` and for the heartbeat's thread."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import time
from typing import Any

import hiredis

from ..errors import StoreUnavailable
from .address import Address
from .replies import checked, packed
from .sentinel import resolve_sync

_CHUNK_BYTES = 65_536


class SyncLink:
    """A blocking connection, opened on first use, and anew after it broke.  For one thread at a time."""

    def __init__(self, address: Address, *, reply_timeout: float = 5.0) -> None:
        self.address = address
        self._reply_timeout = reply_timeout
        self._socket: socket.socket | None = None
        #: The process that opened the socket: a fork's child must not talk into its parent's connection.
        self._owner = 0
        self._reader = hiredis.Reader()

    def call(self, *command: Any) -> Any:
        """The reply to one command.

        Raises:
            StoreUnavailable: No reply; the command may have been carried out.
            StoreRefused: The server answered with an error.
        """
        try:
            connection = self._socket if self._owner == os.getpid() else None
            connection = connection or self._open()
            connection.sendall(packed(command))
            reply = self._read(connection, self._reply_timeout)
        except (OSError, hiredis.HiredisError) as error:
            self.close()
            detail = str(error) or type(error).__name__
            raise StoreUnavailable(f"no answer from Redis at {self.address}: {detail}") from error
        except BaseException:
            # refused on entering, or a signal handler raised: the next call would read this one's reply
            self.close()
            raise
        return checked(reply)

    def wait(self, timeout: float) -> Any:
        """What the server says unasked (a published message), or None after `timeout` seconds."""
        if self._socket is None:
            raise StoreUnavailable(f"not connected to Redis at {self.address}")
        try:
            _limit_waits(self._socket, timeout)
            return self._read(self._socket, timeout)
        except TimeoutError:
            return None
        except (OSError, hiredis.HiredisError) as error:
            self.close()
            raise StoreUnavailable(f"the connection to Redis at {self.address} broke: {error}") from error

    def close(self) -> None:
        """Close the socket.  A later call opens it anew."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _open(self) -> socket.socket:
        address = resolve_sync(self.address)
        if address.path:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(address.connect_timeout)
            connection.connect(address.path)
        else:
            connection = socket.create_connection((address.host, address.port), address.connect_timeout)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if address.tls is not None:
            connection = address.tls.wrap_socket(connection, server_hostname=address.host)
        _limit_waits(connection, self._reply_timeout)
        self._socket, self._reader, self._owner = connection, hiredis.Reader(), os.getpid()
        for command in address.greeting:
            connection.sendall(hiredis.pack_command(command))
            checked(self._read(connection, self._reply_timeout))
        return connection

    def _read(self, connection: socket.socket, timeout: float) -> Any:
        deadline = time.monotonic() + timeout
        while (reply := self._reader.gets()) is False:
            try:
                data = connection.recv(_CHUNK_BYTES)
            except BlockingIOError:
                raise TimeoutError("no answer in time") from None
            if not data:
                raise ConnectionError("closed by the server")
            if time.monotonic() > deadline:
                raise TimeoutError("no whole answer in time")
            self._reader.feed(data)
        return reply


def _limit_waits(connection: socket.socket, seconds: float) -> None:
    """Let the kernel keep the time-out: Python's own costs two more system calls for each command."""
    if isinstance(connection, ssl.SSLSocket):
        # it would read again, however often the kernel gives up
        connection.settimeout(max(seconds, 0.001))
        return
    connection.settimeout(None)
    whole, fraction = divmod(max(seconds, 0.001), 1)
    limit = struct.pack("ll", int(whole), int(fraction * 1_000_000))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
