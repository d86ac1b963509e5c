"""Mails that hold what was asked for, and nothing that was smuggled in."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from monarq.jobs.catalog import send_email
from monarq.jobs.catalog.mail_message import Mail, build_message, encode_message, parse_mailbox
from monarq.jobs.errors import InvalidArguments

# Encoded words whose decoded form holds a line end: some versions of the email package write it as it is.
HIDDEN_LINE_END = "=?utf-8?q?hello=0D=0ABcc:=20stranger@example.net?="
TWICE_HIDDEN_LINE_END = "=?utf-8?q?=3D=3Futf-8=3Fq=3Fhello=3D0ABcc=3A=3F=3D?="


def a_mail(**changes: object) -> Mail:
    fields: dict[str, object] = {
        "sender": "App <app@example.com>",
        "to": ["ann@example.org"],
        "subject": "Hello",
    }
    return Mail(**{**fields, "text": "Hi", **changes})  # type: ignore[arg-type]


def received(mail: Mail, job_id: str = "job-1") -> EmailMessage:
    """The mail as a receiver reads it."""
    message = message_from_bytes(encode_message(build_message(mail, job_id)), policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_mail_arrives_as_it_was_written() -> None:
    mail = a_mail(
        to=["Ann Ö <ann@example.org>", '"Doe, J" <doe@example.org>'],
        cc=["cat@example.org"],
        reply_to="answers@example.com",
        subject="Grüße " * 30,
        text="Schön\n.\nund gut",
        html="<p>Schön",
        headers={"X-Order": "7"},
    )
    message = received(mail)
    assert message["To"] == 'Ann Ö <ann@example.org>, "Doe, J" <doe@example.org>'
    assert message["Cc"] == "cat@example.org"
    assert message["Reply-To"] == "answers@example.com"
    assert message["Subject"].strip() == ("Grüße " * 30).strip()
    assert message["X-Order"] == "7"
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert text.get_content().splitlines() == ["Schön", ".", "und gut"]
    assert html is not None
    assert html.get_content().strip() == "<p>Schön"


def test_only_the_envelope_knows_the_blind_copies() -> None:
    mail = a_mail(bcc=["Spy <spy@example.net>", "ann@example.org"])
    assert mail.recipients() == ["ann@example.org", "spy@example.net"]
    assert b"spy" not in encode_message(build_message(mail, "job-1"))


def test_the_message_id_is_the_same_at_each_attempt() -> None:
    assert received(a_mail(), "0192-ab")["Message-ID"] == "<0192-ab@example.com>"
    assert received(a_mail(), "{default}0192")["Message-ID"] == "<{default}0192@example.com>"


@pytest.mark.parametrize("job_id", ["a b", "a>b", "a\r\nBcc: x", "é", ".a", "a" * 300])
def test_a_job_id_that_fits_no_message_id_goes_in_as_its_hash(job_id: str) -> None:
    first, second = (received(a_mail(), job_id)["Message-ID"] for _ in range(2))
    assert first == second
    assert len(first) == len("<@example.com>") + 64


def test_a_long_link_to_unsubscribe_stays_readable() -> None:
    link = "<https://example.com/unsubscribe/" + "abc123" * 50 + ">"
    content = encode_message(build_message(a_mail(headers={"List-Unsubscribe": link}), "job-1"))
    assert b"List-Unsubscribe: " + link.encode() + b"\r\n" in content


def test_encoded_words_keep_to_their_75_characters() -> None:
    content = encode_message(build_message(a_mail(subject="ü" * 500), "job-1"))
    assert max(map(len, content.split(b"\r\n\r\n")[0].split(b"\r\n"))) <= 78


def test_a_domain_outside_ascii_becomes_its_ascii_form() -> None:
    assert parse_mailbox("x@bücher.example").addr_spec == "x@xn--bcher-kva.example"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nobody",
        "a@",
        "@b.example",
        "a@b.example, c@d.example",
        "Team: a@b.example;",
        "a@b.example\r\nBcc: c@d.example",
        "a@b.example\nBcc: c@d.example",
        "a@b.example\x00",
        "a@b.example> SIZE=1",
        "<a@b.example> NOTIFY=NEVER",
        "a b@c.example",
        '"a b"@c.example',
        "é@b.example",
        "a@b..example",
        "a@-b.example",
        "a@[127.0.0.1]",
        f"{HIDDEN_LINE_END} <a@b.example>",
        f"{TWICE_HIDDEN_LINE_END} <a@b.example>",
        f"{'x' * 201} <a@b.example>",
        f'"{HIDDEN_LINE_END}" <a@b.example>',
        "\ud800 <a@b.example>",
    ],
)
def test_what_is_not_one_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_mailbox(text)


@pytest.mark.parametrize(
    "text",
    [
        "a\r\nBcc: x@y.example",
        "a\nb",
        "a\rb",
        "a\x00b",
        "a\u2028b",
        "a\x85b",
        HIDDEN_LINE_END,
        TWICE_HIDDEN_LINE_END,
    ],
)
def test_no_line_end_gets_into_a_header(text: str) -> None:
    with pytest.raises(ValueError, match="line end"):
        build_message(a_mail(subject=text), "job-1")
    with pytest.raises(ValueError, match="line end"):
        build_message(a_mail(headers={"X-Order": text}), "job-1")


def test_text_that_looks_encoded_but_hides_nothing_is_taken() -> None:
    assert received(a_mail(subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?="))["Subject"] == "Grüße"
    assert received(a_mail(subject="2 =? 3"))["Subject"] == "2 =? 3"


def test_a_message_that_reads_back_with_other_headers_is_refused() -> None:
    """The last line of defence, should another way through the email package turn up."""

    class Leaky(EmailMessage):
        def as_bytes(self, *_: object, **__: object) -> bytes:
            return b"Subject: a\r\nBcc: stranger@example.net\r\n\r\n"

    message = Leaky()
    message["Subject"] = "a"
    with pytest.raises(ValueError, match="read as several"):
        encode_message(message)


@pytest.mark.parametrize(
    "name",
    [
        "From",
        "to",
        "BCC",
        "Subject",
        "Message-ID",
        "Content-Type",
        "MIME-Version",
        "Resent-To",
        "X Y",
        "X:",
        "",
    ],
)
def test_headers_with_an_argument_of_their_own_and_false_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidArguments) as refusal:
        send_email.of(to=["a@b.example"], subject="s", text="t", headers={name: "v"})
    assert list(refusal.value.faults) == ["headers"]


def test_a_mail_without_a_body_or_without_recipients_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a recipient"):
        build_message(a_mail(text=None), "job-1")
    with pytest.raises(ValueError, match="needs a recipient"):
        build_message(a_mail(to=[]), "job-1")


def test_faults_are_told_at_the_enqueue() -> None:
    with pytest.raises(InvalidArguments) as refusal:
        send_email.of(to=["nobody"], subject="a\nb", text="t")
    assert set(refusal.value.faults) == {"to.0", "subject"}
    with pytest.raises(InvalidArguments):
        send_email.of(to=[], subject="s", text="t")
