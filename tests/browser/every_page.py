"""Every page, from the app's own routes, so that a new one is tested without being named."""

import re
from dataclasses import dataclass
from urllib.parse import quote

from monarq.dashboard.access.permissions import Permission
from monarq.dashboard.app import ROUTERS
from monarq.dashboard.pages.route import Page

_CONVERTER = re.compile(r":\w+}")
#: What fills a parameter of a path, before a town says better; a new one must be named here.
FILLED = {
    "queue": "mail",
    "job_id": "none",
    "kind": "card.charge",
    "fingerprint": "0" * 16,
    "worker": "none",
    "operation_id": "none",
    "user_id": "none",
    "token_id": "none",
    "secret": "none",
}
#: With charts that answer to the mouse, which weigh more.
CHARTED = frozenset({"/", "/insights", "/queues/{queue:path}", "/kinds/{kind:path}"})


@dataclass(frozen=True)
class EveryPage:
    """One page."""

    path: str
    permission: Permission | None
    is_public: bool

    def __str__(self) -> str:
        return self.path

    def address(self, found: dict[str, str]) -> str:
        """Where it is, with these values for its parameters."""
        address = _CONVERTER.sub("}", self.path)
        for name, value in (FILLED | found).items():
            address = address.replace(f"{{{name}}}", quote(value, safe=""))
        assert "{" not in address, f"{self.path}: say in FILLED, and in town.py, what fills it"
        return address

    @property
    def heaviest(self) -> int:
        """Bytes that its first view may weigh, compressed."""
        return (60 if self.path in CHARTED else 35) * 1024


def every_page() -> list[EveryPage]:
    """All of them."""
    return [
        EveryPage(route.path, route.permission, route.is_public)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, Page) and "GET" in route.methods
    ]
