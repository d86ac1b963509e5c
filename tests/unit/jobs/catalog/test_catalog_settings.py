"""The environment of the shipped kinds."""

from collections.abc import Iterator

import pytest

from monarq.jobs.catalog.settings import CatalogSettings, load_settings
from monarq.jobs.catalog.smtp import SmtpServer, Tls
from monarq.jobs.errors import ConfigError


@pytest.fixture(autouse=True)
def _fresh_settings() -> Iterator[None]:
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


def test_the_names_of_the_catalog_are_known() -> None:
    assert CatalogSettings.env_names() == {
        "MONARQ_WEBHOOK_SECRET",
        "MONARQ_WEBHOOK_SECRETS",
        "MONARQ_WEBHOOK_ALLOW_PRIVATE",
        "MONARQ_SMTP_URL",
        "MONARQ_SMTP_FROM",
        "MONARQ_MEDIA_ROOT",
        "MONARQ_IMAGE_MAX_PIXELS",
    }


def test_the_default_lets_nothing_through() -> None:
    settings = CatalogSettings()
    assert settings.webhook_allow_private is False
    assert settings.webhook_secret is None


def test_all_faults_are_told_at_once_and_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONARQ_SMTP_URL", "http://user:hunter2@host")
    monkeypatch.setenv("MONARQ_SMTP_FROM", "hunter2")
    monkeypatch.setenv("MONARQ_WEBHOOK_ALLOW_PRIVATE", "hunter2")
    monkeypatch.setenv("MONARQ_IMAGE_MAX_PIXELS", "0")
    with pytest.raises(ConfigError) as error:
        load_settings()
    assert [fault.partition(":")[0] for fault in error.value.faults] == [
        "MONARQ_WEBHOOK_ALLOW_PRIVATE",
        "MONARQ_SMTP_URL",
        "MONARQ_SMTP_FROM",
        "MONARQ_IMAGE_MAX_PIXELS",
    ]
    assert "hunter2" not in str(error.value)
    assert error.value.__context__ is None


def test_secrets_that_are_not_json_are_told_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONARQ_WEBHOOK_SECRETS", "hunter2")
    with pytest.raises(ConfigError, match="webhook_secrets") as error:
        load_settings()
    assert "hunter2" not in str(error.value)
    assert error.value.__context__ is None


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONARQ_WEBHOOK_SECRET", "hunter2")
    monkeypatch.setenv("MONARQ_WEBHOOK_SECRETS", '{"billing": "hunter2"}')
    monkeypatch.setenv("MONARQ_SMTP_URL", "smtps://user:hunter2@host")
    assert "hunter2" not in repr(load_settings())
    assert "hunter2" not in repr(SmtpServer.from_url("smtps://user:hunter2@host"))


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", SmtpServer("mail.example", 25, Tls.NONE)),
        ("smtp://u:p@127.0.0.1:1025/", SmtpServer("127.0.0.1", 1025, Tls.NONE, "u", "p")),
        ("smtp+starttls://mail.example", SmtpServer("mail.example", 587, Tls.STARTTLS)),
        ("smtps://u%40x:p%2F%3A@mail.example", SmtpServer("mail.example", 465, Tls.IMPLICIT, "u@x", "p/:")),
        ("smtps://[2001:db8::1]:26", SmtpServer("2001:db8::1", 26, Tls.IMPLICIT)),
    ],
)
def test_an_smtp_url_names_server_encryption_and_login(url: str, server: SmtpServer) -> None:
    assert SmtpServer.from_url(url) == server


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("mail.example:25", "must be smtps://"),
        ("https://mail.example", "must be smtps://"),
        ("smtp://mail.example:x", "must be smtps://"),
        ("smtp://", "must end after host"),
        ("smtps://mail.example/path", "must end after host"),
        ("smtps://u:p#q@mail.example", "must"),
        ("smtp://u:hunter2@mail.example", "unencrypted"),
    ],
)
def test_an_unusable_smtp_url_is_refused(url: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as refusal:
        SmtpServer.from_url(url)
    assert "hunter2" not in str(refusal.value)
