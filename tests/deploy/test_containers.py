"""`deploy/container` and `deploy/compose`: an image of what is here, and a stack that fits it."""

import json
import re
import shlex
from fnmatch import fnmatch
from typing import Any

import pytest

from monarq.dashboard.cli.dashboard import _DRAIN
from tests.meta.repository import ROOMS

from .files import DEPLOY, ROOT, documents, parse, start

CONTAINERFILE = DEPLOY / "container" / "Containerfile"
INSTRUCTIONS = {"ARG", "FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK"}
INSTRUCTIONS |= {"ENTRYPOINT", "CMD"}
[COMPOSE] = documents(DEPLOY / "compose" / "compose.yaml")
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("${MONARQ_IMAGE")]
#: What of the specification we use.
KEYS = {"image", "command", "environment", "depends_on", "restart", "read_only", "tmpfs", "cap_drop"}
KEYS |= {"security_opt", "stop_grace_period", "healthcheck", "ports", "volumes"}
CLEANING_UP = 10


def _instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line.strip()]


def _last(name: str) -> str:
    return [told for instruction, told in _instructions() if instruction == name][-1]


def _copied() -> set[str]:
    """What comes from the repository."""
    copies = [shlex.split(told) for name, told in _instructions() if name == "COPY"]
    return {source for words in copies if not words[0].startswith("--from") for source in words[:-1]}


# --- the image


def test_the_containerfile_says_nothing_that_is_not_known() -> None:
    assert {name for name, _ in _instructions()} <= INSTRUCTIONS


def test_the_image_is_built_of_what_the_wheel_is_built_of() -> None:
    """`tests/meta/test_layout.py` builds one of the same."""
    assert _copied() == {*ROOMS, "monarq", "pyproject.toml", "README.md", "LICENSE", "requirements/dev.txt"}
    assert [name for name in _copied() if not (ROOT / name).exists()] == []


def test_what_is_copied_is_not_ignored() -> None:
    ignored = (CONTAINERFILE.parent / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == _copied()


def test_the_versions_are_those_that_were_tested() -> None:
    [command] = [told for name, told in _instructions() if name == "RUN" and told.startswith("sed")]
    [pattern] = re.findall(r"s/\^(.+?)\.\*/", command)
    locked = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8").splitlines()
    pins = [found[1] for line in locked if (found := re.match(pattern, line))]
    assert len(pins) == sum("==" in line and not line.startswith(" ") for line in locked)
    assert all(fnmatch(pin, "*==*") and "\\" not in pin for pin in pins)


def test_the_image_runs_as_somebody_without_rights() -> None:
    [manifest, _] = documents(DEPLOY / "kubernetes" / "worker.yaml")
    user = manifest["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
    assert _last("USER") == f"{user}:{user}"


def test_the_image_runs_a_worker_that_is_asked_whether_it_lives() -> None:
    assert _last("STOPSIGNAL") == "SIGTERM"
    assert json.loads(_last("ENTRYPOINT")) == ["monarq"]
    parse(json.loads(_last("CMD")))
    program, *arguments = json.loads(_last("HEALTHCHECK").partition(" CMD ")[2])
    assert program == "monarq"
    assert parse(arguments)["live"] is True


# --- the stack


def _environ(service: Any) -> dict[str, str]:
    """With what a user has in `.env`."""
    told = {name: str(value) for name, value in service.get("environment", {}).items()}
    return {name: re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)?\}", r"\1", text) for name, text in told.items()}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_told_what_compose_understands(name: str) -> None:
    service = SERVICES[name]
    assert set(service) <= KEYS
    assert {volume.partition(":")[0] for volume in service.get("volumes", ())} <= set(COMPOSE["volumes"])
    for other, told in service.get("depends_on", {}).items():
        if told["condition"] == "service_healthy":
            assert "test" in SERVICES[other]["healthcheck"]


@pytest.mark.parametrize("name", OURS)
def test_a_process_starts_with_what_its_service_gives_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    environ = _environ(SERVICES[name])
    start(monkeypatch, SERVICES[name]["command"], environ)
    check = SERVICES[name].get("healthcheck", {}).get("test")
    if check is not None:
        assert check[:2] == ["CMD", "monarq"]
        parse(check[2:])


def test_every_process_of_ours_is_in_the_stack() -> None:
    assert set(OURS) == {"worker", "relay", "dashboard", "migrate"}


def test_every_process_but_the_one_that_ends_is_asked_whether_it_lives() -> None:
    """By the check of the image, at one port for all."""
    assert [name for name in OURS if "healthcheck" in SERVICES[name]] == ["migrate"]
    assert "MONARQ_METRICS_PORT=9464" in _last("ENV")


def test_the_processes_may_take_their_drain_time_and_ten_seconds_more() -> None:
    drain = int(_environ(SERVICES["worker"])["MONARQ_DRAIN_TIMEOUT"])
    assert SERVICES["worker"]["stop_grace_period"] == f"{drain + CLEANING_UP}s"
    assert SERVICES["dashboard"]["stop_grace_period"] == f"{_DRAIN + CLEANING_UP}s"


def test_the_valkey_of_the_stack_may_hold_jobs() -> None:
    command = " ".join(SERVICES["valkey"]["command"])
    assert "--maxmemory-policy noeviction" in command
    assert "--appendonly yes" in command


def test_nothing_of_the_stack_is_open_to_other_machines() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
