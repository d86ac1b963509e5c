"""A mail as MIME: addresses and headers that cannot smuggle in another header."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import SMTP, EmailPolicy, compat32
from email.utils import format_datetime

_HEADER_NAME = re.compile(r"[!-9;-~]+")
_WITH_NAME = re.compile(r"(?P<name>.*)<(?P<address>[^<>]+)>")
_QUOTED_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"')
_PLAIN_NAME = re.compile(r'[^"<>@,;:()\[\]\\]*')
_LONGEST_NAME = 200
_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
#: Those that have an argument of their own, and those that are not the author's to write.
#: The last three end a line for `str.splitlines`, and so for parts of the email package.
_CONTROL = re.compile("[\\x00-\\x08\\x0a-\\x1f\\x7f-\\x9f\\u2028\\u2029]")
_OWN_HEADERS = frozenset(
    {"from", "sender", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "mime-version"}
    | {"return-path", "received", "dkim-signature", "authentication-results", "delivered-to"}
)
_OWN_PREFIXES = ("content-", "resent-", "arc-")


class _Folding(EmailPolicy):
    """Breaks a header that is not ASCII into short encoded words, and any other only where it must.

    With one width for all, the email package encodes the long URL of a List-Unsubscribe; nobody decodes that.
    """

    def fold_binary(self, name: str, value: str) -> bytes:
        return (_WIDE if value.isascii() else SMTP).fold_binary(name, value)


_WIDE = SMTP.clone(max_line_length=998)
#: ASCII only on the wire, so that it does not matter what the server supports.
_POLICY = _Folding(linesep="\r\n", cte_type="7bit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What the job asked for; addresses as `ann@example.com` or `Ann <ann@example.com>`."""

    sender: str
    to: Sequence[str]
    subject: str
    text: str | None = None
    html: str | None = None
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    reply_to: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def recipients(self) -> list[str]:
        """Every address once, without display names: what goes into the envelope."""
        mailboxes = (*self.to, *self.cc, *self.bcc)
        return list(dict.fromkeys(parse_mailbox(mailbox).addr_spec for mailbox in mailboxes))


def parse_mailbox(text: str) -> Address:
    """Read one address, with or without a display name; a domain outside ASCII becomes its `xn--` form.

    Raises:
        ValueError: It is not exactly one, or its local part is quoted or not ASCII.
    """
    # Not by the email package: its parser raises IndexError at `a@`, and guesses where this refuses.
    stripped = check_one_line(text).strip()
    match = _WITH_NAME.fullmatch(stripped)
    name, address = (match["name"].strip(), match["address"]) if match else ("", stripped)
    local_part, _, domain = address.rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError("has no valid domain") from None
    if not _DOT_ATOM.fullmatch(local_part) or not _DOMAIN.fullmatch(ascii_domain):
        raise ValueError("is not one mail address of letters, digits and the usual signs")
    return Address(_display_name(name), local_part, ascii_domain)


def check_one_line(text: str) -> str:
    """Return `text` if it can stand in a header.

    Raises:
        ValueError: It holds a line end or another control character.
    """
    if _CONTROL.search(text):
        raise ValueError("holds a line end or another control character")
    text.encode()  # a lone surrogate has no form on the wire: UnicodeEncodeError, a ValueError
    return text


def check_header_text(text: str) -> str:
    """Return `text` if it can stand in a header, and so can whatever a reader makes of it.

    Readers decode `=?utf-8?q?=0ABcc:...?=`, and some versions of the email package, which reads what it is
    about to write, then write the line end as it is.

    Raises:
        ValueError: See `check_one_line`.
    """
    decoded, read_as = "", text
    while decoded != read_as:
        decoded = check_one_line(read_as)
        read_as = str(_POLICY.header_factory("Subject", decoded)) if "=?" in decoded else decoded
    return text


def check_header(name: str, value: str) -> None:
    """Refuse a header that could not be sent, or that has an argument of its own.

    Raises:
        ValueError: It says what is wrong, without repeating the value.
    """
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a header name")
    if name.lower() in _OWN_HEADERS or name.lower().startswith(_OWN_PREFIXES):
        raise ValueError(f"{name} cannot be set by `headers`")
    try:
        check_header_text(value)
    except ValueError as fault:
        raise ValueError(f"the value of {name} {fault}") from None


def message_id(job_id: str, sender: Address) -> str:
    """The same for every attempt of a job, so that a receiver can tell a repeat."""
    fits = _DOT_ATOM.fullmatch(job_id) and len(job_id) <= 128
    return f"<{job_id if fits else hashlib.sha256(job_id.encode()).hexdigest()}@{sender.domain}>"


def build_message(mail: Mail, job_id: str) -> EmailMessage:
    """The MIME message; `bcc` is in the envelope only.

    Raises:
        ValueError: An address or a header cannot be sent, or there is neither text nor HTML.
    """
    if not mail.to or (mail.text is None and mail.html is None):
        raise ValueError("a mail needs a recipient, and text or html")
    message = EmailMessage(policy=_POLICY)
    sender = parse_mailbox(mail.sender)
    message["From"] = sender
    message["To"] = [parse_mailbox(mailbox) for mailbox in mail.to]
    if mail.cc:
        message["Cc"] = [parse_mailbox(mailbox) for mailbox in mail.cc]
    if mail.reply_to is not None:
        message["Reply-To"] = parse_mailbox(mail.reply_to)
    message["Subject"] = check_header_text(mail.subject)
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = message_id(job_id, sender)
    for name, value in mail.headers.items():
        check_header(name, value)
        message[name] = value
    _set_body(message, mail)
    return message


def encode_message(message: EmailMessage) -> bytes:
    """The message as it travels, in ASCII.

    Raises:
        ValueError: Read back, it would not have the very headers that were set.
    """
    content = message.as_bytes()
    if BytesHeaderParser(policy=compat32).parsebytes(content).keys() != message.keys():
        raise ValueError("a header would be read as several")
    return content


def _display_name(text: str) -> str:
    quoted = _QUOTED_NAME.fullmatch(text)
    if len(text) > _LONGEST_NAME or not (quoted or _PLAIN_NAME.fullmatch(text)):
        raise ValueError("has a display name that is too long, or needs quotation marks")
    return check_header_text(re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text)


def _set_body(message: EmailMessage, mail: Mail) -> None:
    if mail.text is not None:
        message.set_content(mail.text)
        if mail.html is not None:
            message.add_alternative(mail.html, subtype="html")
    elif mail.html is not None:
        message.set_content(mail.html, subtype="html")
