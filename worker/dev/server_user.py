"""Who a server runs as that refuses to run as root."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Any

#: Every system has this user, so that none need be made.
_NAME = "nobody"


def run_options(data: Path) -> dict[str, Any]:
    """What `subprocess` is told: for root the owner of the data, or nobody; for everyone else nothing."""
    if not _is_root():
        return {}
    uid, gid = _user_of(data)
    return {"user": uid, "group": gid, "extra_groups": []}


def let_in(folder: Path, programs: Path, data: Path) -> None:
    """If we are root, give the folder to that user, and let it pass through (not read) those above."""
    if not _is_root():
        return
    uid, gid = _user_of(data)
    shutil.chown(folder, uid, gid)
    for above in (*folder.parents, programs, *programs.parents):
        mode = above.stat().st_mode
        if not mode & stat.S_IXOTH:
            above.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _user_of(data: Path) -> tuple[int, int]:
    if data.exists():
        owner = data.stat()
        return owner.st_uid, owner.st_gid
    import pwd

    entry = pwd.getpwnam(_NAME)
    return entry.pw_uid, entry.pw_gid


def _is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0
