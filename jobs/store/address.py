"""Where Redis is, and what to say on entering."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from ..errors import ConfigError
from ..settings import check_redis_url

if TYPE_CHECKING:
    from arq.connections import ArqRedis, RedisSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One Redis, or the Sentinels that know it.  The password never shows in a `repr`."""

    host: str = "localhost"
    port: int = 6379
    #: A unix socket; wins over host and port.
    path: str | None = None
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    #: Seconds until a connection attempt is given up.
    connect_timeout: float = 3.0
    #: Ask these (host, port) for the master of this name, instead of using host and port.
    sentinels: tuple[tuple[str, int], ...] = ()
    sentinel_master: str = "mymaster"

    @property
    def greeting(self) -> list[tuple[Any, ...]]:
        """The commands that open a connection."""
        commands: list[tuple[Any, ...]] = []
        if self.password is not None:
            commands.append(
                ("AUTH", self.username, self.password) if self.username else ("AUTH", self.password)
            )
        if self.database:
            commands.append(("SELECT", self.database))
        return commands

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}/{self.database}"


def from_url(url: str) -> Address:
    """Read `redis://[user:password@]host:port/db`, `rediss://…` (TLS) or `unix:///path?db=0`.

    Raises:
        ConfigError: It is none of these.
    """
    try:
        parts = check_redis_url(url)
        port = parts.port or 6379
        database = _database(parts.path if parts.scheme != "unix" else "", parse_qs(parts.query))
    except ValueError as error:
        raise ConfigError([f"redis_url: {error}"]) from None
    return Address(
        host=parts.hostname or "localhost",
        port=port,
        path=unquote(parts.path) if parts.scheme == "unix" else None,
        database=database,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=ssl.create_default_context() if parts.scheme == "rediss" else None,
    )


def from_arq(settings: RedisSettings) -> Address:
    """What arq's `RedisSettings` says."""
    sentinels = tuple(settings.host) if settings.sentinel and not isinstance(settings.host, str) else ()
    return Address(
        host=settings.host if isinstance(settings.host, str) else "",
        port=settings.port,
        path=settings.unix_socket_path,
        database=settings.database,
        username=settings.username,
        password=settings.password,
        tls=_tls(settings) if settings.ssl else None,
        connect_timeout=float(settings.conn_timeout),
        sentinels=sentinels,
        sentinel_master=settings.sentinel_master,
    )


def from_pool(pool: ArqRedis) -> Address:
    """Where a client of arq's connects to."""
    kwargs = pool.connection_pool.connection_kwargs
    return Address(
        host=kwargs.get("host") or "localhost",
        port=kwargs.get("port") or 6379,
        path=kwargs.get("path"),
        database=kwargs.get("db") or 0,
        username=kwargs.get("username"),
        password=kwargs.get("password"),
        tls=ssl.create_default_context() if "ssl_keyfile" in kwargs else None,
    )


def to_arq(address: Address) -> RedisSettings:
    """The same for arq's own client.  TLS options other than the defaults do not survive."""
    from arq.connections import RedisSettings  # it brings a client that nobody else needs

    return RedisSettings(
        host=list(address.sentinels) if address.sentinels else address.host,
        port=address.port,
        unix_socket_path=address.path,
        database=address.database,
        username=address.username,
        password=address.password,
        ssl=address.tls is not None,
        sentinel=bool(address.sentinels),
        sentinel_master=address.sentinel_master,
    )


def _database(path: str, query: dict[str, list[str]]) -> int:
    text = query["db"][0] if "db" in query else path.strip("/")
    if text and not text.isdecimal():
        raise ValueError("the database is not a number")  # the text itself can be the end of a password
    return int(text or 0)


def _tls(settings: RedisSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ssl_ca_certs, cadata=settings.ssl_ca_data)
    context.check_hostname = settings.ssl_check_hostname
    modes = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
    context.verify_mode = modes[settings.ssl_cert_reqs]
    if settings.ssl_certfile:
        context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
    return context
