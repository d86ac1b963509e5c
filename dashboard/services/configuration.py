"""What the installation is set to, without its secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from monarq.jobs.settings import PREFIX, Settings

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.permissions import Permission
from ..access.roles import Role
from ..settings import PREFIX as DASHBOARD_PREFIX
from ..settings import DashboardSettings

_HIDDEN = "set, not shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting, as it may be shown."""

    #: The variable of the environment.
    name: str
    value: str
    is_default: bool
    #: The same, if it is a time span.
    span: timedelta | None = None


class ConfigurationService:
    """Shows the settings of this process: of what is secret, only that it is set."""

    def __init__(self, settings: Settings, dashboard: DashboardSettings, guard: Guard) -> None:
        self._settings = settings
        self._dashboard = dashboard
        self._guard = guard

    async def list(self, caller: Caller) -> Sequence[Setting]:
        """All settings: those of every process, then those of the dashboard."""
        await self._guard.require(caller, Permission.USERS_READ)
        return [*_settings(self._settings, PREFIX), *_settings(self._dashboard, DASHBOARD_PREFIX)]

    async def roles(self, caller: Caller) -> Mapping[str, Role]:
        """What each role permits."""
        await self._guard.require(caller, Permission.USERS_READ)
        return self._dashboard.all_roles()


def _settings(settings: BaseModel, prefix: str) -> Iterator[Setting]:
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        is_default = value == field.get_default(call_default_factory=True)
        span = value if isinstance(value, timedelta) else None
        yield Setting(name=prefix + name.upper(), value=_shown(value), is_default=is_default, span=span)


def _shown(value: Any) -> str:
    """The value in words.  Of what holds secrets inside, only the names."""
    match value:
        case None:
            return "not set"
        case SecretStr():
            return _address(value.get_secret_value())
        case timedelta():
            return f"{value.total_seconds():.10g} s"
        case Mapping():
            return ", ".join(_pair(key, inner) for key, inner in value.items()) or "none"
        case list() | tuple():
            return ", ".join(map(_shown, value)) or "none"
        case BaseModel():
            return str(getattr(value, "issuer", _HIDDEN))
    return str(value)


def _pair(key: object, value: object) -> str:
    return f"{key}={value}" if isinstance(value, int | float | str) else str(key)


def _address(secret: str) -> str:
    """Where a server is, without user, password and options; whatever is no address of a server is hidden."""
    try:
        parts = urlsplit(secret)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return _HIDDEN
    if not parts.scheme or not (parts.hostname or parts.path.startswith("/")):
        return _HIDDEN
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
