"""A real Prometheus: Debian's package, where it is installed, with our rules in a hurry."""

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.servers import START_SECONDS, ServerDied, free_port

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "deploy" / "prometheus" / "monarq.rules.yml"
DASHBOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
#: How much faster than in life time passes in the rules: ten minutes are six seconds.
HURRY = 100
_UNITS = {"s": 1, "m": 60, "h": 3_600}
_CONFIG = """\
global: {{ scrape_interval: 600ms, scrape_timeout: 600ms, evaluation_interval: 300ms }}
rule_files: [{rules}]
scrape_configs:
{jobs}
"""
_JOB = "  - {{ job_name: {job}, static_configs: [ {{ targets: [{targets}] }} ] }}"


def find_prometheus() -> Path | None:
    """The installed Prometheus, or None: no wheel brings it.  Its `promtool` comes with it."""
    found = shutil.which("prometheus")
    return Path(found) if found and shutil.which("promtool") else None


def hurried(rules: str) -> str:
    """The rules with shorter times: those that an alert waits, and the ranges that are looked back over."""

    def shorter(found: re.Match[str]) -> str:
        return f"{found[1]}{round(int(found[2]) * _UNITS[found[3]] * 1000 / HURRY)}ms{found[4]}"

    return re.sub(r"(\[|for: |offset )(\d+)([smh])(\]|$)", shorter, rules, flags=re.MULTILINE)


class Prometheus:
    """Asks a Prometheus that runs."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url)

    async def close(self) -> None:
        await self._client.aclose()

    async def firing(self) -> set[tuple[str, str]]:
        """Each alert that fires, with what it is about: a queue, a kind or a scrape job."""
        told = (await self._client.get("/api/v1/alerts")).json()["data"]["alerts"]
        return {
            (one["labels"]["alertname"], _subject(one["labels"])) for one in told if one["state"] == "firing"
        }

    async def broken_rules(self) -> list[str]:
        """The rules that could not be evaluated, each with what was wrong."""
        groups = (await self._client.get("/api/v1/rules")).json()["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return [f"{rule['name']}: {rule.get('lastError')}" for rule in rules if rule["health"] != "ok"]

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query.  What cannot be evaluated fails the test."""
        answer = (await self._client.get("/api/v1/query", params={"query": expression})).json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result


@contextmanager
def prometheus(targets: Mapping[str, Sequence[int]]) -> Iterator[str]:
    """The address of a Prometheus with our rules in a hurry.

    `targets` are the ports to scrape, by the names of the scrape jobs.
    """
    binary, port = find_prometheus(), free_port()
    assert binary is not None
    with tempfile.TemporaryDirectory(prefix="monarq-tests-") as name:
        folder = Path(name)
        config, rules, log = folder / "prometheus.yml", folder / "rules.yml", folder / "log"
        rules.write_text(hurried(RULES.read_text(encoding="utf-8")), encoding="utf-8")
        jobs = [
            _JOB.format(job=job, targets=", ".join(f"127.0.0.1:{port}" for port in ports))
            for job, ports in targets.items()
        ]
        config.write_text(_CONFIG.format(rules=rules, jobs="\n".join(jobs)), encoding="utf-8")
        options = {"config.file": config, "storage.tsdb.path": folder / "data", "log.level": "warn"}
        options["web.listen-address"] = f"127.0.0.1:{port}"
        command = [str(binary), *(f"--{option}={value}" for option, value in options.items())]
        with log.open("wb") as stream:
            process = subprocess.Popen(command, stdout=stream, stderr=stream, cwd=folder)
        try:
            _wait_until_it_serves(process, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()  # nothing of it is kept
            process.wait()


def _subject(labels: Mapping[str, str]) -> str:
    return next((labels[name] for name in ("queue", "kind", "schedule", "job") if name in labels), "")


def _wait_until_it_serves(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _is_ready(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServerDied(log.read_text(errors="replace")[-2000:])
        time.sleep(0.02)


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/-/ready", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False
