"""An event loop beside the process's own, in a thread: it answers while the other one is blocked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

T = TypeVar("T")


class SideLoop:
    """Begins when it is first needed.  For threads that have no loop themselves."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_over = False

    def run(self, work: Callable[[], Coroutine[Any, Any, T]], timeout: float) -> T:
        """Do something there, and wait for it; from any number of threads.

        Raises:
            TimeoutError: It took longer than `timeout` seconds, or the loop has ended.
        """
        with self._lock:  # what is begun is begun before the last thing
            loop = self._begun()
            future = asyncio.run_coroutine_threadsafe(work(), loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise
        except CancelledError:
            raise TimeoutError("it has ended") from None

    def stop(self, last: Callable[[], Coroutine[Any, Any, None]], timeout: float) -> None:
        """Do a last thing there and end.  One that has never begun does nothing, and never will."""
        with self._lock:
            self._is_over, loop, thread = True, self._loop, self._thread
        if loop is None or thread is None or not thread.is_alive():
            return
        ending = asyncio.run_coroutine_threadsafe(last(), loop)
        ending.add_done_callback(lambda _: loop.call_soon_threadsafe(loop.stop))
        thread.join(timeout)

    # ---

    def _begun(self) -> asyncio.AbstractEventLoop:
        if self._is_over:
            raise TimeoutError("it has ended")
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._live, args=(self._loop,), name=self._name, daemon=True
            )
            self._thread.start()
        return self._loop

    @staticmethod
    def _live(loop: asyncio.AbstractEventLoop) -> None:
        # it also ends what is still under way when the loop stops
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.get_loop().run_forever()
