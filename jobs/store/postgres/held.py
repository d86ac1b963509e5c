"""Jobs that an app has committed, and that Redis does not know yet."""

from __future__ import annotations

from ...priority import PRIORITIES
from ...redaction import HIDDEN
from ...state import State
from ..moments import at
from ..sentences import Reason
from ..why import Explanation
from .database import Database
from .repositories.outbox import HeldRow, Outbox


async def find_held(database: Database, job_id: str) -> HeldRow | None:
    """The job's row in the outbox, by the primary: a replica may not have it yet, or still.

    Raises:
        DatabaseUnavailable: PostgreSQL did not answer.
    """
    async with database.connection() as connection:
        return await Outbox(connection).find(job_id)


def explain_held(row: HeldRow, *, words: bool = True) -> Explanation:
    """Why such a job is not in Redis.

    Args:
        words: Tell what errors say, too; it may come from the payload.
    """
    committed = f"It was committed at {at(row.created_at)}"
    if row.reason is None:
        reason, sentence = Reason.RELAYING, f"{committed}, and the next relay sends it to Redis."
    else:
        told = row.reason if words else HIDDEN
        reason = Reason.SET_ASIDE
        sentence = f"{committed}, and could not be sent to Redis: {told}; see `monarq outbox show`."
    return Explanation(
        job_id=row.job_id,
        state=State.SCHEDULED,
        reason=reason,
        sentence=sentence,
        facts={
            "queue": row.queue,
            "kind": row.kind,
            "priority": str(PRIORITIES[row.rank]),
            "committed_at": row.created_at.isoformat(),
            "due_at": (row.due_at or row.created_at).isoformat(),
        },
    )
