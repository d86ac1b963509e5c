"""The pages of the documentation, and the code blocks in them.

A comment before a block tells the test what to do with it:

    <!-- docs-test: skip: why -->                  it is not run
    <!-- docs-test: may fail -->                   shell: exit codes are not looked at
    <!-- docs-test: background: monarq worker -->  start this first; it runs until the page ends

A Python block whose first line is `# name.py` is a file, and is written instead of run.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("python", "sh")

_FENCE = re.compile(r"^ {0,3}```(\w*)\s*$")
_DIRECTIVE = re.compile(r"^<!-- docs-test: (skip|may fail|background)(?:: (.+))? -->$")
_FILE_NAME = re.compile(r"^# ([\w/]+\.py)$")


@dataclass(frozen=True)
class Block:
    """One fenced block, and the directive before it."""

    line: int
    language: str
    text: str
    directive: str = ""
    detail: str = ""

    @property
    def file_name(self) -> str | None:
        """The file that this block is, if it is one."""
        found = _FILE_NAME.match(self.text.partition("\n")[0])
        return found[1] if found and self.language == "python" else None


def pages() -> list[Path]:
    """Every page that is written by hand."""
    written_by_hand = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md"]
    docs = [path for path in (ROOT / "docs").rglob("*.md") if path.name != "benchmarks.md"]
    return [*written_by_hand, *sorted(docs)]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    language, start, collected = None, 0, []
    directive, detail = "", ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if fence := _FENCE.match(line):
            if language is None:
                language, start, collected = fence[1], number, []
            else:
                yield Block(start, language, "\n".join(collected) + "\n", directive, detail)
                language, directive, detail = None, "", ""
        elif language is not None:
            collected.append(line)
        elif found := _DIRECTIVE.match(line):
            directive, detail = found[1], found[2] or ""
    assert language is None, f"{page.name}:{start}: the block does not end"
