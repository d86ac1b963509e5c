"""What the shipped kinds need to know, from the environment."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from ..errors import ConfigError
from .mail_message import parse_mailbox
from .smtp import SmtpServer

ENV_PREFIX = "MONARQ_"


class CatalogSettings(BaseSettings):
    """Settings of `webhook.deliver`, `email.send` and `image.thumbnail`; the prefix is `MONARQ_`."""

    # Faults are printed; what was typed may be a password.
    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, hide_input_in_errors=True)

    #: Signs every webhook.  Comma-separated while it is being changed: each of them signs, the newest first.
    webhook_secret: SecretStr | None = None
    #: Further secrets by name, as a JSON object; a job picks one by `secret_name`.  Commas as above.
    webhook_secrets: dict[str, SecretStr] = Field(default_factory=dict)
    #: Also deliver to addresses that are not public.  Whoever can enqueue can then reach the private network.
    webhook_allow_private: bool = False
    #: `smtps://user:password@host:465`, `smtp+starttls://user:password@host:587` or, without TLS, `smtp://host:25`.
    smtp_url: SecretStr | None = None
    #: Sender of a mail that names none: `App <app@example.com>`.
    smtp_from: str | None = None
    #: Images are read and written below this folder only, and relative paths start here.  Unset: no limit.
    media_root: Path | None = None
    #: A larger image is refused before it is decoded (four bytes of memory per pixel).  Pillow's own bound is
    #: the highest value.
    image_max_pixels: int = Field(default=50_000_000, ge=1, le=178_956_970)

    @field_validator("smtp_url")
    @classmethod
    def _smtp_url_can_be_read(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            SmtpServer.from_url(url.get_secret_value())
        return url

    @field_validator("smtp_from")
    @classmethod
    def _smtp_from_is_a_mailbox(cls, mailbox: str | None) -> str | None:
        if mailbox is not None:
            parse_mailbox(mailbox)
        return mailbox

    @classmethod
    def env_names(cls) -> frozenset[str]:
        """The environment variables that belong to the catalog."""
        return frozenset(f"{ENV_PREFIX}{name}".upper() for name in cls.model_fields)


@cache
def load_settings() -> CatalogSettings:
    """Read the environment, once per process.

    Raises:
        ConfigError: Some values are unusable.  It lists all of them, and repeats none.
    """
    try:
        return CatalogSettings()
    except ValidationError as error:
        faults = [_fault(".".join(map(str, fault["loc"])), fault["msg"]) for fault in error.errors()]
    except SettingsError as error:
        # Not JSON where JSON was expected; it names the field, and its cause quotes the value.
        faults = [str(error)]
    # Outside the `except`, so that no traceback carries the values that pydantic quotes.
    raise ConfigError(faults)


def _fault(name: str, message: str) -> str:
    return f"{ENV_PREFIX}{name.upper()}: {message}"
