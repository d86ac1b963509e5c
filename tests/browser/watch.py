"""Watches what a browser complains of: nothing of it may be there when a test ends."""

from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, Response, WebError

#: Chromium says so of every answer that is no success; answers are judged by themselves.
_LOADING = "Failed to load resource"
#: Told to the page itself, so that a violation is seen also where the console would be silent.
_TELL = """document.addEventListener("securitypolicyviolation", event => console.error(
    `CSP: ${event.violatedDirective} blocked ${event.blockedURI} ${event.sample}`))"""


class Watch:
    """What the pages of a test complain of: script errors, CSP violations, failed and foreign requests."""

    def __init__(self) -> None:
        self._faults: list[str] = []
        self._allowed: list[str] = []

    def over(self, context: BrowserContext, url: str, *, has_scripts: bool) -> None:
        """Watch one context, whose pages come from `url`."""
        self._origin = urlsplit(url).netloc
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        context.on("request", self._on_request)
        context.on("response", self._on_response)
        if has_scripts:
            context.add_init_script(_TELL)

    def allow(self, *words: str) -> None:
        """Complaints that hold one of these words are what the test is about."""
        self._allowed.extend(words)

    @property
    def faults(self) -> list[str]:
        """All complaints so far that nobody has allowed."""
        return [fault for fault in self._faults if not any(word in fault for word in self._allowed)]

    def take_faults(self) -> list[str]:
        """The same, for the last time: what comes next is of the next test."""
        taken, self._faults = self.faults, []
        return taken

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert") and not message.text.startswith(_LOADING):
            self._faults.append(f"console {message.type}: {message.text}")

    def _on_error(self, error: WebError) -> None:
        self._faults.append(f"script error: {error.error}")

    def _on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob", "about") and parts.netloc != self._origin:
            self._faults.append(f"foreign request: {request.url}")

    def _on_response(self, response: Response) -> None:
        is_page = response.request.is_navigation_request()
        if response.status >= (500 if is_page else 400):
            self._faults.append(f"answer {response.status}: {response.url}")
