"""The documents: their text, their links, and the commands that they show."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.places import ROOT

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "benchmarks").glob("*.md"),
        *(ROOT / "deploy").glob("*/README.md"),
        *(ROOT / "models").glob("*/README.md"),
        ROOT / "converter" / "photos" / "README.md",
        ROOT / "tests" / "data" / "README.md",
    ]
)
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
PRESENT = {page: text for page, text in TEXTS.items() if page.name != "CHANGELOG.md"}  # what is said of today
_BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")


def name_of(page: Path) -> str:
    """The page's path in the repository."""
    return str(page.relative_to(ROOT))


def prose(text: str) -> str:
    """The text without its blocks of code."""
    return _BLOCK.sub("", text)


def links(text: str) -> list[str]:
    """What the links and pictures of a page lead to, but for other sites."""
    found = [one or other for one, other in _LINK.findall(prose(text))]
    return [each for each in found if not re.match(r"[a-z]+:", each)]


def anchors(text: str) -> set[str]:
    """What GitHub makes of the headings of a page."""
    found: set[str] = set()
    for title in re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")
        found.add(next(each for each in _numbered(slug) if each not in found))
    return found


def _numbered(slug: str) -> Iterator[str]:
    yield slug
    number = 0
    while True:
        number += 1
        yield f"{slug}-{number}"


def commands() -> Iterator[tuple[str, str]]:
    """The commands in blocks of shell of all pages, each with the name of its page; lines that go on are joined."""
    for page, text in PRESENT.items():
        for language, block in _BLOCK.findall(text):
            if language in ("sh", "console"):
                lines = block.replace("\\\n", " ").splitlines()
                yield from ((name_of(page), line.strip().removeprefix("$ ")) for line in lines if line.strip())


def answer_and_example(page: str, command: str, example: str, url: str) -> tuple[Any, Any]:
    """What the server at `url` answers to the first curl `command` of a page, and the JSON that stands there for it.

    Both are found by regular expressions with one group.
    """
    shown, said = re.search(command, page, re.MULTILINE), re.search(example, page, re.DOTALL)
    assert shown
    assert said
    words = shlex.split(shown[1].replace("localhost:8000", url))
    done = subprocess.run([*words, "--silent", "--show-error"], cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout), json.loads(said[1])
