"""Job ids in addresses: those that arq's producers choose may hold anything, `/` and line breaks among it.

@router.get("/v1/jobs/{job_id:job}")

What such an id may end with is in `segments.py`.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from starlette.convertors import Convertor, register_url_convertor


class _JobIds(Convertor[str]):
    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("job", _JobIds())

JobId = Annotated[str, Path(min_length=1, max_length=500, description="May hold `/`, written as `%2F`.")]
