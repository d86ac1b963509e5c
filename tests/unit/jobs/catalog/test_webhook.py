"""What `webhook.deliver` takes, and refuses at the enqueue."""

import pytest

from monarq.jobs.catalog import deliver_webhook
from monarq.jobs.catalog.webhook import check_url
from monarq.jobs.errors import InvalidArguments


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://example.com:8080/hooks?token=x#part",
        "https://bücher.example/ü",
        "https://my_host.example./",
        "http://127.0.0.1/",  # whether it may go there is decided at delivery, by the worker's settings
        "http://[2606:4700:4700::1111]:81/",
    ],
)
def test_a_url_of_a_host_is_taken(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://example.com/",
        "ftp://example.com/",
        "unix:///run/x.sock",
        "//example.com/",
        "example.com",
        "",
        " https://example.com",
        "https://",
        "https:///path",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://example.com\\@127.0.0.1/",
        "https://exa mple.com/",
        "https://ex%61mple.com/",
        "https://example..com/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com:x/",
        "https://example.com/\r\nX: y",
        "https://[::1",
        "https://[fe80::1%25eth0]/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://\u2460\u2461\u2466.0.0.1/",
        "https://" + "a" * 64 + ".example/",
        "https://" + "a." * 130 + "example/",
    ],
)
def test_any_other_url_is_refused_at_the_enqueue(url: str) -> None:
    with pytest.raises(InvalidArguments) as refusal:
        deliver_webhook.of(url=url, body=None)
    assert list(refusal.value.faults) == ["url"]


def test_a_refusal_does_not_repeat_the_url() -> None:
    with pytest.raises(InvalidArguments) as refusal:
        deliver_webhook.of(url="https://user:hunter2@example.com/", body=None)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("name", ["X-Event", "content-type", "User-Agent", "traceparent"])
def test_headers_of_the_application_are_taken(name: str) -> None:
    call = deliver_webhook.of(url="https://example.com", body=None, headers={name: "v"})
    assert name.encode() in call.arguments


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "internal"),
        ("content-length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Monarq-Signature", "t=1,v1=00"),
        ("idempotency-key", "another"),
        ("X Event", "v"),
        ("X-Event:", "v"),
        ("", "v"),
        ("X-Event", "a\r\nHost: b"),
        ("X-Event", "a\nb"),
        ("X-Event", "a\x00b"),
        ("X-Event", "é"),
    ],
)
def test_headers_that_frame_or_prove_the_request_or_hide_another_are_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidArguments) as refusal:
        deliver_webhook.of(url="https://example.com", body=None, headers={name: value})
    assert list(refusal.value.faults) == ["headers"]
