"""The alert rules: promtool knows them and their tests, and every page says of them what is true."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.meta.documents import rows
from tests.prometheus import ROOT, RULES, find_prometheus

TESTS = RULES.with_name("monarq.rules.test.yml")
RUNBOOKS = ROOT / "docs" / "runbooks.md"
GUIDE = ROOT / "docs" / "guides" / "alerts.md"
_SPANS = {"at once": "", "1 h": "1h"}


def _load(path: Any) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in _load(RULES)["groups"] for rule in group["rules"] if "alert" in rule
}
CASES = [case for test in _load(TESTS)["tests"] for case in test["alert_rule_test"]]


if find_prometheus() is not None:

    @pytest.mark.parametrize(
        "words", [["check", "rules", RULES], ["test", "rules", TESTS]], ids=lambda w: w[0]
    )
    def test_promtool_is_content(words: list[Any]) -> None:
        done = subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_shown_to_fire_and_to_stay_quiet(name: str) -> None:
    told = [bool(case["exp_alerts"]) for case in CASES if case["alertname"] == name]
    assert set(told) == {True, False}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_much_it_matters_and_where_its_runbook_is(name: str) -> None:
    alert = ALERTS[name]
    assert alert["labels"] in ({"severity": "page"}, {"severity": "ticket"})
    assert alert["annotations"]["runbook"] == f"docs/runbooks.md#{name.lower()}"
    section = re.search(rf"^## {name}\n\n\*\*(\w+)\.\*\*", RUNBOOKS.read_text(encoding="utf-8"), re.MULTILINE)
    assert section is not None
    assert section[1].lower() == alert["labels"]["severity"]


def test_the_guide_lists_every_alert_with_its_time_and_level() -> None:
    told = {
        re.findall(r"\w+", row["alert"])[0]: (
            _SPANS.get(row["after"], row["after"].replace(" min", "m")),
            row["level"],
        )
        for row in rows(GUIDE, "alert", "when", "after", "level")
    }
    assert told == {name: (rule.get("for", ""), rule["labels"]["severity"]) for name, rule in ALERTS.items()}


def test_every_runbook_is_of_an_alert() -> None:
    assert set(re.findall(r"^## (\w+)$", RUNBOOKS.read_text(encoding="utf-8"), re.MULTILINE)) == set(ALERTS)
