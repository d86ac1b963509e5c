"""The kind `image.thumbnail`: shrink an image file."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ..context import JobContext
from ..control import Discard
from ..handler import job
from ..retry import exponential
from .image_file import BadImage, ImageFormat, WrittenImage, format_of, write_thumbnail
from .settings import CatalogSettings, load_settings

Side = Annotated[int, Field(ge=1, le=16_384)]
FilePath = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class ThumbnailReport:
    """Where the thumbnail is, and its measures in pixels and bytes."""

    path: str
    width: int
    height: int
    size_bytes: int


@job(
    "image.thumbnail",
    max_attempts=5,
    timeout=timedelta(minutes=2),
    backoff=exponential(first=timedelta(seconds=5)),
)
async def thumbnail(
    ctx: JobContext,
    *,
    source: FilePath,
    destination: FilePath,
    max_width: Side = 512,
    max_height: Side = 512,
    format: ImageFormat | None = None,
) -> ThumbnailReport:
    """Shrink `source` to fit into `max_width` by `max_height` pixels and write it to `destination`.

    The destination is replaced at once and whole, so the job can run any number of times.  Its folder is
    made if it is missing.  The image is turned upright as its EXIF says; place, camera and comments are
    dropped.  A missing source is tried again, as it may still be on its way; an image that cannot be read,
    or has more pixels than `MONARQ_IMAGE_MAX_PIXELS`, makes a dead letter at once.

    A job that was cancelled or ran out of time stops being waited for, but its thread still writes the file.

    Args:
        source: JPEG, PNG, WebP, GIF, TIFF or BMP.  With `MONARQ_MEDIA_ROOT`, a path below it, relative
            or absolute.
        destination: As `source`, and another file.
        max_width: Pixels; a smaller image is not enlarged.
        max_height: Pixels.
        format: jpeg, png or webp.  Default: by the ending of `destination`.
    """
    settings = load_settings()
    return await asyncio.to_thread(
        make_thumbnail, settings, source, destination, box=(max_width, max_height), image_format=format
    )


def make_thumbnail(
    settings: CatalogSettings,
    source: str,
    destination: str,
    *,
    box: tuple[int, int],
    image_format: ImageFormat | None,
) -> ThumbnailReport:
    """What `image.thumbnail` does, in the caller's thread."""
    image_path, target = _located(source, settings.media_root), _located(destination, settings.media_root)
    if image_path == target:
        raise Discard("source and destination are the same file")
    chosen = image_format or format_of(target)
    if chosen is None:
        raise Discard(f"{target.name}: the ending names no known format; give `format`")
    try:
        written = write_thumbnail(
            image_path, target, box=box, image_format=chosen, max_pixels=settings.image_max_pixels
        )
    except BadImage as fault:
        raise Discard(f"{image_path.name}: {fault}") from fault
    return _report(target, written)


def _report(path: Path, written: WrittenImage) -> ThumbnailReport:
    return ThumbnailReport(str(path), written.width, written.height, written.size_bytes)


def _located(path: str, root: Path | None) -> Path:
    """The path without links and dots; Discard if that is not below `root`.

    It is judged as it is now: who can change links below the root while the job runs can lead it out.
    """
    try:
        if root is None:
            return Path(path).resolve()
        real_root = root.resolve()
        real = (real_root / path).resolve()
    except ValueError:
        raise Discard("a path holds a NUL character") from None
    if not real.is_relative_to(real_root):
        raise Discard("a path leads out of MONARQ_MEDIA_ROOT")
    return real
