"""What a scrape says, for tests that look at single samples."""

import shutil
import subprocess

from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples_of(text: str) -> Samples:
    """By name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def names_of(text: str) -> set[str]:
    """The metrics by the names that the guide calls them by."""
    return {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in text_string_to_metric_families(text)
    }


def faults_of(text: str) -> str:
    """What `promtool` finds wrong with names, types and help; nothing where it is not installed."""
    if shutil.which("promtool") is None:
        return ""
    command = ["promtool", "check", "metrics"]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=30).stderr
