"""One arq app, run by arq's own worker (as a module) and by `monarq worker`."""

import os

from arq.connections import RedisSettings
from arq.worker import run_worker

from monarq.jobs.store.arq_json import deserialize, serialize

from .errands import tally


class WorkerSettings:
    functions = (tally,)
    redis_settings = RedisSettings.from_dsn(os.environ.get("MONARQ_REDIS_URL", "redis://localhost"))
    max_jobs = 5
    poll_delay = 0.05
    job_serializer = staticmethod(serialize)
    job_deserializer = staticmethod(deserialize)


if __name__ == "__main__":
    run_worker(WorkerSettings)  # type: ignore[arg-type]
