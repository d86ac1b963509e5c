"""How the code must look: sizes, names and imports."""

import pytest

from .repository import PACKAGES, ROOMS, ROOT, Function, functions, imports, shown, sources

LONGEST_FILE = 400
LONGEST_FUNCTION = 50
FORBIDDEN_NAMES = {"util", "utils", "common", "helper", "helpers", "base", "manager", "core", "misc"}
PICKLE = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve"}
PICKLE_DOOR = "jobs/store/pickled.py"


@pytest.fixture(scope="module")
def product_functions() -> list[Function]:
    return [function for path in sources(*ROOMS) for function in functions(path)]


def test_no_function_is_longer_than_50_lines() -> None:
    found = [function for path in sources(*PACKAGES) for function in functions(path)]
    assert [function for function in found if function.lines > LONGEST_FUNCTION] == []


def test_95_percent_of_the_product_functions_are_under_30_lines(product_functions: list[Function]) -> None:
    long = sorted((f for f in product_functions if f.lines >= 30), key=lambda f: -f.lines)
    assert len(long) <= 0.05 * len(product_functions), long


def test_half_of_the_product_functions_are_under_10_lines(product_functions: list[Function]) -> None:
    short = [function for function in product_functions if function.lines < 10]
    assert len(short) >= 0.5 * len(product_functions), f"{len(short)} of {len(product_functions)}"


def test_no_file_reaches_400_lines() -> None:
    lengths = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources(*PACKAGES)}
    assert {name: lines for name, lines in lengths.items() if lines >= LONGEST_FILE} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    names = {shown(path): {path.stem.strip("_"), path.parent.name} for path in sources(*PACKAGES)}
    assert [name for name, words in names.items() if words & FORBIDDEN_NAMES] == []


def test_pickle_has_one_door() -> None:
    found = [
        f"{shown(path)}:{line} {module}"
        for path in sources(*PACKAGES)
        for line, module in imports(path)
        if module.partition(".")[0] in PICKLE and shown(path) != PICKLE_DOOR
    ]
    assert found == []


def test_no_room_is_imported_by_its_bare_name() -> None:
    found = [
        f"{shown(path)}:{line} {module}"
        for path in sources("tests", *PACKAGES)
        for line, module in imports(path)
        if module.partition(".")[0] in ROOMS
    ]
    assert found == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_its_own_modules_relatively(room: str) -> None:
    found = [
        f"{shown(path)}:{line} {module}"
        for path in sources(room)
        if "migrations" not in path.parts  # Alembic loads these by their paths
        for line, module in imports(path)
        if module == f"monarq.{room}" or module.startswith(f"monarq.{room}.")
    ]
    assert found == []


def test_the_rooms_hold_code() -> None:
    """The rules above would all hold for an empty folder."""
    assert {shown(path).partition("/")[0] for path in sources(*ROOMS)} == set(ROOMS)
    assert (ROOT / "monarq" / "__init__.py").is_file()
