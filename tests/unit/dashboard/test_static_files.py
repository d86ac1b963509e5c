"""The files that pages load: ours and those of others."""

import gzip
import hashlib
import re

from monarq.dashboard.pages.files import FOLDER, files
from monarq.dashboard.pages.rendering import TEMPLATES

VENDOR = FOLDER / "vendor"
#: What the first view loads beside its HTML, without the interactive charts.
FIRST_VIEW = ("monarq.css", "vendor/htmx-4.0.1.min.js", "page.js", "keys.js", "live.js", "icon.svg")


def test_the_files_of_others_are_what_their_packages_hold() -> None:
    told = dict(re.findall(r"^([0-9a-f]{64})  (\S+)$", (VENDOR / "VENDORED.txt").read_text(), re.M))
    told = {name: digest for digest, name in told.items()}
    held = {path.name for path in VENDOR.iterdir()} - {"VENDORED.txt"}
    assert set(told) == held
    for name, digest in told.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name


def test_the_files_of_others_say_their_version_and_come_with_their_licence() -> None:
    notes = (VENDOR / "VENDORED.txt").read_text()
    for name in ("htmx.org", "uplot"):
        assert f"---- {name}\n" in notes
    assert 'this.version="4.0.1"' in (VENDOR / "htmx-4.0.1.min.js").read_text()
    assert "v1.6.32" in (VENDOR / "uplot-1.6.32.min.js").read_text()[:300]


def test_a_name_holds_the_digest_of_its_content() -> None:
    for name, file in files().items():
        digest = hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:10]
        assert f"-{digest}." in file.address
        assert gzip.decompress(file.packed) == file.body


def test_the_first_view_is_light() -> None:
    known = files()
    packed = sum(len(known[name].packed) for name in FIRST_VIEW if name in known)
    assert packed <= 29 * 1024, "with 6 KiB of HTML the first view is 35 KiB"


FORBIDDEN = (
    r"<script(?![^>]*\bsrc=)[^>]*>",
    r"<style\b",
    r"\sstyle\s*=",
    r"\son[a-z]+=[\"']",
    r"\|\s*safe\b",
    r"hx-on",
    r"\bjs:",
    r"(?:href|src|action)=\"/",
    r"https?://\S+",
)


def test_no_template_needs_what_the_policy_of_the_site_forbids() -> None:
    pages = [(path.name, path.read_text()) for path in sorted(TEMPLATES.rglob("*.html"))]
    assert len(pages) > 10
    found = [f"{name}: {hit}" for name, text in pages for sign in FORBIDDEN for hit in re.findall(sign, text)]
    assert found == []


def test_no_script_makes_html_of_text() -> None:
    sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser"
    ours = [(path.name, path.read_text()) for path in FOLDER.glob("*.js")]
    assert [f"{name}: {hit}" for name, text in ours for hit in re.findall(sinks, text)] == []
