"""Who acts here, for records of what people do."""

from __future__ import annotations

import getpass
import os
import socket


def this_actor() -> str:
    """The user and the machine of this process: `ann@web-1`."""
    return f"{_user()}@{socket.gethostname().split('.')[0]}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return str(os.getuid())
