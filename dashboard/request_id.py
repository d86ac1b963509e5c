"""The id of the request that is being answered, for what is written about it: log lines, and the audit."""

from __future__ import annotations

from contextvars import ContextVar

#: Empty where no request is: a duty of the dashboard, say.
current_request_id: ContextVar[str] = ContextVar("monarq_request_id", default="")
