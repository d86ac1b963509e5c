"""What a search is completed by: names, and values that its caller may see."""

import pytest

from .house import House
from .shelf import Shelf


@pytest.fixture
async def shelf(house: House, database_url: str) -> Shelf:
    shelf = Shelf(house.services.link, database_url)
    await shelf.wait("a1", "a2", tags=("eu",))
    await shelf.wait("b1", queue="default", kind="order.ship", tags=("hidden",))
    await shelf.end({"job_id": "e1", "kind": "mail.drop", "tags": ["two words", "eu"], "state": "dead"})
    return shelf


@pytest.mark.parametrize(
    ("text", "at", "start", "items"),
    [
        ("queue:mail sta", None, 11, ["state:"]),
        ("ki queue:mail", 2, 0, ["kind:"]),
        ("state:re", None, 6, ["ready", "retrying", "expired"]),
        ("state:dead,fai", None, 11, ["failed"]),
        ("priority:", None, 9, ["critical", "high", "normal", "low"]),
        ("kind:mail", None, 5, ["mail.send", "mail.drop"]),
        ("kind:drop", None, 5, ["mail.drop"]),
        ("tag:two", None, 4, ['"two words"']),
        ("queue:", None, 6, ["mail", "default"]),
        ("args.a:", None, 7, []),
    ],
)
async def test_names_and_values_are_offered(
    house: House, shelf: Shelf, text: str, at: int | None, start: int, items: list[str]
) -> None:
    admin = await house.program({"role": "admin"})
    params = {"q": text} | ({} if at is None else {"at": str(at)})
    found = (await admin.get("/v1/completions", params=params)).json()
    assert found == {"start": start, "end": len(text) if at is None else at, "items": items}


async def test_nothing_is_offered_that_a_list_would_not_show(house: House, shelf: Shelf) -> None:
    narrow = await house.program({"role": "viewer", "queues": ["mail"]})
    for name, items in (
        ("queue", ["mail"]),
        ("tag", ["eu", '"two words"']),
        ("kind", ["mail.send", "mail.drop"]),
    ):
        assert (await narrow.get(f"/v1/completions?q={name}:")).json()["items"] == items
