"""Who sits at this shell, for the records of what was done to a job."""

from __future__ import annotations

import getpass
import os
import socket

from ..store.dead_letters import Origin


def actor() -> str:
    """`ann@web-1`"""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname().split('.')[0]}"


def origin() -> Origin:
    """Who replays from here."""
    return Origin(actor=actor(), place="the command line")
