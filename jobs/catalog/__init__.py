"""The kinds of job that Monarq brings along; naming `monarq.jobs.catalog` as a job module loads all three."""

from __future__ import annotations

from .email import send as send_email
from .image import thumbnail as make_thumbnail
from .webhook import deliver as deliver_webhook

__all__ = ["deliver_webhook", "make_thumbnail", "send_email"]
