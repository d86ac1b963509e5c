"""The settings: from the environment, all faults at once, no secret in any error."""

import inspect
import os
import traceback
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from monarq.jobs.errors import ConfigError
from monarq.jobs.settings import Settings, load_settings, parse_queues


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("MONARQ_"):
            monkeypatch.delenv(name)


def faults_of(**overrides: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(**overrides)
    return caught.value.faults


def test_the_defaults_are_these() -> None:
    settings = load_settings()
    assert settings.redis_url.get_secret_value() == "redis://localhost:6379/0"
    assert (settings.queues, settings.jobs, settings.concurrency) == ({"default": 0}, (), 100)
    assert (settings.lease, settings.ageing) == (timedelta(seconds=30), timedelta(seconds=60))
    assert settings.max_payload_bytes == 512 * 1024
    assert settings.arq_poll is None
    assert not settings.read_pickled
    assert not settings.log_payloads


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONARQ_REDIS_URL", "rediss://redis.example:6380/2")
    monkeypatch.setenv("MONARQ_JOBS", "app.mail, app.images,")
    monkeypatch.setenv("MONARQ_QUEUES", "critical=6, default=3")
    monkeypatch.setenv("MONARQ_CONCURRENCY", "7")
    monkeypatch.setenv("MONARQ_READ_PICKLED", "true")
    settings = load_settings()
    assert settings.redis_url.get_secret_value() == "rediss://redis.example:6380/2"
    assert settings.jobs == ("app.mail", "app.images")
    assert settings.queues == {"critical": 6, "default": 3}
    assert settings.concurrency == 7
    assert settings.read_pickled


@pytest.mark.parametrize(("text", "seconds"), [("30", 30), ("2.5", 2.5), ("PT30S", 30), ("00:01:00", 60)])
def test_spans_are_seconds_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, text: str, seconds: float
) -> None:
    monkeypatch.setenv("MONARQ_LEASE", text)
    assert load_settings().lease == timedelta(seconds=seconds)


def test_an_override_wins_over_the_environment_and_none_leaves_it_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MONARQ_CONCURRENCY", "7")
    assert load_settings(concurrency=9).concurrency == 9
    assert load_settings(concurrency=None).concurrency == 7


def test_all_faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONARQ_CONCURRENCY", "many")
    monkeypatch.setenv("MONARQ_LEASE", "-1")
    monkeypatch.setenv("MONARQ_REDIS_URL", "http://localhost")
    monkeypatch.setenv("MONARQ_QUEUES", "a b")
    monkeypatch.setenv("MONARQ_LOG_LEVEL", "loud")
    monkeypatch.setenv("MONARQ_CONCURENCY", "5")
    faults = faults_of(max_crashes=0)
    assert sorted(fault.partition(":")[0] for fault in faults) == [
        "MONARQ_CONCURENCY",
        "MONARQ_CONCURRENCY",
        "MONARQ_LEASE",
        "MONARQ_LOG_LEVEL",
        "MONARQ_MAX_CRASHES",
        "MONARQ_QUEUES",
        "MONARQ_REDIS_URL",
    ]


def test_an_unknown_name_is_refused_with_a_suggestion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONARQ_REDIS_ULR", "redis://localhost")
    assert faults_of() == ["MONARQ_REDIS_ULR: no such setting; did you mean MONARQ_REDIS_URL?"]


def test_an_unknown_name_that_resembles_none_is_refused_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONARQ_XYZZY", "1")
    assert faults_of() == ["MONARQ_XYZZY: no such setting"]


@pytest.mark.parametrize("name", ["MONARQ_DEMO_EXIT", "MONARQ_WEBHOOK_SECRET", "MONARQ_SMTP_URL", "OTHER_X"])
def test_names_that_others_know_are_left_to_them(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    load_settings()


def test_an_unknown_override_is_refused() -> None:
    assert faults_of(concurency=5)[0].startswith("MONARQ_CONCURENCY: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("concurrency", value) for value in (0, 10_001, "x")),
        *(("lease", value) for value in (0.5, 0, -5, "soon", "nan", "inf", "1e400")),
        *(("ageing", value) for value in (0, -1, "nan")),
        *(("drain_timeout", value) for value in (-1, "long")),
        *(("arq_poll", value) for value in (0, -1)),
        *(("max_crashes", value) for value in (0, -1)),
        *(("max_payload_bytes", value) for value in (0, 1023)),
        *(("log_format", value) for value in ("xml", "")),
        *(("log_ends", value) for value in ({"*": 1.5}, {"*": -1}, {"*": "some"}, "all", 1)),
        *(("tracing", value) for value in ("on", "", True)),
        *(("queues", value) for value in ({}, {"a b": 0}, {"a": -1}, {"a": 1, "b": 0}, 5)),
        *(("redis_url", value) for value in ("", "localhost", "http://x", "redis://x:port", "redis://[::1")),
    ],
)
def test_an_unusable_value_is_a_fault_of_its_name(name: str, value: Any) -> None:
    faults = faults_of(**{name: value})
    assert len(faults) == 1
    assert faults[0].startswith(f"MONARQ_{name.upper()}")


@pytest.mark.parametrize("url", ["redis://x", "rediss://u:p@x:1/2", "unix:///run/redis.sock?db=1"])
def test_a_url_of_redis_is_taken(url: str) -> None:
    assert load_settings(redis_url=url).redis_url.get_secret_value() == url


SECRET_URLS = [
    "http://:hunter2@localhost",
    "redis://:hunter2/x@localhost:6379",
    "redis://user:hunter2#@localhost",
    "redis://user:@hunter2:hunter2",
    "hunter2",
    "redis://[hunter2",
]


@pytest.mark.parametrize("url", SECRET_URLS)
def test_no_error_repeats_any_of_the_url(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("MONARQ_REDIS_URL", url)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_the_url_is_in_no_repr() -> None:
    settings = load_settings(redis_url="redis://:hunter2@localhost")
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_settings_do_not_change() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.concurrency = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "queues"),
    [
        ("default", {"default": 0}),
        ("mail,default", {"mail": 0, "default": 0}),
        (" mail , default , ", {"mail": 0, "default": 0}),
        ("critical=6,default=3", {"critical": 6, "default": 3}),
    ],
)
def test_queues_are_in_strict_order_or_weighted(text: str, queues: dict[str, int]) -> None:
    assert parse_queues(text) == queues
    assert list(parse_queues(text)) == list(queues)


@pytest.mark.parametrize(
    "text",
    ["", ",", "a b", "=5", "a=", "a=0", "a=-1", "a=1.5", "a=x", "a=1,b", "a,b=1", "a,a", "a=1,a=2", "{a}"],
)
def test_queues_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_queues(text)


def test_every_setting_says_what_it_is() -> None:
    """In a comment before it, which the documentation is made from."""
    lines = inspect.getsource(Settings).splitlines()
    told = {line.split(":")[0].strip() for before, line in pairwise(lines) if before.strip().startswith("#:")}
    assert set(Settings.model_fields) - told == set()


def test_the_history_is_written_where_there_is_a_database() -> None:
    url = "postgresql://db/app"
    assert load_settings(database_url=url).writes_history
    assert not load_settings(database_url=url, history=False).writes_history
    assert not load_settings().writes_history


def test_the_history_is_kept_for_thirty_days_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().history_keep == timedelta(days=30)
    monkeypatch.setenv("MONARQ_HISTORY_KEEP", "86400")
    assert load_settings().history_keep == timedelta(days=1)
    assert faults_of(history_buffer=0) == [
        "MONARQ_HISTORY_BUFFER: Input should be greater than or equal to 1"
    ]
