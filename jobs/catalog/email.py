"""The kind `email.send`: one mail over SMTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from ..context import JobContext
from ..control import Discard
from ..errors import ConfigError
from ..handler import job
from ..retry import exponential
from .mail_message import Mail, build_message, check_header, check_header_text, encode_message, parse_mailbox
from .settings import CatalogSettings, load_settings
from .smtp import Refusal, SmtpServer


@dataclass(frozen=True, slots=True)
class MailReport:
    """What became of one mail that the server took for at least one recipient."""

    message_id: str
    accepted: list[str]
    #: By address.  They did not get it, and will not: another attempt would reach the others twice.
    refused: dict[str, Refusal]


def _check_mailbox(text: str) -> str:
    parse_mailbox(text)
    return text


def _check_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        check_header(name, value)
    return headers


#: `ann@example.com` or `Ann <ann@example.com>`.
Mailbox = Annotated[str, AfterValidator(_check_mailbox)]
Subject = Annotated[str, AfterValidator(check_header_text)]
MailHeaders = Annotated[dict[str, str], AfterValidator(_check_headers)]


@job(
    "email.send",
    max_attempts=8,
    timeout=timedelta(seconds=60),
    backoff=exponential(first=timedelta(seconds=15), limit=timedelta(hours=1)),
)
async def send(
    ctx: JobContext,
    *,
    to: Annotated[list[Mailbox], Field(min_length=1)],
    subject: Subject,
    text: str | None = None,
    html: str | None = None,
    cc: list[Mailbox] | None = None,
    bcc: list[Mailbox] | None = None,
    reply_to: Mailbox | None = None,
    sender: Mailbox | None = None,
    headers: MailHeaders | None = None,
) -> MailReport:
    """Send one mail through the server of `MONARQ_SMTP_URL`.

    A final refusal (5xx) of the sender, the content or every recipient makes a dead letter at once; a
    passing one (4xx), a refused login and network errors are tried again.  Refusals of single recipients
    are in the result.

    A mail can arrive twice, when the connection breaks after the server took it.  Both copies have the same
    Message-ID, made of the job id, by which mail stores and receivers know a repeat.

    Args:
        to: At least one address.
        subject: One line.
        text: Plain text.  Give this, `html`, or both as alternatives.
        html: HTML.
        cc: Further recipients, seen by all.
        bcc: Further recipients, seen by nobody.
        reply_to: Where answers go.
        sender: Default: `MONARQ_SMTP_FROM`.
        headers: Further headers, such as `List-Unsubscribe`.
    """
    settings = load_settings()
    server = _server(settings)
    mail = Mail(
        sender=sender or _default_sender(settings),
        to=to,
        cc=cc or (),
        bcc=bcc or (),
        subject=subject,
        text=text,
        html=html,
        reply_to=reply_to,
        headers=headers or {},
    )
    return await send_mail(mail, ctx.job_id, server)


async def send_mail(mail: Mail, job_id: str, server: SmtpServer) -> MailReport:
    """Build and send `mail`; errors as of `email.send`."""
    try:
        message = build_message(mail, job_id)
        content = encode_message(message)
        recipients = mail.recipients()
    except ValueError as fault:
        raise Discard(f"the mail cannot be built: {fault}") from None
    refused = await server.send(content, parse_mailbox(mail.sender).addr_spec, recipients)
    accepted = [address for address in recipients if address not in refused]
    return MailReport(str(message["Message-ID"]), accepted, refused)


def _server(settings: CatalogSettings) -> SmtpServer:
    if settings.smtp_url is None:
        raise ConfigError(["MONARQ_SMTP_URL: is not set, so there is no server to send mail through"])
    return SmtpServer.from_url(settings.smtp_url.get_secret_value())


def _default_sender(settings: CatalogSettings) -> str:
    if settings.smtp_from is None:
        raise ConfigError(["MONARQ_SMTP_FROM: is not set, and the job names no sender"])
    return settings.smtp_from
