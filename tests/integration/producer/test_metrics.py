"""What an app's own metrics say of what it has enqueued."""

from prometheus_client import CollectorRegistry, generate_latest

from monarq import Order, Producer, SyncProducer
from monarq.jobs.labels import MOST_QUEUES, OTHER
from monarq.producer.counting import EnqueueCounts
from monarq.producer.metrics import EnqueueCollector
from tests.scrapes import samples_of

from .kinds import add

ENQUEUED = "monarq_jobs_enqueued_total"


def counted(collector: EnqueueCollector) -> dict[tuple[str, str], float]:
    """By queue and priority."""
    registry = CollectorRegistry(auto_describe=True)
    registry.register(collector)
    samples = samples_of(generate_latest(registry).decode())
    labelled = [(dict(labels), value) for (_, labels), value in samples.items()]
    return {(labels["queue"], labels["priority"]): value for labels, value in labelled}


async def test_jobs_are_counted_by_queue_kind_and_priority_from_when_it_is_wanted(redis_url: str) -> None:
    async with Producer.connect(redis_url) as producer:
        await producer.enqueue(add.of(1, 2))
        assert producer.counts is None
        with SyncProducer.connect(redis_url) as sync_producer:
            collector = EnqueueCollector(producer, sync_producer)
            await producer.enqueue_many([Order(add.of(1, n), priority="high") for n in range(3)])
            await producer.enqueue(add.of(1, 2), queue="mail", job_id="once")
            sync_producer.enqueue(add.of(1, 2), queue="mail", job_id="once")
            sync_producer.enqueue(add.of(1, 2), queue="mail")
            assert counted(collector) == {("default", "high"): 3, ("mail", "normal"): 2}


def test_queues_that_a_client_makes_up_make_few_series() -> None:
    counts = EnqueueCounts()
    counts.add((f"q{number}", "kind", "normal") for number in range(MOST_QUEUES + 7))
    found = counts.read()
    assert len(found) == MOST_QUEUES + 1
    assert found[OTHER, "kind", "normal"] == 7
