"""One job of `mail.send` behind a dashboard, and what its callers ask."""

from typing import Any
from urllib.parse import quote

from monarq.jobs.store.verbs import Verb
from monarq.producer.order import Order
from monarq.producer.producer import Producer
from tests.contract.store import a_failure

from .house import House


async def enqueue(house: House, **options: Any) -> str:
    """A job of `mail.send`, by an app."""
    args = options.pop("args", {"user_id": 7})
    async with Producer(house.settings) as producer:
        [handle] = await producer.enqueue_many([Order(house.kinds["mail.send"].of(**args), **options)])
    return str(handle.job_id)  # type: ignore[union-attr]


async def told(client: Any, job_id: str) -> Any:
    answer = await client.get(f"/v1/jobs/{quote(job_id, safe='')}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def act(client: Any, job_id: str, verb: str, **body: Any) -> Any:
    return await client.post(f"/v1/jobs/{quote(job_id, safe='')}/{verb}", json=body)


async def fail(house: House, job_id: str, verb: Verb = Verb.DEAD, *, spent: int = 1, **told: Any) -> None:
    await house.run_one(job_id, verb=verb, failure=a_failure(spent, message="no such user"), **told)
