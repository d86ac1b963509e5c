"""The browser: Chromium as the system has it, and what its absence means."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class NoBrowser(RuntimeError):
    """There is no Chromium here.  Tests of pages are never skipped: who knows what they would find."""

    def __init__(self) -> None:
        super().__init__(
            f"none of {', '.join(_NAMES)} is on the PATH; install one: apt-get install chromium (Debian), "
            "apt-get install chromium-browser (Ubuntu), brew install --cask chromium (macOS)"
        )


def find_chromium() -> str:
    """Where it is.

    Raises:
        NoBrowser: Nowhere.
    """
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    raise NoBrowser


@contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium without a window.

    While it is open, this thread has an event loop that runs: no other can be started in it (see `apart`).
    """
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
