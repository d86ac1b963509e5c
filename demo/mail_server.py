"""A real SMTP server (aiosmtpd) that greylists: who is new to it is asked to come again."""

from __future__ import annotations

import asyncio
import email
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiosmtpd.smtp import SMTP, Envelope, Session

#: Mail to this domain is refused for now at its first try.
GREYLISTING_DOMAIN = "greylisting.example"


@dataclass
class MailServer:
    """Takes mail, and remembers by job id (the left part of the Message-ID) how often it came."""

    accepted: Counter[str] = field(default_factory=Counter)
    #: Refusals by recipient.
    refused: Counter[str] = field(default_factory=Counter)
    port: int = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Called by aiosmtpd for each recipient."""
        if address.endswith(f"@{GREYLISTING_DOMAIN}") and not self.refused[address]:
            self.refused[address] += 1
            return "451 4.7.1 greylisted, please try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Called by aiosmtpd with the whole mail."""
        content = envelope.content or b""
        mail = email.message_from_bytes(content if isinstance(content, bytes) else content.encode())
        self.accepted[mail["Message-ID"].strip("<>").partition("@")[0]] += 1
        return "250 taken"


@asynccontextmanager
async def serving() -> AsyncIterator[MailServer]:
    """A server on a free loopback port."""
    mail = MailServer()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(mail, hostname="mail.demo"), "127.0.0.1", 0)
    mail.port = server.sockets[0].getsockname()[1]
    try:
        yield mail
    finally:
        server.close()
