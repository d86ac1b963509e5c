"""A real SMTP server (aiosmtpd) that refuses as told and remembers what it got."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class MailServer:
    """`replies` maps a command or a recipient to the reply that refuses it."""

    replies: dict[str, str] = field(default_factory=dict)
    envelopes: list[Envelope] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    port: int = 0

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.replies.get("MAIL", "250 OK")

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self.replies.get(address, "250 OK")
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        reply = self.replies.get("DATA", "250 taken")
        if reply.startswith("2"):
            self.envelopes.append(envelope)
        return reply

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"correct", handled=False)


@asynccontextmanager
async def running(
    replies: dict[str, str] | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    implicit: bool = False,
    **options: Any,
) -> AsyncIterator[MailServer]:
    """A server on a free port; `tls` is for STARTTLS unless `implicit`."""
    mail = MailServer(replies or {})
    starttls = None if implicit else tls

    def protocol() -> SMTP:
        return SMTP(
            mail, hostname="mail.test", tls_context=starttls, **options, authenticator=mail.authenticate
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=tls if implicit else None)
    mail.port = server.sockets[0].getsockname()[1]
    try:
        yield mail
    finally:
        server.close()
