"""Who changed what by hand: one line of the log for each change, and for each that was tried and refused."""

from __future__ import annotations

from typing import Any

import structlog

from .access.caller import Caller

log = structlog.get_logger("monarq.audit")


class Audit:
    """Records changes."""

    async def record(self, caller: Caller, action: str, subject: str, **detail: Any) -> None:
        """Somebody has done something to something: `queue.pause` to `mail`."""
        log.info(
            "dashboard.changed",
            actor=caller.name,
            subject_of_actor=caller.subject,
            means=str(caller.means),
            address=str(caller.address),
            action=action,
            subject=subject,
            **detail,
        )
