"""The settings of the dashboard, from the environment: `MONARQ_DASHBOARD_URL`, `MONARQ_DASHBOARD_USERS`, …"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from monarq.jobs.errors import ConfigError
from monarq.jobs.settings import Span

from .access.grants import Grants
from .access.roles import BUILT_IN, Role

PREFIX = "MONARQ_DASHBOARD_"
#: A secret may lie in a file, whose path is then in the variable of this name: `MONARQ_DASHBOARD_USERS_FILE`.
_IN_A_FILE = "_FILE"
_SECRETS = ("signing_keys", "users", "tokens")

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
#: What an outside issuer may sign with.  None of them is symmetric: a public key must never count as a
#: secret.
_ALGORITHMS = frozenset(
    {"EdDSA", "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
)

Claim = Annotated[str, Field(min_length=1, max_length=64)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SettingsUser(_Part):
    """A user, where there is no PostgreSQL to keep them in."""

    #: As `monarq users hash` prints it.
    password: SecretStr
    grants: Grants


class SettingsToken(_Part):
    """An API token, where there is no PostgreSQL to keep them in."""

    #: Of the whole token, as `monarq tokens create --print` shows it.
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    grants: Grants
    expires_at: AwareDatetime


class Issuer(_Part):
    """Somebody else who says who people are, by JWTs: an OpenID provider, say."""

    #: Exactly as the claim `iss` has it.
    issuer: str = Field(min_length=1, max_length=500)
    audience: str = Field(min_length=1, max_length=500)
    #: Where its public keys are.
    jwks_url: str
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA")
    #: What the header `typ` may be; many providers say `JWT`.
    types: tuple[str, ...] = ("at+jwt",)
    #: The claim with the person's name, and the one with the groups they are in.
    name_claim: Claim = "sub"
    groups_claim: Claim = "groups"
    #: What each group may do.  Who is in none of them may do nothing.
    groups: dict[str, Grants]

    @field_validator("algorithms")
    @classmethod
    def _algorithms_are_asymmetric(cls, algorithms: tuple[str, ...]) -> tuple[str, ...]:
        if not algorithms or not _ALGORITHMS.issuperset(algorithms):
            raise ValueError(f"choose from {', '.join(sorted(_ALGORITHMS))}")
        return algorithms

    @field_validator("jwks_url")
    @classmethod
    def _keys_come_by_tls(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError("it must begin with https://")
        return url


class DashboardSettings(BaseSettings):
    """What the dashboard needs to know beside `Settings`; the prefix is `MONARQ_DASHBOARD_`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True
    )

    #: What a browser has in its address bar: `https://ops.example.com/monarq`.  Anything but a loopback
    #: address needs `https`.  By default what `monarq dashboard` listens on.
    url: str | None = None
    #: Where `monarq dashboard` listens.  Other than loopback, `MONARQ_DASHBOARD_URL` must be set.
    host: str = "127.0.0.1"
    #: And at which port; unset, the variable `PORT` counts.
    port: int = Field(8080, ge=1, le=65535)
    #: Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed: addresses or networks, by commas.
    proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = ()
    #: Shown on every page and in its title, so that nobody takes one for another: `production`.
    environment: Annotated[str, Field(min_length=1, max_length=24)] | None = None
    #: In this colour: grey, blue, green, amber, red or purple.
    environment_colour: Literal["grey", "blue", "green", "amber", "red", "purple"] = "grey"
    #: Where traces are shown: `https://tempo.example.com/trace/{trace_id}`.  Unset: jobs tell the id alone.
    trace_url: str | None = None
    #: Nobody may change anything.
    read_only: bool = False
    #: Further roles, as a JSON object: `{"on-call": ["jobs:read", "queues:pause", "jobs:cancel:own"]}`.
    roles: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    #: Signs the JWTs of this dashboard, as `monarq tokens key` prints it.  By commas while it is being
    #: changed: the first one signs, each of them verifies.  Unset: it issues none.
    signing_keys: SecretStr | None = None
    #: The claim `iss` of those JWTs.
    issuer: str = "monarq"
    #: Their claim `aud`.
    audience: str = "monarq"
    #: How long such a JWT holds.
    jwt_lifetime: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(minutes=15))] = timedelta(
        minutes=15
    )
    #: Outside issuers of JWTs, as a JSON list.
    issuers: tuple[Issuer, ...] = ()
    #: Without PostgreSQL: users by their names, as a JSON object.
    users: dict[str, SettingsUser] = Field(default_factory=dict)
    #: Without PostgreSQL: API tokens by their names, as a JSON object.
    tokens: dict[str, SettingsToken] = Field(default_factory=dict)
    #: A browser's login ends after so long without a request.
    session_idle: Span = timedelta(minutes=30)
    #: It ends after so long in any case.
    session_lifetime: Span = timedelta(hours=12)
    #: Requests of one caller that look, per minute.
    reads_per_minute: int = Field(1_200, ge=1)
    #: Requests of one caller that change something, per minute.
    writes_per_minute: int = Field(240, ge=1)
    #: Requests of one caller that enqueue, per minute; one may bring 1,000 jobs.
    enqueues_per_minute: int = Field(6_000, ge=1)
    #: Logins per minute that may be tried for one account; from one address it is three times that.
    logins_per_minute: int = Field(10, ge=1)
    #: Streams of events that one process serves at once, to pages and to apps.
    max_streams: int = Field(500, ge=1)
    #: The largest body of a request.
    max_body_bytes: int = Field(1024 * 1024, ge=1024)

    @field_validator("jwt_lifetime", "session_idle", "session_lifetime", mode="before")
    @classmethod
    def _read_span(cls, value: Any) -> Any:
        try:
            return float(value)
        except (TypeError, ValueError):
            return value

    @field_validator("proxies", mode="before")
    @classmethod
    def _read_list(cls, value: Any) -> Any:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @field_validator("url")
    @classmethod
    def _url_is_safe(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.hostname is None or parts.query or parts.fragment or parts.username is not None:
            raise ValueError("give scheme, host and path only: https://ops.example.com/monarq")
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError("it must begin with https://; only a loopback address may go without TLS")
        return url.rstrip("/")

    @field_validator("trace_url")
    @classmethod
    def _trace_url_names_the_trace(cls, url: str | None) -> str | None:
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or "{trace_id}" not in url):
            raise ValueError(
                "give an address with {trace_id} in it: https://tempo.example.com/trace/{trace_id}"
            )
        return url

    @field_validator("roles")
    @classmethod
    def _roles_can_be_read(cls, roles: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, words in roles.items():
            if name in BUILT_IN:
                raise ValueError(f"{name} comes along; give yours another name")
            Role.read(words)
        return roles

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.url or f"http://{host}:{self.port}"

    def as_served(self) -> Self:
        """The same for the server of `monarq dashboard`, which knows its address.

        Raises:
            ConfigError: It would listen to others, and nobody has said how they come here safely.
        """
        if self.url is None and not is_loopback(self.host):
            told = "is not loopback: say under which https:// address it is reached in MONARQ_DASHBOARD_URL"
            raise ConfigError([_fault("host", f"{self.host} {told}")])
        return self.model_copy(update={"url": self.address})

    def all_roles(self) -> dict[str, Role]:
        """Those that come along, and those of the settings."""
        return dict(BUILT_IN) | {name: Role.read(words) for name, words in self.roles.items()}


def load_dashboard_settings(**overrides: Any) -> DashboardSettings:
    """The dashboard's settings of this process: `overrides` first (None leaves a setting alone).

    Raises:
        ConfigError: With all faults at once.  It repeats no value: most of them are secret.
    """
    unknown = _unknown_names(os.environ)
    try:
        given = {name: value for name, value in overrides.items() if value is not None}
        if "port" not in given and PREFIX + "PORT" not in os.environ and os.environ.get("PORT"):
            given["port"] = os.environ["PORT"]  # as platforms that run a Procfile say it
        settings = DashboardSettings(**(_from_files(os.environ) | given))
    except ValidationError as error:
        faults = [_fault(".".join(map(str, fault["loc"])), fault["msg"]) for fault in error.errors()]
    except SettingsError as error:  # no JSON; it names the field, and its cause quotes the value
        faults = [str(error)]
    else:
        if not unknown:
            return settings
        faults = []
    # outside the `except`, so that no traceback carries the values that pydantic quotes
    raise ConfigError(faults + unknown)


def is_loopback(host: str | None) -> bool:
    """Whether only this machine can be meant."""
    return host in _LOOPBACK


def _from_files(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _SECRETS:
        if path := environ.get(f"{PREFIX}{name.upper()}{_IN_A_FILE}"):
            try:
                text = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ConfigError([_fault(name + _IN_A_FILE, error.strerror or "cannot be read")]) from None
            found[name] = text if name == "signing_keys" else _from_json(name, text)
    return found


def _from_json(name: str, text: str) -> Any:
    from pydantic_core import from_json

    try:
        return from_json(text)
    except ValueError:
        fault = _fault(name + _IN_A_FILE, "it holds no JSON")
    raise ConfigError([fault])


def _unknown_names(environ: Mapping[str, str]) -> list[str]:
    fields = {PREFIX + name.upper() for name in DashboardSettings.model_fields}
    known = fields | {f"{PREFIX}{name.upper()}{_IN_A_FILE}" for name in _SECRETS}
    return [
        f"{name}: no such setting"
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known
    ]


def _fault(name: str, message: str) -> str:
    return f"{PREFIX}{name.upper()}: {message}"
