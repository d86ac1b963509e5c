"""What a caller has already is not sent again, over the whole API."""

from monarq.dashboard.app import openapi_document

from .house import House


async def test_a_list_that_has_not_changed_is_not_sent_again(house: House) -> None:
    program = await house.program({"role": "operator"})
    first = await program.get("/v1/queues")
    tag = first.headers["etag"]
    again = await program.get("/v1/queues", headers={"if-none-match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert "content-type" not in again.headers
    # what every answer carries, this one does, too
    assert again.headers["cache-control"] == "no-store"
    assert "ratelimit" in again.headers
    assert "x-request-id" in again.headers

    await program.post("/v1/queues/mail/pause", json={"why": "x"})
    changed = await program.get("/v1/queues", headers={"if-none-match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


async def test_a_condition_opens_nothing(house: House) -> None:
    """Who must not look learns nothing by asking whether it has changed."""
    assert (await house.client().get("/v1/queues", headers={"if-none-match": "*"})).status_code == 401
    narrow = await house.program({"role": "viewer", "queues": ["other"]})
    assert (await narrow.get("/v1/queues/mail", headers={"if-none-match": "*"})).status_code == 404


def test_the_document_tells_of_conditions() -> None:
    for item in openapi_document()["paths"].values():
        if "get" in item:
            assert "304" in item["get"]["responses"]
            assert "If-None-Match" in [one["name"] for one in item["get"]["parameters"]]
