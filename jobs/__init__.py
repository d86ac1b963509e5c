"""What a job is."""

from .context import JobContext
from .control import Cancel, Discard, Retry, Snooze
from .handler import Call, Handler, job
from .priority import Priority
from .registry import Registry
from .settings import Settings, load_settings
from .state import State
from .unique import Unique

__all__ = [
    "Call",
    "Cancel",
    "Discard",
    "Handler",
    "JobContext",
    "Priority",
    "Registry",
    "Retry",
    "Settings",
    "Snooze",
    "State",
    "Unique",
    "job",
    "load_settings",
]
