"""`email.send` through a real SMTP server."""

import socket
import ssl
from collections.abc import Callable
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from monarq.jobs.catalog import send_email
from monarq.jobs.catalog.email import MailReport
from monarq.jobs.catalog.smtp import MailNotSent, Refusal, SmtpServer, Tls
from monarq.jobs.context import JobContext
from monarq.jobs.control import Discard
from monarq.jobs.errors import ConfigError

from .mail_server import MailServer, running

Set = Callable[[str, str], None]
CONTENT = b"Subject: x\r\n\r\nx\r\n"


def use(settings: Set, server: MailServer) -> None:
    settings("MONARQ_SMTP_URL", f"smtp://127.0.0.1:{server.port}")
    settings("MONARQ_SMTP_FROM", "App <app@example.com>")


async def test_a_mail_reaches_every_recipient(ctx: JobContext, settings: Set) -> None:
    async with running() as server:
        use(settings, server)
        report = await send_email(
            ctx,
            to=["Ann <ann@example.org>"],
            cc=["cat@example.org"],
            bcc=["bob@example.org", "ann@example.org"],
            subject="Grüße",
            text=".\nHallo\n.",
            html="<p>Hallo",
        )
    [envelope] = server.envelopes
    everybody = ["ann@example.org", "cat@example.org", "bob@example.org"]
    assert report == MailReport("<{default}0192-ab@example.com>", everybody, {})
    assert (envelope.mail_from, envelope.rcpt_tos) == ("app@example.com", everybody)
    assert isinstance(envelope.content, bytes)
    message = message_from_bytes(envelope.content, policy=default)
    assert message["Subject"] == "Grüße"
    assert message["Message-ID"] == report.message_id
    assert b"bob@" not in envelope.content
    assert b"\r\n.\r\nHallo\r\n.\r\n" in envelope.content


async def test_a_repeat_has_the_same_message_id(ctx: JobContext, settings: Set) -> None:
    async with running() as server:
        use(settings, server)
        first = await send_email(ctx, to=["ann@example.org"], subject="s", text="t")
        second = await send_email(ctx, to=["ann@example.org"], subject="s", text="t")
    assert first.message_id == second.message_id


async def test_a_refused_recipient_is_reported_and_the_others_get_it(ctx: JobContext, settings: Set) -> None:
    async with running(
        {"gone@example.org": "550 no such\x1b user", "full@example.org": "452 full"}
    ) as server:
        use(settings, server)
        to = ["ann@example.org", "gone@example.org", "full@example.org"]
        report = await send_email(ctx, to=to, subject="s", text="t")
    assert report.accepted == ["ann@example.org"]
    assert report.refused == {
        "gone@example.org": Refusal(550, "no such  user"),
        "full@example.org": Refusal(452, "full"),
    }


@pytest.mark.parametrize(
    "replies",
    [
        {"ann@example.org": "550 no such user"},
        {"MAIL": "553 not your address"},
        {"DATA": "554 this is spam"},
        {"DATA": "552 too large"},
    ],
)
async def test_a_final_refusal_discards_the_job(
    ctx: JobContext, settings: Set, replies: dict[str, str]
) -> None:
    [reply] = replies.values()
    async with running(replies) as server:
        use(settings, server)
        with pytest.raises(Discard, match=reply):
            await send_email(ctx, to=["ann@example.org"], subject="s", text="t")
    assert server.envelopes == []


@pytest.mark.parametrize(
    "replies",
    [
        {"ann@example.org": "451 greylisted"},
        {"MAIL": "421 closing"},
        {"DATA": "452 disk full"},
        {"MAIL": "530 login first"},
    ],
)
async def test_a_passing_refusal_is_tried_again(
    ctx: JobContext, settings: Set, replies: dict[str, str]
) -> None:
    [reply] = replies.values()
    async with running(replies) as server:
        use(settings, server)
        with pytest.raises(MailNotSent, match=reply):
            await send_email(ctx, to=["ann@example.org"], subject="s", text="t")
    assert server.envelopes == []


async def test_one_passing_refusal_among_final_ones_is_tried_again(ctx: JobContext, settings: Set) -> None:
    async with running({"gone@example.org": "550 no", "full@example.org": "452 full"}) as server:
        use(settings, server)
        with pytest.raises(MailNotSent, match="every recipient was refused"):
            await send_email(ctx, to=["gone@example.org", "full@example.org"], subject="s", text="t")


async def test_a_server_that_is_away_is_tried_again(ctx: JobContext, settings: Set) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings("MONARQ_SMTP_URL", f"smtp://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(MailNotSent, match=r"^127\.0\.0\.1: SMTPConnectError"):
            await send_email(ctx, to=["ann@example.org"], sender="a@example.com", subject="s", text="t")


async def test_a_mail_that_cannot_be_built_is_discarded(ctx: JobContext, settings: Set) -> None:
    async with running() as server:
        use(settings, server)
        with pytest.raises(Discard, match="needs a recipient, and text or html"):
            await send_email(ctx, to=["ann@example.org"], subject="s")
        with pytest.raises(Discard, match="line end"):
            await send_email(ctx, to=["ann@example.org"], subject="s\r\nBcc: x@example.net", text="t")
        with pytest.raises(Discard, match="line end"):
            await send_email(ctx, to=["ann@example.org\r\nRCPT TO:<x@example.net>"], subject="s", text="t")
        with pytest.raises(Discard, match="not one mail address"):
            await send_email(ctx, to=["ann@example.org, x@example.net"], subject="s", text="t")
    assert server.envelopes == []


async def test_without_a_server_or_a_sender_the_setting_is_named(ctx: JobContext, settings: Set) -> None:
    with pytest.raises(ConfigError, match="MONARQ_SMTP_URL"):
        await send_email(ctx, to=["ann@example.org"], subject="s", text="t")
    settings("MONARQ_SMTP_URL", "smtp://127.0.0.1")
    with pytest.raises(ConfigError, match="MONARQ_SMTP_FROM"):
        await send_email(ctx, to=["ann@example.org"], subject="s", text="t")


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
async def test_the_login_travels_encrypted(
    tls: Tls, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    options: dict[str, Any] = (
        {"implicit": True, "auth_require_tls": False} if tls is Tls.IMPLICIT else {"require_starttls": True}
    )
    async with running(tls=server_tls, **options) as mail:
        server = SmtpServer("127.0.0.1", mail.port, tls, "app", "correct")
        await server.send(CONTENT, "app@example.com", ["ann@example.org"], client_tls)
    assert mail.logins == [(b"app", b"correct")]
    assert len(mail.envelopes) == 1


async def test_a_refused_login_is_tried_again(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """The operator can mend it; thousands of mails need not become dead letters meanwhile."""
    async with running(tls=server_tls) as mail:
        server = SmtpServer("127.0.0.1", mail.port, Tls.STARTTLS, "app", "hunter2")
        with pytest.raises(MailNotSent, match="SMTPAuthenticationError") as error:
            await server.send(CONTENT, "app@example.com", ["ann@example.org"], client_tls)
    assert "hunter2" not in str(error.value)


async def test_a_server_without_starttls_gets_neither_login_nor_mail() -> None:
    async with running(auth_require_tls=False) as mail:
        server = SmtpServer("127.0.0.1", mail.port, Tls.STARTTLS, "app", "correct")
        with pytest.raises(MailNotSent, match="STARTTLS"):
            await server.send(CONTENT, "app@example.com", ["ann@example.org"])
    assert (mail.logins, mail.envelopes) == ([], [])


async def test_a_server_with_a_certificate_of_nobody_gets_neither_login_nor_mail(
    server_tls: ssl.SSLContext,
) -> None:
    async with running(tls=server_tls) as mail:
        server = SmtpServer("127.0.0.1", mail.port, Tls.STARTTLS, "app", "correct")
        with pytest.raises(MailNotSent):
            await server.send(CONTENT, "app@example.com", ["ann@example.org"])
    assert (mail.logins, mail.envelopes) == ([], [])
