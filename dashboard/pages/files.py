"""`/static/…`: scripts and styles.  Their names hold a digest, so that browsers keep them for ever."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from starlette.responses import Response

from ..errors import NotThere
from ..routes.guarded import Guarded, for_anybody

router = APIRouter(route_class=Guarded)

FOLDER = Path(__file__).parent.parent / "static"
_MEDIA = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class File:
    """One file, plain and packed."""

    address: str
    media: str
    body: bytes
    packed: bytes


@cache
def files() -> dict[str, File]:
    """All files by their plain names: `monarq.css`, `vendor/htmx.min.js`."""
    found = sorted(path for path in FOLDER.rglob("*") if path.suffix in _MEDIA)
    return {path.relative_to(FOLDER).as_posix(): _read(path) for path in found}


def address_of(name: str) -> str:
    """Where the file is, with its digest: `vendor/htmx.min-0123456789.js`."""
    return files()[name].address


def accepts_gzip(request: Request) -> bool:
    """Whether the browser unpacks."""
    return "gzip" in request.headers.get("accept-encoding", "")


@router.get("/static/{name:path}", openapi_extra=for_anybody(), include_in_schema=False)
async def get_file(name: Annotated[str, InPath(max_length=200)], request: Request) -> Response:
    """A file, by its name with the digest."""
    file = _by_address().get(name)
    if file is None:
        raise NotThere("file")
    headers = {"cache-control": _FOR_EVER, "vary": "Accept-Encoding"}
    if not accepts_gzip(request):
        return Response(file.body, headers=headers, media_type=file.media)
    return Response(file.packed, headers=headers | {"content-encoding": "gzip"}, media_type=file.media)


@cache
def _by_address() -> dict[str, File]:
    return {file.address: file for file in files().values()}


def _read(path: Path) -> File:
    body = path.read_bytes()
    name = PurePosixPath(path.relative_to(FOLDER).as_posix())
    digest = hashlib.sha256(body).hexdigest()[:10]
    return File(
        address=str(name.with_name(f"{name.stem}-{digest}{name.suffix}")),
        media=_MEDIA[path.suffix],
        body=body,
        packed=gzip.compress(body, 9, mtime=0),
    )
