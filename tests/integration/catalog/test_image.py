"""`image.thumbnail` on real image files."""

import asyncio
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from monarq.jobs.catalog import make_thumbnail
from monarq.jobs.catalog.image import ThumbnailReport
from monarq.jobs.context import JobContext
from monarq.jobs.control import Discard
from monarq.jobs.errors import InvalidArguments

Set = Callable[[str, str], None]
RED, BLUE = (255, 0, 0), (0, 0, 255)


def picture(path: Path, size: tuple[int, int] = (400, 200), mode: str = "RGB", **options: Any) -> Path:
    """Red, with a blue left half."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (0, 0, size[0] // 2, size[1]))
    image.convert(mode).save(path, **options)
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def shrink(ctx: JobContext, source: Path, destination: Path, **options: Any) -> ThumbnailReport:
    return await make_thumbnail(ctx, source=str(source), destination=str(destination), **options)


@pytest.mark.parametrize(
    ("box", "size"),
    [((100, 100), (100, 50)), ((1000, 50), (100, 50)), ((100, 1000), (100, 50)), ((4000, 4000), (400, 200))],
)
async def test_it_fits_into_the_box_keeps_the_proportions_and_never_grows(
    ctx: JobContext, tmp_path: Path, box: tuple[int, int], size: tuple[int, int]
) -> None:
    source, target = picture(tmp_path / "in.jpg"), tmp_path / "new" / "out.png"
    report = await shrink(ctx, source, target, max_width=box[0], max_height=box[1])
    with Image.open(target) as image:
        assert (image.size, image.format) == (size, "PNG")
    assert report == ThumbnailReport(str(target), *size, target.stat().st_size)


@pytest.mark.parametrize(
    ("name", "wanted", "written"),
    [("a.jpg", None, "JPEG"), ("a.JPEG", None, "JPEG"), ("a.webp", None, "WEBP"), ("a.bin", "png", "PNG")],
)
async def test_the_format_is_the_one_asked_for_or_that_of_the_ending(
    ctx: JobContext, tmp_path: Path, name: str, wanted: str | None, written: str
) -> None:
    await shrink(ctx, picture(tmp_path / "in.png"), tmp_path / name, format=wanted)
    with Image.open(tmp_path / name) as image:
        assert image.format == written


@pytest.mark.parametrize("ending", ["png", "gif", "bmp", "tiff", "webp", "jpg"])
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "I;16", "I", "F"])
@pytest.mark.parametrize("target", ["jpeg", "png", "webp"])
async def test_any_mode_of_any_format_can_be_written_to_any_other(
    ctx: JobContext, tmp_path: Path, mode: str, ending: str, target: str
) -> None:
    try:
        image = Image.new("RGB", (64, 32), "gray").convert("I" if mode == "I;16" else mode)
        (image.convert("I;16") if mode == "I;16" else image).save(tmp_path / f"in.{ending}")
    except (OSError, ValueError):
        return  # this format cannot hold this mode
    report = await shrink(
        ctx, tmp_path / f"in.{ending}", tmp_path / "out", format=target, max_width=8, max_height=8
    )
    assert (report.width, report.height) == (8, 4)


@pytest.mark.parametrize(
    ("orientation", "size", "blue"),
    [
        (1, (100, 50), (0, 0)),
        (2, (100, 50), (99, 0)),
        (3, (100, 50), (99, 49)),
        (6, (50, 100), (0, 0)),
        (8, (50, 100), (0, 99)),
    ],
)
@pytest.mark.parametrize("source_name", ["in.jpg", "in.png", "in.tiff", "in.webp"])
async def test_a_turned_photograph_comes_out_upright(
    ctx: JobContext,
    tmp_path: Path,
    source_name: str,
    orientation: int,
    size: tuple[int, int],
    blue: tuple[int, int],
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    source = picture(tmp_path / source_name, exif=exif)
    report = await shrink(ctx, source, tmp_path / "out.png", max_width=size[0], max_height=size[1])
    assert (report.width, report.height) == size
    with Image.open(tmp_path / "out.png") as image:
        red, _, blueness = image.convert("RGB").getpixel(blue)  # type: ignore[misc]
        assert blueness > 200 > 50 > red
        assert image.getexif().get(0x0112) is None


@pytest.mark.parametrize("target", ["out.jpg", "out.png", "out.webp"])
async def test_place_camera_and_comments_are_dropped(ctx: JobContext, tmp_path: Path, target: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "CANARY maker"
    exif.get_ifd(0x8825)[1] = "CANARY place"
    options: dict[str, Any] = {"exif": exif, "comment": b"CANARY comment", "xmp": b"<x>CANARY xmp</x>"}
    text = PngInfo()
    text.add_text("Comment", "CANARY text")
    sources = (
        picture(tmp_path / "in.jpg", **options),
        picture(tmp_path / "in.png", pnginfo=text, exif=exif),
        picture(tmp_path / "in.webp", exif=exif, xmp=options["xmp"]),
        picture(tmp_path / "in.gif", comment=b"CANARY gif"),
    )
    for source in sources:
        assert b"CANARY" in source.read_bytes()
        await shrink(ctx, source, tmp_path / target)
        assert b"CANARY" not in (tmp_path / target).read_bytes()


async def test_the_colour_profile_stays_unless_it_is_of_other_colours(
    ctx: JobContext, tmp_path: Path
) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for mode, kept in (("RGB", True), ("CMYK", False)):
        cmyk = profile[:16] + b"CMYK" + profile[20:]
        source = picture(tmp_path / "in.jpg", mode=mode, icc_profile=profile if mode == "RGB" else cmyk)
        for target in ("out.jpg", "out.png", "out.webp"):
            await shrink(ctx, source, tmp_path / target)
            with Image.open(tmp_path / target) as image:
                assert (image.info.get("icc_profile") is not None) is kept


async def test_what_is_transparent_becomes_white_in_a_jpeg_and_stays_in_a_png(
    ctx: JobContext, tmp_path: Path
) -> None:
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(tmp_path / "in.png")
    await shrink(ctx, tmp_path / "in.png", tmp_path / "out.jpg")
    await shrink(ctx, tmp_path / "in.png", tmp_path / "out.png")
    with Image.open(tmp_path / "out.jpg") as jpeg, Image.open(tmp_path / "out.png") as png:
        assert jpeg.getpixel((5, 5)) == (255, 255, 255)
        assert png.mode == "RGBA"


async def test_16_bit_grey_keeps_its_tones(ctx: JobContext, tmp_path: Path) -> None:
    Image.new("I;16", (40, 40), 0x8000).save(tmp_path / "in.png")
    await shrink(ctx, tmp_path / "in.png", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        assert image.getpixel((5, 5)) == 0x80


async def test_a_second_run_writes_the_same_file_and_leaves_nothing_beside_it(
    ctx: JobContext, tmp_path: Path
) -> None:
    source, target = picture(tmp_path / "in.jpg"), tmp_path / "out.jpg"
    await asyncio.gather(*(shrink(ctx, source, target) for _ in range(8)))
    first = target.read_bytes()
    await shrink(ctx, source, target)
    assert target.read_bytes() == first
    assert names_in(tmp_path) == ["in.jpg", "out.jpg"]


async def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    ctx: JobContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = picture(tmp_path / "in.jpg"), tmp_path / "out.jpg"
    target.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        await shrink(ctx, source, target)
    assert target.read_bytes() == b"old"
    assert names_in(tmp_path) == ["in.jpg", "out.jpg"]


async def test_a_missing_source_is_tried_again(ctx: JobContext, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await shrink(ctx, tmp_path / "later.jpg", tmp_path / "out.jpg")
    assert names_in(tmp_path) == []


def a_bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be that large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("size", [(8000, 8000), (12_000, 9_000), (60_000, 60_000)])
async def test_an_image_with_too_many_pixels_is_discarded_before_it_is_decoded(
    ctx: JobContext, tmp_path: Path, size: tuple[int, int]
) -> None:
    (tmp_path / "in.png").write_bytes(a_bomb(*size))
    with pytest.raises(Discard, match=r"^in\.png: .*pixels.* than the limit of 50,000,000$"):
        await shrink(ctx, tmp_path / "in.png", tmp_path / "out.png")


async def test_the_limit_of_pixels_is_a_setting(ctx: JobContext, tmp_path: Path, settings: Set) -> None:
    settings("MONARQ_IMAGE_MAX_PIXELS", "79999")
    with pytest.raises(Discard, match="400 x 200 pixels are more than the limit of 79,999"):
        await shrink(ctx, picture(tmp_path / "in.png"), tmp_path / "out.png")


def half_a_jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((200, 200), 50).save(buffer, "JPEG")
    return buffer.getvalue()[:4000]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.png", b""),
        ("text.png", b"not an image"),
        ("half.jpg", half_a_jpeg()),
        ("broken.png", a_bomb(10, 10)),
        ("of_no_listed_format.ppm", b"P6 1 1 255\n\x00\x00\x00"),
        ("program.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"),
    ],
)
async def test_what_is_no_readable_image_is_discarded_with_the_reason(
    ctx: JobContext, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Discard, match=f"^{name}: it cannot be read"):
        await shrink(ctx, tmp_path / name, tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


async def test_arguments_that_cannot_work_are_discarded(ctx: JobContext, tmp_path: Path) -> None:
    source = picture(tmp_path / "in.png")
    with pytest.raises(Discard, match="same file"):
        await shrink(ctx, source, tmp_path / "." / "in.png")
    with pytest.raises(Discard, match="names no known format"):
        await shrink(ctx, source, tmp_path / "out.bin")
    with pytest.raises(Discard, match="NUL"):
        await shrink(ctx, source, tmp_path / "a\0.png")
    with pytest.raises(Discard, match="regular file"):
        await shrink(ctx, tmp_path, tmp_path / "out.png")


async def test_paths_below_the_media_root_are_taken(ctx: JobContext, tmp_path: Path, settings: Set) -> None:
    settings("MONARQ_MEDIA_ROOT", str(tmp_path))
    picture(tmp_path / "in.png")
    await make_thumbnail(ctx, source="in.png", destination="small/out.png")
    await make_thumbnail(ctx, source=str(tmp_path / "in.png"), destination="small/../out.png")
    assert (tmp_path / "small" / "out.png").exists()
    assert (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    "path", ["../in.png", "a/../../in.png", "{outside}/in.png", "link/in.png", "file.png"]
)
async def test_no_path_leads_out_of_the_media_root(
    ctx: JobContext, tmp_path: Path, settings: Set, path: str
) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    picture(outside / "in.png")
    picture(root / "good.png")
    (root / "link").symlink_to(outside)
    (root / "file.png").symlink_to(outside / "in.png")
    before = (outside / "in.png").read_bytes()
    settings("MONARQ_MEDIA_ROOT", str(root))
    path = path.format(outside=outside)
    with pytest.raises(Discard, match="leads out of MONARQ_MEDIA_ROOT"):
        await make_thumbnail(ctx, source=path, destination="out.png")
    with pytest.raises(Discard, match="leads out of MONARQ_MEDIA_ROOT"):
        await make_thumbnail(ctx, source="good.png", destination=path)
    assert (outside / "in.png").read_bytes() == before


async def test_the_event_loop_goes_on_meanwhile(ctx: JobContext, tmp_path: Path) -> None:
    source = picture(tmp_path / "in.png", (4000, 4000))
    job = asyncio.create_task(shrink(ctx, source, tmp_path / "out.png"))
    turns = 0
    while not job.done():
        await asyncio.sleep(0)
        turns += 1
    await job
    assert turns > 10


@pytest.mark.parametrize(
    "arguments", [{"max_width": 0}, {"max_height": 100_000}, {"format": "exe"}, {"source": ""}]
)
def test_faults_are_told_at_the_enqueue(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArguments) as refusal:
        make_thumbnail.of(**{"source": "a.png", "destination": "b.png", **arguments})
    assert list(refusal.value.faults) == list(arguments)
