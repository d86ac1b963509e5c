"""A TCP proxy that holds what a client sends for some milliseconds; replies pass at once.

    python proxy.py LISTEN_PORT SERVER_PORT DELAY_MS

Threads and `time.sleep`, since an event loop's timers are too coarse for 1 ms (uvloop counts whole ones).
Requests keep their order and do not wait for each other, as on a long cable.
"""

import queue
import socket
import sys
import threading
import time

CHUNK_BYTES = 1 << 18


def hold(source: socket.socket, held: "queue.SimpleQueue[tuple[float, bytes]]", delay: float) -> None:
    while True:
        try:
            data = source.recv(CHUNK_BYTES)
        except OSError:
            data = b""
        held.put((time.monotonic() + delay, data))
        if not data:
            return


def release(held: "queue.SimpleQueue[tuple[float, bytes]]", target: socket.socket) -> None:
    while True:
        due, data = held.get()
        if (wait := due - time.monotonic()) > 0:
            time.sleep(wait)
        try:
            if not data:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(data)
        except OSError:
            return


def copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(CHUNK_BYTES):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


def serve(listen_port: int, server_port: int, delay: float) -> None:
    with socket.create_server(("127.0.0.1", listen_port)) as entrance:
        while True:
            client, _ = entrance.accept()
            server = socket.create_connection(("127.0.0.1", server_port))
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            held: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
            duties = ((hold, client, held, delay), (release, held, server), (copy, server, client))
            for function, *args in duties:
                threading.Thread(target=function, args=args, daemon=True).start()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1e3)
