"""Reading, shrinking and writing one image file.  Blocking: call it in a thread."""

from __future__ import annotations

import os
import struct
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from PIL import Image

ImageFormat = Literal["jpeg", "png", "webp"]

_BY_SUFFIX: dict[str, ImageFormat] = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}
#: What is opened.  Not all that Pillow can: its EPS reader, for one, runs Ghostscript.
_READABLE = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")
_SAVE_OPTIONS: dict[ImageFormat, dict[str, Any]] = {
    "jpeg": {"quality": 85, "optimize": True, "progressive": True},
    "png": {"optimize": True},
    "webp": {"quality": 85},
}
#: What the readers raise, beside OSError, at a file that is not what it says.
_BAD_DATA = (ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)
_ORIENTATION_TAG = 0x0112
#: What makes an image upright, by its EXIF orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = frozenset(_TURNS[orientation] for orientation in (5, 6, 7, 8))
_PROFILE_COLOURS = {"RGB": b"RGB ", "RGBA": b"RGB ", "L": b"GRAY"}


class BadImage(ValueError):
    """The file is no image that can be read, or one too large."""


@dataclass(frozen=True, slots=True)
class WrittenImage:
    """What was written."""

    width: int
    height: int
    size_bytes: int


def format_of(destination: Path) -> ImageFormat | None:
    """The format that the file's ending means; None for an ending that is not known."""
    return _BY_SUFFIX.get(destination.suffix.lower())


def write_thumbnail(
    source: Path, destination: Path, *, box: tuple[int, int], image_format: ImageFormat, max_pixels: int
) -> WrittenImage:
    """Write `source`, shrunk to fit into `box` (width, height), to `destination`, whole or not at all.

    It keeps the proportions and the colour profile, never enlarges, turns the image upright as its EXIF says,
    and drops what else the file tells (place, camera, comments).  Of an animation it takes the first picture.

    Raises:
        BadImage: It says why.
        OSError: The source is missing, or a file cannot be read or written.
    """
    if source.exists() and not source.is_file():
        raise BadImage("it is no regular file")
    with _reading(max_pixels), Image.open(source, formats=_READABLE) as image:
        if image.width * image.height > max_pixels:
            raise BadImage(f"{image.width} x {image.height} pixels are more than the limit of {max_pixels:,}")
        thumbnail = _bare(_flattened(_shrunk(image, box), image_format))
    with _replacing(destination) as file:
        options = {**_SAVE_OPTIONS[image_format], "icc_profile": thumbnail.info.get("icc_profile")}
        thumbnail.save(file, image_format.upper(), **options)
        size_bytes = file.tell()
    return WrittenImage(thumbnail.width, thumbnail.height, size_bytes)


@contextmanager
def _reading(max_pixels: int) -> Iterator[None]:
    """Turn what Pillow's decoders raise at bad data into BadImage; errors of the file system pass."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadImage(f"it has more pixels than the limit of {max_pixels:,}") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise BadImage(f"it cannot be read: {error}") from error
    except BadImage:
        raise
    except _BAD_DATA as error:
        raise BadImage(f"it cannot be read: {type(error).__name__}: {error}") from error


def _shrunk(image: Image.Image, box: tuple[int, int]) -> Image.Image:
    """The image within `box` and upright, in a mode that can be scaled smoothly."""
    if image.format in ("JPEG", "MPO"):
        # Left undecoded, so that it can be decoded at a fraction of its size.
        plain = image
    else:
        # Decoded before its EXIF is read: Pillow turns a TIFF upright by itself.
        image.load()
        plain = _scalable(image)
    turn = _TURNS.get(image.getexif().get(_ORIENTATION_TAG, 1))
    plain.thumbnail((box[1], box[0]) if turn in _ON_ITS_SIDE else box, Image.Resampling.LANCZOS)
    plain.load()  # thumbnail() leaves a small image as it is, undecoded
    return plain if turn is None else plain.transpose(turn)


def _scalable(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode.startswith("I") or image.mode == "F":
        # 16 bits of grey: a plain conversion to 8 would clip nearly all to white.
        return image.convert("I").point(lambda value: value / 256).convert("L")
    return image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")


def _flattened(image: Image.Image, image_format: ImageFormat) -> Image.Image:
    """The image in a mode that the format can hold; for JPEG, what is transparent becomes white."""
    if image.mode == "RGBA" and image_format == "jpeg":
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        white.info = image.info
        return white
    return image if image.mode in _PROFILE_COLOURS else image.convert("RGB")


def _bare(image: Image.Image) -> Image.Image:
    """Nothing but the pixels and their colour profile: some savers write whatever is left in `info`."""
    profile = image.info.get("icc_profile")
    # Bytes 16 to 19 name the colours that it describes: one of CMYK would spoil RGB.
    fits = isinstance(profile, bytes) and profile[16:20] == _PROFILE_COLOURS.get(image.mode)
    image.info = {"icc_profile": profile} if fits else {}
    return image


@contextmanager
def _replacing(destination: Path) -> Iterator[BinaryIO]:
    """A new file beside `destination` that takes its place at the end, or vanishes."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(destination)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
