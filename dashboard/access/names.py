"""What users and tokens may be called."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

#: Safe in a log line, a table and an address; a mail address is one.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,99}$")]
