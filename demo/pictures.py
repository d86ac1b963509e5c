"""Paints the photographs that the thumbnails are made of: landscapes with grain, each another one."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageOps

Colour = tuple[int, int, int]

_SKIES: Sequence[tuple[Colour, Colour, Colour]] = (
    ((24, 36, 92), (214, 120, 90), (255, 214, 140)),
    ((30, 90, 170), (120, 180, 230), (235, 244, 252)),
    ((12, 14, 40), (60, 50, 110), (190, 110, 150)),
    ((70, 110, 130), (170, 190, 180), (250, 236, 200)),
)
#: Every fourth is a PNG, as screenshots are.
_SIZES = ((1600, 1200), (1200, 1600), (1920, 1080), (900, 600))
#: The longer side of the smallest, in pixels.
SMALLEST_PICTURE = 900


def paint_all(folder: Path, count: int, seed: int = 7) -> list[Path]:
    """Paint `count` pictures into the folder, in parallel; their paths, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"photo-{number:02}.{'png' if number % 4 == 3 else 'jpg'}" for number in range(count)]
    with ThreadPoolExecutor(max_workers=4) as threads:
        list(threads.map(_save, paths, range(seed, seed + count)))
    return paths


def _save(path: Path, seed: int) -> None:
    picture = _paint(_SIZES[seed % 3] if path.suffix == ".jpg" else _SIZES[3], Random(seed))
    # the level is for PNG, whose default would take five times as long
    picture.save(path, quality=90, compress_level=1)


def _paint(size: tuple[int, int], random: Random) -> Image.Image:
    low, middle, high = random.choice(_SKIES)
    light = Image.linear_gradient("L").resize(size, Image.Resampling.BILINEAR)
    picture = ImageOps.colorize(light, low, high, middle)
    draw = ImageDraw.Draw(picture)
    _sun(draw, size, random)
    for depth in range(1, 5):
        _mountains(draw, size, depth, random)
    return _with_grain(picture)


def _sun(draw: ImageDraw.ImageDraw, size: tuple[int, int], random: Random) -> None:
    width, height = size
    x, y, radius = random.randrange(width), random.randrange(height // 2), height // random.randint(8, 20)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 240, random.randint(170, 230)))


def _mountains(draw: ImageDraw.ImageDraw, size: tuple[int, int], depth: int, random: Random) -> None:
    width, height = size
    ground = height * (0.45 + 0.11 * depth)
    ridge = [(width * step / 12, ground - random.uniform(0, height * 0.25 / depth)) for step in range(-1, 14)]
    shade = 120 - 24 * depth
    colour = (shade, shade + random.randint(0, 30), shade + random.randint(0, 40))
    draw.polygon([(0, height), *ridge, (width, height)], fill=colour)


def _with_grain(picture: Image.Image) -> Image.Image:
    # one small tile of noise, enlarged: film grain has a size, and noise for each pixel would take long
    grain = Image.effect_noise((picture.width // 2, picture.height // 2), 24).resize(picture.size)
    return ImageChops.overlay(picture, Image.merge("RGB", (grain, grain, grain)))
