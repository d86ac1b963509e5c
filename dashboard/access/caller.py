"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from .grants import Grants
from .permissions import Permission
from .scope import Address


class Means(StrEnum):
    """By what a caller has shown who they are."""

    SESSION = "session"
    TOKEN = "token"
    JWT = "jwt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody whose identity was shown, with one request of theirs."""

    #: Stable, and never given to another: `user:<id>`, `token:<id>`, or an outside issuer's `<iss>#<sub>`.
    subject: str
    #: For people, in lists and in the audit.
    name: str
    grants: Grants
    means: Means
    #: A token may never do more than its owner: what the owner may do.  None: nobody owns it.
    bounds: Grants | None = None
    #: Only these, if the credential was made for less than all.
    narrowed_to: frozenset[Permission] | None = None
    #: The store that knows what is permitted is away: what was permitted last holds, for looking only.
    looks_only: bool = False
    address: Address | None = None
    #: What ends this login: the session's or the JWT's id, and when it ends by itself (seconds, epoch).
    credential: str = field(default="", repr=False)
    ends_at: float | None = None

    @property
    def user_id(self) -> str | None:
        """The id of the user of ours who asks in person; None for tokens and for outside issuers."""
        is_token = self.means is Means.TOKEN
        return (
            None if is_token or not self.subject.startswith("user:") else self.subject.removeprefix("user:")
        )
