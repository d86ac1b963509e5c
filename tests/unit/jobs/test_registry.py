"""Which kinds a process knows."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monarq.jobs import Registry, job
from monarq.jobs.errors import DefinitionError, DuplicateKind, UnknownKind
from monarq.jobs.handler import Handler


async def function(ctx: Any) -> None: ...


def handler_of(kind: str) -> Handler[..., None]:
    return job(kind)(function)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that modules can be imported from; they are forgotten afterwards."""
    known = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def write(folder: Path, name: str, *lines: str) -> None:
    (folder / f"{name}.py").write_text("\n".join(["from monarq import job", *lines]) + "\n")


def defined(name: str, kind: str) -> str:
    return f"@job({kind!r})\nasync def {name}(ctx): ..."


def test_a_handler_is_found_by_its_kind() -> None:
    handler = handler_of("a")
    registry = Registry([handler])
    assert registry["a"] is registry.get("a") is handler
    assert list(registry) == [handler]
    assert len(registry) == 1


def test_an_unknown_kind_is_told_with_those_that_are_known() -> None:
    registry = Registry([handler_of("mail.send"), handler_of("image.resize")])
    assert registry.get("nope") is None
    with pytest.raises(UnknownKind, match=r"'nope'.*known: image\.resize, mail\.send") as caught:
        registry["nope"]
    assert caught.value.kind == "nope"


def test_the_same_handler_twice_is_harmless() -> None:
    handler = handler_of("a")
    assert len(Registry([handler, handler])) == 1


def test_two_handlers_of_one_kind_are_refused_with_both_places() -> None:
    with pytest.raises(DuplicateKind) as caught:
        Registry([handler_of("a"), handler_of("a")])
    assert caught.value.kind == "a"
    assert str(caught.value).count(f"{__name__}.function") == 2


def test_a_module_is_loaded_with_every_handler_that_it_holds(folder: Path) -> None:
    write(folder, "app_mail", defined("send", "mail.send"), defined("sort", "mail.sort"), "other = 5")
    registry = Registry()
    registry.load("app_mail")
    assert sorted(handler.kind for handler in registry) == ["mail.send", "mail.sort"]


def test_a_module_loaded_twice_is_harmless(folder: Path) -> None:
    write(folder, "app_mail", defined("send", "mail.send"))
    registry = Registry()
    registry.load("app_mail")
    registry.load("app_mail")
    assert len(registry) == 1


def test_a_handler_that_another_module_imports_is_one_handler(folder: Path) -> None:
    write(folder, "app_mail", defined("send", "mail.send"))
    write(folder, "app_all", "from app_mail import send")
    registry = Registry()
    registry.load("app_mail")
    registry.load("app_all")
    assert len(registry) == 1


def test_two_modules_with_one_kind_are_refused(folder: Path) -> None:
    write(folder, "app_one", defined("send", "mail.send"))
    write(folder, "app_two", defined("dispatch", "mail.send"))
    registry = Registry()
    registry.load("app_one")
    with pytest.raises(DuplicateKind, match=r"app_one\.send.*app_two\.dispatch"):
        registry.load("app_two")


def test_a_module_without_handlers_is_refused(folder: Path) -> None:
    write(folder, "app_empty")
    with pytest.raises(DefinitionError, match="'app_empty' holds no @job handler"):
        Registry().load("app_empty")


def test_a_module_that_cannot_be_imported_is_named(folder: Path) -> None:
    write(folder, "app_broken", "from json import nothing_of_that_name")
    for name in ("app_missing", "app_broken"):
        with pytest.raises(DefinitionError, match=f"'{name}' cannot be imported"):
            Registry().load(name)


@pytest.mark.parametrize("name", ["", ".", ".relative", "a..b", "a-b", "app.py:main", "/etc/passwd"])
def test_what_is_no_module_s_name_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match="not the dotted name of a module"):
        Registry().load(name)


def test_the_shipped_kinds_load_by_their_module_s_name() -> None:
    registry = Registry()
    registry.load("monarq.jobs.catalog")
    assert sorted(handler.kind for handler in registry) == [
        "email.send",
        "image.thumbnail",
        "webhook.deliver",
    ]
