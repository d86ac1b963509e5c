"""Webhook signatures, as sender and receiver see them."""

import hashlib
import hmac
from datetime import timedelta

import pytest

from monarq.jobs.catalog.webhook_signature import SignatureRefused, header_form, sign, verify

BODY = b'{"order":7}'
AT = 1_800_000_000


def test_a_signature_made_here_is_accepted_here() -> None:
    verify(BODY, sign(BODY, "job-1", ["secret"], at=AT), "job-1", secret="secret", now=AT)


def test_the_signature_is_the_documented_one() -> None:
    """A receiver in another language must come to the same bytes."""
    expected = hmac.new(b"secret", b'1800000000\njob-1\n{"order":7}', hashlib.sha256).hexdigest()
    assert sign(BODY, "job-1", ["secret"], at=AT) == f"t=1800000000,v1={expected}"


@pytest.mark.parametrize(
    ("body", "job_id", "secret", "at"),
    [
        (b'{"order":8}', "job-1", "secret", AT),
        (BODY + b" ", "job-1", "secret", AT),
        (BODY, "job-2", "secret", AT),
        (BODY, "job-1", "another", AT),
        (BODY, "job-1", "secret", AT + 1),
    ],
)
def test_a_change_of_body_job_secret_or_time_is_refused(
    body: bytes, job_id: str, secret: str, at: int
) -> None:
    signature = sign(BODY, "job-1", ["secret"], at=AT).replace(str(AT), str(at))
    with pytest.raises(SignatureRefused, match="no signature fits"):
        verify(body, signature, job_id, secret=secret, now=AT)


def test_the_parts_cannot_be_shifted_into_each_other() -> None:
    """`job` + `1\\n2` must not sign the same bytes as `job\\n1` + `2`: an id on the wire has no line feed."""
    assert "\n" not in header_form("job\n1")
    assert sign(b"1\n2", header_form("job"), ["s"], at=AT) != sign(b"2", header_form("job\n1"), ["s"], at=AT)


@pytest.mark.parametrize("drift", [timedelta(minutes=5), timedelta(minutes=-5)])
def test_within_the_tolerance_it_is_accepted(drift: timedelta) -> None:
    verify(BODY, sign(BODY, "j", ["s"], at=AT), "j", secret="s", now=AT + drift.total_seconds())


@pytest.mark.parametrize("drift", [timedelta(minutes=5, seconds=1), timedelta(minutes=-5, seconds=-1)])
def test_too_old_and_too_new_are_refused(drift: timedelta) -> None:
    with pytest.raises(SignatureRefused, match="before or after now"):
        verify(BODY, sign(BODY, "j", ["s"], at=AT), "j", secret="s", now=AT + drift.total_seconds())


@pytest.mark.parametrize("receiver", ["old", "new", ["other", "old"]])
def test_while_secrets_change_either_one_verifies(receiver: str | list[str]) -> None:
    verify(BODY, sign(BODY, "j", ["new", "old"], at=AT), "j", secret=receiver, now=AT)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "v1=00",
        "t=1",
        "t=1,t=2,v1=00",
        "t=x,v1=00",
        "t=-1,v1=00",
        "t=1_0,v1=00",
        "t=\u0661,v1=00",
        "t=1,v0=00",
        "t=" + "9" * 5000 + ",v1=00",
    ],
)
def test_a_malformed_header_is_refused(header: str) -> None:
    with pytest.raises(SignatureRefused, match="not of the form"):
        verify(BODY, header, "j", secret="s", now=AT)


def test_a_signature_outside_ascii_is_refused_like_any_other() -> None:
    with pytest.raises(SignatureRefused, match="no signature fits"):
        verify(BODY, f"t={AT},v1=é", "j", secret="s", now=AT)


@pytest.mark.parametrize("secret", ["", [], ["s", ""]])
def test_a_receiver_without_a_secret_is_told_so(secret: str | list[str]) -> None:
    """An empty secret is one that everybody knows."""
    with pytest.raises(ValueError, match="at least one"):
        verify(BODY, sign(BODY, "j", [""], at=AT), "j", secret=secret, now=AT)


@pytest.mark.parametrize(
    ("job_id", "sent"),
    [
        ("0192-ab", "0192-ab"),
        ("{default}0192:a.b", "{default}0192:a.b"),
        ("a b\r\nc", "a%20b%0D%0Ac"),
        ("é%", "%C3%A9%25"),
    ],
)
def test_a_job_id_fits_into_a_header(job_id: str, sent: str) -> None:
    assert header_form(job_id) == sent
