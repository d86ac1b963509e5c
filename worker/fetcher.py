"""Claims jobs: in batches, never more than there are free slots, and without polling.

Two claims are under way at once, each for half of the slots, so that jobs run while the next ones are
fetched; more and smaller ones where Redis is far away.  When the queues are empty it blocks on their wake
lists until something is enqueued or the next job is due.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from random import Random
from secrets import token_hex

import structlog

from monarq.jobs.errors import StoreError
from monarq.jobs.store.connection import Link
from monarq.jobs.store.execute import Transport, evalsha, execute
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.verbs import BATCH, Claim, Claimed, Request, claim

from .lanes import NEAR, count_lanes
from .outage import Outage
from .slots import Slots

log = structlog.get_logger("monarq.worker")

#: The longest sleep of an idle worker, in seconds: what a lost wake token can cost, against the commands of
#: an idle one.
LONGEST_BLOCK = 20.0
#: Seconds to gather slots that fall free one by one, so that they are claimed for together.
GATHER = 0.002
_BURST_CHECK = 0.1
#: Seconds to end a wait in order, and between two tries.
_ENDS_WITHIN, _BETWEEN_TRIES = 1.0, 0.05

Start = Callable[[list[Claimed], float], None]


class Fetcher:
    """Keeps the slots filled.

    Args:
        start: Takes the claimed jobs, with the `time.monotonic()` until which their leases hold.
        weights: Queues in strict order if all weights are 0, else served in proportion to their weights.
        poll: Seconds between looks for jobs that wake nobody (arq's producers push no token); None: never.
        burst: Stop when nothing waits any more.
        limit: Stop after this many jobs; None for no limit.
    """

    #: Told how many seconds each claim took that did not wait for a job; None if nobody wants to know.
    on_poll: Callable[[float], None] | None = None

    def __init__(
        self,
        link: Transport,
        blocking_link: Link,
        weights: Mapping[QueueKeys, int],
        slots: Slots,
        start: Start,
        *,
        worker_id: str,
        lease: timedelta,
        ageing: timedelta,
        poll: float | None = None,
        burst: bool = False,
        limit: int | None = None,
        random: Random | None = None,
    ) -> None:
        self._link = link
        self._blocking_link = blocking_link
        self._weights = dict(weights)
        self._slots = slots
        self._start = start
        self._worker_id = worker_id
        self._lease = lease
        self._ageing = ageing
        # no longer than a lease, or one that is taken and lost meanwhile would be found too late
        # and well within one, since the leases of the claim behind it count from its start
        self._longest_block = min(LONGEST_BLOCK, poll or LONGEST_BLOCK, lease.total_seconds() * 2 / 3)
        self._burst = burst
        self._limit = limit
        self._random = random or Random()
        self.outage = Outage("fetcher")
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()
        self._claims: dict[int, asyncio.Task[None]] = {}
        self._lanes = NEAR
        self._idle: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._pausing: asyncio.Task[None] | None = None
        #: Of the connection that waits for tokens.
        self._client_id: int | None = None
        #: The last claim was filled, so that a second one may well be, too.
        self._plenty = False
        #: A claim was not filled: wait for those under way, then block.
        self._ebb = False
        self._gathering: asyncio.TimerHandle | None = None
        self._stopping = False
        self._paused = False
        self._drained = False
        self.last_tick = time.monotonic()

    async def run(self) -> None:
        """Claim until told to stop; in burst mode, until nothing waits."""
        self._lanes = await count_lanes(self._link)
        while not self._stopping:
            self._changed.clear()
            self.last_tick = time.monotonic()
            if self._burst and self._is_done():
                break
            self._send_claim()
            await self._changed.wait()
        await self._finish()

    def stop(self) -> None:
        """Claim no more.  Jobs of a claim under way are still started; their worker hands them back."""
        self._stopping = True
        self._leave_wake_lists()
        self._changed.set()

    def pause(self, then: Callable[[], None]) -> None:
        """Claim no more, and stay; `then` is called once no claim is under way any more."""
        if self._paused:
            return
        self._paused = True
        self._leave_wake_lists()
        self._pausing = asyncio.create_task(self._finish(), name="monarq-pause")
        self._pausing.add_done_callback(lambda _: then())

    def _leave_wake_lists(self) -> None:
        """Who claims no more must not take tokens that would wake others."""
        if self._idle is not None:
            self._leaving = asyncio.create_task(self._end(self._idle), name="monarq-leave")

    async def _end(self, idle: asyncio.Task[None]) -> None:
        """End the wait, not the socket: of a claim that just began we must hear, or its leases run out."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_ENDS_WITHIN):
                while not idle.done():
                    with suppress(StoreError):
                        await self._unblock()
                    await asyncio.wait({idle}, timeout=_BETWEEN_TRIES)  # it may not have begun to wait
                return
        self._blocking_link.abandon()

    def notify(self) -> None:
        """A slot has become free, or an outcome was recorded."""
        self._changed.set()

    @property
    def claims_no_more(self) -> bool:
        """Whether it was told so: to stop, or to be quiet."""
        return self._stopping or self._paused

    @property
    def stillness(self) -> float:
        """For how many seconds it has done nothing, though there was something to do or to look at."""
        if self.claims_no_more or self._slots.free <= 0:
            return 0.0
        return time.monotonic() - self.last_tick

    # ---

    def _is_done(self) -> bool:
        if self._claims or self._slots.busy:
            return False
        return self._drained or self._limit == 0

    def _send_claim(self) -> None:
        if size := self._claimable():
            lane = self._reserve(size)
            self._claims[lane] = asyncio.create_task(self._claim(lane, size), name=f"monarq-claim-{lane}")
            self._changed.set()  # there may be room for another lane

    def _reserve(self, size: int) -> int:
        """Take the slots for a claim; the lane in which it goes."""
        self._slots.reserved += size
        return next(lane for lane in range(self._lanes) if lane not in self._claims)

    def _claimable(self) -> int:
        if self._stopping or self._paused or self._ebb or self._idle is not None or self._drained:
            return 0
        if len(self._claims) >= (self._lanes if self._plenty else 1):
            return 0
        free = self._slots.free
        if 0 < free < self._slots.total // 8 and self._slots.busy and not self._has_gathered():
            return 0
        return self._room()

    def _room(self) -> int:
        """For how many jobs one claim may ask now."""
        free = self._slots.free
        if self._limit is not None:
            free = min(free, self._limit - self._slots.reserved)
        return max(0, min(free, -(-self._slots.total // self._lanes), BATCH))

    def _has_gathered(self) -> bool:
        """Whether slots have been gathered for long enough; starts the timer at the first call."""
        if self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(GATHER, self._changed.set)
            return False
        if self._gathering.when() > asyncio.get_running_loop().time():
            return False
        self._gathering = None
        return True

    async def _claim(self, lane: int, size: int) -> None:
        # from the first try on: a claim that is repeated may have been granted then
        leased_until = time.monotonic() + self._lease.total_seconds()
        reply = None
        try:
            reply = await self._ask(self._request(token_hex(8), size, lane))
            if reply is not None:
                await self._turn.acquire()
        except Exception:  # an unforeseen reply must not end the fetching
            log.exception("worker.claim_failed")
            await asyncio.sleep(1)
        finally:
            self._slots.reserved -= size
            del self._claims[lane]
            self._changed.set()
        if reply is None:
            self._ebb = False  # this claim has seen nothing: ask again
            return
        self._deliver(reply, leased_until)
        # The replies to two claims may come in one read.  Let the jobs of the first take a step, and the
        # claim for their slots go out, before the second is begun: else the two stay in step for ever, the
        # server idles while we work, and we idle while it does.
        await asyncio.sleep(0)
        self._turn.release()

    async def _ask(self, request: Request[Claim]) -> Claim | None:
        while True:
            began = self.last_tick = time.monotonic()
            try:
                reply = await execute(self._link, request)
            except StoreError as error:
                if self._stopping:
                    return None
                await self.outage.wait(error)
            else:
                self.outage.over()
                if self.on_poll is not None:
                    self.on_poll(time.monotonic() - began)
                return reply

    def _request(self, nonce: str, size: int, lane: int) -> Request[Claim]:
        return claim(
            self._order(),
            worker=self._worker_id,
            nonce=nonce,
            limit=size,
            lease=self._lease,
            ageing=self._ageing,
            lane=lane,
        )

    def _order(self) -> list[QueueKeys]:
        if not any(self._weights.values()):
            return list(self._weights)
        # a random order in which each queue leads in proportion to its weight (Efraimidis and Spirakis)
        keyed = {queue: self._random.random() ** (1 / weight) for queue, weight in self._weights.items()}
        return sorted(keyed, key=keyed.__getitem__, reverse=True)

    def _deliver(self, reply: Claim, leased_until: float) -> None:
        if reply.jobs:
            self._start(reply.jobs, leased_until)
        if self._limit is not None:
            self._limit -= len(reply.jobs)
        self._plenty = reply.next_due == 0
        if not self._plenty:
            self._ebb = True
        if self._ebb and not self._claims and not (self._stopping or self._paused):
            # the reply that came last saw the queue last: what it says of the next job holds
            self._ebb = False
            self._rest(reply.next_due)

    def _rest(self, next_due: float | None) -> None:
        if next_due == 0:
            return
        if self._burst and next_due is None and not self._slots.busy:
            self._drained = True
        elif self._burst:
            self._idle = asyncio.create_task(self._doze(next_due), name="monarq-idle")
        elif (size := self._room()) > 0:
            self._slots.reserved += size
            self._idle = asyncio.create_task(self._wait(next_due, size), name="monarq-idle")

    async def _doze(self, next_due: float | None) -> None:
        """In burst mode: look again soon."""
        await asyncio.sleep(_BURST_CHECK if next_due is None else min(next_due, _BURST_CHECK))
        self._idle = None
        self._changed.set()

    async def _wait(self, next_due: float | None, size: int) -> None:
        """Wait for a token, or until the next job is due, and claim."""
        # the claim comes later than this, so its leases hold at least until then
        leased_until = time.monotonic() + self._lease.total_seconds()
        reply = None
        try:
            reply = await self._claim_after_token(next_due, self._request(token_hex(8), size, lane=0))
        except Exception:  # an unforeseen reply must not end the fetching
            log.exception("worker.claim_failed")
            await asyncio.sleep(1)
        finally:
            self._slots.reserved -= size
            self._idle = None
            self._changed.set()
        if reply is not None:
            self._deliver(reply, leased_until)

    async def _claim_after_token(self, next_due: float | None, request: Request[Claim]) -> Claim | None:
        """Send the claim right behind the wait, so that the server begins it in the moment of the token.

        That is one way to the server and back less between an enqueue and the start of its job.
        """
        seconds = self._longest_block if next_due is None else min(next_due, self._longest_block)
        lists = [queue.wake for queue in self._weights]
        wait = ("BLPOP", *lists, max(0.001, round(seconds, 3)))
        alarm = None
        if seconds == next_due:
            alarm = asyncio.create_task(self._unblock_in(seconds), name="monarq-alarm")
        try:
            self._client_id = await self._blocking_link.client_id()
            token, reply = await self._blocking_link.call_together(
                wait, evalsha(request), timeout=seconds + 5
            )
        except StoreError as error:
            if not self._stopping:
                await self.outage.wait(error)
            return await self._ask(request)  # the same one, since it may have been granted
        finally:
            if alarm is not None:
                alarm.cancel()
        if isinstance(token, StoreError):  # a list of another type: it must not make us ask without a pause
            await self.outage.wait(token)
        return await self._ask(request) if isinstance(reply, StoreError) else request.read(reply)

    async def _unblock_in(self, seconds: float) -> None:
        """End the wait on time: the server itself looks for waits that are over ten times a second only."""
        await asyncio.sleep(seconds)
        with suppress(StoreError):  # then the server ends it, a little late
            await self._unblock()

    async def _unblock(self) -> None:
        if self._client_id is not None:
            await self._link.call("CLIENT", "UNBLOCK", self._client_id)

    async def _finish(self) -> None:
        waiting = [*self._claims.values(), *filter(None, (self._idle, self._leaving))]
        await asyncio.gather(*waiting, return_exceptions=True)
