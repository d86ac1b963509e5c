"""To which jobs something is to be done, as callers say it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from monarq.jobs.errors import DefinitionError
from monarq.jobs.fingerprint import FINGERPRINT
from monarq.jobs.store.job_search import JobSearch, read_search
from monarq.jobs.store.letter_filter import LetterFilter

from ..errors import InvalidRequest
from ..moments import Moment

#: Jobs that may be named one by one.
MOST_IDS = 500

Words = Annotated[str, Field(min_length=1, max_length=200)]
JobName = Annotated[str, Field(min_length=1, max_length=300)]


class OperationFilter(BaseModel):
    """All jobs that fit every member that is given.  Without any: all that there are.

    `error`, `fingerprint`, `after`, `before` and `text` are of dead letters, `q` of jobs that have not ended.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    queue: Words | None = None
    kind: Words | None = None
    error: Words | None = Field(None, description="the type of the last error, exactly: `ValueError`")
    fingerprint: str | None = Field(None, pattern=f"^{FINGERPRINT.pattern}$", description="of one group")
    after: Moment | None = Field(None, description="died then or later")
    before: Moment | None = Field(None, description="died before then")
    text: Words | None = Field(None, description="in the id, the error or the arguments, in any case")
    q: str | None = Field(
        None,
        min_length=1,
        max_length=1_000,
        description="a search as on the page Jobs: `state:retrying tag:x`",
    )
    ids: tuple[JobName, ...] | None = Field(
        None, min_length=1, max_length=MOST_IDS, description="only these jobs"
    )

    def written(self) -> dict[str, Any]:
        """What is given, as plain data: the same for the same filter."""
        return self.model_dump(mode="json", exclude_none=True)

    @property
    def looks_at_words(self) -> bool:
        """Whether who asks learns of arguments or the words of errors."""
        if self.text is not None or self.q is None:
            return self.text is not None
        wanted = self.of_jobs().filter
        return wanted.text is not None or bool(wanted.payload)

    def of_letters(self) -> LetterFilter:
        """The same of dead letters, without the ids.

        Raises:
            InvalidRequest: There can be no such letters.
        """
        if self.q is not None:
            raise InvalidRequest({"#/filter/q": "dead letters are told by the other members"})
        return letter_filter(
            queue=self.queue,
            kind=self.kind,
            error=self.error,
            fingerprint=self.fingerprint,
            after=self.after,
            before=self.before,
            text=self.text,
        )

    def of_jobs(self) -> JobSearch:
        """The same of jobs that have not ended.

        Raises:
            InvalidRequest: It cannot be read, or asks for what only dead letters have.
        """
        for name in ("error", "fingerprint", "after", "before", "text"):
            if getattr(self, name) is not None:
                raise InvalidRequest({f"#/filter/{name}": "of jobs that have not ended, say it in `q`"})
        given = {"queue": self.queue, "kind": self.kind, "job_id": self.ids}
        told = {name: value for name, value in given.items() if value is not None}
        try:
            search = read_search(self.q or "", datetime.now(UTC))
            return replace(search, filter=replace(search.filter, **told))  # type: ignore[arg-type]
        except DefinitionError as error:
            raise InvalidRequest({"#/filter/q": str(error)}) from None


def letter_filter(
    *, after: datetime | None, before: datetime | None, where: str = "#/filter/", **given: str | None
) -> LetterFilter:
    """A filter of dead letters.

    Raises:
        InvalidRequest: There can be no such letters.
    """
    try:
        return LetterFilter(since=after, until=before, **given)
    except DefinitionError:
        raise InvalidRequest({f"{where}before": "it is not later than `after`"}) from None
