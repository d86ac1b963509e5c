"""The kinds that this dashboard knows: those of the modules in `MONARQ_JOBS`."""

from __future__ import annotations

import structlog

from monarq.jobs.cli.session import load_handlers
from monarq.jobs.errors import DefinitionError
from monarq.jobs.registry import Registry
from monarq.jobs.settings import Settings

log = structlog.get_logger("monarq.dashboard")


def load_kinds(settings: Settings) -> Registry:
    """All that can be imported here.  What cannot is told in the log: a dashboard is wanted most when
    something is broken, and it may stand where the app's code does not."""
    known = Registry()
    for module in settings.jobs:
        try:
            for handler in load_handlers([module]):
                known.add(handler)
        except DefinitionError as error:
            log.warning("dashboard.kinds_not_loaded", module=module, error=str(error))
    return known
