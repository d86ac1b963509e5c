"""What a walk goes over: a queue, its model, and what each worker remembers."""

from collections.abc import Callable
from typing import ClassVar, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from monarq.jobs.store.execute import execute_sync
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.sync_connection import SyncLink
from monarq.jobs.store.verbs import Request

from .glance import Glance, look
from .material import JOB_IDS, WORKERS, WorkerMemory
from .model import Job, Model

T = TypeVar("T")


class Ground(RuleBasedStateMachine):
    """One queue, a handful of ids, three workers."""

    link: ClassVar[SyncLink]

    def __init__(self) -> None:
        super().__init__()
        self.queue = queue_keys("default")
        self.model = Model()
        self.workers = {name: WorkerMemory() for name in WORKERS}
        self.highest_fence: dict[str, int] = {}
        self.moves = 0

    def ask(self, request: Request[T]) -> T:
        return execute_sync(self.link.call, request)

    def glance(self) -> Glance:
        return look(self.link, self.queue, JOB_IDS)

    def has(self, is_so: Callable[[Job], bool]) -> bool:
        return any(map(is_so, self.model.jobs.values()))
