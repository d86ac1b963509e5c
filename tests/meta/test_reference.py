"""The reference pages say what the code says."""

import importlib.util
import re
from types import ModuleType

import pytest

from monarq.jobs.store import keys
from monarq.jobs.store.keys import LUA_PREFIXES, queue_keys

from .documents import quoted, rows
from .repository import ROOT

FOLDER = ROOT / "docs" / "reference"
KEYS = rows(FOLDER / "keys.md", "key", "type", "what it holds", "until")


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_reference_generate", FOLDER / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["settings.md", "errors.md", "cli.md"])
def test_the_generated_parts_of_a_page_are_up_to_date(name: str) -> None:
    """If not: python docs/reference/generate.py"""
    page = FOLDER / name
    assert page.read_text(encoding="utf-8") == _generator().renewed(page)


def test_the_openapi_document_is_that_of_the_routes() -> None:
    """If not: python docs/reference/generate.py, and look at what changes for those who use the API."""
    assert (FOLDER / "openapi.json").read_text(encoding="utf-8") == _generator().openapi_text()


def test_every_page_that_is_generated_is_tested() -> None:
    assert set(_generator().PARTS) == {"settings.md", "errors.md", "cli.md"}


def test_the_keys_of_the_page_are_those_of_the_code() -> None:
    """The head of `keys.py` lists every key with its type."""
    listed = re.findall(r"^    (\S.*?)  +(\w+)  +\S", keys.__doc__ or "", flags=re.MULTILINE)
    assert {(key, row["type"]) for row in KEYS for key in quoted(row["key"])} == {
        (key, kind) for names, kind in listed for key in names.split(", ")
    }


@pytest.mark.parametrize("key", [*LUA_PREFIXES.values(), *queue_keys("mail").ranks])
def test_every_key_that_is_built_is_on_the_page(key: str) -> None:
    shown = [name for row in KEYS for name in quoted(row["key"])]
    patterns = [re.sub(r"<\w+>", "[^:]+", re.escape(name)) for name in shown]
    wholes = (key, f"{key}x", f"{key}x:x", f"{key}x=x")  # keys of one part, and of two
    assert any(re.fullmatch(pattern, whole) for pattern in patterns for whole in wholes)
