"""Handing one message to an SMTP server, and what its answers mean for the job."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import SplitResult, unquote, urlsplit

import aiosmtplib

from ..control import Discard
from ..errors import MonarqError
from .excerpt import excerpt

#: For each step of the dialogue, not for the whole.
STEP_TIMEOUT_SECONDS = 15.0
#: Final for the mail in the words of the RFC, but about our own account or connection, which can be mended.
_ABOUT_US = frozenset({530, 534, 535, 538})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class MailNotSent(MonarqError):
    """The server could not be reached, or refused for now; worth another attempt."""

    code = "mail_not_sent"


class Tls(StrEnum):
    """How a connection is encrypted.  Never "if offered": a listener could withhold the offer."""

    NONE = "smtp"
    STARTTLS = "smtp+starttls"
    IMPLICIT = "smtps"


_DEFAULT_PORTS = {Tls.NONE: 25, Tls.STARTTLS: 587, Tls.IMPLICIT: 465}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the server did not take the mail for one recipient: its reply code and the start of its text."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail goes; read from `MONARQ_SMTP_URL`."""

    host: str
    port: int
    tls: Tls
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def from_url(cls, url: str) -> SmtpServer:
        """Read `smtps://user:password@host:465`, `smtp+starttls://…:587` or `smtp://host:25`.

        User and password are percent-encoded.

        Raises:
            ValueError: It says what is wrong, without repeating the URL.
        """
        try:
            parts = urlsplit(url)
            tls, port = Tls(parts.scheme), parts.port
        except ValueError:
            raise ValueError("must be smtps://, smtp+starttls:// or smtp://, then host and port") from None
        if not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("must end after host and port, and percent-encode the password")
        username, password = _credentials(parts)
        if username is not None and tls is Tls.NONE and parts.hostname not in _LOOPBACK:
            raise ValueError("would send the password unencrypted; use smtps:// or smtp+starttls://")
        return cls(parts.hostname, port or _DEFAULT_PORTS[tls], tls, username, password)

    async def send(
        self,
        content: bytes,
        sender: str,
        recipients: Sequence[str],
        tls_context: ssl.SSLContext | None = None,
    ) -> dict[str, Refusal]:
        """Hand a message over, and return whom the server refused.  It took it for all others.

        Raises:
            Discard: The server refused it for good: the sender, the content or every recipient.
            MailNotSent: Anything else.  If the connection broke at the very end, the server may have it.
        """
        try:
            async with self._client(tls_context) as client:
                refused, _ = await client.sendmail(sender, list(recipients), content)
        except aiosmtplib.SMTPRecipientsRefused as error:
            refusals = [(one.recipient, one.code, one.message) for one in error.recipients]
            said = "; ".join(f"{whom}: {code} {excerpt(text)}" for whom, code, text in refusals[:5])
            codes = [code for _, code, _ in refusals]
            raise _verdict(codes, f"every recipient was refused: {said}") from None
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
            said = f"{self.host} answered {error.code} {excerpt(error.message)}"
            raise _verdict([error.code], said) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailNotSent(f"{self.host}: {type(error).__name__}: {excerpt(str(error))}") from error
        return {whom: Refusal(reply.code, excerpt(reply.message)) for whom, reply in refused.items()}

    def _client(self, tls_context: ssl.SSLContext | None) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            username=self.username,
            password=self.password,
            use_tls=self.tls is Tls.IMPLICIT,
            start_tls=self.tls is Tls.STARTTLS,
            tls_context=tls_context,
            timeout=STEP_TIMEOUT_SECONDS,
        )


def _credentials(parts: SplitResult) -> tuple[str | None, str | None]:
    if parts.username is None:
        return None, None
    return unquote(parts.username), unquote(parts.password or "")


def _verdict(codes: Sequence[int], said: str) -> Exception:
    if all(500 <= code < 600 and code not in _ABOUT_US for code in codes):
        return Discard(said)
    return MailNotSent(said)
