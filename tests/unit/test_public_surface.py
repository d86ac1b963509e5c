"""What `import monarq` gives: all of it on purpose, all of it documented."""

import ast
import importlib
import inspect
import types

import pytest

import monarq
from monarq.jobs import errors

ROOMS = {"jobs", "producer", "worker", "dashboard"}


def _told_to_checkers() -> dict[str, str]:
    """What type checkers read: each name and the module that it is from."""
    tree = ast.parse(inspect.getsource(monarq))
    blocks = [node for node in tree.body if isinstance(node, ast.If)]
    froms = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in froms for alias in node.names}


EXPORTED = _told_to_checkers()


def public_members(cls: type) -> dict[str, object]:
    return {
        name: member
        for name, member in vars(cls).items()
        if not name.startswith("_")
        and (inspect.isfunction(member) or isinstance(member, (property, classmethod)))
    }


DOCUMENTED = [
    pytest.param(f"{name}.{member}", id=f"{name}.{member}")
    for name in sorted(monarq.__all__)
    if inspect.isclass(cls := getattr(monarq, name)) and cls.__module__.startswith("monarq.")
    for member in public_members(cls)
]


def test_all_names_are_exported_and_all_that_is_exported_is_named() -> None:
    assert set(monarq.__all__) == set(EXPORTED)


@pytest.mark.parametrize("name", sorted(EXPORTED))
def test_a_name_is_what_type_checkers_take_it_for(name: str) -> None:
    """It is imported when it is asked for, and found by looking."""
    assert getattr(monarq, name) is getattr(importlib.import_module(EXPORTED[name]), name)


def test_a_name_that_is_not_there_is_told() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        monarq.nothing  # noqa: B018
    assert set(monarq.__all__) <= set(dir(monarq))


def test_no_name_is_listed_twice() -> None:
    assert len(set(monarq.__all__)) == len(monarq.__all__)


def test_beside_them_the_package_holds_its_rooms_only() -> None:
    modules = {name for name, value in vars(monarq).items() if isinstance(value, types.ModuleType)}
    assert modules - {name for name in modules if name.startswith("_")} <= ROOMS


@pytest.mark.parametrize("name", sorted(monarq.__all__))
def test_a_public_name_has_a_docstring(name: str) -> None:
    docstring = getattr(monarq, name).__doc__
    assert docstring
    assert not docstring.startswith(f"{name}("), "made by @dataclass"


@pytest.mark.parametrize("place", DOCUMENTED)
def test_a_public_member_has_a_docstring(place: str) -> None:
    name, _, member = place.partition(".")
    assert inspect.getdoc(inspect.getattr_static(getattr(monarq, name), member))


def test_every_error_is_public() -> None:
    tree = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert tree <= set(monarq.__all__)


def test_a_star_import_gives_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from monarq import *", names)
    assert set(monarq.__all__) <= set(names)
