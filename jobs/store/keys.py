"""Every key of Monarq in Redis is built here, and nowhere else.

The layout is a superset of arq's, so that arq's `enqueue_job`, `Job` and workers understand what they see:

    arq:queue, arq:queue:<q>          zset    job id → visible-at, ms of the server's clock; normal priority
    monarq:queue:<q>:<priority>       zset    the same for critical, high and low
    arq:job:<id>                      string  the envelope
    arq:in-progress:<id>              string  the fence, `<worker>:<attempt>`
    arq:retry:<id>                    int     starts that did not end the job; none while the first one runs
    arq:result:<id>                   string  the result, with a TTL
    arq:abort                         zset    job id → when its cancellation was asked for
    monarq:cancels:<q>                hash    job id → who asked for its cancellation, and why, as JSON
    monarq:ends:<q>                   list    ends of durable jobs that PostgreSQL is yet to be told of
    monarq:running:<q>                zset    job id → lease end, ms
    monarq:retrying:<q>:<priority>    zset    jobs that wait out their backoff: job id → visible-at, ms
    monarq:failures:<id>              list    one JSON record per attempt that did not succeed
    monarq:dead:<q>                   zset    job id → when it died, ms
    monarq:dead-letter:<id>           string  the envelope of a dead job
    monarq:archived:<q>               set     dead letters that were just moved to PostgreSQL: <died>:<id>
    monarq:revived:<q>                set     dead letters that were just replayed from there: <died>:<id>
    monarq:corrupt:<id>               hash    what lay at other keys of the job and could not be used
    monarq:wake:<q>                   list    at most one token: there is something to claim
    monarq:waiters:<q>                hash    job id → channels of those who wait for its end
    monarq:stats:<q>                  hash    counters
    monarq:series:<q>                 stream  its numbers, minute by minute, of the last day
    monarq:pause:<q>                  hash    a paused kind, or "" for the queue → who, why, until when
    monarq:parked:<q>=<kind>          zset    due jobs of a paused kind: job id → visible-at * 4 + rank
    monarq:ended:<q>                  list    jobs that were cancelled while they waited, for the history
    monarq:history:<q>                string  exists while workers write the history
    monarq:unique:<q>:<digest>        string  the job that holds a unique key
    monarq:reply:<verb>:<worker>      string  nonce and reply of the last call, for a repeat of it
    monarq:queues                     set     the queues that exist
    monarq:epoch                      string  which life of this server it is, and its last beat: see beat.lua
    monarq:sampled                    string  there while a worker has taken the numbers of this minute
    monarq:worker:<worker>            string  what a live worker says of itself, with a TTL
    monarq:workers                    zset    workers → when they reported last, ms
    monarq:exporter                   string  which process tells the gauges of the whole fleet, with a TTL
    monarq:heartbeats                 hash    queue → when the heartbeat job that ran last was enqueued, ms
    monarq:cron-successes             hash    kind of cron jobs → when one has succeeded last, ms
    monarq:order:<worker>             string  what a worker is told to do, with a TTL
    monarq:session:<digest>           string  the login of a browser, with a TTL
    monarq:sessions:<user>            zset    digests of a user's logins → when they end at the latest, ms
    monarq:login:<digest>             string  a login that can be used once: whose, with a TTL
    monarq:ended-jwt:<digest>         string  there if that JWT is refused before its time, with a TTL
    monarq:views:<digest>             hash    searches that a user of the dashboard keeps: name → address
    monarq:limit:<what>               string  how often it was asked for, with a TTL
    monarq:operation:<id>             hash    what is to be done to many jobs, and how far it is, with a TTL
    monarq:operation-items:<id>       list    which jobs, where no filter tells: <queue>=<id>, with a TTL
    monarq:operations                 zset    operations → when they began, ms
    monarq:operations:open            set     those that have not ended
    monarq:snoozed                    hash    a group of dead letters that nobody wants to see → until when
    monarq:idempotency:<digest>       string  the answer to a request that came under this key, with a TTL
    monarq:idempotency:<digest>:runs  string  there while it is worked on, with a TTL

With `tagged=True` the queue's name stands in braces in every key, and its job ids begin with it: the queue is
then one slot of a Redis Cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ..identity import check_name
from ..priority import PRIORITIES, Priority

JOB = "arq:job:"
FENCE = "arq:in-progress:"
STARTS = "arq:retry:"
RESULT = "arq:result:"
FAILURES = "monarq:failures:"
PAUSE = "monarq:pause:"
PARKED = "monarq:parked:"
RETRYING = "monarq:retrying:"
DEAD_LETTER = "monarq:dead-letter:"
CORRUPT = "monarq:corrupt:"
ABORT = "arq:abort"
STATS = "monarq:stats:"
UNIQUE = "monarq:unique:"
WORKER = "monarq:worker:"
WORKERS = "monarq:workers"
ORDER = "monarq:order:"
EXPORTER = "monarq:exporter"
HEARTBEATS = "monarq:heartbeats"
CRON_SUCCESSES = "monarq:cron-successes"
QUEUES = "monarq:queues"
EPOCH = "monarq:epoch"
SAMPLED = "monarq:sampled"
#: No key, but the channel on which events are told.
EVENTS = "monarq:events"
#: Of the dashboard.
SESSION = "monarq:session:"
SESSIONS = "monarq:sessions:"
LOGIN = "monarq:login:"
ENDED_JWT = "monarq:ended-jwt:"
LIMIT = "monarq:limit"
VIEWS = "monarq:views:"
OPERATION = "monarq:operation:"
OPERATION_ITEMS = "monarq:operation-items:"
OPERATIONS = "monarq:operations"
OPEN_OPERATIONS = "monarq:operations:open"
SNOOZED = "monarq:snoozed"
IDEMPOTENCY = "monarq:idempotency:"

#: What the scripts build keys of one job with, of jobs that are put aside, and those that only a unique rule
#: needs, for which they take the queue's part from the name of its counters.  The loader hands them to Lua as
#: the table KEY.
LUA_PREFIXES = {
    "job": JOB,
    "fence": FENCE,
    "starts": STARTS,
    "result": RESULT,
    "failures": FAILURES,
    "dead_letter": DEAD_LETTER,
    "pause": PAUSE,
    "parked": PARKED,
    "retrying": RETRYING,
    "corrupt": CORRUPT,
    "abort": ABORT,
    "stats": STATS,
    "unique": UNIQUE,
}

_ARQ_QUEUE = "arq:queue"
DEFAULT_QUEUE = "default"


@dataclass(frozen=True, slots=True, eq=False)
class QueueKeys:
    """The keys of one queue.  There is one such object per queue: it is compared and hashed by identity."""

    name: str
    #: The zsets in which its jobs wait and run, by rank: critical first.
    ranks: tuple[str, str, str, str]
    running: str
    dead: str
    archived: str
    revived: str
    wake: str
    waiters: str
    stats: str
    series: str
    pause: str
    abort: str
    cancels: str
    ends: str
    ended: str
    history: str
    #: Job ids of this queue begin with this; empty unless tagged.
    id_prefix: str

    def reply(self, verb: str, worker: str) -> str:
        """Where the reply to a worker's last call of this verb is kept."""
        tag = f"{self.id_prefix}:" if self.id_prefix else ""
        return f"monarq:reply:{tag}{verb}:{worker}"

    def unique(self, digest: str) -> str:
        """Which job holds the unique key of this digest."""
        return f"{UNIQUE}{self.stats.removeprefix(STATS)}:{digest}"

    @property
    def shared(self) -> tuple[str, ...]:
        """The keys that `claim` takes for each queue."""
        return (*self.ranks, self.running, self.wake, self.stats, self.pause, self.cancels)

    def retrying(self, priority: Priority) -> str:
        """Where jobs of this priority stand a second time while they wait out their backoff."""
        return f"{RETRYING}{self.stats.removeprefix(STATS)}:{priority}"

    def parked(self, kind: str) -> str:
        """Where due jobs of this kind stand while it is paused.  No name holds the `=`."""
        return f"{PARKED}{self.pause.removeprefix(PAUSE)}={kind}"


@cache
def queue_keys(name: str, *, tagged: bool = False) -> QueueKeys:
    """The keys of the queue of this name.

    Raises:
        DefinitionError: The name cannot name a queue.
    """
    check_name("queue", name)
    arq_name = _ARQ_QUEUE if name == DEFAULT_QUEUE and not tagged else f"{_ARQ_QUEUE}:{_tag(name, tagged)}"
    return _build(name, arq_name, tagged=tagged)


@cache
def arq_queue_keys(arq_name: str) -> QueueKeys:
    """The keys of a queue that is given as arq gives it: by the name of its zset.

    `arq:queue` is the queue `default` and `arq:queue:<name>` is `<name>`; any other name is that of both.
    """
    if arq_name == _ARQ_QUEUE:
        return queue_keys(DEFAULT_QUEUE)
    name = arq_name.removeprefix(f"{_ARQ_QUEUE}:")
    if name not in (arq_name, DEFAULT_QUEUE):
        return queue_keys(name)
    return _build(check_name("queue", name), arq_name, tagged=False)


def _build(name: str, arq_name: str, *, tagged: bool) -> QueueKeys:
    tag = _tag(name, tagged)
    critical, high, normal, low = (
        arq_name if priority is Priority.NORMAL else f"monarq:queue:{tag}:{priority}"
        for priority in PRIORITIES
    )
    return QueueKeys(
        name=name,
        ranks=(critical, high, normal, low),
        running=f"monarq:running:{tag}",
        dead=f"monarq:dead:{tag}",
        archived=f"monarq:archived:{tag}",
        revived=f"monarq:revived:{tag}",
        wake=f"monarq:wake:{tag}",
        waiters=f"monarq:waiters:{tag}",
        stats=f"{STATS}{tag}",
        series=f"monarq:series:{tag}",
        pause=f"{PAUSE}{tag}",
        abort=f"{ABORT}:{tag}" if tagged else ABORT,
        cancels=f"monarq:cancels:{tag}",
        ends=f"monarq:ends:{tag}",
        ended=f"monarq:ended:{tag}",
        history=f"monarq:history:{tag}",
        id_prefix=tag if tagged else "",
    )


def _tag(name: str, tagged: bool) -> str:
    return f"{{{name}}}" if tagged else name
