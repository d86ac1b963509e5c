"""`/v1/kinds`: which kinds there are, for whom, and what their arguments must be."""

from typing import Any

from pydantic_core import to_json

from monarq.jobs.store import keys
from monarq.jobs.store.clock import server_ms

from .house import House


async def report(house: House, worker: str, *kinds: str, queues: tuple[str, ...] = ("mail",)) -> None:
    """A live worker says what it knows."""
    told = {
        "worker": worker,
        "host": "h",
        "pid": 1,
        "queues": dict.fromkeys(queues, 0),
        "kinds": kinds,
        "slots": 1,
        "busy": 0,
        "stopping": False,
    }
    link = house.services.link
    await link.call("SET", keys.WORKER + worker, to_json(told))
    await link.call("ZADD", keys.WORKERS, await server_ms(link), worker)


async def names(client: Any) -> list[str]:
    return [one["kind"] for one in (await client.get("/v1/kinds")).json()["items"]]


async def test_a_kind_is_told_with_its_schema_and_its_defaults(house: House) -> None:
    await report(house, "w1", "mail.send")
    kind = (await (await house.program({"role": "producer"})).get("/v1/kinds/mail.send")).json()
    assert (kind["description"], kind["workers"], kind["can_enqueue"]) == ("Send one mail.", 1, True)
    assert (kind["defaults"]["queue"], kind["defaults"]["priority"]) == ("mail", "high")
    assert kind["args_schema"]["required"] == ["user_id"]
    assert kind["args_schema"]["properties"]["user_id"] == {"title": "User Id", "type": "integer"}
    assert kind["args_schema"]["properties"]["subject"]["default"] == "hello"
    assert kind["args_schema"]["additionalProperties"] is False


async def test_a_kind_that_only_workers_know_is_told_without_a_schema(house: House) -> None:
    await report(house, "w1", "far.away")
    program = await house.program({"role": "viewer"})
    assert "far.away" in await names(program)
    kind = (await program.get("/v1/kinds/far.away")).json()
    assert (kind["args_schema"], kind["defaults"], kind["queues"]) == (None, None, ["mail"])
    assert kind["can_enqueue"] is False


async def test_a_kind_whose_jobs_must_not_be_seen_is_not_there(house: House) -> None:
    await report(house, "w1", "far.away", "order.place")
    for grant in ({"role": "admin", "queues": ["default"]}, {"role": "producer", "kinds": ["order.*"]}):
        program = await house.program(grant)
        assert "mail.send" not in await names(program)
        assert "order.place" in await names(program)
        for hidden in ("mail.send", "far.away", "none"):
            assert (await program.get(f"/v1/kinds/{hidden}")).status_code == 404


async def test_a_module_that_cannot_be_imported_hides_no_other(house: House) -> None:
    from structlog.testing import capture_logs

    from monarq.dashboard.kinds import load_kinds

    settings = house.settings.model_copy(update={"jobs": ("no.such", "monarq.jobs.catalog")})
    with capture_logs() as lines:
        known = load_kinds(settings)
    assert known.get("email.send") is not None
    assert [line["module"] for line in lines] == ["no.such"]


async def test_workers_that_serve_hidden_queues_alone_are_no_part_of_a_kind(house: House) -> None:
    await report(house, "w-hidden", "mail.send", queues=("secret",))
    await report(house, "w-seen", "mail.send", queues=("mail", "secret"))
    program = await house.program({"role": "admin", "queues": ["mail"]})
    kind = (await program.get("/v1/kinds/mail.send")).json()
    assert (kind["workers"], kind["queues"]) == (1, ["mail"])
    page = (await (await house.browser({"role": "admin", "queues": ["mail"]})).get("/kinds/mail.send")).text
    assert "w-seen" in page
    assert "w-hidden" not in page


async def test_who_may_see_no_workers_sees_how_many_know_a_kind_and_not_their_names(house: House) -> None:
    await report(house, "w-seen", "mail.send")
    page = (await (await house.browser({"role": "producer"})).get("/kinds/mail.send")).text
    assert "w-seen" not in page
    assert "No live worker" not in page


async def test_nothing_can_be_enqueued_where_nothing_may_be_changed(open_house: Any) -> None:
    program = await (await open_house(read_only=True)).program({"role": "admin"})
    assert (await program.get("/v1/kinds/mail.send")).json()["can_enqueue"] is False
