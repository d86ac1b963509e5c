"""Log lines: one JSON object each, about the current job, without secrets and payloads."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from opentelemetry import trace
from pydantic import BaseModel, SecretStr

from monarq.jobs import JobContext, log
from monarq.jobs.redaction import HIDDEN, Redactor
from tests.tracing import Spans

Lines = Callable[[], list[dict[str, Any]]]
_COLOURS = re.compile(r"\x1b\[\d*m")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()  # pytest's own, which `configure` would close
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """What has been logged as JSON since the last call."""

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    log.configure(log_format="json")
    return read


@pytest.fixture
def text(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What has been logged for a terminal since the last call."""
    log.configure(log_format="console")
    return lambda: capsys.readouterr().err


def logger() -> Any:
    return structlog.get_logger("test")


@dataclass
class Login:
    user: str
    password: str


class Account(BaseModel):
    user: str
    api_key: str
    note: SecretStr = SecretStr("hunter2")


class Loud:
    def __repr__(self) -> str:
        return "<Loud redis://app:hunter2@redis.example>"


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_a_line_is_one_json_object_with_level_and_time(lines: Lines) -> None:
    logger().info("worker.started", slots=5)
    [line] = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "worker.started", "level": "info", "slots": 5}


@pytest.mark.parametrize("name", ["a\nb", 'quote "', "\x1b[31mred", "\r\n{}", "\ud800", "\u2028"])
def test_no_text_breaks_a_line_or_the_json(lines: Lines, name: str) -> None:
    logger().info(f"event {name}", name=name, nested={"key " + name: [name]})
    assert len(lines()) == 1


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(level="warning", log_format="json")
    logger().info("quiet")
    logger().warning("loud")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["loud"]


def a_context() -> JobContext:
    ctx = JobContext()
    ctx.job_id, ctx.kind, ctx.queue, ctx.attempt = "job-1", "mail.send", "mail", 2
    return ctx


def test_the_job_that_runs_is_on_every_line(lines: Lines) -> None:
    ctx = a_context()
    token = log.current_job.set(ctx)
    try:
        logger().info("page.fetched")
        ctx.log.info("page.stored")
        logging.getLogger("library").warning("slow")
    finally:
        log.current_job.reset(token)
    logger().info("afterwards")
    *within, after = lines()
    assert len(within) == 3
    facts = [(line["job_id"], line["kind"], line["queue"], line["attempt"]) for line in within]
    assert facts == [("job-1", "mail.send", "mail", 2)] * 3
    assert "job_id" not in after


def test_a_line_about_another_job_is_about_that_one(lines: Lines) -> None:
    token = log.current_job.set(a_context())
    try:
        logger().info("job.snoozed", job_id="job-2", kind="mail.read")
    finally:
        log.current_job.reset(token)
    [line] = lines()
    assert (line["job_id"], line["kind"]) == ("job-2", "mail.read")
    assert not {"queue", "attempt"} & line.keys()


def test_the_span_that_the_code_is_in_is_on_every_line(lines: Lines, spans: Spans) -> None:
    with trace.get_tracer("app").start_as_current_span("inside") as span:
        logger().info("page.fetched")
        logging.getLogger("library").warning("slow")
        logger().info("job.succeeded", trace_id="that of another")
    logger().info("afterwards")
    *within, other, after = lines()
    context = span.get_span_context()
    ids = (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    assert [(line["trace_id"], line["span_id"]) for line in within] == [ids, ids]
    assert other["trace_id"] == "that of another"
    assert not {"trace_id", "span_id"} & (other.keys() - {"trace_id"} | after.keys())


END = {"job_id": "5f1c", "kind": "mail.send", "queue": "mail", "attempt": 1, "seconds": 0.35, "worker": "w"}
FAULT = {"error_type": "ValueError", "error": "no such\naddress", "cause": "error"}


@pytest.mark.parametrize(
    ("name", "facts", "shown"),
    [
        ("job.succeeded", {}, "  0.35s ← 5f1c:mail.send ●"),
        ("job.succeeded", {"attempt": 3}, "  0.35s ← 5f1c:mail.send ● try=3"),
        (
            "job.retrying",
            FAULT | {"delay_s": 5.0},
            "↻ 5f1c:mail.send retrying job in 5.00s, ValueError: no such",
        ),
        ("job.dead", FAULT, r"  0.35s ! 5f1c:mail.send failed, ValueError: no such\naddress"),
        ("job.dead", {}, "  0.35s ! 5f1c:mail.send failed"),
        ("job.expired", {}, "  0.35s ! 5f1c:mail.send expired"),
        ("job.cancelled", {"by": "ann"}, "  0.35s ⊘ 5f1c:mail.send aborted"),
        ("job.interrupted", {}, "  0.35s ↻ 5f1c:mail.send cancelled, will be run again"),
        ("job.snoozed", {"delay_s": 1.5}, "  0.35s ↻ 5f1c:mail.send put off for 1.50s"),
    ],
)
def test_on_a_terminal_an_end_is_one_line_as_arq_writes_it(
    text: Callable[[], str], name: str, facts: dict[str, Any], shown: str
) -> None:
    logger().info(name, **END | facts)
    line = _COLOURS.sub("", text())
    assert line.count("\n") == 1
    assert shown in line
    assert re.match(r"\d\d:\d\d:\d\d ", line)
    assert ("by=ann" in line) is ("by" in facts)
    assert not [key for key in ("job_id=", "kind=", "queue=", "worker=", "seconds=") if key in line]


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("job.abandoned", END),
        ("page.stored", END),
        ("job.dead", {}),
        ("job.dead", {"seconds": "long"}),
        (5, END),
    ],
)
def test_on_a_terminal_other_lines_stay_as_they_are(
    text: Callable[[], str], name: Any, facts: dict[str, Any]
) -> None:
    logger().info(name, **facts)
    line = _COLOURS.sub("", text())
    assert str(name) in line
    assert all(f"{key}=" in line for key in facts.keys() - {"worker"})
    assert "worker=" not in line


def test_on_a_terminal_a_line_about_a_worker_names_it(text: Callable[[], str]) -> None:
    logger().info("worker.started", worker="w")
    assert "worker=w" in _COLOURS.sub("", text())


@pytest.mark.parametrize(
    "name",
    [
        *("password", "PASSWORD", "db_passwd", "client_secret", "token", "accessToken", "Authorization"),
        *("api_key", "apikey", "x-api-key", "private_key", "Set-Cookie", "credentials"),
        *("args", "kwargs", "arguments", "payload", "result", "body", "job_args", "requestBody"),
    ],
)
def test_secrets_and_payloads_are_hidden_at_any_depth(lines: Lines, name: str) -> None:
    logger().info("event", **{name: "hunter2", "outer": {"list": [{name: {"deep": "hunter2"}}], "kept": 1}})
    [line] = lines()
    assert line[name] == HIDDEN
    assert line["outer"] == {"list": [{name: HIDDEN}], "kept": 1}


@pytest.mark.parametrize("name", ["targets", "somebody", "kind", "key", "author"])
def test_names_that_only_resemble_them_are_shown(lines: Lines, name: str) -> None:
    logger().info("event", **{name: "shown"})
    assert lines()[0][name] == "shown"


def test_payloads_are_shown_on_request_and_secrets_never(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(log_format="json", show_payloads=True)
    logger().info("event", args=[1], result={"password": "hunter2", "rows": 5}, token="hunter2")
    line = json.loads(capsys.readouterr().err)
    assert (line["args"], line["result"], line["token"]) == ([1], {"password": HIDDEN, "rows": 5}, HIDDEN)


@pytest.mark.parametrize(
    "value", [Login("ann", "hunter2"), [Login("ann", "hunter2")], Account(user="ann", api_key="hunter2")]
)
def test_fields_of_objects_are_hidden_by_their_names(lines: Lines, value: Any) -> None:
    logger().info("event", login=value)
    [line] = lines()
    assert "ann" in str(line)
    assert "hunter2" not in str(line)


@pytest.mark.parametrize(
    "value",
    [
        "redis://app:hunter2@redis.example:6379/0",
        "see smtp+starttls://u:hunter2@h.",
        Loud(),
        b"redis://:hunter2@h",
    ],
)
def test_the_password_of_a_url_is_hidden_wherever_it_stands(lines: Lines, value: Any) -> None:
    logger().info(f"event {value}", url=value, urls=[value], nested={"url": value})
    [line] = lines()
    assert "hunter2" not in str(line)
    assert str(line).count(HIDDEN) == 4


def test_a_url_without_a_password_is_shown(lines: Lines) -> None:
    logger().info("event", url="https://example.com:8080/a@b?c=d:e@f")
    assert lines()[0]["url"] == "https://example.com:8080/a@b?c=d:e@f"


def fail(password: str) -> None:
    raise ValueError("cannot connect to redis://app:hunter2@redis.example")


def log_failure() -> None:
    try:
        fail("hunter" + "3")
    except ValueError:
        logger().exception("job.failed")


def test_a_traceback_is_logged_without_values_of_variables(lines: Lines) -> None:
    log_failure()
    [line] = lines()
    assert "ValueError: cannot connect" in line["exception"]
    assert "in fail" in line["exception"]
    assert "hunter2" not in str(line)
    assert "hunter3" not in str(line)


@pytest.mark.filterwarnings("error")
def test_on_a_terminal_neither(text: Callable[[], str]) -> None:
    log_failure()
    shown = text()
    assert "ValueError: cannot connect" in shown
    assert "hunter2" not in shown
    assert "hunter3" not in shown


def test_the_standard_library_s_lines_look_the_same(lines: Lines) -> None:
    logging.getLogger("library").warning("slow: %s", "redis://:hunter2@h", extra={"password": "hunter2"})
    logging.getLogger("library").info("not told")
    [line] = lines()
    assert (line["event"], line["level"]) == (f"slow: redis://:{HIDDEN}@h", "warning")
    assert "hunter2" not in str(line)


def test_an_exception_of_the_standard_library_s_loggers_is_logged_in_one_line(lines: Lines) -> None:
    try:
        fail("x")
    except ValueError:
        logging.getLogger("library").exception("broken")
    [line] = lines()
    assert "in fail" in line["exception"]
    assert "hunter2" not in str(line)


@pytest.mark.parametrize(
    "control", ["\x1b[31m", "\r", "\n", "\x00", "\x9b", "\x7f", "\u202e", "\u2028", "\u2066"]
)
def test_on_a_terminal_control_characters_are_shown_and_not_obeyed(
    text: Callable[[], str], control: str
) -> None:
    logger().info(f"before{control}after", name=f"a{control}b", nested={"a": control}, items=[control])
    shown = text()
    assert shown.count("\n") == 1
    assert control not in shown.replace("\x1b[", "").rstrip("\n") or control == "\x1b[31m"
    assert f"before{control}after" not in shown
    assert f"a{control}b" not in shown


def test_on_a_terminal_control_characters_of_an_exception_are_not_obeyed(text: Callable[[], str]) -> None:
    try:
        raise ValueError("a\x1b[31mb\rc")
    except ValueError:
        logger().exception("failed")
    shown = text()
    assert r"a\x1b[31mb\rc" in shown
    assert "\n" in shown.partition("Traceback")[2]


def cyclic() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


@pytest.mark.parametrize(
    "value",
    [
        cyclic(),
        Broken(),
        {"inner": Broken()},
        {(1, 2): 3, None: 4},
        object(),
        b"\xff",
        {1, 2},
        float("nan"),
        10**400,
        "x" * 10_000_000,
        ["x" * 1_000] * 10_000,
        {str(n): n for n in range(100_000)},
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_line_can_be_written_whatever_it_is_about_and_is_bounded(
    capsys: pytest.CaptureFixture[str], value: Any
) -> None:
    for log_format in ("json", "console"):
        log.configure(log_format=log_format)
        structlog.get_logger("test", initial=log_format).info("event", value=value)
        line = capsys.readouterr().err
        assert line.count("\n") == 1
        assert len(line) < 250_000


def test_structlog_s_own_entries_are_left_alone() -> None:
    record = object()
    event = Redactor(show_payloads=False)(None, "info", {"event": "a", "_record": record, "body": 1})
    assert event == {"event": "a", "_record": record, "body": HIDDEN}


@pytest.mark.parametrize(("terminal", "is_json"), [(True, False), (False, True)])
def test_auto_is_for_people_on_a_terminal_and_json_elsewhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool, is_json: bool
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    log.configure()
    logger().info("event")
    assert capsys.readouterr().err.startswith("{") is is_json
